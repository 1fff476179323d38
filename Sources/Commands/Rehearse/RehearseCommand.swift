internal import ArgumentParser
internal import ClusterTwin
internal import EtcdStorage
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations
internal import Rehearsals
internal import SystemPackage

struct RehearseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse", abstract: "Try an operation on a copy of the cluster, in the time that the machine needs.",
        subcommands: [Upgrade.self])

    struct Upgrade: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Upgrade a copy of the cluster, and say how long it takes and what holds it up.",
            discussion: """
                Nodes, workloads, pods and budgets are copied into a simulated cluster, whose clock jumps; nothing of the real one is changed, and no host is \
                asked. The very same plan, gate and drains work on it as on the real one, and the checks that need no host; packages, kubeadm and kubelets take as long as on real nodes. \
                Exit code 3: it comes to its end, with findings. 4: it does not.
                """)

        @Option(name: .customLong("to"), help: ArgumentHelp("The version that is wanted.", valueName: "version"), transform: { try .argument($0) })
        var target: KubernetesVersion
        @Option(
            name: .customLong("from"), parsing: .upToNextOption,
            help: ArgumentHelp(
                "`live` for the cluster of the kubeconfig, a snapshot of its etcd, or YAML or JSON files of objects, as `kubectl get -o yaml` writes them.",
                valueName: "live|snapshot|files"))
        var sources: [String] = ["live"]
        @Option(help: "How many nodes of the cluster may be away at once, a number or a percentage; control planes go one at a time.")
        var maxUnavailable: CountArgument?
        @Option(help: "How many workers go first, one after the other.") var canaries = 1
        @Option(help: ArgumentHelp("How long to watch after the canaries.", valueName: "duration")) var soak = DurationArgument(seconds: 0)
        @Option(help: ArgumentHelp("Also write the run to this file: .html, .md or .json; may be repeated.", valueName: "file")) var report:
            [String] = []
        @OptionGroup(title: "Drains") var drain: UpgradeDrainOptions
        @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let objects = try await copy()
            let versions = objects.filter { $0["kind"].string == "Node" }.compactMap { KubernetesVersion(Node($0).kubeletVersion) }
            guard let first = versions.min() else { throw OperationError(.invalid, "there is no node that says its version.") }
            let path = try UpgradePath(from: first, to: target) { KubernetesVersion(major: first.major, minor: $0, patch: 0) }
            guard !path.hops.isEmpty else { throw OperationError(.invalid, "the nodes are of \(first) already.") }
            var options = TwinOptions()
            (options.minor, options.start, options.writesLeases) = (max(20, first.minor), Date(), false)
            let twin = Twin(options: options)
            do { try twin.load(objects) } catch let error as APIStatus { throw OperationError(.invalid, "the copy cannot be made: \(error)") }
            var settings = NodeRunSettings(
                options: drain.options, gracePeriodSeconds: drain.gracePeriod, maxUnavailable: maxUnavailable?.value ?? .count(1),
                respectsQuorum: true,
                patienceSeconds: 3600, mark: "rehearsal")
            settings.options.returns = true
            var upgrade = try UpgradeRehearsal(twin, from: first, hops: path.hops, drain: settings, tag: "rehearsal")
            (upgrade.parallel, upgrade.canaries, upgrade.soakSeconds) = (
                max(1, settings.maxUnavailable?.nodes(of: versions.count) ?? 1), canaries, soak.duration.seconds
            )
            twin.advance(to: twin.now.addingTimeInterval(300))
            try await rehearse(upgrade, twin, first)
        }

        private func rehearse(_ upgrade: UpgradeRehearsal, _ twin: Twin, _ first: KubernetesVersion) async throws {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-rehearsal-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            let journal = try Journal(path: FilePath(folder.appendingPathComponent("journal.sqlite").path))
            let rehearsal = Rehearsal(twin)
            let hosts = TwinHosts(twin, first, time: rehearsal.time)
            let client = KubernetesClient(transport: TwinTransport(twin, time: .system), rate: nil, time: .system)
            let made = try await upgrade.plan(client, on: hosts)
            let (checks, facts) = (made.checks, made.facts)
            let began = ContinuousClock.now
            let outcome = upgrade.run(rehearsal, on: hosts, .begin, journal: journal, notify: output.tellRun)
            guard let run = try journal.runs().first else {
                if case .ended(.failure(let error)) = outcome { throw error }
                throw OperationError(.stopped, "the rehearsal did not begin.")
            }
            let found = try UpgradeRunReport(run, persons: [], checks: checks, probes: [], commands: [], isRehearsal: true)
            for file in report { try ReportFile.write(found, to: file) }
            let result = RehearsalReport(found, facts, seconds: (ContinuousClock.now - began).seconds)
            try output.emit(result) { result.text(found) }
            if case .ended(.failure(let error)) = outcome { throw OperationError(.refused, "the rehearsal did not come to its end: \(error)") }
            if case .stuck = outcome { throw OperationError(.refused, "the rehearsal did not come to its end: nothing would ever happen again.") }
            if checks.contains(where: { !$0.findings.isEmpty }) { throw Outcome(status: .findings) }
        }

        private func copy() async throws -> [JSON] {
            if sources == ["live"] { return try await KubernetesClient.connected(try kubernetes.access) { try await ClusterCopy.live($0) } }
            var objects: [JSON] = []
            for file in sources {
                var isFolder: ObjCBool = false
                guard file == "-" || FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), !isFolder.boolValue else {
                    throw OperationError(.invalid, "there is no file \(file). --from takes live, a snapshot of etcd, or files of objects.")
                }
                if SnapshotValues.isSnapshot(FilePath(file)) {
                    objects += try await ClusterCopy.snapshot(FilePath(file))
                    continue
                }
                guard let text = try? TextFile.read(file) else {
                    throw OperationError(
                        .invalid, "\(file) is neither a snapshot of etcd nor text. One that is compressed or encrypted has to be opened first.")
                }
                do { objects += ClusterCopy.objects(try YAMLText.documents(text)) } catch {
                    throw OperationError(.invalid, "\(file): \(error)")
                }
            }
            return objects
        }
    }
}

/// What a rehearsed upgrade took, and what held it up.
struct RehearsalReport: Encodable {
    struct Bottleneck: Encodable {
        var budget: String
        /// Pods that had to wait for it.
        var pods: Int
        /// How long the last of them waited, seconds from the begin of the drains.
        var seconds: Double
    }

    var state: String
    var message: String?
    /// Of the cluster's time.
    var upgradeSeconds: Double
    /// Of ours.
    var rehearsedInSeconds: Double
    var nodes: [UpgradeRunReport.NodeRow]
    var bottlenecks: [Bottleneck]
    var checks: [UpgradeCheck]

    init(_ run: UpgradeRunReport, _ facts: UpgradeFacts, seconds: Double) {
        (state, message, nodes, checks) = (run.state, run.message, run.nodes, run.checks)
        upgradeSeconds = run.updatedAt.timeIntervalSince(run.startedAt)
        rehearsedInSeconds = seconds
        let waits = Dictionary(grouping: facts.forecast?.pods.filter { $0.waitsFor != nil } ?? []) { "\($0.waitsFor.map { "\($0)" } ?? "")" }
        bottlenecks = waits.map { budget, pods in
            Bottleneck(budget: budget, pods: pods.count, seconds: pods.compactMap(\.evictedAfter).max() ?? 0)
        }.sorted { ($0.pods, $1.budget) > ($1.pods, $0.budget) }
    }

    func text(_ run: UpgradeRunReport) -> String {
        var parts = [UpgradeStatusText(run).text]
        if !bottlenecks.isEmpty {
            var table = TextTable(["BUDGET", "PODS THAT WAIT", "UNTIL"], alignedRight: [1, 2])
            for row in bottlenecks.prefix(20) { table.add([row.budget, "\(row.pods)", "\(Int(row.seconds)) s"]) }
            parts.append(table.text)
        }
        let findings = checks.flatMap(\.findings)
        if !findings.isEmpty { parts.append(FindingTable.text(findings, showsHosts: true)) }
        parts.append(
            "the upgrade takes \(Duration.seconds(upgradeSeconds).minutesText); rehearsed in \(String(format: "%.1f", rehearsedInSeconds)) s")
        return parts.joined(separator: "\n\n")
    }
}
