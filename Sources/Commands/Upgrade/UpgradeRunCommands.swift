internal import ArgumentParser
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations

/// Which upgrade: the newest of the journal, unless somebody names one.
struct UpgradeReference: ParsableArguments {
    @Argument(help: "The run's id, or how it begins; or clusterupgrade/NAME for one of the cluster's. (default: the newest upgrade)") var id: String?

    /// The name of a ClusterUpgrade, where it is about one.
    var clusterUpgrade: String? {
        id.flatMap { $0.hasPrefix("clusterupgrade/") ? String($0.dropFirst("clusterupgrade/".count)) : nil }
    }

    func find(in journal: Journal) throws -> RunRecord {
        if let id {
            let run = try journal.run(id)
            guard run.operation.hasPrefix("upgrade ") else {
                throw OperationError(.invalid, "the run \(run.id) is a `\(run.operation)`, and no upgrade.")
            }
            return run
        }
        let all = try journal.runs().filter { $0.operation.hasPrefix("upgrade ") }
        if Set(all.map(\.subject)).count > 1 {
            let newest = Dictionary(grouping: all, by: \.subject).compactMap { $0.value.first }.map { "\($0.id) (\($0.subject))" }.sorted()
            throw OperationError(.invalid, "the journal has upgrades of several clusters. Name the run: \(newest.joined(separator: ", ")).")
        }
        guard let newest = all.first else {
            throw OperationError(.invalid, "this journal has no upgrade. `drydock runs list` shows what there is.")
        }
        return newest
    }
}

/// What commands do with a ClusterUpgrade: its controller does the work.
struct ClusterUpgradeDesk {
    let name: String
    let kubernetes: KubernetesOptions

    private func with<Result>(_ body: (KubernetesClient, ClusterUpgrade) async throws -> Result) async throws -> Result {
        try await KubernetesClient.connected(try kubernetes.access) { client in
            guard let found = try await client.find(ClusterUpgrade.self, ObjectName("", name)) else {
                throw OperationError(.invalid, "the cluster has no ClusterUpgrade \(name). `kubectl get clusterupgrades` shows what there is.")
            }
            return try await body(client, found)
        }
    }

    func report() async throws -> UpgradeRunReport {
        let upgrade = try await with { $1 }
        guard var run = ClusterJournal.record(of: upgrade.json) else {
            throw OperationError(.invalid, "the ClusterUpgrade \(name) has not begun\(upgrade.message.isEmpty ? "." : ": \(upgrade.message)")")
        }
        // As commands take it.
        run.id = "clusterupgrade/\(name)"
        return try UpgradeRunReport(run, persons: [], checks: [], probes: [], commands: [])
    }

    /// - Parameter check: throws where it makes no sense now.
    func ask(_ change: JSON, _ remark: String, _ output: OutputOptions, check: (ClusterUpgrade) throws -> Void = { _ in }) async throws {
        try await with { client, upgrade in
            try check(upgrade)
            try await client.patch(.clusterUpgrades, upgrade.objectName, .merge(change))
        }
        output.remark(remark)
    }
}

struct UpgradeStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how far an upgrade is, node by node, and what can still be taken back and how.",
        discussion: "--report writes all of it: the timeline, what was run on the nodes, what the probe saw, who did it and when.")

    @OptionGroup var reference: UpgradeReference
    @Option(help: ArgumentHelp("Write the whole report to this file: .html, .md or .json; may be repeated.", valueName: "file")) var report:
        [String] = []
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let found =
            if let name = reference.clusterUpgrade { try await ClusterUpgradeDesk(name: name, kubernetes: kubernetes).report() } else {
                try UpgradeRunReport(reference.find(in: Journal.ofThisUser()), Journal.ofThisUser(), at: Date())
            }
        for file in report { try ReportFile.write(found, to: file) }
        try output.emit(found) { UpgradeStatusText(found).text }
    }
}

struct UpgradePauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Ask an upgrade that is at work to stop when the node that it works on is done.")

    @OptionGroup var reference: UpgradeReference
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        if let name = reference.clusterUpgrade {
            return try await ClusterUpgradeDesk(name: name, kubernetes: kubernetes).ask(
                ["spec": ["paused": true]],
                "the ClusterUpgrade \(name) stops when its node is done; `drydock upgrade resume clusterupgrade/\(name)` goes on with it",
                output)
        }
        let journal = try Journal.ofThisUser()
        let run = try reference.find(in: journal)
        try journal.pause(run.id, by: CordonMark.currentUser, at: Date())
        output.remark("the run \(run.id) stops when its node is done; `drydock upgrade resume` goes on with it")
    }
}

struct UpgradeResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Go on with an upgrade that stopped.")

    @OptionGroup var reference: UpgradeReference
    @Flag(help: "When the window closes, wait for the next one and go on.") var stay = false
    @Flag(help: "Also when the run's owner is on another host, so that nobody here can tell whether it lives.") var takeLock = false
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Probe") var probe: ProbeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        if let name = reference.clusterUpgrade {
            let changes: JSON = ["spec": ["paused": false], "metadata": ["annotations": [Annotations.resume: .string(CordonMark.currentUser)]]]
            return try await ClusterUpgradeDesk(name: name, kubernetes: kubernetes).ask(changes, "the ClusterUpgrade \(name) goes on", output)
        }
        let run = try reference.find(in: Journal.ofThisUser())
        let upgrade = UpgradeSession(session: RunSession(output: output, probe: probe))
        let window = stay ? try UpgradeSettings(of: run).window : nil
        try await upgrade.overWindows(window, kubernetes) { try await upgrade.goOn(run, .resume, kubernetes, takingLock: takeLock) }
    }
}

struct UpgradeAbortCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort",
        abstract: "Declare an upgrade that stopped over, and say what it leaves.",
        discussion:
            "Nodes stay in the version that they have. What is cordoned or drained at a load balancer is named, with the command that opens it.")

    @OptionGroup var reference: UpgradeReference
    @Flag(help: "Also when the run's owner is on another host, so that nobody here can tell whether it lives.") var takeLock = false
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        if let name = reference.clusterUpgrade {
            return try await ClusterUpgradeDesk(name: name, kubernetes: kubernetes).ask(
                ["metadata": ["annotations": [Annotations.abort: .string(CordonMark.currentUser)]]], "the ClusterUpgrade \(name) is given up", output
            ) { upgrade in
                guard upgrade.state == .stopped else {
                    throw OperationError(
                        .refused,
                        "the ClusterUpgrade \(name) has not stopped. `drydock upgrade pause clusterupgrade/\(name)` stops it between two nodes.")
                }
            }
        }
        let journal = try Journal.ofThisUser()
        let run = try reference.find(in: journal)
        try journal.abandon(run.id, takingLock: takeLock, now: Date())
        let report = try UpgradeRunReport(journal.run(run.id), journal, at: Date())
        try output.emit(report) {
            (["the run \(run.id) is over: it was not finished"] + report.leftOvers).joined(separator: "\n")
        }
    }
}
