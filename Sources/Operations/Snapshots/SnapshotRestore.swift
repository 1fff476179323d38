package import EtcdStorage
internal import Foundation
package import SystemPackage

/// Restores an etcd snapshot into new data directories: of one member, or of every member of the cluster at once.
package struct SnapshotRestore: Sendable {
    /// Where a member's files go.
    package struct Target: Sendable {
        package var member: Member
        package var dataDirectory: FilePath
        /// nil for the folder inside the data directory.
        package var walDirectory: FilePath?

        package init(member: Member, dataDirectory: FilePath, walDirectory: FilePath? = nil) {
            self.member = member
            self.dataDirectory = dataDirectory
            self.walDirectory = walDirectory
        }
    }

    /// What is to be restored, and where to.
    package struct Plan: Sendable {
        package var source: FilePath
        package var identity: ClusterIdentity
        package var token: String
        package var targets: [Target]
        /// The folder that holds every target and appears as a whole; nil when there is one target that appears by itself.
        package var commonFolder: FilePath?
        package var bump: RevisionBump?
        package var rewrites: Bool
        package var skipHashCheck: Bool
        /// Restore what can be read of a damaged snapshot.
        package var force: Bool

        package init(
            source: FilePath, identity: ClusterIdentity, token: String, targets: [Target], commonFolder: FilePath? = nil,
            bump: RevisionBump? = nil, rewrites: Bool = false, skipHashCheck: Bool = false, force: Bool = false
        ) {
            self.source = source
            self.identity = identity
            self.token = token
            self.targets = targets
            self.commonFolder = commonFolder
            self.bump = bump
            self.rewrites = rewrites
            self.skipHashCheck = skipHashCheck
            self.force = force
        }

        /// `n1=url,n2=url`, members by name.
        package var initialCluster: String {
            identity.members.sorted { $0.name < $1.name }
                .flatMap { member in member.peerURLs.map { "\(member.name)=\($0)" } }.joined(separator: ",")
        }

        /// etcd binds to addresses only: a member that is known by its host name listens everywhere.
        static func listenURL(_ url: String) -> String {
            guard let scheme = url.range(of: "://"), let colon = url.lastIndex(of: ":"), url.hasPrefix("http") else { return url }
            let host = url[scheme.upperBound..<colon]
            let isAddress = host.hasPrefix("[") || host.allSatisfy { $0.isNumber || $0 == "." }
            return isAddress || host == "localhost" ? url : url[..<scheme.upperBound] + "0.0.0.0" + url[colon...]
        }

        /// The flags with which etcd starts on a target. `existing` makes it refuse to begin an empty cluster, should the folder be
        /// mistyped or missing.
        package func flags(for target: Target) -> [String] {
            let urls = target.member.peerURLs.joined(separator: ",")
            let listen = target.member.peerURLs.map(Self.listenURL).joined(separator: ",")
            var flags = ["--name=\(target.member.name)", "--data-dir=\(target.dataDirectory)"]
            if let wal = target.walDirectory { flags.append("--wal-dir=\(wal)") }
            return flags + [
                "--listen-peer-urls=\(listen)", "--initial-advertise-peer-urls=\(urls)", "--initial-cluster=\(initialCluster)",
                "--initial-cluster-token=\(token)", "--initial-cluster-state=existing",
            ]
        }
    }

    /// Says whether a run would be refused, without writing.
    package func check() throws {
        _ = try RandomAccessFile(path: plan.source)
        for target in plan.commonFolder.map({ [$0] }) ?? plan.targets.flatMap({ [$0.dataDirectory] + ($0.walDirectory.map { [$0] } ?? []) }) {
            try StagedFolder.refuseUnlessEmpty(target)
        }
        try checkSpace()
    }

    /// The snapshot is damaged, and nothing was restored.
    package struct Refusal: Error {
        package var report: SnapshotReport
    }

    package struct Outcome: Sendable {
        package var report: SnapshotReport
        /// Damaged entries that were left out; 0 unless forced. Entries on pages that could not be read are not among them.
        package var omittedEntries: Int64
        /// What a check of the restored database says; nil unless forced.
        package var restored: SnapshotReport?
    }

    package var plan: Plan

    package init(plan: Plan) { self.plan = plan }

    /// Restores. The targets appear whole, or not at all.
    /// - Throws: `Refusal` for a damaged snapshot, `StorageError` for targets that are not empty or disks that are full.
    package func run(progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> Outcome {
        try checkSpace()
        let staged = try stage()
        do {
            var databases: [FilePath] = []
            for (target, folders) in zip(plan.targets, staged.targets) {
                try folders.data.folder.makeFolder(folders.data.path.appending("member").appending("snap"))
                if folders.wal == nil { try folders.data.folder.makeFolder(folders.data.path.appending("member").appending("wal")) }
                let data = folders.data.folder.staging.pushing(folders.data.path)
                let snap = data.appending("member").appending("snap")
                try MemberFiles(identity: plan.identity, member: target.member)
                    .write(snapFolder: snap, walFolder: folders.wal?.staging ?? data.appending("member").appending("wal"))
                databases.append(MemberFiles.database(in: data))
            }
            let restore = DatabaseRestore(
                source: plan.source, identity: plan.identity, rewrites: plan.rewrites || plan.force, bump: plan.bump,
                skipHashCheck: plan.skipHashCheck)
            let (report, omitted) = try await restore.write(
                to: databases,
                accept: { report in
                    if !report.isSound, !plan.force { throw Refusal(report: report) }
                }, progress: progress)
            let restored = plan.force ? try await SnapshotVerifier(path: databases[0], skipHashCheck: true).verify() : nil
            if restored?.isSound == false {
                throw StorageError(.damaged, "what could be read of \(plan.source) makes no sound database. Use another snapshot.")
            }
            // The data directories last: where one stands, everything stands.
            try Task.checkCancellation()
            for folder in staged.folders { try folder.commit() }
            return Outcome(report: report, omittedEntries: omitted, restored: restored)
        } catch {
            for folder in staged.folders { folder.discard() }
            throw error
        }
    }

    private typealias StagedTarget = (data: (folder: StagedFolder, path: FilePath), wal: StagedFolder?)

    /// The staging folders, in the order in which they are to be committed.
    private func stage() throws -> (folders: [StagedFolder], targets: [StagedTarget]) {
        if let commonFolder = plan.commonFolder {
            let folder = try StagedFolder(target: commonFolder)
            return ([folder], plan.targets.map { ((folder, FilePath($0.member.name)), nil) })
        }
        var folders: [StagedFolder] = []
        var targets: [StagedTarget] = []
        do {
            for target in plan.targets {
                let wal = try target.walDirectory.map { try StagedFolder(target: $0) }
                if let wal { folders.append(wal) }
                let data = try StagedFolder(target: target.dataDirectory)
                folders.append(data)
                targets.append(((data, FilePath("")), wal))
            }
        } catch {
            for folder in folders { folder.discard() }
            throw error
        }
        return (folders, targets)
    }

    /// Says that a disk is too small before an hour's copy fills it.
    private func checkSpace() throws {
        let source = (try? FileManager.default.attributesOfItem(atPath: plan.source.string)[.size] as? Int64) ?? 0
        let folder = (plan.commonFolder ?? plan.targets.first?.dataDirectory ?? FilePath(".")).removingLastComponent()
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder.isEmpty ? "." : folder.string)
        guard let free = attributes?[.systemFreeSize] as? Int64 else { return }
        // A database written anew may be smaller than its snapshot by as much as that has holes.
        let database = plan.rewrites || plan.force ? 0 : source
        let needed = (Double(database) + Double(MemberFiles.logSize)) * Double(plan.targets.count)
        if Double(free) < needed {
            throw StorageError(
                .system,
                "there are \(free >> 20) MiB free in \(folder.isEmpty ? "." : folder.string), and the restore needs \(Int(needed / 1_048_576)) MiB. Make room there, or choose another folder."
            )
        }
    }
}
