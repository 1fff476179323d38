/// A bbolt meta page: where the root bucket is and how far the file is in use.
///
/// Layout (bbolt, `internal/common/meta.go`), little-endian, 64 bytes after the page header: magic u32, version u32,
/// pageSize u32, flags u32, root page u64, root sequence u64, freelist page u64, high-water page u64, txid u64,
/// FNV-1a 64 checksum u64 over the 56 bytes before it.
struct Meta: Equatable, Sendable {
    static let magic: UInt32 = 0xED0C_DAED
    static let version: UInt32 = 2
    /// The value of `freelist` when the free pages are not stored; etcd never stores them on Linux.
    static let noFreelist: UInt64 = .max
    /// Bytes of a meta page that mean something: header and payload.
    static let byteCount = PageHeader.byteCount + 64

    var pageSize: UInt32
    var root: UInt64
    var rootSequence: UInt64 = 0
    var freelist: UInt64 = Meta.noFreelist
    /// The first page that was never used: pages in use are below it.
    var highWater: UInt64
    var transaction: UInt64

    /// Why a page is no valid meta page.
    enum Defect: String, Error {
        case short = "the file ends inside it"
        case magic = "its magic number is wrong"
        case version = "its version is not 2"
        case checksum = "its checksum does not match"
        case pageSize = "its page size is not a power of two from 1 KiB to 64 KiB"
    }

    init(pageSize: UInt32, root: UInt64, rootSequence: UInt64, highWater: UInt64, transaction: UInt64) {
        self.pageSize = pageSize
        self.root = root
        self.rootSequence = rootSequence
        self.highWater = highWater
        self.transaction = transaction
    }

    /// Reads a meta page that starts at the first byte of `page`.
    init(_ page: RawSpan) throws(Defect) {
        let at = PageHeader.byteCount
        guard page.byteCount >= Self.byteCount else { throw .short }
        guard page.u32(at: at) == Self.magic else { throw .magic }
        guard page.u32(at: at + 4) == Self.version else { throw .version }
        guard page.u64(at: at + 56) == Self.checksum(page.extracting(at..<at + 56)) else { throw .checksum }
        pageSize = page.u32(at: at + 8)
        guard (1024...65536).contains(pageSize), pageSize.nonzeroBitCount == 1 else { throw .pageSize }
        root = page.u64(at: at + 16)
        rootSequence = page.u64(at: at + 24)
        freelist = page.u64(at: at + 32)
        highWater = page.u64(at: at + 40)
        transaction = page.u64(at: at + 48)
    }

    /// The whole page, `pageSize` bytes, as page `id`.
    func encoded(id: UInt64) -> [UInt8] {
        var page = PageHeader(id: id, kind: .meta, count: 0, overflow: 0).encoded()
        page.append(u32: Self.magic)
        page.append(u32: Self.version)
        page.append(u32: pageSize)
        page.append(u32: 0)
        for value in [root, rootSequence, freelist, highWater, transaction] { page.append(u64: value) }
        page.append(u64: Self.checksum(page.span.bytes.extracting(PageHeader.byteCount..<page.count)))
        page.append(contentsOf: repeatElement(0, count: Int(pageSize) - page.count))
        return page
    }

    /// FNV-1a, 64 bits.
    static func checksum(_ bytes: RawSpan) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in 0..<bytes.byteCount { hash = (hash ^ UInt64(bytes.byte(at: index))) &* 0x100_0000_01b3 }
        return hash
    }
}
