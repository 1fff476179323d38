package import Foundation
internal import Maintenance
internal import NodeAccess

/// An upgrade's plan and what was found before it.
package struct UpgradePlanReport: Report, Sendable {
    package struct NodeRow: Encodable, Sendable, Equatable {
        package var node: String
        package var steps: Int
        package var seconds: Double
    }

    package struct StepRow: Encodable, Sendable, Equatable {
        package var title: String
        package var target: String
        package var reason: String
        package var effect: String
        package var undo: String
        package var seconds: Double
        package var isDisruptive: Bool
    }

    package var subject: String
    package var madeAt: Date
    package var path: String
    package var seconds: Double
    package var checks: [UpgradeCheck]
    package var nodes: [NodeRow]
    package var steps: [StepRow]
    package var remarks: [String]
    package var refusals: [String]
    /// What keeps room for drained pods, for people to apply where they need it.
    package var quota: String?

    package init(_ made: UpgradeRequest.Made, at now: Date) {
        subject = made.plan.subject
        madeAt = now
        path = made.checks.first { $0.name == "path" }?.found ?? ""
        seconds = made.facts.expectedSeconds
        checks = made.checks
        remarks = made.plan.remarks
        refusals = made.plan.refusals
        quota = UpgradeQuota(made.facts)?.text
        steps = made.plan.steps.map { step in
            StepRow(
                title: step.title, target: step.target, reason: step.reason, effect: step.effect, undo: step.undo.text, seconds: step.expectedSeconds,
                isDisruptive: step.isDisruptive)
        }
        nodes = made.settings.nodes.map { node in
            let own = made.plan.steps.filter { $0.target == node.name }
            // The first that disturbs carries the time of the others.
            let time = own.filter { $0.isOwed != true && $0.isDisruptive }.reduce(0) { $0 + $1.expectedSeconds }
            return NodeRow(node: node.name, steps: own.count, seconds: time)
        }
    }

    package var document: ReportDocument {
        var document = ReportDocument(title: "Upgrade plan: \(path)", subtitle: "\(subject), made at \(madeAt.formatted(.iso8601))")
        let blockers = checks.filter { $0.state == .blocker }
        document.blocks.append(
            .facts([
                ("verdict", blockers.isEmpty ? .init("the upgrade may begin", .good) : .init("\(blockers.count) checks forbid it", .bad)),
                ("expected time", .init(seconds > 0 ? Duration.seconds(seconds).minutesText : "unknown")),
                ("room", .init(quota ?? "no node to spare")),
            ]))
        document.blocks += UpgradeCheck.blocks(checks)
        if !steps.isEmpty {
            document.blocks.append(.heading("Steps"))
            document.blocks.append(
                .table(
                    header: ["#", "Step", "About", "Effect", "Undo"],
                    rows: steps.enumerated().map { index, step in
                        ["\(index + 1)", .init(step.title), .init("\(Int(step.seconds)) s"), .init(step.effect), .init(step.undo)]
                    }))
        }
        if !remarks.isEmpty {
            document.blocks.append(.heading("Remarks"))
            document.blocks += remarks.map { .paragraph($0) }
        }
        return document
    }
}

extension UpgradeCheck {
    /// As sections of a report.
    static func blocks(_ checks: [UpgradeCheck]) -> [ReportDocument.Block] {
        func tone(_ state: State) -> ReportDocument.Tone { state == .passed ? .good : state == .blocker ? .bad : .warn }
        var blocks: [ReportDocument.Block] = [
            .heading("Checks"),
            .table(
                header: ["Check", "State", "Found"], rows: checks.map { [.init($0.name), .init($0.state.rawValue, tone($0.state)), .init($0.found)] }),
        ]
        let findings = checks.flatMap(\.findings)
        if !findings.isEmpty {
            blocks += [
                .heading("Findings"),
                .table(
                    header: ["Severity", "Where", "What", "Problem", "Remedy"],
                    rows: findings.map { finding in
                        [
                            .init(finding.severity.rawValue, finding.severity == .critical ? .bad : .warn), .init(finding.host),
                            .init(finding.subject),
                            .init(finding.problem), .init(finding.remedy),
                        ]
                    }),
            ]
        }
        return blocks
    }
}
