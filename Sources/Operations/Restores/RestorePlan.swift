internal import Etcd
internal import EtcdStorage
internal import Foundation
package import Maintenance
package import NodeAccess
package import ObjectStore

/// What a restore of a control plane does.
package enum RestoreAction: Codable, Sendable, Equatable {
    /// Fetch the backup to this machine, decrypt and check it, make every member's data of it.
    case prepare
    case discard
    /// Bring a member's data to its host, beside what is there.
    case send(host: String)
    case takeAway(host: String)
    /// Look at the hosts once more, before anything is stopped.
    case checkHosts
    case stop([Component], host: String)
    case start([Component], host: String)
    case checkStopped
    /// Put the backup's files of the host in their places.
    case placeFiles(host: String)
    case takeFilesBack(host: String)
    /// Exchange the data: what was there stays beside it.
    case swapIn(host: String)
    case swapOut(host: String)
    case awaitQuorum
    case awaitServers

    package typealias Plan = Maintenance.Plan<RestoreAction>
    package typealias Step = Maintenance.Step<RestoreAction>
}

/// What a restore was asked for; the journal keeps it. Paths of keys, never keys.
package struct RestoreSettings: RunSettings {
    /// A backup's location, or the archive that it is in.
    package var location: String
    /// Its id; the plan fills it in, and the hosts.
    package private(set) var backup = ""
    package private(set) var hosts: [ControlPlaneHost] = []
    package var identityFiles: [String]
    package var paths: RestorePaths
    /// On this machine; removed at the end.
    package var workFolder: String
    /// By how much the revision is raised; nil to leave it as it was.
    package var bump: Int64?
    package var withFiles: Bool
    /// How long a step may wait for a host, seconds.
    package var patienceSeconds: Double
    package var window: Window?
    package var maxSeconds: Double?

    package init(
        location: String, identityFiles: [String], paths: RestorePaths, workFolder: String, bump: Int64?, withFiles: Bool, patienceSeconds: Double,
        window: Window?, maxSeconds: Double?
    ) {
        self.location = location
        self.identityFiles = identityFiles
        self.paths = paths
        self.workFolder = workFolder
        self.bump = bump
        self.withFiles = withFiles
        self.patienceSeconds = patienceSeconds
        self.window = window
        self.maxSeconds = maxSeconds
    }

    /// The same for this backup, on these hosts.
    func of(_ backup: StoredBackup, on hosts: [ControlPlaneHost]) -> RestoreSettings {
        var settings = self
        (settings.backup, settings.hosts) = (backup.id, hosts)
        return settings
    }

    func host(_ name: String) throws -> ControlPlaneHost {
        guard let host = hosts.first(where: { $0.name == name }) else { throw OperationError(.invalid, "there is no host \(name) in this run.") }
        return host
    }

    /// `n1=url,n2=url`.
    var initialCluster: String {
        hosts.flatMap { host in host.peerURLs.map { "\(host.member)=\($0)" } }.joined(separator: ",")
    }
}

/// The safety rules that somebody waives, each for himself.
package struct RestoreWaivers: Sendable {
    /// The cluster whose data is on the hosts, where that is another than the backup's.
    package var clusterID: UInt64?
    package var unverified = false
    package var olderEtcd = false
    package var loss = false
    package var leftOut = false
    /// Other folders in which files may be put back.
    package var fileRoots: [String] = []

    package init() {}
}

/// Makes the plan of a restore from what the hosts and the backup say.
package enum RestorePlan {
    /// The id of the step after which the store is not needed any more.
    package static let fetchStep = "prepare"

    package struct Made: Sendable {
        package var plan: RestoreAction.Plan
        package var settings: RestoreSettings
    }

    /// - Parameters:
    ///   - asked: what is wanted; without the backup and the hosts.
    ///   - nodes: the control-plane hosts.
    package static func make(
        _ asked: RestoreSettings, on nodes: [NodeAccess], waiving waivers: RestoreWaivers, _ backup: StoredBackup, in catalog: BackupCatalog,
        identities: [AgeIdentity]
    ) async throws -> Made {
        guard backup.faults.isEmpty else {
            throw OperationError(.damaged, "\(backup.id): \(backup.faults.joined(separator: "; ")). Use another one.")
        }
        guard backup.manifest.recipients.isEmpty || !identities.isEmpty else {
            throw OperationError(.invalid, "\(backup.id) is encrypted to \(backup.manifest.recipients.joined(separator: ", ")). Give an --identity.")
        }
        let files = asked.withFiles ? try await catalog.controlPlaneFiles(of: backup, identities: identities) : [:]
        let facts = try await withThrowingTaskGroup(of: (Int, RestoreFacts).self) { group in
            for (index, node) in nodes.enumerated() {
                group.addTask { (index, try await RestoreFacts.read(node, asked.paths, files: files[node.name])) }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        let settings = asked.of(backup, on: facts.map(\.host))
        try await catalog.checkReadable(backup, identities: identities)
        let serving = try await ControlPlaneProbe(settings.hosts).serving(runs: facts.contains(where: \.runsEtcd))
        var plan = RestoreAction.Plan(
            operation: "backup restore", subject: "control plane of \(backup.manifest.cluster)", steps: steps(settings, backup),
            parallel: facts.count)
        (plan.refusals, plan.remarks) = judge(settings, waivers, backup, facts, files, serving: serving)
        return Made(plan: plan, settings: settings)
    }

    /// The safety rules, and what a reader should know.
    private static func judge(
        _ settings: RestoreSettings, _ waivers: RestoreWaivers, _ backup: StoredBackup, _ facts: [RestoreFacts], _ files: [String: NodeFiles],
        serving: ControlPlaneProbe.Serving
    ) -> (refusals: [String], remarks: [String]) {
        let manifest = backup.manifest
        var refusals: [String] = []
        var remarks: [String] = []
        if backup.verifiedAt == nil, !waivers.unverified {
            refusals.append(
                "nobody has read \(backup.id) back yet. Run `drydock backup drill` or `verify --deep` first, or add --accept-unverified: it is checked before anything is stopped."
            )
        }
        let ids = Set(facts.compactMap(\.clusterID)).subtracting([UInt64(manifest.clusterID, radix: 16) ?? 0, waivers.clusterID ?? 0])
        for id in ids.sorted() {
            let hex = String(id, radix: 16)
            refusals.append(
                "\(facts.filter { $0.clusterID == id }.map(\.host.name).joined(separator: ", ")) holds data of the cluster \(hex), and the backup is of \(manifest.clusterID). If it is the same cluster, restored since, add --accept-cluster-id \(hex)."
            )
        }
        switch serving {
        case .no: break
        case _ where waivers.loss: break
        case .yes(let revision):
            refusals.append(
                "etcd serves, at revision \(revision): whatever was written since the backup (revision \(manifest.revision), \(manifest.createdAt.formatted(.iso8601))) would be lost. If that is meant, add --accept-loss."
            )
        case .unknown(let why):
            refusals.append(
                "etcd runs, and nobody can tell whether it serves (\(why)): what was written since the backup may be lost. If that is meant, add --accept-loss."
            )
        }
        let size = Int64(clamping: manifest.parts.first { $0.content == BackupManifest.snapshot }?.plainBytes ?? 0) + Int64(MemberFiles.logSize)
        for fact in facts {
            if let version = fact.etcdVersion, isOlder(version, than: manifest.etcdVersion), !waivers.olderEtcd {
                refusals.append(
                    "the image of etcd on \(fact.host.name) is \(version), and the backup is of \(manifest.etcdVersion): an older etcd may not read it. Upgrade the image first; if its tag does not tell the truth, add --accept-older-etcd."
                )
            }
            if fact.freeSpace < size {
                refusals.append(
                    "\(fact.host.name) has \(fact.freeSpace >> 20) MiB free in \(fact.host.dataDirectory), and \(size >> 20) MiB are needed. Make room there."
                )
            }
            if fact.isBare, !settings.withFiles {
                refusals.append("\(fact.host.name) has no manifests. Add --files to put the backup's there.")
            }
            if settings.withFiles { refusals += refusedFiles(of: fact.host.name, files[fact.host.name], settings, waivers) }
            if !fact.hasKubelet { remarks.append("\(fact.host.name): no kubelet runs there; nothing starts or stops without it") }
        }
        if let free = try? FileManager.default.attributesOfFileSystem(
            forPath: (settings.workFolder as NSString).deletingLastPathComponent)[.systemFreeSize] as? Int64,
            free < size * Int64(facts.count + 1)
        {
            refusals.append(
                "\(settings.workFolder) is on a disk with \(free >> 20) MiB free, and \(size * Int64(facts.count + 1) >> 20) MiB are needed. Use --work-dir."
            )
        }
        let restored = Set(facts.map(\.host.member))
        let left = Set((manifest.members ?? []).map(\.name) + facts.flatMap(\.peers)).subtracting(restored).sorted()
        if !left.isEmpty {
            let names = left.joined(separator: ", ")
            if waivers.leftOut {
                remarks.append(
                    "not restored: \(names). The new cluster has \(facts.count) members; remove what they have of etcd, and let them join again")
            } else {
                refusals.append(
                    "\(names) is a member too, and not among the hosts. If its etcd and API server run on, two clusters answer to one name. Add it with --host; or stop its kubelet, etcd and API server for good, and add --accept-left-out."
                )
            }
        }
        if settings.bump == nil { remarks.append("the revision is not raised: clients that watch may go on as if nothing had happened") }
        return (refusals, remarks)
    }

    /// Where the files of a control-plane host may be. An archive can be written by whoever can write to the store: age does not say who encrypted.
    private static let fileRoots = ["/etc/kubernetes", "/var/lib/kubelet", "/etc/systemd/system/kubelet.service.d", "/etc/default/kubelet"]

    private static func refusedFiles(of name: String, _ files: NodeFiles?, _ settings: RestoreSettings, _ waivers: RestoreWaivers) -> [String] {
        guard let files else { return ["the backup holds no files of \(name). Leave --files out, or name the host as the backup does."] }
        let roots = fileRoots + [(settings.paths.manifests as NSString).deletingLastPathComponent] + waivers.fileRoots
        let foreign = files.paths.filter { path in !roots.contains { path == $0 || path.hasPrefix($0 + "/") } }
        guard let first = foreign.first else { return [] }
        return [
            "the backup would write \(first) on \(name)\(foreign.count > 1 ? ", and \(foreign.count - 1) more" : ""), which is no file of a control plane. If it is meant, allow it with --file-root."
        ]
    }

    static func isOlder(_ version: String, than other: String) -> Bool {
        func numbers(_ text: String) -> [Int] { text.split(separator: ".").prefix(2).map { Int($0) ?? 0 } }
        return numbers(version).lexicographicallyPrecedes(numbers(other))
    }

    private static func steps(_ settings: RestoreSettings, _ backup: StoredBackup) -> [RestoreAction.Step] {
        let looks = Undo<RestoreAction>.nothing(because: "it only looks")
        var steps = [
            RestoreAction.Step(
                id: fetchStep, title: "fetch and check \(backup.id), and make \(settings.hosts.count) members of it", target: settings.workFolder,
                reason: "what is damaged must be known before anything is stopped", effect: "none",
                undo: .by(.discard, title: "remove \(settings.workFolder)"), expectedSeconds: 60, isDisruptive: false, action: .prepare)
        ]
        for host in settings.hosts {
            steps.append(
                .init(
                    id: "send \(host.name)", title: "bring the data of \(host.member) to \(host.name)", target: host.name,
                    reason: "the outage begins when everything is there", effect: "room on its disk",
                    undo: .by(.takeAway(host: host.name), title: "remove \(settings.paths.staged(host)) on \(host.name)"), expectedSeconds: 60,
                    isDisruptive: false, action: .send(host: host.name), lane: host.name))
        }
        steps.append(
            .init(
                id: "check hosts", title: "look at the hosts once more", target: "all hosts", reason: "the next steps stop the cluster",
                effect: "none",
                undo: looks, isDisruptive: false, action: .checkHosts))
        for host in settings.hosts {
            let running = Array(host.running.reversed())
            if running.isEmpty { continue }
            steps.append(
                .init(
                    id: "stop \(host.name)", title: "stop \(names(running)) on \(host.name)", target: host.name,
                    reason: "nobody may write while the data is exchanged", effect: "the Kubernetes API is away; what runs goes on running",
                    undo: .by(.start(host.running, host: host.name), title: "start \(names(host.running)) on \(host.name)"), expectedSeconds: 300,
                    isDisruptive: true, action: .stop(running, host: host.name), lane: host.name))
        }
        steps.append(
            .init(
                id: "check stopped", title: "make sure that nothing of it runs any more", target: "all hosts",
                reason: "an etcd that still runs would write into the new data", effect: "none", undo: looks, isDisruptive: false,
                action: .checkStopped))
        for host in settings.hosts {
            if settings.withFiles {
                steps.append(
                    .init(
                        id: "files \(host.name)", title: "put the backup's files of \(host.name) in their places", target: host.name,
                        reason: "it was asked for", effect: "keys, certificates and configuration are those of the backup; the kubelet restarts",
                        undo: .by(.takeFilesBack(host: host.name), title: "put the files of \(host.name) back that were there"),
                        isDisruptive: false, action: .placeFiles(host: host.name), lane: host.name))
            }
            steps.append(
                .init(
                    id: "swap \(host.name)", title: "exchange the data of \(host.member)", target: host.name,
                    reason: "the restored data takes the place of the old", effect: "the old data stays in \(settings.paths.before(host))",
                    undo: .by(.swapOut(host: host.name), title: "put the old data of \(host.member) back"), isDisruptive: false,
                    action: .swapIn(host: host.name), lane: host.name))
            steps.append(start([.etcd], on: host, reason: "it serves the restored data", seconds: 60))
        }
        steps.append(
            .init(
                id: "quorum", title: "wait for the members to agree, and count their keys", target: "etcd", reason: "API servers need it",
                effect: "none", undo: looks, expectedSeconds: 60, isDisruptive: false, action: .awaitQuorum))
        for host in settings.hosts {
            let servers = host.starting.filter { $0 != .etcd }
            if !servers.isEmpty { steps.append(start(servers, on: host, reason: "the Kubernetes API serves again", seconds: 60)) }
        }
        steps.append(
            .init(
                id: "servers", title: "wait for the API servers to be ready", target: "Kubernetes", reason: "it is over when they are",
                effect: "none",
                undo: looks, expectedSeconds: 60, isDisruptive: false, action: .awaitServers))
        return steps
    }

    private static func start(_ components: [Component], on host: ControlPlaneHost, reason: String, seconds: Double) -> RestoreAction.Step {
        .init(
            id: "start \(components[0] == .etcd ? "etcd " : "")\(host.name)", title: "start \(names(components)) on \(host.name)", target: host.name,
            reason: reason, effect: "none",
            undo: .by(.stop(components.reversed(), host: host.name), title: "stop \(names(components)) on \(host.name)"),
            expectedSeconds: seconds, isDisruptive: false, action: .start(components, host: host.name), lane: host.name)
    }

    private static func names(_ components: [Component]) -> String {
        components.isEmpty ? "nothing" : components.map(\.rawValue).joined(separator: ", ")
    }
}
