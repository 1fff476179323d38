internal import ProtobufWire

/// A record of the write-ahead log (server/storage/wal): its type and data, framed and chained by checksums.
enum WALRecord {
    enum Kind: UInt64 {
        case metadata = 1
        case entry = 2
        case state = 3
        case crc = 4
        case snapshot = 5
    }

    /// The size etcd gives every segment from the start: 64 · 1000 · 1000 bytes.
    static let segmentSize = 64_000_000

    /// A segment's name: its number and the first raft index that it may hold.
    static func segmentName(sequence: UInt64, index: UInt64) -> String {
        "\(hex16(sequence))-\(hex16(index)).wal"
    }

    static func hex16(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Writes records into memory, in order: the log of a restored member is well under a page a member.
struct WALWriter {
    private(set) var bytes: [UInt8] = []
    private var chain: CRC32C

    /// - Parameter previous: the chain's value at the end of the segment before; 0 for the first.
    init(previous: UInt32 = 0) {
        chain = CRC32C(previous)
        append(kind: .crc, data: nil)
    }

    /// Frame: u64 little-endian with the record's length in its low 56 bits and, when the record is padded to 8 bytes, 0x80 | padding in
    /// the top byte. Record: 1 type, 2 crc of the chain with this record's data, 3 data.
    mutating func append(_ kind: WALRecord.Kind, _ data: [UInt8]) { append(kind: kind, data: data) }

    private mutating func append(kind: WALRecord.Kind, data: [UInt8]?) {
        if let data { chain.update(data.span.bytes) }
        var record = ProtobufWriter()
        record.varint(1, kind.rawValue)
        record.varint(2, UInt64(chain.value))
        if let data { record.bytes(3, data) }
        let padding = (8 - record.bytes.count % 8) % 8
        bytes.append(u64: UInt64(record.bytes.count) | (padding > 0 ? UInt64(0x80 | padding) << 56 : 0))
        bytes += record.bytes
        bytes.append(contentsOf: repeatElement(0, count: padding))
    }

    /// The first segment of `member` in a cluster that begins with `identity`: what `etcdutl snapshot restore` writes.
    static func restored(_ identity: ClusterIdentity, member: Member) -> [UInt8] {
        let count = UInt64(identity.members.count)
        var metadata = ProtobufWriter()
        metadata.varint(1, member.id)
        metadata.varint(2, identity.clusterID)
        var writer = WALWriter()
        writer.append(.metadata, metadata.bytes)
        writer.append(.snapshot, WALSnapshot(index: 0, term: 0).encoded)
        for (index, member) in identity.members.enumerated() {
            writer.append(.entry, AddMemberEntry(index: UInt64(index) + 1, member: member).encoded)
        }
        writer.append(.state, HardState(term: 1, vote: identity.members[0].id, commit: count).encoded)
        let confState = ConfState(voters: identity.members.map(\.id))
        writer.append(.snapshot, WALSnapshot(index: count, term: 1, confState: confState).encoded)
        return writer.bytes
    }
}
