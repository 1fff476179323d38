internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import NodeAccess
internal import ObjectStore
internal import Operations

// What takes backups out of stores, for other programs and for a cluster.
extension BackupCommand {
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a backup to one file, as it is stored.",
            discussion: """
                The file is a tar.gz with the manifest first; what is encrypted stays so. `drydock backup restore --file` takes it, and \
                tar, age and zstd open it.
                """)

        @OptionGroup var choice: BackupChoice
        @Argument(help: ArgumentHelp("Where it goes. (default: backup-YYYYMMDD.tar.gz, the day that it was made)", valueName: "file")) var target:
            String?
        @OptionGroup var place: BackupPlace
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let (found, path) = try await place.store { store -> (StoredBackup, String) in
                let catalog = BackupCatalog(store)
                let found = try await choice.find(in: catalog)
                let file = URL(fileURLWithPath: target ?? BackupArchive.name(of: found))
                let progress = ProgressBar("export", options: output)
                progress.set(done: 0, total: Int(clamping: found.manifest.storedBytes))
                let folder = try FolderStore(path: file.deletingLastPathComponent().path)
                try await BackupArchive.write(found, in: catalog, to: folder, as: file.lastPathComponent) { progress.advance(by: $0) }
                progress.finish()
                return (found, file.path)
            }
            try output.emit(BackupRow(found)) { "\(found.id) is in \(path)" }
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Restore a cluster's control plane from a backup, on all its hosts, as one run.",
            discussion: """
                The backup is fetched here, decrypted and checked; every member's data is made of it and brought to its host by ssh, where nothing of \
                drydock needs to be. Then the static pods are stopped, the data is exchanged, etcd starts, and the API servers. What was there stays \
                beside it: `drydock runs rollback` puts it back, also when the run is done. --dry-run shows the plan. Refused (exit code 4): a \
                cluster that serves, data of another cluster, an older etcd, too little room, a backup that nobody has read back.
                """)

        @OptionGroup var choice: BackupChoice
        @OptionGroup var source: BackupSource
        @OptionGroup var identity: IdentityOptions
        @OptionGroup(title: "Hosts") var hosts: HostOptions
        @Option(help: ArgumentHelp("Of static pods, on the hosts.", valueName: "folder")) var manifestsDir = "/etc/kubernetes/manifests"
        @Flag(help: "Also put the backup's keys, certificates, manifests and configuration of the hosts back.") var files = false
        @Option(help: ArgumentHelp("Raise the revision by this much, so that every client notices; 0 for not.", valueName: "number"))
        var bumpRevision: Int64 = 1_000_000_000
        @Option(help: ArgumentHelp("In which folder the members are made, on this machine; it needs room for all of them.", valueName: "folder"))
        var workDir: String?
        @Option(help: ArgumentHelp("The cluster whose data is on the hosts, where that is another.", valueName: "id")) var acceptClusterId: String?
        @Flag(help: "Also a backup that nobody has read back.") var acceptUnverified = false
        @Flag(help: "Also on hosts whose image of etcd is tagged with an older version.") var acceptOlderEtcd = false
        @Flag(help: "Also when etcd serves, and what was written since will be lost.") var acceptLoss = false
        @Flag(help: "Also when a member is not among the hosts, which is stopped for good.") var acceptLeftOut = false
        @Option(help: ArgumentHelp("With --files: another folder in which files may be put back; may be repeated.", valueName: "folder"))
        var fileRoot: [String] = []
        @Option(help: ArgumentHelp("How long a step may wait for a host. (default: 5m)", valueName: "duration")) var stepTimeout: DurationArgument?
        @Flag(help: "Print the plan, and do nothing.") var dryRun = false
        @OptionGroup(title: "Run") var gate: GateOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func validate() throws {
            if hosts.hosts.isEmpty { throw ValidationError("Say on which hosts: --host for each control-plane node, or --host local.") }
            if bumpRevision < 0 { throw ValidationError("--bump-revision is a number over 0, or 0.") }
            if !manifestsDir.hasPrefix("/") { throw ValidationError("--manifests-dir is an absolute path.") }
        }

        func run() async throws {
            let reference = try source.reference()
            let identities = try identity.identities()
            var waivers = RestoreWaivers()
            (waivers.unverified, waivers.olderEtcd, waivers.loss) = (acceptUnverified, acceptOlderEtcd, acceptLoss)
            (waivers.leftOut, waivers.fileRoots) = (acceptLeftOut, fileRoot)
            if let acceptClusterId {
                waivers.clusterID = UInt64(acceptClusterId, radix: 16)
                if waivers.clusterID == nil { throw ValidationError("--accept-cluster-id is a hexadecimal number, as etcd prints it.") }
            }
            let tag = RunTag.make()
            let settings = RestoreSettings(
                location: reference, identityFiles: identity.paths(), paths: RestorePaths(manifests: manifestsDir, tag: tag),
                workFolder: try RestoreSession.workFolder(tag, in: workDir), bump: bumpRevision == 0 ? nil : bumpRevision, withFiles: files,
                patienceSeconds: (stepTimeout?.duration ?? .seconds(300)).seconds, window: gate.window, maxSeconds: gate.maxSeconds)
            let nodes = try hosts.nodes()
            try await BackupSource.open(reference) { catalog in
                let found = try await choice.find(in: catalog)
                let made = try await RestorePlan.make(settings, on: nodes, waiving: waivers, found, in: catalog, identities: identities)
                let session = RunSession(output: output, probe: gate.probe)
                guard try session.accepts(made.plan, isRehearsal: dryRun) else { return }
                try await RestoreSession(session: session).begin(made, found, in: catalog, identities)
            }
        }
    }
}
