/// A stored revision of a user's key (mvccpb.KeyValue), its key and value as ranges of the buffer it was read from.
struct KeyValue {
    var key: Range<Int> = 0..<0
    var createRevision: Int64 = 0
    var modRevision: Int64 = 0
    var version: Int64 = 0
    var value: Range<Int> = 0..<0
    var lease: Int64 = 0
    /// Whether there was a field that no etcd writes.
    var hasUnknownFields = false

    /// Reads the message in `range`: 1 key, 2 create_revision, 3 mod_revision, 4 version, 5 value, 6 lease.
    init(_ bytes: RawSpan, range: Range<Int>) throws(ProtobufReader.Malformed) {
        var reader = ProtobufReader(range)
        while !reader.isAtEnd {
            let (field, value) = try reader.next(bytes)
            switch (field, value) {
            case (1, .bytes(let range)): key = range
            case (2, .varint(let number)): createRevision = Int64(bitPattern: number)
            case (3, .varint(let number)): modRevision = Int64(bitPattern: number)
            case (4, .varint(let number)): version = Int64(bitPattern: number)
            case (5, .bytes(let range)): self.value = range
            case (6, .varint(let number)): lease = Int64(bitPattern: number)
            default: hasUnknownFields = true
            }
        }
    }
}

/// The key of an entry in the `key` bucket: main i64 big-endian, `_`, sub i64 big-endian, and `t` for a tombstone.
struct Revision: Equatable, Sendable {
    var main: Int64
    var sub: Int64
    var isTombstone: Bool

    /// nil for bytes that are no revision: another length, another separator, a negative number.
    @inline(__always)
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount == 17 || bytes.byteCount == 18, bytes.byte(at: 8) == UInt8(ascii: "_") else { return nil }
        if bytes.byteCount == 18, bytes.byte(at: 17) != UInt8(ascii: "t") { return nil }
        main = Int64(bitPattern: bytes.u64BigEndian(at: 0))
        sub = Int64(bitPattern: bytes.u64BigEndian(at: 9))
        isTombstone = bytes.byteCount == 18
        guard main >= 0, sub >= 0 else { return nil }
    }

    init(main: Int64, sub: Int64 = 0) {
        self.main = main
        self.sub = sub
        isTombstone = false
    }

    /// The 17 or 18 bytes of the key.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(u64BigEndian: UInt64(bitPattern: main))
        bytes.append(UInt8(ascii: "_"))
        bytes.append(u64BigEndian: UInt64(bitPattern: sub))
        if isTombstone { bytes.append(UInt8(ascii: "t")) }
        return bytes
    }
}
