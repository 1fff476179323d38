internal import Foundation
internal import Maintenance
internal import Operations

/// A drain's plan and what it will meet, for programs and for people.
struct DrainReport: Encodable {
    struct NodeRow: Encodable {
        var node: String
        var pods: Int
        var beginsAfterSeconds: Double
        var endsAfterSeconds: Double?
    }

    struct PodRow: Encodable {
        var pod: String
        var node: String
        var evictedAfterSeconds: Double?
        var waitsFor: String?
    }

    struct BlockedRow: Encodable {
        var pod: String
        var node: String
        var reason: String
        var remedy: String
    }

    struct UnplacedRow: Encodable {
        var pod: String
        var reason: String
    }

    let plan: NodeAction.Plan
    let nodes: [NodeRow]
    let pods: [PodRow]
    /// Pods that can never go.
    let blocked: [BlockedRow]
    /// Pods whose replacements find no node.
    let unplaced: [UnplacedRow]
    let seconds: Double

    init(_ made: NodeDrainPlan.Made) {
        let forecast = made.forecast
        plan = made.plan
        nodes = forecast.nodes.map { NodeRow(node: $0.node, pods: $0.pods, beginsAfterSeconds: $0.begins, endsAfterSeconds: $0.ends) }
        pods = forecast.pods.map {
            PodRow(pod: $0.pod.description, node: $0.node, evictedAfterSeconds: $0.evictedAfter, waitsFor: $0.waitsFor?.description)
        }
        blocked = forecast.blocked.map { BlockedRow(pod: $0.pod.description, node: $0.node, reason: $0.reason, remedy: $0.remedy) }
        unplaced = forecast.unplaced.map { UnplacedRow(pod: $0.pod.description, reason: $0.reason) }
        seconds = forecast.seconds
    }

    var text: String {
        var lines = [
            "\(Terminal.paint("node drain", .bold)) on \(plan.subject)\((plan.parallel ?? 1) > 1 ? ", \(plan.parallel ?? 1) nodes at once" : "")", "",
        ]
        var table = TextTable(["NODE", "PODS", "BEGINS", "ENDS"], alignedRight: [1, 2, 3])
        for node in nodes {
            table.add([
                node.node, "\(node.pods)", "+\(node.beginsAfterSeconds.wholeSeconds)s",
                node.endsAfterSeconds.map { "+\($0.wholeSeconds)s" } ?? "never",
            ])
        }
        lines.append(table.text)
        let rounds = Dictionary(grouping: pods.filter { $0.evictedAfterSeconds != nil }) { ($0.evictedAfterSeconds ?? 0).wholeSeconds }
        if !rounds.isEmpty {
            lines += ["", "evictions, by the time that budgets have room:"]
            for (second, pods) in rounds.sorted(by: { $0.key < $1.key }).prefix(20) {
                let names = pods.map(\.pod).sorted()
                lines.append(
                    "  +\(second)s  \(pods.count) pod\(pods.count == 1 ? "" : "s"): \(names.prefix(4).joined(separator: ", "))\(names.count > 4 ? ", …" : "")"
                )
            }
            if rounds.count > 20 { lines.append("  … \(rounds.count - 20) more moments") }
        }
        if !blocked.isEmpty {
            lines += ["", Terminal.paint("\(blocked.count) pod\(blocked.count == 1 ? "" : "s") can never go:", .red)]
            for row in blocked { lines += ["  \(row.pod) on \(row.node)", "    why     \(row.reason)", "    remedy  \(row.remedy)"] }
        }
        if !unplaced.isEmpty {
            lines += ["", Terminal.paint("\(unplaced.count) pod\(unplaced.count == 1 ? "" : "s") would find no node:", .yellow)]
            for row in unplaced.prefix(20) { lines.append("  \(row.pod): \(row.reason)") }
        }
        lines += ["", "about \(seconds.wholeSeconds) s in all, if pods use their grace periods and start as their like did"]
        if !plan.remarks.isEmpty { lines += [""] + plan.remarks.map { "note: \($0)" } }
        lines += plan.refusals.map { "\(Terminal.paint("refused:", .red)) \($0)" }
        lines.append("undo: `drydock runs rollback` uncordons what the run cordoned; pods that moved stay where they are")
        return lines.joined(separator: "\n")
    }
}
