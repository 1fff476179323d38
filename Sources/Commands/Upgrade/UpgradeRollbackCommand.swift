internal import ArgumentParser
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import ObjectStore
internal import Operations

struct UpgradeRollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Take an upgrade back, also one that is done.",
        discussion: """
            --keep-data goes back node by node with no downtime, and leaves etcd's data as it is: right while an upgrade is under way or has just ended, since \
            for some time two minors read the same data in any upgrade; what only the newer one knows the older one does not read, and nobody upstream \
            supports it. --restore-etcd takes the kubelets back node by node, and then exchanges etcd's data and the control planes' files for those of the \
            backup that the upgrade began with: the API is away meanwhile, and what was written since is lost. It is listed first, and --accept-loss confirms it.
            """)

    @OptionGroup var reference: UpgradeReference
    @Flag(help: "Node by node; etcd's data stays as it is.") var keepData = false
    @Flag(help: "With etcd's data, static pods and files of the backup that the upgrade began with.") var restoreEtcd = false
    @Flag(help: "Also when what was written since the backup will be lost.") var acceptLoss = false
    @Flag(help: "Also on hosts whose image of etcd is tagged with an older version than the backup's.") var acceptOlderEtcd = false
    @Option(
        help: ArgumentHelp("The cluster whose data is on the hosts, where that is another than the backup's: it was restored since.", valueName: "id")
    )
    var acceptClusterId: String?
    @Option(help: ArgumentHelp("In which folder the members are made, on this machine; it needs room for all of them.", valueName: "folder"))
    var workDir: String?
    @Flag(help: "Print the plan, and do nothing.") var dryRun = false
    @Flag(help: "Also when the run's owner is on another host, so that nobody here can tell whether it lives.") var takeLock = false
    @OptionGroup var identity: IdentityOptions
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Probe") var probe: ProbeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if keepData, restoreEtcd { throw ValidationError("--keep-data and --restore-etcd exclude one another.") }
        if let acceptClusterId, UInt64(acceptClusterId, radix: 16) == nil {
            throw ValidationError("--accept-cluster-id is a hexadecimal number, as etcd prints it.")
        }
        if keepData, dryRun {
            throw ValidationError("--keep-data takes back what `drydock upgrade status` lists, the last step first; --dry-run is for --restore-etcd.")
        }
    }

    func run() async throws {
        if let name = reference.clusterUpgrade {
            guard keepData else {
                throw OperationError(
                    .refused, "a controller in the cluster can only go back with --keep-data: while etcd's data is exchanged there is no API for it.")
            }
            return try await ClusterUpgradeDesk(name: name, kubernetes: kubernetes).ask(
                ["spec": ["rollBack": true, "paused": false]], "the ClusterUpgrade \(name) is taken back", output)
        }
        let journal = try Journal.ofThisUser()
        let run = try reference.find(in: journal)
        let session = UpgradeSession(session: RunSession(output: output, probe: probe))
        // What is under way goes on, or back, as it began.
        if run.operation == "upgrade rollback" {
            throw OperationError(
                .refused,
                "the run \(run.id) is a rollback itself: `drydock upgrade resume \(run.id)` goes on with it, `drydock runs rollback \(run.id)` takes it back."
            )
        }
        if keepData { return try await session.goOn(run, .rollBack, kubernetes, takingLock: takeLock) }
        guard restoreEtcd else {
            let report = try UpgradeRunReport(run, journal, at: Date())
            try output.emit(report) { UpgradeStatusText(report).text }
            throw OperationError(.refused, "say how to go back: --keep-data or --restore-etcd; what each means stands above.")
        }
        try await restore(run, journal, session)
    }

    private func restore(_ run: RunRecord, _ journal: Journal, _ session: UpgradeSession) async throws {
        let rollback = try WholeRollback(run)
        if let later = try journal.runs().first(where: { other in
            other.subject == run.subject && other.operation == "upgrade apply" && other.startedAt > run.startedAt
                && ![.cancelled, .rolledBack].contains(other.state)
        }) {
            throw OperationError(
                .refused, "the upgrade \(later.id) came after \(run.id). Take that one back first: `drydock upgrade rollback \(later.id)`.")
        }
        guard let location = try await location(of: rollback) else {
            throw OperationError(
                .refused,
                "the backup \(rollback.backup) is in none of \(rollback.settings.backup?.locations.joined(separator: ", ") ?? "the locations"). --keep-data goes back without it."
            )
        }
        let identityFiles = identity.paths().isEmpty ? rollback.settings.backup?.identityFiles ?? [] : identity.paths()
        let identities = try IdentityOptions.read(identityFiles)
        let tag = RunTag.make()
        let settings = RestoreSettings(
            location: location, identityFiles: identityFiles,
            paths: RestorePaths(manifests: "\(rollback.settings.control.folders.kubernetes)/manifests", tag: tag),
            workFolder: try RestoreSession.workFolder(tag, in: workDir), bump: 1_000_000_000, withFiles: true,
            patienceSeconds: rollback.settings.control.patienceSeconds, window: nil, maxSeconds: nil)
        var waivers = RestoreWaivers()
        // Of the loss the rollback itself speaks; and the backup is checked before anything is stopped.
        (waivers.loss, waivers.olderEtcd, waivers.unverified) = (true, acceptOlderEtcd, true)
        waivers.clusterID = acceptClusterId.flatMap { UInt64($0, radix: 16) }
        let access = try kubernetes.kubeconfig == nil && kubernetes.context == nil ? session.access(rollback.settings) : kubernetes.access
        try await BackupSource.open(location) { catalog in
            let found = try await catalog.find(rollback.backup)
            let restored = try await RestorePlan.make(
                settings, on: rollback.settings.control.nodes, waiving: waivers, found, in: catalog, identities: identities)
            let loss = await rollback.loss(found.manifest)
            try await KubernetesClient.connected(access) { client in
                let apiAnswers = await UpgradeRun.answers(client)
                if apiAnswers, try await client.clusterSubject() != run.subject {
                    throw OperationError(
                        .refused, "the run \(run.id) is about \(run.subject), and another cluster was reached. Check --kubeconfig and --context.")
                }
                let made = rollback.make(restored, subject: run.subject, loss: loss, apiAnswers: apiAnswers, acceptsLoss: acceptLoss)
                guard try session.session.accepts(made.plan, isRehearsal: dryRun) else { return }
                // The upgrade itself is over: its place is taken by the way back.
                if !run.state.isOver { try journal.abandon(run.id, takingLock: takeLock, now: Date()) }
                try await session.beginRollback(client, made.plan, made.settings, loss)
            }
        }
    }

    /// The first that has the backup.
    private func location(of rollback: WholeRollback) async throws -> String? {
        for location in rollback.settings.backup?.locations ?? [] {
            let has = try? await BackupSource.open(location) { (catalog: BackupCatalog) in (try? await catalog.find(rollback.backup)) != nil }
            if has == true { return location }
        }
        return nil
    }
}
