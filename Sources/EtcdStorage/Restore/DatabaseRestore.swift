package import SystemPackage

/// Raises revisions in a restored database, so that clients that still watch the old cluster at higher revisions notice.
package struct RevisionBump: Sendable, Equatable {
    /// How far above the greatest stored revision the new one is.
    package var by: Int64

    /// - Throws: `.invalid` unless `by` is positive.
    package init(by: Int64) throws(StorageError) {
        guard by > 0 else { throw StorageError(.invalid, "--bump-revision is \(by). Use a number over 0, such as 1000000000.") }
        self.by = by
    }

    /// The revision that stands, without a value, above all others, up to which everything counts as compacted.
    func applied(to newest: Revision?) throws(StorageError) -> Revision {
        let (main, overflow) = (newest?.main ?? 1).addingReportingOverflow(by)
        guard !overflow else { throw StorageError(.invalid, "--bump-revision \(by) is too much above revision \(newest?.main ?? 1).") }
        return Revision(main: main)
    }
}

/// Makes the databases of a new cluster's members out of a snapshot, and proves the snapshot in the same reading.
///
/// What changes against the snapshot (facts of `etcdutl snapshot restore`): the members are the new ones, none is removed, the raft
/// index is their number and the term is 1. Everything else stays.
package struct DatabaseRestore: Sendable {
    private let source: FilePath
    private let identity: ClusterIdentity
    private let bump: RevisionBump?
    private let rewrites: Bool
    private let skipHashCheck: Bool

    /// - Parameters:
    ///   - rewrites: write every entry anew into packed pages, without holes and without what is damaged; otherwise the pages are copied as
    ///     they are, and the changed buckets go behind them.
    ///   - bump: implies `rewrites`.
    package init(source: FilePath, identity: ClusterIdentity, rewrites: Bool, bump: RevisionBump?, skipHashCheck: Bool) {
        self.source = source
        self.identity = identity
        self.rewrites = rewrites || bump != nil
        self.bump = bump
        self.skipHashCheck = skipHashCheck
    }

    /// Writes the files, which must not exist. They are whole and durable when this returns, and worthless when it throws.
    /// - Parameters:
    ///   - accept: sees the report of the snapshot before the files are finished, and throws to refuse it.
    ///   - progress: as for `SnapshotVerifier`.
    /// - Returns: the report of the snapshot, and how many damaged entries were left out.
    package func write(
        to files: [FilePath], accept: (SnapshotReport) throws -> Void, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> (report: SnapshotReport, omitted: Int64) {
        let file = try RandomAccessFile(path: source)
        let output = try ReplicatedFile(creating: files)
        let reading = SnapshotReading(file: file, skipHashCheck: skipHashCheck)
        if rewrites {
            let bump = bump
            let result = try await reading.run(
                progress: progress, copy: nil,
                visitor: { try RewritingVisitor(audit: $0, output: output, bump: bump, pageSize: $1.pageSize) }, audit: { $0.audit })
            try accept(result.report)
            guard var visitor = result.walk?.visitor, let image = result.walk?.image else { throw unreadable }
            try finish(&visitor.writer, audit: visitor.audit, newest: visitor.newest, image: image, output: output)
            return (result.report, visitor.omitted)
        }
        let result = try await reading.run(progress: progress, copy: output, visitor: { audit, _ in audit }, audit: { $0 })
        try accept(result.report)
        guard let (image, audit) = result.walk else { throw unreadable }
        try output.seek(to: image.logicalSize)
        var writer = BoltWriter(pageSize: image.pageSize, firstPage: image.meta.highWater) { try output.append($0) }
        for bucket in audit.buckets where !RestoredSchema.isReplaced(bucket.key) { writer.keep(bucket) }
        try finish(&writer, audit: audit, newest: audit.last, image: image, output: output)
        return (result.report, 0)
    }

    private var unreadable: StorageError {
        StorageError(.damaged, "\(source) has no valid meta page, so nothing can be restored from it. Use another snapshot.")
    }

    /// Adds the buckets that a restore makes anew, the root, and the meta pages.
    private func finish(_ writer: inout BoltWriter, audit: SchemaAudit, newest: Revision?, image: BoltImage, output: ReplicatedFile) throws {
        let schema = RestoredSchema(identity: identity, bump: bump)
        for (name, entries) in try schema.buckets(oldMeta: audit.meta, newest: newest) {
            writer.beginBucket(name)
            for entry in entries { try writer.put(entry) }
            try writer.endBucket()
        }
        for name in RestoredSchema.allBuckets where !writer.hasBucket(name) {
            writer.beginBucket(name)
            try writer.endBucket()
        }
        let (root, highWater) = try writer.finish()
        // As in a snapshot: the higher transaction first. It is even, which is where bbolt looks for it.
        var meta = Meta(
            pageSize: image.meta.pageSize, root: root, rootSequence: image.meta.rootSequence, highWater: highWater,
            transaction: (image.meta.transaction & ~1) &+ 2)
        try output.write(meta.encoded(id: 0), at: 0)
        meta.transaction &-= 1
        try output.write(meta.encoded(id: 1), at: UInt64(image.pageSize))
        try output.finish()
    }
}

/// What the schema of a restored database has in other words than the snapshot's.
struct RestoredSchema {
    let identity: ClusterIdentity
    let bump: RevisionBump?

    /// Every bucket that etcd from 3.5 on expects; older snapshots lack some.
    static let allBuckets: [[UInt8]] = [
        "alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed", "meta",
    ].map { Array($0.utf8) }

    private static let replaced: [[UInt8]] = ["members", "members_removed", "meta"].map { Array($0.utf8) }

    /// Whether a restore writes the bucket anew.
    static func isReplaced(_ name: [UInt8]) -> Bool { replaced.contains(name) }

    /// The new buckets, with their entries in order of keys.
    func buckets(oldMeta: [BoltEntry], newest: Revision?) throws(StorageError) -> [(name: [UInt8], entries: [BoltEntry])] {
        let members = identity.members.map { BoltEntry($0.hexID, Array($0.storedJSON.utf8)) }
        var meta = Dictionary(oldMeta.map { ($0.key, $0.value) }) { $1 }
        func set(_ key: String, _ value: [UInt8]) { meta[Array(key.utf8)] = value }
        var index: [UInt8] = []
        index.append(u64BigEndian: UInt64(identity.members.count))
        set("consistent_index", index)
        var term: [UInt8] = []
        term.append(u64BigEndian: 1)
        set("term", term)
        set("confState", Array(ConfState(voters: identity.members.map(\.id)).storedJSON.utf8))
        if let bump { set("scheduledCompactRev", try bump.applied(to: newest).encoded) }
        return [
            (Self.replaced[0], members.sorted(by: Self.inOrder)),
            (Self.replaced[1], []),
            (Self.replaced[2], meta.map { BoltEntry(key: $0.key, value: $0.value) }.sorted(by: Self.inOrder)),
        ]
    }

    private static func inOrder(_ left: BoltEntry, _ right: BoltEntry) -> Bool { left.key.lexicographicallyPrecedes(right.key) }
}

/// Audits every entry and writes the sound ones anew.
private struct RewritingVisitor: BoltVisitor, @unchecked Sendable {
    // Unchecked: the sink's closure is called by the walk alone, which has one owner at a time.
    var audit: SchemaAudit
    var writer: BoltWriter
    /// Entries that were damaged or out of order.
    var omitted: Int64 = 0
    private let bump: RevisionBump?
    /// The newest revision that was written.
    private(set) var newest: Revision?
    private var copies = false
    private var isKeyBucket = false
    private var lastKey: [UInt8] = []
    private let keyBucket = Array("key".utf8)

    init(audit: SchemaAudit, output: ReplicatedFile, bump: RevisionBump?, pageSize: Int) throws {
        // The meta pages come last.
        try output.seek(to: 2 * UInt64(pageSize))
        self.audit = audit
        self.bump = bump
        writer = BoltWriter(pageSize: pageSize, firstPage: 2) { try output.append($0) }
    }

    mutating func found(_ finding: Finding) { audit.found(finding) }

    mutating func enterBucket(_ name: [UInt8], value: [UInt8]) {
        audit.enterBucket(name, value: value)
        copies = !RestoredSchema.isReplaced(name) && !writer.hasBucket(name)
        isKeyBucket = name == keyBucket
        lastKey = []
        if copies { writer.beginBucket(name) }
    }

    mutating func visit(key: RawSpan, value: RawSpan, at place: Place) throws {
        let errors = audit.errors
        audit.visit(key: key, value: value, at: place)
        guard copies else { return }
        // An etcd that meets a key-value it cannot read stops; an entry out of order would make the new tree wrong.
        guard audit.errors == errors, key.compare(lastKey.span.bytes) > 0 else {
            omitted += 1
            return
        }
        lastKey.removeAll(keepingCapacity: true)
        key.withUnsafeBytes { lastKey.append(contentsOf: $0) }
        try writer.put(key: key, value: value)
    }

    mutating func leaveBucket() throws {
        if copies {
            if isKeyBucket { newest = Revision(lastKey.span.bytes) }
            if isKeyBucket, let bump {
                let marker = try bump.applied(to: newest)
                try writer.put(BoltEntry(key: marker.encoded, value: []))
            }
            try writer.endBucket()
        }
        audit.leaveBucket()
    }
}
