/// Writes bbolt trees bottom-up and in order of keys: packed leaves, then the branches above them, so that the result has no holes.
///
/// The same writer makes a whole database, and adds buckets behind the pages of one that was copied.
struct BoltWriter {
    /// Takes page runs in the order of their page numbers.
    typealias Sink = (UnsafeRawBufferPointer) throws -> Void

    private let pageSize: Int
    private let sink: Sink
    /// The number that the next page gets.
    private(set) var nextPage: UInt64
    private var root: [BoltEntry] = []
    private var openBucket: (name: [UInt8], tree: Tree)?

    /// - Parameter firstPage: the number of the first page that is written.
    init(pageSize: Int, firstPage: UInt64, sink: @escaping Sink) {
        self.pageSize = pageSize
        self.sink = sink
        nextPage = firstPage
    }

    /// Whether a bucket of this name was kept or written.
    func hasBucket(_ name: [UInt8]) -> Bool { root.contains { $0.key == name } || openBucket?.name == name }

    /// Names a bucket that stays where it is: `entry` is what the root bucket holds for it.
    mutating func keep(_ entry: BoltEntry) { root.append(entry) }

    mutating func beginBucket(_ name: [UInt8]) { openBucket = (name, Tree(pageSize: pageSize)) }

    /// Adds an entry to the open bucket. Keys come in order, each once.
    mutating func put(key: RawSpan, value: RawSpan) throws {
        try openBucket?.tree.put(key: key, value: value, isBucket: false, page: &nextPage, sink: sink)
    }

    mutating func put(_ entry: BoltEntry) throws { try put(key: entry.key.span.bytes, value: entry.value.span.bytes) }

    mutating func endBucket() throws {
        guard var bucket = openBucket else { return }
        openBucket = nil
        let page = try bucket.tree.finish(page: &nextPage, sink: sink)
        var header: [UInt8] = []
        header.append(u64: page)
        header.append(u64: 0)
        root.append(BoltEntry(key: bucket.name, value: header))
    }

    /// Writes the root bucket.
    /// - Returns: what the meta pages must say: the root page, and the first page that was not used.
    mutating func finish() throws -> (root: UInt64, highWater: UInt64) {
        var tree = Tree(pageSize: pageSize)
        for bucket in root.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            try tree.put(key: bucket.key.span.bytes, value: bucket.value.span.bytes, isBucket: true, page: &nextPage, sink: sink)
        }
        let page = try tree.finish(page: &nextPage, sink: sink)
        return (page, nextPage)
    }
}

/// One B+tree under construction: the leaf that is being filled, and on each level above the children that have no page yet.
private struct Tree {
    private struct Child {
        var key: [UInt8]
        var page: UInt64
    }

    /// The branch that is being filled, and the full one before it. A full branch is held back, so that the last one of a level never
    /// ends up with a single child.
    private struct Level {
        var full: [Child] = []
        var open: [Child] = []
        var openSize = PageHeader.byteCount
        var hasWritten = false
    }

    private let pageSize: Int
    private var data: [UInt8] = []
    /// Where each element's key starts in `data`, and its sizes.
    private var elements: [(start: Int, keySize: Int, valueSize: Int, isBucket: Bool)] = []
    private var firstKey: [UInt8] = []
    private var levels: [Level] = []

    init(pageSize: Int) {
        self.pageSize = pageSize
        data.reserveCapacity(pageSize * 2)
    }

    private var leafSize: Int { PageHeader.byteCount + elements.count * LeafElement.byteCount + data.count }

    mutating func put(key: RawSpan, value: RawSpan, isBucket: Bool, page: inout UInt64, sink: BoltWriter.Sink) throws {
        let size = LeafElement.byteCount + key.byteCount + value.byteCount
        if !elements.isEmpty, leafSize + size > pageSize || elements.count == Int(UInt16.max) - 1 {
            try writeLeaf(page: &page, sink: sink)
        }
        if elements.isEmpty { firstKey = key.array() }
        elements.append((data.count, key.byteCount, value.byteCount, isBucket))
        key.withUnsafeBytes { data.append(contentsOf: $0) }
        value.withUnsafeBytes { data.append(contentsOf: $0) }
    }

    mutating func finish(page: inout UInt64, sink: BoltWriter.Sink) throws -> UInt64 {
        if !elements.isEmpty || levels.isEmpty { try writeLeaf(page: &page, sink: sink) }
        var index = 0
        while true {
            var level = levels[index]
            if !level.hasWritten, level.full.isEmpty, level.open.count == 1 { return level.open[0].page }
            if level.open.count == 1, let moved = level.full.popLast() { level.open.insert(moved, at: 0) }
            levels[index] = Level()
            if !level.full.isEmpty { try writeBranch(level.full, above: index, page: &page, sink: sink) }
            try writeBranch(level.open, above: index, page: &page, sink: sink)
            index += 1
        }
    }

    private mutating func add(_ child: Child, to index: Int, page: inout UInt64, sink: BoltWriter.Sink) throws {
        if index == levels.count { levels.append(Level()) }
        let size = BranchElement.byteCount + child.key.count
        if levels[index].openSize + size > pageSize, levels[index].open.count >= 2 {
            let full = levels[index].full
            levels[index].full = levels[index].open
            levels[index].open = []
            levels[index].openSize = PageHeader.byteCount
            if !full.isEmpty {
                levels[index].hasWritten = true
                try writeBranch(full, above: index, page: &page, sink: sink)
            }
        }
        levels[index].open.append(child)
        levels[index].openSize += size
    }

    private mutating func writeLeaf(page: inout UInt64, sink: BoltWriter.Sink) throws {
        let tableEnd = PageHeader.byteCount + elements.count * LeafElement.byteCount
        var bytes = header(.leaf, count: elements.count, size: tableEnd + data.count, page: page)
        for (index, element) in elements.enumerated() {
            let at = PageHeader.byteCount + index * LeafElement.byteCount
            bytes.append(u32: element.isBucket ? 1 : 0)
            bytes.append(u32: UInt32(tableEnd + element.start - at))
            bytes.append(u32: UInt32(element.keySize))
            bytes.append(u32: UInt32(element.valueSize))
        }
        bytes += data
        let child = Child(key: firstKey, page: page)
        try write(&bytes, page: &page, sink: sink)
        elements.removeAll(keepingCapacity: true)
        data.removeAll(keepingCapacity: true)
        try add(child, to: 0, page: &page, sink: sink)
    }

    private mutating func writeBranch(_ children: [Child], above index: Int, page: inout UInt64, sink: BoltWriter.Sink) throws {
        var keyStart = PageHeader.byteCount + children.count * BranchElement.byteCount
        let size = keyStart + children.reduce(0) { $0 + $1.key.count }
        var bytes = header(.branch, count: children.count, size: size, page: page)
        for (index, child) in children.enumerated() {
            bytes.append(u32: UInt32(keyStart - PageHeader.byteCount - index * BranchElement.byteCount))
            bytes.append(u32: UInt32(child.key.count))
            bytes.append(u64: child.page)
            keyStart += child.key.count
        }
        for child in children { bytes += child.key }
        let parent = Child(key: children[0].key, page: page)
        try write(&bytes, page: &page, sink: sink)
        try add(parent, to: index + 1, page: &page, sink: sink)
    }

    private func header(_ kind: PageHeader.Kind, count: Int, size: Int, page: UInt64) -> [UInt8] {
        let pages = (size + pageSize - 1) / pageSize
        return PageHeader(id: page, kind: kind, count: UInt16(count), overflow: UInt32(pages - 1)).encoded()
    }

    private func write(_ bytes: inout [UInt8], page: inout UInt64, sink: BoltWriter.Sink) throws {
        let pages = (bytes.count + pageSize - 1) / pageSize
        bytes.append(contentsOf: repeatElement(0, count: pages * pageSize - bytes.count))
        try bytes.withUnsafeBytes { try sink($0) }
        page += UInt64(pages)
    }
}
