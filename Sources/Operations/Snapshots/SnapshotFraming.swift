internal import Crypto
internal import Etcd
internal import Foundation

/// Checks the stream of a snapshot as it passes: a database of the length that was announced, and behind it its SHA-256.
struct SnapshotFraming {
    private var hasher = SHA256()
    private var trailer: [UInt8] = []
    /// Bytes of the database; nil before the first piece.
    private(set) var expected: UInt64?
    private(set) var received: UInt64 = 0

    /// - Throws: when the piece does not fit what was announced.
    mutating func take(_ blob: UnsafeRawBufferPointer, remaining: UInt64) throws {
        let (total, overflow) = remaining.addingReportingOverflow(UInt64(blob.count))
        guard !overflow, total <= UInt64(Int64.max) else { throw Self.broken("the server announced an impossible size") }
        // The first message says how long the database is: what it holds and what is to follow.
        let expected = expected ?? total
        self.expected = expected
        let database = UnsafeRawBufferPointer(rebasing: blob.prefix(Int(min(UInt64(blob.count), expected - received))))
        let rest = blob.dropFirst(database.count)
        guard trailer.count + rest.count <= SHA256.byteCount else { throw Self.broken("more bytes came than were announced") }
        hasher.update(bufferPointer: database)
        received += UInt64(database.count)
        trailer += rest
    }

    /// - Returns: the size of the database and its digest.
    func finish(endpoint: Endpoint) throws -> (UInt64, String) {
        guard let expected, expected > 0, received == expected else {
            throw Self.broken("\(endpoint) sent \(received) of \(expected ?? 0) bytes")
        }
        guard trailer.count == SHA256.byteCount else {
            throw Self.broken("\(endpoint) sent no SHA-256 after the database, so nothing says that it is whole")
        }
        let computed = hasher.finalize()
        guard computed == trailer else { throw Self.broken("the SHA-256 of what \(endpoint) sent is not the one it sent with it") }
        return (expected, computed.hexadecimal)
    }

    private static func broken(_ what: String) -> EtcdError {
        EtcdError(.server, "the snapshot is not whole: \(what). Nothing was kept; run again, or name another endpoint.")
    }
}

extension SHA256Digest {
    var hexadecimal: String { map { String(format: "%02x", $0) }.joined() }
}
