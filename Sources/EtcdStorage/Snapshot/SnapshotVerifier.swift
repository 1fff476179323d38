internal import Crypto
package import SystemPackage

/// Proves or refutes that a file is a sound etcd snapshot. The file is never in memory: what is kept is a bit a page, and 10 to 21 bytes a
/// distinct user key for the count of live ones.
///
/// Two readers go side by side: one in file order for the SHA-256, one along the tree for everything else.
package struct SnapshotVerifier: Sendable {
    /// Kinds of keys that a report names.
    package static let topResources = 15

    private let path: FilePath
    private let skipHashCheck: Bool

    /// - Parameter skipHashCheck: accept a file without a digest, as one copied from a data directory is, and only
    ///   warn of a digest that does not match.
    package init(path: FilePath, skipHashCheck: Bool = false) {
        self.path = path
        self.skipHashCheck = skipHashCheck
    }

    /// Checks the file.
    /// - Parameter progress: told now and then how many more bytes are done; the whole is the file's size.
    /// - Throws: `StorageError` with `.notASnapshot` or `.system`; damage is in the report, not thrown.
    package func verify(progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> SnapshotReport {
        let file = try RandomAccessFile(path: path)
        return try await SnapshotReading(file: file, skipHashCheck: skipHashCheck)
            .run(progress: progress, copy: nil, visitor: { audit, _ in audit }, audit: { $0 }).report
    }
}

/// One reading of a snapshot by both readers, and what a restore does with the bytes on the way.
struct SnapshotReading: Sendable {
    let file: RandomAccessFile
    let skipHashCheck: Bool

    struct Result<Visitor> {
        var report: SnapshotReport
        /// nil when no meta page was valid, so that nothing could be walked.
        var walk: (image: BoltImage, visitor: Visitor)?
    }

    /// - Parameters:
    ///   - copy: where the database goes, without the digest.
    ///   - visitor: wraps the audit for the walk; `audit` takes it out again.
    func run<Visitor: BoltVisitor & Sendable>(
        progress: @escaping @Sendable (Int) -> Void,
        copy: ReplicatedFile?,
        visitor wrap: @Sendable (SchemaAudit, BoltImage) throws -> Visitor,
        audit unwrap: @Sendable (Visitor) -> SchemaAudit
    ) async throws -> Result<Visitor> {
        var findings = Findings()
        let image = try BoltImage(file: file, findings: &findings)
        let hasDigest = BoltImage.endsInDigest(size: file.size)
        let databaseSize = hasDigest ? file.size - BoltImage.digestSize : file.size
        // With two readers each byte is read twice, and counts once.
        let progress: @Sendable (Int) -> Void = { [progress] in progress(hasDigest ? $0 / 2 : $0) }
        async let digest = hasDigest ? SequentialReading(file: file, byteCount: databaseSize).digest(progress) : nil
        async let copied: Void? = copy?.copy(from: file, byteCount: databaseSize)

        var visited: Visitor?
        var fragmentation = 0.0
        if let image {
            var walk = BoltWalk(image: image, visitor: try wrap(SchemaAudit(findings: findings), image), progress: progress)
            try walk.run()
            visited = walk.visitor
            fragmentation = walk.fragmentation
        }
        let computed = try await digest
        _ = try await copied

        var audit = visited.map(unwrap) ?? SchemaAudit(findings: findings)
        let structureIsSound = image != nil && !audit.findings.hasErrors
        if image != nil { audit.finish() }
        let state = try checkDigest(hasDigest: hasDigest, computed: computed, findings: &audit.findings)
        let report = try makeReport(image: image, audit: audit, digest: state, fragmentation: fragmentation, structureIsSound: structureIsSound)
        return Result(report: report, walk: image.flatMap { image in visited.map { (image, $0) } })
    }

    private func checkDigest(
        hasDigest: Bool, computed: [UInt8]?, findings: inout Findings
    ) throws(StorageError) -> SnapshotReport.Digest {
        guard hasDigest else {
            if !skipHashCheck {
                findings.add(
                    Finding(
                        .sha256Absent, offset: file.size,
                        "there is no SHA-256 after the database: the file was cut short, or copied from a data directory; "
                            + "for the latter use --skip-hash-check"))
            }
            return .absent
        }
        guard let computed else { return .absent }
        var stored = [UInt8](repeating: 0, count: Int(BoltImage.digestSize))
        _ = try stored.read(from: file, at: file.size - BoltImage.digestSize)
        if stored == computed { return .match }
        findings.add(
            Finding(
                .sha256Mismatch, severity: skipHashCheck ? .warning : .error, offset: file.size - BoltImage.digestSize,
                "the SHA-256 of the database is not the one it was saved with"))
        return .mismatch
    }

    private func makeReport(
        image: BoltImage?, audit: SchemaAudit, digest: SnapshotReport.Digest, fragmentation: Double, structureIsSound: Bool
    ) throws(StorageError) -> SnapshotReport {
        SnapshotReport(
            file: file.path.string,
            sizeBytes: file.size,
            sha256: digest,
            hash: structureIsSound ? audit.status.value : nil,
            revision: audit.last?.main ?? 0,
            totalKey: audit.totalKey,
            totalSize: image?.logicalSize ?? 0,
            liveKeys: audit.liveKeys.count,
            tombstones: audit.tombstones,
            firstRevision: audit.first?.main ?? 0,
            compactRevision: audit.finishedCompaction?.main,
            consistentIndex: audit.consistentIndex,
            raftTerm: audit.term,
            fragmentation: fragmentation,
            leases: audit.leases,
            alarms: audit.alarms,
            authEnabled: audit.authEnabled,
            etcdVersion: audit.storageVersion ?? audit.clusterVersion,
            members: audit.members,
            removedMembers: audit.removedMembers.map { String($0, radix: 16) },
            raftVoters: audit.confState.map { ($0.voters ?? []).map { String($0, radix: 16) } },
            raftLearners: audit.confState.map { ($0.learners ?? []).map { String($0, radix: 16) } },
            resources: audit.resources.top(SnapshotVerifier.topResources),
            modified: try file.modificationTime(),
            findings: audit.findings.kept,
            findingCount: audit.findings.total,
            errorCount: audit.findings.errors
        )
    }
}

/// Reads a file once from front to back, for its digest.
struct SequentialReading: Sendable {
    private static let chunkSize = 1 << 20

    let file: RandomAccessFile
    /// How much of the file is read.
    let byteCount: UInt64

    /// - Returns: the SHA-256.
    @concurrent
    func digest(_ progress: @Sendable (Int) -> Void) async throws -> [UInt8] {
        file.adviseSequential()
        var hasher = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunkSize, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while offset < byteCount {
            try Task.checkCancellation()
            let wanted = Int(min(UInt64(Self.chunkSize), byteCount - offset))
            let count = try file.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard count == wanted else {
                throw StorageError(.system, "\(file.path) became shorter while it was read. Let no one write to it, and run again.")
            }
            hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
            progress(count)
        }
        return Array(hasher.finalize())
    }
}
