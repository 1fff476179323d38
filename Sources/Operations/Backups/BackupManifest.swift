internal import Crypto
package import Foundation

/// What a backup holds, as JSON beside it. Written last, and once: what has no manifest is no backup.
package struct BackupManifest: Codable, Sendable, Equatable {
    /// One object of a backup.
    package struct Part: Codable, Sendable, Equatable {
        /// The object's name in the backup's folder: `snapshot.db.zst.age`.
        package var name: String
        /// What it is once it is decrypted and decompressed: `snapshot.db`.
        package var content: String
        /// Bytes, and SHA-256 in hexadecimal, of the content and of the object.
        package var plainBytes: UInt64
        package var plainSHA256: String
        package var storedBytes: UInt64
        package var storedSHA256: String
        /// `zstd`, or nil.
        package var compression: String?
        /// `age`, or nil.
        package var encryption: String?
    }

    package struct KeyValueHash: Codable, Sendable, Equatable {
        package var revision: Int64
        package var compactRevision: Int64
        /// etcd's HashKV at that revision.
        package var hash: UInt32
    }

    package struct Member: Codable, Sendable, Equatable {
        package var name: String
        package var peerURLs: [String]
    }

    package static let name = "manifest.json"
    /// Of this form of manifest.
    package static let currentFormat = 1
    package static let snapshot = "snapshot.db"

    package var format = Self.currentFormat
    /// As the person who made it calls the cluster.
    package var cluster: String
    /// etcd's, in hexadecimal.
    package var clusterID: String
    package var createdAt: Date
    /// Of the store when the snapshot was begun.
    package var revision: Int64
    package var keyValueHash: KeyValueHash?
    package var etcdVersion: String
    package var endpoint: String
    /// etcd's, when the snapshot was made.
    package var members: [Member]?
    /// Those whose files the backup holds.
    package var controlPlaneNodes: [String]?
    /// How long it took to make, up to the manifest.
    package var seconds: Double?
    package var drydock: String
    /// `age1…`, of those who can read it; their keys are not secret.
    package var recipients: [String]
    package var parts: [Part]
    /// SHA-256 of the manifest itself, with zeros in this place: what names all others must not change unseen.
    private var digest = Self.noDigest

    private static let noDigest = String(repeating: "0", count: 64)

    /// Of all parts, bytes.
    package var plainBytes: UInt64 { parts.reduce(0) { $0 + $1.plainBytes } }
    package var storedBytes: UInt64 { parts.reduce(0) { $0 + $1.storedBytes } }

    /// So large that nobody has it, and so small that sums do not overflow, bytes.
    private static let largestPart: UInt64 = 1 << 50
    private static let mostParts = 16

    /// Whether a folder has a name that we give.
    static func isFolder(_ name: some StringProtocol) -> Bool {
        let pattern = Array("0000-00-00T00:00:00Z-".utf8)
        let bytes = Array(name.utf8)
        return bytes.count > pattern.count && zip(bytes, pattern).allSatisfy { $1 == 48 ? (48...57).contains($0) : $0 == $1 }
            && bytes[pattern.count...].allSatisfy { (48...57).contains($0) }
    }

    /// `2026-11-25T02:00:00Z-1042`, the folder of the backup within that of its cluster.
    package static func folder(at time: Date, revision: Int64) -> String { "\(time.formatted(.iso8601))-\(revision)" }

    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        var blank = self
        blank.digest = Self.noDigest
        let bytes = Array(try encoder.encode(blank))
        guard let place = Self.placeOfDigest(in: bytes) else { throw OperationError(.invalid, "the manifest has no place for its digest.") }
        return Array(bytes[..<place.lowerBound]) + Array(SHA256.hash(data: bytes).hexadecimal.utf8) + Array(bytes[place.upperBound...])
    }

    /// Where the 64 digits stand in the text.
    private static func placeOfDigest(in bytes: [UInt8]) -> Range<Int>? {
        let name = Array("\"digest\" : \"".utf8)
        guard let start = bytes.firstRange(of: name)?.upperBound, start + 64 < bytes.count, bytes[start + 64] == UInt8(ascii: "\"") else {
            return nil
        }
        return start..<start + 64
    }

    /// Whether the text is what was written.
    private static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard let place = placeOfDigest(in: bytes) else { return false }
        var blank = bytes
        blank.replaceSubrange(place, with: noDigest.utf8)
        return SHA256.hash(data: blank).hexadecimal.utf8.elementsEqual(bytes[place])
    }

    /// - Throws: `OperationError` for what is no manifest of ours.
    package init(parsing bytes: [UInt8], from place: String) throws {
        struct Format: Decodable { var format: Int }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let data = Data(bytes)
        guard let format = (try? decoder.decode(Format.self, from: data))?.format else {
            throw OperationError(.damaged, "\(place) is no manifest of drydock, or damaged. Use another backup, or another location.")
        }
        guard format <= Self.currentFormat else {
            throw OperationError(.invalid, "\(place) was written by a newer drydock (format \(format)). Use that one to read it.")
        }
        guard Self.isWhole(bytes) else {
            throw OperationError(.damaged, "\(place) is not as it was written: its own SHA-256 is another. Use another backup, or another location.")
        }
        do { self = try decoder.decode(Self.self, from: data) } catch { throw OperationError(.damaged, "\(place) is damaged: \(error)") }
        let areSane = parts.allSatisfy {
            !$0.name.contains("/") && $0.name != Self.name && $0.plainBytes <= Self.largestPart && $0.storedBytes <= Self.largestPart
        }
        guard areSane, parts.count <= Self.mostParts, Set(parts.map(\.name)).count == parts.count,
            parts.contains(where: { $0.content == Self.snapshot }), UInt64(clusterID, radix: 16) != nil, revision >= 0
        else { throw OperationError(.damaged, "\(place) says what no backup has. Use another backup.") }
    }

    package init(
        cluster: String, clusterID: String, createdAt: Date, revision: Int64, keyValueHash: KeyValueHash?, etcdVersion: String, endpoint: String,
        members: [Member]? = nil, controlPlaneNodes: [String]? = nil, seconds: Double? = nil, drydock: String, recipients: [String], parts: [Part]
    ) {
        self.cluster = cluster
        self.clusterID = clusterID
        self.createdAt = createdAt
        self.revision = revision
        self.keyValueHash = keyValueHash
        self.etcdVersion = etcdVersion
        self.endpoint = endpoint
        self.members = members
        self.controlPlaneNodes = controlPlaneNodes
        self.seconds = seconds
        self.drydock = drydock
        self.recipients = recipients
        self.parts = parts
    }
}
