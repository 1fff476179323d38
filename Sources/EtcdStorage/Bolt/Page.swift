/// The 16 bytes before every page run (bbolt, `internal/common/page.go`): id u64, flags u16, count u16, overflow u32.
struct PageHeader: Equatable, Sendable {
    static let byteCount = 16

    enum Kind: UInt16, Sendable {
        case branch = 0x01
        case leaf = 0x02
        case meta = 0x04
        case freelist = 0x10
    }

    /// The page's own number; 0 in the image of an inline bucket.
    var id: UInt64
    /// nil for flags that bbolt never writes.
    var kind: Kind?
    var count: UInt16
    /// How many more pages belong to this run.
    var overflow: UInt32

    init(id: UInt64, kind: Kind, count: UInt16, overflow: UInt32) {
        self.id = id
        self.kind = kind
        self.count = count
        self.overflow = overflow
    }

    /// Reads the header at `offset`; the caller has checked that 16 bytes are there.
    @inline(__always)
    init(_ bytes: RawSpan, at offset: Int) {
        id = bytes.u64(at: offset)
        kind = Kind(rawValue: bytes.u16(at: offset + 8))
        count = bytes.u16(at: offset + 10)
        overflow = bytes.u32(at: offset + 12)
    }

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(u64: id)
        bytes.append(u16: kind?.rawValue ?? 0)
        bytes.append(u16: count)
        bytes.append(u32: overflow)
        return bytes
    }
}

/// One element of a leaf: flags u32 (1 = the value is a bucket), pos u32 (from the start of the element), ksize u32, vsize u32.
struct LeafElement: Sendable {
    static let byteCount = 16

    var isBucket: Bool
    /// Where key and value lie in the buffer that holds the page.
    var key: Range<Int>
    var value: Range<Int>

    /// Reads element `index` of the page run that fills `run` of `bytes`; nil when it reaches outside the run or has flags
    /// that bbolt never writes. The caller has checked that the element table is inside.
    @inline(__always)
    init?(_ bytes: RawSpan, run: Range<Int>, index: Int) {
        let at = run.lowerBound + PageHeader.byteCount + index * Self.byteCount
        let flags = bytes.u32(at: at)
        // Four u32 added up in 64 bits cannot overflow.
        let keyStart = at + Int(bytes.u32(at: at + 4))
        let keyEnd = keyStart + Int(bytes.u32(at: at + 8))
        let valueEnd = keyEnd + Int(bytes.u32(at: at + 12))
        guard flags <= 1, valueEnd <= run.upperBound else { return nil }
        isBucket = flags == 1
        key = keyStart..<keyEnd
        value = keyEnd..<valueEnd
    }
}

/// One element of a branch: pos u32 (from the start of the element), ksize u32, child page u64.
struct BranchElement: Sendable {
    static let byteCount = 16

    /// Where the key lies in the buffer that holds the page.
    var key: Range<Int>
    var child: UInt64

    /// As for a leaf: nil when the key reaches outside the run.
    init?(_ bytes: RawSpan, run: Range<Int>, index: Int) {
        let at = run.lowerBound + PageHeader.byteCount + index * Self.byteCount
        let keyStart = at + Int(bytes.u32(at: at))
        let keyEnd = keyStart + Int(bytes.u32(at: at + 4))
        guard keyEnd <= run.upperBound else { return nil }
        key = keyStart..<keyEnd
        child = bytes.u64(at: at + 8)
    }
}
