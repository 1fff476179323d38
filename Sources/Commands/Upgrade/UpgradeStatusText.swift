internal import Foundation
internal import Journal
internal import Maintenance
internal import NodeAccess
internal import Operations

extension UpgradeRunReport {
    /// Of a run, with what the journal has kept around it.
    init(_ run: RunRecord, _ journal: Journal, at now: Date) throws {
        try self.init(
            run,
            persons: try journal.kept(.person, of: run.id, as: RunChronicle.Person.self).map { Person(who: $1.who, did: $1.did, at: $0) },
            checks: try journal.kept(.checks, of: run.id, as: [UpgradeCheck].self).last?.note ?? [],
            probes: try journal.kept(.probe, of: run.id, as: ProbeReport.self).map(\.note),
            loss: try journal.kept(.loss, of: run.id, as: DataLoss.self).last?.note,
            commands: try journal.kept(.command, of: run.id, as: RemoteCommand.self).map(\.note))
    }
}

/// How far an upgrade is, for people.
struct UpgradeStatusText {
    let text: String

    init(_ report: UpgradeRunReport) {
        var table = TextTable(["NODE", "ROLE", "FROM", "TO", "STATE", "AWAY", "PROOF"], alignedRight: [5])
        for row in report.nodes {
            let color: Terminal.Color = row.state == "done" ? .green : row.state == "waiting" ? .cyan : .yellow
            table.add([
                row.node, row.role, row.from, row.to, Terminal.paint(row.state, color), row.awaySeconds.map { "\(Int($0.rounded())) s" } ?? "-",
                row.result,
            ])
        }
        let over = report.steps.count { ["done", "alreadySo"].contains($0.state) }
        var lines = [
            "\(report.isRehearsal ? "rehearsal of " : "")\(report.operation) \(report.path) on \(report.subject)",
            "run \(report.id): \(report.state), \(over) of \(report.steps.count) steps, began \(report.startedAt.formatted(.iso8601)), \(report.owner)",
        ]
        if let message = report.message { lines.append(message) }
        if let current = report.steps.first(where: { $0.state == "started" }) { lines.append("at: \(current.title)") }
        if let backup = report.backup { lines.append("backup: \(backup)") }
        for probe in report.probes { lines.append("probe: \(probe.failed) of \(probe.requests) requests failed in \(Int(probe.seconds)) s") }
        var parts = [lines.joined(separator: "\n"), table.text]
        if let loss = report.loss { parts.append((["lost:"] + loss.lines.map { "  \($0)" }).joined(separator: "\n")) }
        if !report.leftOvers.isEmpty { parts.append((["left closed:"] + report.leftOvers.map { "  \($0)" }).joined(separator: "\n")) }
        if !report.wayBack.isEmpty { parts.append((["can be taken back:"] + report.wayBack.map { "  \($0)" }).joined(separator: "\n")) }
        text = parts.joined(separator: "\n\n")
    }
}
