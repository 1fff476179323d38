/// Reads page runs through a window, so that neighbours cost no system call of their own and no file is ever in memory
/// whole. Mapping the file would be simpler, but a mapped file counts as memory in use, and one that shrinks while it is
/// read kills the process.
struct PageReader {
    /// Pages that follow each other are read up to this many bytes at a time.
    private static let windowSize = 256 << 10
    /// How much is read ahead at first; it doubles while the sequence goes on, so that short ones cost little.
    private static let firstWindow = 16 << 10

    private let image: BoltImage
    /// The window, and behind it room for one run read by itself.
    private(set) var storage: [UInt8]
    /// The bytes of the file that the window holds.
    private var held: Range<UInt64> = 0..<0
    /// Where the last run ended. A run that starts exactly here is part of a sequence, and is read ahead.
    private var expected: UInt64 = .max
    private var ahead = PageReader.firstWindow

    init(image: BoltImage) {
        self.image = image
        storage = [UInt8](repeating: 0, count: Self.windowSize + image.pageSize)
    }

    /// Makes `count` bytes from `page` on available and returns where they stand in `storage`, until the next call. The
    /// caller has checked that the pages are inside the image.
    mutating func load(page: UInt64, byteCount count: Int) throws(StorageError) -> Range<Int> {
        let offset = page * UInt64(image.pageSize)
        let end = offset + UInt64(count)
        defer { expected = end }
        if held.lowerBound <= offset, end <= held.upperBound {
            let start = Int(offset - held.lowerBound)
            return start..<start + count
        }
        if offset == expected, count <= Self.windowSize {
            ahead = offset == held.upperBound ? min(ahead * 2, Self.windowSize) : Self.firstWindow
            let length = min(UInt64(max(ahead, count)), image.byteCount - offset)
            held = 0..<0
            try fill(0..<Int(length), from: offset)
            held = offset..<offset + length
            return 0..<count
        }
        let start = Self.windowSize
        if storage.count < start + count {
            storage.append(contentsOf: repeatElement(0, count: start + count - storage.count))
        }
        try fill(start..<start + count, from: offset)
        return start..<start + count
    }

    private mutating func fill(_ range: Range<Int>, from offset: UInt64) throws(StorageError) {
        let file = image.file
        let result: Result<Int, StorageError> = storage.withUnsafeMutableBytes { buffer in
            do throws(StorageError) {
                return .success(try file.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[range])))
            } catch { return .failure(error) }
        }
        guard try result.get() == range.count else {
            throw StorageError(.system, "\(file.path) became shorter while it was read. Let no one write to it, and run again.")
        }
    }
}
