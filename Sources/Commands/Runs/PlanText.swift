internal import Foundation
internal import Maintenance

/// A plan for people.
struct PlanText {
    let text: String

    init<Action>(_ plan: Plan<Action>) {
        var lines = ["\(Terminal.paint(plan.operation, .bold)) on \(plan.subject)"]
        if plan.steps.isEmpty { lines.append("  nothing to do") }
        for (index, step) in plan.steps.enumerated() {
            lines.append("")
            let gate = step.isDisruptive ? "after the gate" : "does not disturb"
            lines.append("  \(index + 1). \(Terminal.paint(step.title, .bold))  (about \(step.expectedSeconds.wholeSeconds) s, \(gate))")
            lines.append("     why     \(step.reason)")
            lines.append("     effect  \(step.effect)")
            lines.append("     undo    \(step.undo.text)")
        }
        if !plan.remarks.isEmpty { lines.append("") }
        lines += plan.remarks.map { "  note: \($0)" }
        if !plan.refusals.isEmpty { lines.append("") }
        lines += plan.refusals.map { "  \(Terminal.paint("refused:", .red)) \($0)" }
        text = lines.joined(separator: "\n")
    }
}
