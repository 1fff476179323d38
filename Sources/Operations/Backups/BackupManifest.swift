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

    /// `2026-11-25T02:00:00Z-1042`, the folder of the backup within that of its cluster.
    package static func folder(at time: Date, revision: Int64) -> String { "\(time.formatted(.iso8601))-\(revision)" }

    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    /// - Throws: `OperationError` for what is no manifest of ours.
    package init(parsing bytes: [UInt8], from place: String) throws {
        struct Format: Decodable { var format: Int }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let data = Data(bytes)
        guard let format = (try? decoder.decode(Format.self, from: data))?.format else {
            throw OperationError(.invalid, "\(place) is no manifest of drydock.")
        }
        guard format <= Self.currentFormat else {
            throw OperationError(.invalid, "\(place) was written by a newer drydock (format \(format)). Use that one to read it.")
        }
        do { self = try decoder.decode(Self.self, from: data) } catch { throw OperationError(.invalid, "\(place) is damaged: \(error)") }
        guard parts.allSatisfy({ !$0.name.contains("/") && $0.name != Self.name }), Set(parts.map(\.name)).count == parts.count else {
            throw OperationError(.invalid, "\(place) names parts that no backup has.")
        }
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
