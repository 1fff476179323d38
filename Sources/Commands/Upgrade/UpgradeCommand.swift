internal import ArgumentParser
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NodeAccess
internal import Operations

extension KubernetesVersion {
    /// `v1.24.17`, `1.24.17`.
    static func argument(_ text: String) throws -> KubernetesVersion {
        guard let version = KubernetesVersion(text) else {
            throw ValidationError("\"\(text)\" is no version: it has three numbers, such as v1.24.17.")
        }
        return version
    }
}

struct UpgradeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade",
        abstract: "Upgrade a cluster that kubeadm made, node by node, with no downtime; or say why not.",
        subcommands: [
            UpgradePlanCommand.self, UpgradeApplyCommand.self, UpgradeStatusCommand.self, UpgradePauseCommand.self, UpgradeResumeCommand.self,
            UpgradeRollbackCommand.self, UpgradeAbortCommand.self,
        ])
}

/// Which nodes, how they are reached, what stands in front of them.
struct UpgradeOptions: ParsableArguments {
    @Option(name: .customLong("to"), help: ArgumentHelp("The version that is wanted.", valueName: "version"), transform: { try .argument($0) })
    var target: KubernetesVersion
    @Option(
        help: ArgumentHelp(
            "Which patch to take of a minor on the way; may be repeated. (default: the newest in the repositories)", valueName: "version"),
        transform: { try .argument($0) })
    var via: [KubernetesVersion] = []
    @Option(help: "How many nodes of the cluster may be away at once, a number or a percentage; control planes go one at a time.")
    var maxUnavailable: CountArgument?
    @Option(help: "How many workers go first, one after the other.") var canaries = 1
    @Option(help: ArgumentHelp("How long to watch after the canaries.", valueName: "duration")) var soak = DurationArgument(seconds: 0)
    @Option(help: ArgumentHelp("How long a component may take to end, to start and to be ready, and kubeadm for a node.", valueName: "duration"))
    var stepTimeout = DurationArgument(seconds: 600)
    @Option(help: ArgumentHelp("How long another package manager on a node is waited for.", valueName: "duration"))
    var lockTimeout = DurationArgument(seconds: 300)
    @Option(help: ArgumentHelp("For kubeadm's --ignore-preflight-errors.", valueName: "checks")) var ignorePreflightErrors: String?
    @Option(
        help: ArgumentHelp("A program to run when a node is upgraded, before it takes pods; may be repeated.", valueName: "program"))
    var nodeHook: [String] = []
    @Option(
        help: ArgumentHelp(
            "A program to run when the control planes are upgraded, before the workers: the network and other add-ons; may be repeated.",
            valueName: "program"
        ))
    var addonHook: [String] = []
    @Option(help: ArgumentHelp("Go on although this check forbids it; may be repeated.", valueName: "check")) var waive: [String] = []
    @Option(help: ArgumentHelp("Also look at the manifests in this file, or in the YAML files of this folder; may be repeated.", valueName: "path"))
    var manifests: [String] = []
    @Option(help: ArgumentHelp("Also look at this audit log of an API server (JSON lines); may be repeated.", valueName: "file")) var auditLog:
        [String] = []
    @OptionGroup(title: "Drains") var drain: UpgradeDrainOptions
    @OptionGroup(title: "Backup") var backup: UpgradeBackupOptions
    @OptionGroup(title: "Run") var gate: GateOptions
    @OptionGroup(title: "Load balancers") var front: FrontOptions
    @OptionGroup(title: "Nodes") var nodes: CertificateOptions
    @OptionGroup(title: "Nodes without ssh") var jobs: NodeJobOptions
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard canaries >= 0 else { throw ValidationError("--canaries is a number.") }
        if kubernetes.context != nil, !nodeHook.isEmpty || !addonHook.isEmpty {
            throw ValidationError("Programs work on the kubeconfig's current context. Give them a --kubeconfig of its own, without --context.")
        }
        if let beyond = via.first(where: { $0 > target }) { throw ValidationError("--via \(beyond) is beyond \(target).") }
    }

    /// Where the backup goes, who may read it.
    /// - Parameter needsBackup: whether something is going to be changed.
    func request(_ tag: String, needsBackup: Bool = true) async throws -> UpgradeRequest {
        let hooks =
            try nodeHook.map { UpgradeHook(moment: .node, program: try Self.program($0)) }
            + addonHook.map { UpgradeHook(moment: .addons, program: try Self.program($0)) }
        var drainSettings = NodeRunSettings(
            kubeconfigs: kubernetes.files, context: kubernetes.context, options: drain.options, maxUnavailable: maxUnavailable?.value,
            respectsQuorum: true,
            patienceSeconds: stepTimeout.duration.seconds, mark: "upgrade \(tag)", reason: "upgrade to \(target)")
        drainSettings.gracePeriodSeconds = drain.gracePeriod
        let reach: @Sendable (String) throws -> NodeAccess = { [jobs, nodes, kubernetes] word in
            // Those whose destination is named are reached there.
            guard !word.contains("="), let way = jobs.way(kubernetes, tag) else { return try nodes.hosts.nodes([word])[0] }
            return NodeAccess(name: word, way: way)
        }
        let named = try nodes.hosts.hosts.map(reach)
        if let twice = Dictionary(grouping: named, by: \.name).first(where: { $1.count > 1 }) {
            throw OperationError(.invalid, "the host \(twice.key) is named twice.")
        }
        var request = UpgradeRequest(
            target: target, via: via, tag: tag, folders: try nodes.folders(),
            hosts: named.isEmpty ? nil : named, reach: reach,
            loadBalancers: try await front.loadBalancers(nodes.hosts), holdsTraffic: front.lbHold,
            sessionSeconds: front.lbDrain.duration.seconds, drain: drainSettings, canaries: canaries, soakSeconds: soak.duration.seconds,
            backup: needsBackup ? try backup.backup() : nil, hooks: hooks, ignoredPreflightErrors: ignorePreflightErrors,
            patienceSeconds: stepTimeout.duration.seconds, lockSeconds: lockTimeout.duration.seconds, window: gate.window, maxSeconds: gate.maxSeconds
        )
        request.waived = Set(waive)
        for path in manifests {
            let (found, unread) = try Self.documents(at: path)
            request.manifests += found
            request.unread += unread
        }
        request.readAudit = { [auditLog] line in for file in auditLog { try TextFile.forEachLine(file, line) } }
        if let locations = try? backup.place.locations() {
            let name = backup.cluster.name
            request.findBackup = {
                try await BackupPlace.open(locations[...], []) { stores in
                    for store in stores {
                        let catalog = BackupCatalog(store)
                        guard let newest = try? await catalog.find("latest", cluster: name) else { continue }
                        let drilled = try await catalog.drills(of: [newest]).first?.report
                        return (newest.manifest.createdAt, newest.verifiedAt, drilled?.isProof == true ? drilled?.drilledAt : nil)
                    }
                    return nil
                }
            }
        }
        return request
    }

    /// What is larger is no manifest that somebody wrote, bytes.
    private static let largestManifest = 32 << 20

    /// The files of a folder that end in .yaml, .yml or .json, or the file itself; and what could not be read.
    private static func documents(at path: String) throws -> (found: [(file: String, text: String)], unread: [String]) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw OperationError(.invalid, "There is no \(path). Check --manifests.")
        }
        let inside = isFolder.boolValue ? FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? [] : []
        let names = inside.sorted().filter { name in [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) } }.map { "\(path)/\($0)" }
        if isFolder.boolValue, names.isEmpty { return ([], ["\(path) has no files that end in .yaml, .yml or .json"]) }
        var found: [(file: String, text: String)] = []
        var unread: [String] = []
        for name in isFolder.boolValue ? names : [path] {
            let size = (try? FileManager.default.attributesOfItem(atPath: name)[.size] as? Int) ?? 0
            guard size <= largestManifest else {
                unread.append("\(name) has \(size >> 20) MiB; \(largestManifest >> 20) are the most")
                continue
            }
            do { found.append((name, try TextFile.read(name))) } catch { unread.append("\(error)") }
        }
        return (found, unread)
    }

    private static func program(_ path: String) throws -> String {
        let absolute = URL(fileURLWithPath: path).path
        guard FileManager.default.isExecutableFile(atPath: absolute) else { throw OperationError(.invalid, "\(path) is no program.") }
        return absolute
    }
}

/// Nodes that are reached by Jobs.
struct NodeJobOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Reach nodes by privileged Jobs of this image, which has drydock in it, instead of by ssh; but those that --host names with a DESTINATION.",
            valueName: "image"))
    var byJob: String?
    @Option(help: "Where the Jobs are; Pod Security has to let them be privileged there.") var jobNamespace = "drydock"

    /// - Parameter tag: of the run whose Jobs they are.
    func way(_ kubernetes: KubernetesOptions, _ tag: String) -> NodeAccess.Way? {
        byJob.map {
            .job(.init(namespace: jobNamespace, image: $0, tag: tag, kubeconfigs: kubernetes.files, context: kubernetes.context))
        }
    }
}

/// How nodes are emptied.
struct UpgradeDrainOptions: ParsableArguments {
    @Flag(help: "Also pods with emptyDir volumes, whose data is lost.") var deleteEmptydirData = false
    @Flag(help: "Also pods that no controller makes anew.") var force = false
    @Option(help: ArgumentHelp("Seconds that pods get to end. (default: each pod's own)", valueName: "seconds")) var gracePeriod: Int?
    @Option(help: ArgumentHelp("How long a drain may take. (default: as long as it takes)", valueName: "duration")) var drainTimeout:
        DurationArgument?

    var options: DrainMachine.Options {
        var options = DrainMachine.Options()
        options.filters.ignoreDaemonSets = true
        options.filters.deleteEmptyDirData = deleteEmptydirData
        options.filters.force = force
        options.timeoutSeconds = drainTimeout?.duration.seconds ?? 0
        options.returns = true
        return options
    }
}

/// The backup that comes first.
struct UpgradeBackupOptions: ParsableArguments {
    @OptionGroup var place: BackupPlace
    @OptionGroup var cluster: ClusterNameOption
    @Option(help: ArgumentHelp("Who can read it; may be repeated.", valueName: "age1…")) var recipient: [String] = []
    @OptionGroup var identity: IdentityOptions
    @Flag(help: "Keep the control planes' keys although nothing is encrypted.") var acceptPlainKeys = false
    @Flag(help: "Make no backup: there is no way back for etcd's data.") var noBackup = false

    func backup() throws -> UpgradeBackup? {
        if noBackup { return nil }
        if !recipient.isEmpty, identity.paths().isEmpty {
            throw OperationError(
                .invalid,
                "The backup is encrypted, and without an --identity nobody sees whether it can be read. Give one, or --no-backup after `drydock backup create`."
            )
        }
        guard !recipient.isEmpty || acceptPlainKeys else {
            throw OperationError(
                .invalid,
                "The backup has the keys of the cluster's authorities. Give a --recipient (and an --identity, so that it can be read back), or --accept-plain-keys, or --no-backup."
            )
        }
        let locations = try place.locations().map { $0.contains("://") ? $0 : URL(fileURLWithPath: $0).path }
        return UpgradeBackup(
            locations: locations, cluster: cluster.name, recipients: recipient, identityFiles: identity.paths(), acceptsPlainKeys: acceptPlainKeys)
    }
}
