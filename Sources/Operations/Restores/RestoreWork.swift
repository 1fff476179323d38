internal import Crypto
internal import EtcdStorage
internal import Foundation
internal import ObjectStore
internal import SystemPackage

/// The folder on this machine in which a restore makes the members' data. It holds the cluster's secrets in plain, is for nobody else to read, and
/// goes at the end.
struct RestoreWork {
    let settings: RestoreSettings

    init(_ settings: RestoreSettings) { self.settings = settings }

    struct Prepared: Codable {
        var backup: String
        var tag: String
        var liveKeys: Int64
        /// With which the members start.
        var revision: Int64
    }

    private var folder: FilePath { FilePath(settings.workFolder) }
    private var mark: FilePath { folder.appending("prepared.json") }
    private var members: FilePath { folder.appending("members") }
    private var controlPlane: FilePath { folder.appending(ControlPlaneFiles.content) }

    var exists: Bool { FileManager.default.fileExists(atPath: folder.string) }

    /// What was prepared; nil until all of it is there.
    var prepared: Prepared? {
        guard let data = FileManager.default.contents(atPath: mark.string) else { return nil }
        let prepared = try? JSONDecoder().decode(Prepared.self, from: data)
        // Of this run, and no other.
        return prepared?.backup == settings.backup && prepared?.tag == settings.paths.tag ? prepared : nil
    }

    func requirePrepared() throws -> Prepared {
        guard let prepared else { throw OperationError(.stopped, "\(settings.workFolder) is gone. Roll the run back, and begin again.") }
        return prepared
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder.string) }

    /// Fetches and checks the backup, and restores every member from it.
    func prepare(_ backup: StoredBackup, in catalog: BackupCatalog, _ identities: [AgeIdentity], progress: @escaping @Sendable (Int) -> Void)
        async throws -> String
    {
        // What an attempt left that was cut off.
        remove()
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let store = try FolderStore(path: folder.string)
        if settings.withFiles { try await catalog.fetch(ControlPlaneFiles.content, of: backup, to: store, identities: identities) }
        try await catalog.fetch(BackupManifest.snapshot, of: backup, to: store, identities: identities, watch: progress)
        let token = "drydock-\(settings.paths.tag)"
        let identity = try ClusterIdentity(initialCluster: settings.initialCluster, token: token)
        let snapshot = folder.appending(BackupManifest.snapshot)
        let plan = SnapshotRestore.Plan(
            source: snapshot, identity: identity, token: token,
            targets: try settings.hosts.map { .init(member: try identity.member(named: $0.member), dataDirectory: members.appending($0.member)) },
            commonFolder: members, bump: try settings.bump.map { try RevisionBump(by: $0) })
        let outcome: SnapshotRestore.Outcome
        do { outcome = try await SnapshotRestore(plan: plan).run() } catch let refusal as SnapshotRestore.Refusal {
            throw OperationError(
                .damaged, "\(backup.id): the snapshot is damaged: \(refusal.report.findings.map { "\($0)" }.prefix(3).joined(separator: "; "))")
        }
        try FileManager.default.removeItem(atPath: snapshot.string)
        let prepared = Prepared(
            backup: backup.id, tag: settings.paths.tag, liveKeys: outcome.report.liveKeys, revision: outcome.report.revision + (settings.bump ?? 0))
        try JSONEncoder().encode(prepared).write(to: URL(fileURLWithPath: mark.string), options: .atomic)
        return "\(prepared.liveKeys) keys at revision \(prepared.revision), sound"
    }

    func controlPlaneFiles() throws -> [String: NodeFiles] {
        guard let data = FileManager.default.contents(atPath: controlPlane.string) else {
            throw OperationError(.stopped, "\(controlPlane) is gone. Roll the run back, and begin again.")
        }
        var parser = NodeFiles.Parser()
        try parser.take(Array(data)[...])
        return try parser.finish()
    }

    /// One file or folder of a member's data.
    struct Piece: Sendable {
        /// Below the folder `member`.
        var entry: TarEntry
        fileprivate var path: FilePath
        /// How long the file is, where its end is zeros that are not sent; nil where all of it is.
        var wholeSize: Int64?

        func read(_ receive: (sending [UInt8]) async throws -> Void) async throws {
            guard case .file(let size) = entry.kind else { return }
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path.string))
            defer { try? file.close() }
            var left = Int(size)
            while left > 0, let data = try file.read(upToCount: min(left, 1 << 20)), !data.isEmpty {
                left -= data.count
                try await receive(Array(data))
            }
            guard left == 0 else { throw OperationError(.stopped, "\(path) became shorter while it was read.") }
        }

        /// SHA-256 of the whole file; nil for a folder.
        func digest() throws -> String? {
            guard case .file = entry.kind else { return nil }
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path.string))
            defer { try? file.close() }
            var hash = SHA256()
            while let data = try file.read(upToCount: 1 << 20), !data.isEmpty { hash.update(data: data) }
            return hash.finalize().hexadecimal
        }
    }

    /// A member's folder, piece by piece, folders before what they hold.
    func files(of host: ControlPlaneHost) throws -> [Piece] {
        _ = try requirePrepared()
        let root = members.appending(host.member).appending("member")
        guard let walk = FileManager.default.enumerator(atPath: root.string) else { throw OperationError(.stopped, "\(root) is gone.") }
        var pieces: [Piece] = []
        for case let name as String in walk {
            let path = root.appending(name)
            let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
            let isFolder = attributes[.type] as? FileAttributeType == .typeDirectory
            let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
            let sent = isFolder ? 0 : name.hasSuffix(".wal") ? try Self.usedSize(path, size) : size
            let entry = TarEntry(
                path: name, kind: isFolder ? .folder : .file(size: UInt64(sent)), mode: isFolder ? 0o700 : 0o600,
                modified: Int64((attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0))
            pieces.append(Piece(entry: entry, path: path, wholeSize: sent == size || isFolder ? nil : size))
        }
        return pieces.sorted { $0.entry.path < $1.entry.path }
    }

    /// How much of a log is more than the zeros that it was made of, bytes.
    private static func usedSize(_ path: FilePath, _ size: Int64) throws -> Int64 {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path.string))
        defer { try? file.close() }
        var (offset, used): (Int64, Int64) = (0, 0)
        while let data = try file.read(upToCount: 1 << 20), !data.isEmpty {
            if let last = data.lastIndex(where: { $0 != 0 }) { used = offset + Int64(last - data.startIndex) + 1 }
            offset += Int64(data.count)
        }
        return used
    }
}
