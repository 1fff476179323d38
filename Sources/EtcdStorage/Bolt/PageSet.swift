/// A set of page numbers, one bit each: 256 KiB for an 8 GiB file of 4 KiB pages.
struct PageSet: Sendable {
    private var words: [UInt64]
    let limit: UInt64
    /// How many pages are members.
    private(set) var count: UInt64 = 0

    /// An empty set over pages 0 ..< `limit`.
    init(limit: UInt64) {
        self.limit = limit
        words = Array(repeating: 0, count: Int((limit + 63) / 64))
    }

    /// Adds `page`; false when it was a member already. Pages at or over the limit are never members.
    mutating func insert(_ page: UInt64) -> Bool {
        guard page < limit else { return false }
        let word = Int(page >> 6)
        let bit: UInt64 = 1 << (page & 63)
        if words[word] & bit != 0 { return false }
        words[word] |= bit
        count += 1
        return true
    }

    func contains(_ page: UInt64) -> Bool { page < limit && words[Int(page >> 6)] & (1 << (page & 63)) != 0 }
}
