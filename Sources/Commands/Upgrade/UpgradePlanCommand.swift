internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct UpgradePlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say how the cluster would be upgraded, or why it may not be.",
        discussion: """
            Looks at the cluster, at its nodes' hosts, at etcd and at the certificates, and judges each for the target and every minor on the way. Nothing is \
            changed. Exit code 3: there are warnings; 4: something forbids the upgrade, and the remedy stands beside it. With --cluster-only no host is asked.
            """)

    @Flag(help: "Ask the cluster alone, and none of its nodes' hosts.") var clusterOnly = false
    @Option(help: ArgumentHelp("Also write it to this file: .html, .md or .json; may be repeated.", valueName: "file")) var report: [String] = []
    @Option(help: ArgumentHelp("Print a ResourceQuota that keeps room for drained pods from what is new in this namespace.", valueName: "namespace"))
    var quotaFor: String?
    @OptionGroup var options: UpgradeOptions

    func run() async throws {
        let request = try await options.request(RunTag.make(), needsBackup: false)
        let made = try await KubernetesClient.connected(try options.kubernetes.access) { client in
            if clusterOnly { return try await request.inspect(client) }
            let made = try await request.make(client)
            if let left = await NodeShell.removeAll(of: made.settings.nodes, client) { options.output.remark(left) }
            return made
        }
        if let quotaFor, quotaFor.isEmpty || quotaFor.contains(where: { !$0.isASCII || !($0.isLowercase || $0.isNumber || $0 == "-") }) {
            throw OperationError(.invalid, "--quota-for \"\(quotaFor)\" is no namespace.")
        }
        if let quotaFor {
            guard let quota = UpgradeQuota(made.facts) else {
                throw OperationError(.refused, "no node can be spared: there is no second one that takes pods.")
            }
            return print(quota.manifest(namespace: quotaFor))
        }
        let text = UpgradePlanReport(made, at: Date())
        for file in report { try ReportFile.write(text, to: file) }
        try options.output.emit(text) { UpgradePlanText(text).text }
        if !made.plan.refusals.isEmpty || text.checks.contains(where: { $0.state == .blocker && !request.waived.contains($0.name) }) {
            throw Outcome(status: .refused)
        }
        if text.checks.contains(where: { $0.state != .passed }) { throw Outcome(status: .findings) }
    }
}

/// A plan and what was found, for people.
struct UpgradePlanText {
    let text: String

    init(_ report: UpgradePlanReport) {
        var table = TextTable(["CHECK", "STATE", "FOUND"])
        for check in report.checks { table.add([check.name, Terminal.paint(check.state.rawValue, Self.color(check.state)), check.found]) }
        var parts = [table.text]
        let findings = report.checks.flatMap(\.findings)
        if !findings.isEmpty { parts.append(FindingTable.text(findings, showsHosts: true)) }
        if !report.steps.isEmpty {
            var steps = TextTable(["NODE", "STEPS", "ABOUT"], alignedRight: [1, 2])
            for row in report.nodes { steps.add([row.node, "\(row.steps)", Duration.seconds(row.seconds).minutesText]) }
            parts.append(steps.text)
        }
        parts.append(
            (["\(report.path)\(report.seconds > 0 ? ", about \(Duration.seconds(report.seconds).minutesText)" : "")"]
                + report.remarks.map { "note: \($0)" }
                + report.refusals.filter { refusal in !findings.contains { refusal.contains($0.problem) } }.map {
                    Terminal.paint("refused: ", .red) + $0
                }).joined(
                    separator: "\n"))
        text = parts.joined(separator: "\n\n")
    }

    static func color(_ state: UpgradeCheck.State) -> Terminal.Color {
        switch state {
        case .passed: .green
        case .warning, .unknown: .yellow
        case .blocker: .red
        }
    }
}
