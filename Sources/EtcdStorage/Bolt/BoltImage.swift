/// A bbolt database inside a file: its valid meta page, and how much of the file is pages.
///
/// An etcd snapshot is such an image followed by the 32-byte SHA-256 of it; a `db` file copied from a data directory is
/// the image alone, with unused bytes after the high-water page.
struct BoltImage: Sendable {
    let file: RandomAccessFile
    /// Bytes of the file that are pages: all of it, or all but the digest.
    let byteCount: UInt64
    let hasDigest: Bool
    /// The meta page that counts: the valid one with the higher transaction.
    let meta: Meta

    var pageSize: Int { Int(meta.pageSize) }

    /// Pages that are in use and inside the file; a truncated file has fewer than its meta page says.
    var pageLimit: UInt64 { min(meta.highWater, byteCount / UInt64(meta.pageSize)) }

    /// Size of the database as etcd reports it (`totalSize`): every page below the high-water mark. Saturates on a
    /// nonsensical mark.
    var logicalSize: UInt64 {
        let (size, overflow) = meta.highWater.multipliedReportingOverflow(by: UInt64(meta.pageSize))
        return overflow ? .max : size
    }

    /// No larger file is read: etcd advises 8 GiB at most, and what is kept for each page must be bounded.
    private static let largestFile: UInt64 = 1 << 40

    /// Length of the digest that ends a snapshot.
    static let digestSize: UInt64 = 32

    /// Whether a file of `size` bytes ends in a digest: etcd's own rule, size % 512 == 32.
    static func endsInDigest(size: UInt64) -> Bool { size % 512 == digestSize }

    /// Opens the image. Damage that leaves one meta page valid is added to `findings`; nil when both are broken but one
    /// still bears bbolt's magic number.
    /// - Throws: `.notASnapshot` when nothing in the file says bbolt.
    init?(file: RandomAccessFile, findings: inout Findings) throws(StorageError) {
        guard file.size <= Self.largestFile else {
            throw StorageError(.invalid, "\(file.path) is over 1 TiB, which no etcd database is. Name the snapshot itself.")
        }
        self.file = file
        hasDigest = Self.endsInDigest(size: file.size)
        byteCount = hasDigest ? file.size - Self.digestSize : file.size

        let first = try Self.meta(in: file, at: 0, limit: byteCount)
        var second: Result<Meta, Meta.Defect> = .failure(.short)
        var secondOffset: UInt64 = 4096
        if case .success(let meta) = first {
            secondOffset = UInt64(meta.pageSize)
            second = try Self.meta(in: file, at: secondOffset, limit: byteCount)
        } else {
            // The page size is unknown, so the second meta page may start at any power of two.
            for shift in 0...6 {
                let offset = UInt64(1024) << UInt64(shift)
                let candidate = try Self.meta(in: file, at: offset, limit: byteCount)
                if case .success(let meta) = candidate, UInt64(meta.pageSize) == offset {
                    (second, secondOffset) = (candidate, offset)
                    break
                }
                if case .failure(let defect) = candidate, defect != .magic, defect != .short, offset >= 4096 {
                    (second, secondOffset) = (candidate, offset)
                }
            }
        }

        for (index, offset, result) in [(0, 0, first), (1, secondOffset, second)] {
            if case .failure(let defect) = result {
                findings.add(
                    Finding(
                        .metaInvalid, offset: offset, page: UInt64(index),
                        "meta page \(index) is broken: \(defect.rawValue)"))
            }
        }
        switch (first, second) {
        case (.success(let one), .success(let two)): meta = one.transaction >= two.transaction ? one : two
        case (.success(let one), .failure): meta = one
        case (.failure, .success(let two)): meta = two
        case (.failure(let one), .failure(let two)):
            let speaksBolt = [one, two].contains { $0 != .magic && $0 != .short }
            guard speaksBolt else {
                throw StorageError(
                    .notASnapshot,
                    "\(file.path) is not an etcd snapshot: it has no bbolt meta page. "
                        + "Name a file that `snapshot save` wrote, or a member's snap/db.")
            }
            return nil
        }
        try checkMetaPages(first: try? first.get(), second: try? second.get(), findings: &findings)
    }

    private static func meta(
        in file: RandomAccessFile, at offset: UInt64, limit: UInt64
    ) throws(StorageError) -> Result<Meta, Meta.Defect> {
        var bytes = [UInt8](repeating: 0, count: Meta.byteCount)
        guard offset + UInt64(bytes.count) <= limit else { return .failure(.short) }
        let count = try bytes.read(from: file, at: offset)
        guard count == bytes.count else { return .failure(.short) }
        do { return .success(try Meta(bytes.span.bytes)) } catch { return .failure(error) }
    }

    /// What bbolt does not look at, but always writes: the headers of the meta pages, two transactions in sequence, and a
    /// file as long as the high-water mark says.
    private func checkMetaPages(first: Meta?, second: Meta?, findings: inout Findings) throws(StorageError) {
        for (id, meta) in [(UInt64(0), first), (1, second)] where meta != nil {
            var header = [UInt8](repeating: 0, count: PageHeader.byteCount)
            let offset = id * UInt64(pageSize)
            _ = try header.read(from: file, at: offset)
            if PageHeader(header.span.bytes, at: 0) != PageHeader(id: id, kind: .meta, count: 0, overflow: 0) {
                findings.add(Finding(.metaInvalid, offset: offset, page: id, "the header of meta page \(id) is not one"))
            }
        }
        if let first, let second {
            if first.pageSize != second.pageSize {
                findings.add(Finding(.metaInvalid, offset: 0, page: 0, "the meta pages disagree about the page size"))
            }
            if first.transaction &- second.transaction != 1, second.transaction &- first.transaction != 1 {
                findings.add(Finding(.metaInvalid, offset: 0, page: 0, "the meta pages are not of consecutive transactions"))
            }
        }
        if logicalSize > byteCount {
            findings.add(
                Finding(
                    .truncated, offset: byteCount,
                    "the file ends after \(byteCount) of \(logicalSize) bytes: the rest of the database is missing"))
        } else if hasDigest, logicalSize < byteCount {
            findings.add(
                Finding(
                    .trailingBytes, offset: logicalSize,
                    "\(byteCount - logicalSize) bytes stand between the database and its digest"))
        }
    }
}

extension [UInt8] {
    /// Fills the array from `offset` of `file`; returns how many bytes there were.
    mutating func read(from file: RandomAccessFile, at offset: UInt64) throws(StorageError) -> Int {
        let result: Result<Int, StorageError> = withUnsafeMutableBytes { buffer in
            do throws(StorageError) { return .success(try file.read(at: offset, into: buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
