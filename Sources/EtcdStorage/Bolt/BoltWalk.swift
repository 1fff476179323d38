/// What a walk over a database tells as it goes, buckets and entries in bytewise order.
protocol BoltVisitor {
    /// - Parameter value: what the root bucket holds for it: root page u64, sequence u64, and an inline bucket's page.
    mutating func enterBucket(_ name: [UInt8], value: [UInt8]) throws
    mutating func visit(key: RawSpan, value: RawSpan, at place: Place) throws
    mutating func leaveBucket() throws
    mutating func found(_ finding: Finding)
}

/// Where an entry stands in the file.
struct Place: Sendable {
    var page: UInt64
    /// Byte offset of the entry's key.
    var offset: UInt64
}

/// Walks every page that the meta page reaches, checks bbolt's rules (`Tx.Check`) and what its writer always does, and
/// hands each entry to the visitor.
///
/// A broken page is a finding; its subtree is left out and the walk goes on. Each page is read at most once, so the walk ends
/// on any input after at most one pass over the file.
struct BoltWalk<Visitor: BoltVisitor> {
    /// The longest page run that is believed, bytes: etcd refuses requests over 1.5 MiB by default, and a node holds few.
    private static var longestRun: UInt64 { 64 << 20 }
    /// An inline bucket takes at most a quarter of a page, and no page is over 64 KiB.
    private static var longestBucketValue: Int { 64 << 10 }
    /// Deeper than any tree of 2^31 pages can be.
    private static var deepest: Int { 40 }

    private let image: BoltImage
    private var reader: PageReader
    private var reachable: PageSet
    private var free: PageSet?
    private let progress: @Sendable (Int) -> Void
    private var unreported = 0
    private var reported = 0
    var visitor: Visitor

    /// - Parameter progress: told now and then how many more bytes were read.
    init(image: BoltImage, visitor: Visitor, progress: @escaping @Sendable (Int) -> Void) {
        self.image = image
        self.visitor = visitor
        self.progress = progress
        reader = PageReader(image: image)
        reachable = PageSet(limit: image.pageLimit)
    }

    /// - Throws: what reading the file or the visitor throws, and `CancellationError`. Damage never throws.
    mutating func run() throws {
        _ = reachable.insert(0)
        _ = reachable.insert(1)
        if image.meta.freelist != Meta.noFreelist { try readFreelist() }
        try walk(image.meta.root, isRootBucket: true, lower: nil, upper: nil, isRoot: true, depth: 0)
        if free != nil { reportLeaks() }
        progress(unreported)
    }

    /// Share of the pages below the high-water mark that the walk did not reach, 0 to 1.
    var fragmentation: Double {
        image.pageLimit > 0 ? 1 - Double(reachable.count) / Double(image.pageLimit) : 0
    }

    /// The message is only made while findings are kept: a file can hold millions of broken elements.
    private mutating func report(_ code: Finding.Code, page: UInt64, _ message: @autoclosure () -> String) {
        reported += 1
        let offset = page < image.pageLimit ? page * UInt64(image.pageSize) : nil
        visitor.found(Finding(code, offset: offset, page: page, reported <= Findings.limit ? message() : ""))
    }

    // MARK: Pages

    /// Claims the run that starts at `page` and loads it; nil, with a finding, when it cannot be a page.
    private mutating func load(_ page: UInt64, from parent: String) throws -> (header: PageHeader, run: Range<Int>)? {
        let limit = image.pageLimit
        guard page >= 2, page < limit else {
            report(.pageOutOfBounds, page: page, "\(parent) points to page \(page), outside 2 ..< \(limit)")
            return nil
        }
        // Claimed before it is read, sound or not: no page is ever read twice.
        guard reachable.insert(page) else {
            report(.pageReusedTwice, page: page, "page \(page) is referenced twice, the second time from \(parent)")
            return nil
        }
        try Task.checkCancellation()
        let first = try reader.load(page: page, byteCount: image.pageSize)
        let header = PageHeader(reader.storage.span.bytes, at: first.lowerBound)
        let last = page + UInt64(header.overflow)
        guard header.id == page, header.kind != nil else {
            report(.pageHeader, page: page, "page \(page) has no valid header: the id is \(header.id)")
            return nil
        }
        let length = (UInt64(header.overflow) + 1) * UInt64(image.pageSize)
        guard last < image.pageLimit, length <= Self.longestRun else {
            report(.pageHeader, page: page, "page \(page) claims \(header.overflow) overflow pages, more than can be")
            return nil
        }
        for claimed in page..<last where !reachable.insert(claimed + 1) {
            report(.pageReusedTwice, page: claimed + 1, "page \(claimed + 1) is referenced twice, the second time from \(parent)")
            return nil
        }
        let run = header.overflow == 0 ? first : try reader.load(page: page, byteCount: Int(length))
        unreported += Int(length)
        if unreported >= 4 << 20 {
            progress(unreported)
            unreported = 0
        }
        return (header, run)
    }

    private mutating func walk(
        _ page: UInt64, isRootBucket: Bool, lower: [UInt8]?, upper: [UInt8]?, isRoot: Bool, depth: Int
    ) throws {
        let parent = isRoot ? (isRootBucket ? "the meta page" : "a bucket") : "a branch"
        guard depth < Self.deepest else {
            report(.pageHeader, page: page, "the tree is deeper than \(Self.deepest) pages")
            return
        }
        guard let (header, run) = try load(page, from: parent) else { return }
        switch header.kind {
        case .branch:
            let children = branch(page, header, run, lower: lower, upper: upper)
            for (index, child) in children.enumerated() {
                let next = index + 1 < children.count ? children[index + 1].key : upper
                try walk(
                    child.page, isRootBucket: isRootBucket, lower: child.key, upper: next, isRoot: false, depth: depth + 1)
            }
        case .leaf:
            if header.count == 0, !isRoot { report(.pageHeader, page: page, "leaf page \(page) is empty") }
            if isRootBucket {
                for bucket in buckets(page, header, run, lower: lower, upper: upper) { try walk(bucket) }
            } else {
                try leaf(page, header, run, fileOffset: page * UInt64(image.pageSize), lower: lower, upper: upper)
            }
        default:
            report(.pageHeader, page: page, "\(parent) points to page \(page), which is neither branch nor leaf")
        }
    }

    /// Checks what holds for every run: that its element table is inside, and that it uses as many pages as it needs. bbolt
    /// takes ceil(size / pageSize) pages; before 1.3.6 it took one more on an exact multiple.
    private mutating func checkRun(_ page: UInt64, _ header: PageHeader, _ run: Range<Int>, used end: Int) {
        let size = end - run.lowerBound
        let needed = (size + image.pageSize - 1) / image.pageSize
        let taken = Int(header.overflow) + 1
        if taken != needed, taken != size / image.pageSize + 1 {
            report(.pageHeader, page: page, "page \(page) takes \(taken) pages for \(size) bytes")
        }
    }

    private mutating func table(_ page: UInt64, _ header: PageHeader, _ run: Range<Int>) -> Int? {
        let end = run.lowerBound + PageHeader.byteCount + Int(header.count) * LeafElement.byteCount
        if end > run.upperBound {
            report(.elementOutOfBounds, page: page, "page \(page) has \(header.count) elements, more than fit into it")
            return nil
        }
        return end
    }

    // MARK: Branches

    private struct Child {
        var key: [UInt8]
        var page: UInt64
    }

    private mutating func branch(
        _ page: UInt64, _ header: PageHeader, _ run: Range<Int>, lower: [UInt8]?, upper: [UInt8]?
    ) -> [Child] {
        guard header.count > 0 else {
            report(.pageHeader, page: page, "branch page \(page) has no children")
            return []
        }
        guard var end = table(page, header, run) else { return [] }
        let storage = reader.storage
        let bytes = storage.span.bytes
        var children: [Child] = []
        children.reserveCapacity(Int(header.count))
        for index in 0..<Int(header.count) {
            guard let element = BranchElement(bytes, run: run, index: index), element.key.lowerBound == end,
                !element.key.isEmpty
            else {
                report(.elementOutOfBounds, page: page, "element \(index) of branch page \(page) has its key out of place")
                return children
            }
            end = element.key.upperBound
            let key = bytes.extracting(element.key)
            if let previous = children.last?.key, key.compare(previous.span.bytes) <= 0 {
                report(.keyOrder, page: page, "the keys of branch page \(page) are not in order at element \(index)")
            }
            children.append(Child(key: key.array(), page: element.child))
        }
        checkRun(page, header, run, used: end)
        checkBounds(page, first: children[0].key, last: children[children.count - 1].key, lower: lower, upper: upper)
        return children
    }

    private mutating func checkBounds(_ page: UInt64, first: [UInt8], last: [UInt8], lower: [UInt8]?, upper: [UInt8]?) {
        if let lower, first.span.bytes.compare(lower.span.bytes) < 0 {
            report(.keyOrder, page: page, "the first key of page \(page) is below the key that its parent has for it")
        }
        if let upper, last.span.bytes.compare(upper.span.bytes) >= 0 {
            report(.keyOrder, page: page, "the last key of page \(page) is not below the next page's first")
        }
    }

    // MARK: Leaves

    /// Hands the entries of a leaf to the visitor. `run` is in `reader.storage`.
    private mutating func leaf(
        _ page: UInt64, _ header: PageHeader, _ run: Range<Int>, fileOffset: UInt64, lower: [UInt8]?, upper: [UInt8]?
    ) throws {
        guard var end = table(page, header, run) else { return }
        let storage = reader.storage
        let bytes = storage.span.bytes
        var previous = 0..<0
        for index in 0..<Int(header.count) {
            guard let element = LeafElement(bytes, run: run, index: index), element.key.lowerBound == end,
                !element.key.isEmpty
            else {
                report(.elementOutOfBounds, page: page, "element \(index) of leaf page \(page) has its key or value out of place")
                return
            }
            end = element.value.upperBound
            let key = bytes.extracting(element.key)
            if element.isBucket {
                report(.bucketInvalid, page: page, "element \(index) of page \(page) is a bucket inside a bucket; etcd has none")
                continue
            }
            if index == 0 {
                if let lower, key.compare(lower.span.bytes) < 0 {
                    report(.keyOrder, page: page, "the first key of page \(page) is below the key that its parent has for it")
                }
            } else if !previous.isEmpty, bytes.extracting(previous).compare(key) >= 0 {
                report(.keyOrder, page: page, "the keys of leaf page \(page) are not in order at element \(index)")
            }
            previous = element.key
            let place = Place(page: page, offset: fileOffset + UInt64(element.key.lowerBound - run.lowerBound))
            try visitor.visit(key: key, value: bytes.extracting(element.value), at: place)
        }
        if let upper, !previous.isEmpty, bytes.extracting(previous).compare(upper.span.bytes) >= 0 {
            report(.keyOrder, page: page, "the last key of page \(page) is not below the next page's first")
        }
        checkRun(page, header, run, used: end)
    }

    // MARK: Buckets

    private struct Bucket {
        var name: [UInt8]
        /// The 16-byte bucket header, and for an inline bucket its page after it.
        var value: [UInt8]
        /// The page that names the bucket, and where the value stands in the file.
        var place: Place
    }

    private mutating func buckets(
        _ page: UInt64, _ header: PageHeader, _ run: Range<Int>, lower: [UInt8]?, upper: [UInt8]?
    ) -> [Bucket] {
        guard var end = table(page, header, run) else { return [] }
        let storage = reader.storage
        let bytes = storage.span.bytes
        var buckets: [Bucket] = []
        for index in 0..<Int(header.count) {
            guard let element = LeafElement(bytes, run: run, index: index), element.key.lowerBound == end,
                !element.key.isEmpty
            else {
                report(.elementOutOfBounds, page: page, "element \(index) of root page \(page) has its key or value out of place")
                return buckets
            }
            end = element.value.upperBound
            let name = bytes.extracting(element.key)
            if let last = buckets.last?.name, name.compare(last.span.bytes) <= 0 {
                report(.keyOrder, page: page, "the buckets of page \(page) are not in order at element \(index)")
            }
            guard element.isBucket, element.key.count <= Self.longestBucketValue, element.value.count <= Self.longestBucketValue else {
                report(.bucketInvalid, page: page, "element \(index) of root page \(page) is not a bucket")
                continue
            }
            let offset = page * UInt64(image.pageSize) + UInt64(element.value.lowerBound - run.lowerBound)
            buckets.append(
                Bucket(name: name.array(), value: bytes.extracting(element.value).array(), place: Place(page: page, offset: offset)))
        }
        checkRun(page, header, run, used: end)
        if let first = buckets.first, let last = buckets.last {
            checkBounds(page, first: first.name, last: last.name, lower: lower, upper: upper)
        }
        return buckets
    }

    private mutating func walk(_ bucket: Bucket) throws {
        let name = String(decoding: bucket.name.prefix(64), as: UTF8.self)
        let headerSize = 16
        guard bucket.value.count >= headerSize else {
            report(.bucketInvalid, page: bucket.place.page, "bucket \(name) has no header")
            return
        }
        let root = bucket.value.span.bytes.u64(at: 0)
        try visitor.enterBucket(bucket.name, value: bucket.value)
        if root == 0 {
            try walkInline(bucket, name: name, from: headerSize)
        } else if bucket.value.count != headerSize {
            report(.bucketInvalid, page: bucket.place.page, "bucket \(name) has both a page and an inline image")
        } else {
            try walk(root, isRootBucket: false, lower: nil, upper: nil, isRoot: true, depth: 0)
        }
        try visitor.leaveBucket()
    }

    /// A small bucket lies whole in the value of its parent: a leaf page that ends where its data ends.
    private mutating func walkInline(_ bucket: Bucket, name: String, from start: Int) throws {
        let bytes = bucket.value.span.bytes
        let page = bucket.place.page
        guard bytes.byteCount >= start + PageHeader.byteCount else {
            report(.bucketInvalid, page: page, "the inline bucket \(name) has no page header")
            return
        }
        let header = PageHeader(bytes, at: start)
        var end = start + PageHeader.byteCount + Int(header.count) * LeafElement.byteCount
        guard header.kind == .leaf, header.id == 0, header.overflow == 0, end <= bytes.byteCount else {
            report(.bucketInvalid, page: page, "the inline bucket \(name) has no valid page header")
            return
        }
        var previous = 0..<0
        for index in 0..<Int(header.count) {
            guard let element = LeafElement(bytes, run: start..<bytes.byteCount, index: index),
                element.key.lowerBound == end, !element.key.isEmpty, !element.isBucket
            else {
                report(.elementOutOfBounds, page: page, "element \(index) of the inline bucket \(name) is out of place")
                return
            }
            end = element.value.upperBound
            let key = bytes.extracting(element.key)
            if !previous.isEmpty, bytes.extracting(previous).compare(key) >= 0 {
                report(.keyOrder, page: page, "the keys of the inline bucket \(name) are not in order at element \(index)")
            }
            previous = element.key
            let place = Place(page: page, offset: bucket.place.offset + UInt64(element.key.lowerBound))
            try visitor.visit(key: key, value: bytes.extracting(element.value), at: place)
        }
        if end != bytes.byteCount {
            report(.bucketInvalid, page: page, "the inline bucket \(name) has \(bytes.byteCount - end) bytes too many")
        }
    }

    // MARK: Freelist

    /// Reads a stored freelist: count u16 (0xFFFF: the first u64 is the count), then page ids, ascending.
    private mutating func readFreelist() throws {
        let page = image.meta.freelist
        guard let (header, run) = try load(page, from: "the meta page") else { return }
        guard header.kind == .freelist else {
            report(.freelistInvalid, page: page, "page \(page) is not a freelist, but the meta page says so")
            return
        }
        let storage = reader.storage
        let bytes = storage.span.bytes
        var at = run.lowerBound + PageHeader.byteCount
        var count = UInt64(header.count)
        if header.count == .max {
            count = bytes.u64(at: at)
            at += 8
        }
        guard count <= UInt64((run.upperBound - at) / 8) else {
            report(.freelistInvalid, page: page, "the freelist claims \(count) pages, more than fit into it")
            return
        }
        var free = PageSet(limit: image.pageLimit)
        var previous: UInt64 = 1
        var defect: String?
        for index in 0..<Int(count) {
            let id = bytes.u64(at: at + index * 8)
            if id <= previous || !free.insert(id) { defect = "entry \(index) of the freelist, page \(id), is out of order or bounds" }
            previous = id
        }
        if let defect { report(.freelistInvalid, page: page, defect) }
        self.free = free
    }

    /// With a stored freelist every page is either reachable or free, and none is both.
    private mutating func reportLeaks() {
        guard let free else { return }
        for page in 2..<max(2, image.pageLimit) {
            if free.contains(page) == reachable.contains(page) {
                let what = free.contains(page) ? "both in use and free" : "neither in use nor free"
                report(.pageLeaked, page: page, "page \(page) is \(what)")
            }
        }
    }
}
