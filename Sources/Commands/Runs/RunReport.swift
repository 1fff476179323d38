internal import Foundation
internal import Maintenance
internal import Operations

/// What a run did, for programs and for people.
struct RunReport: Encodable {
    struct StepRow: Encodable {
        var id: String
        var title: String
        var state: String
        var attempts: Int
        var seconds: Double?
        var result: String?
    }

    let id: String
    let operation: String
    let subject: String
    let state: String
    let startedAt: String
    let updatedAt: String
    let message: String?
    let owner: String
    let steps: [StepRow]
    /// What a probe that read through the cluster meanwhile saw.
    var probe: ReadProbe.Report?
    /// What the probe saw that the run carried along.
    var availability: ProbeReport?

    init(_ run: RunRecord, probe: ReadProbe.Report? = nil, availability: ProbeReport? = nil) {
        self.availability = availability
        id = run.id
        operation = run.operation
        subject = run.subject
        state = run.state.rawValue
        startedAt = run.startedAt.formatted(.iso8601)
        updatedAt = run.updatedAt.formatted(.iso8601)
        message = run.message
        owner = "\(run.owner.user)@\(run.owner.host) (process \(run.owner.processID))"
        steps = run.steps.map { step in
            StepRow(
                id: step.id, title: step.title, state: step.state.rawValue, attempts: step.attempts,
                seconds: step.startedAt.flatMap { began in step.endedAt.map { $0.timeIntervalSince(began) } }, result: step.result)
        }
        self.probe = probe
    }

    var text: String {
        var table = TextTable(["STEP", "STATE", "TOOK", "RESULT"], alignedRight: [2])
        for step in steps {
            table.add([
                step.title, Terminal.paint(step.state, Self.color(step.state)), step.seconds.map { String(format: "%.2fs", $0) } ?? "-",
                step.result ?? "",
            ])
        }
        var lines = [table.text, "", "run \(id): \(state)\(message.map { ": \($0)" } ?? "")"]
        if let probe {
            lines.append(
                String(
                    format: "longest stall of a client that goes on at the next endpoint: %.2f s (%d reads)", probe.longestStallSeconds, probe.reads))
            lines += probe.longestSilenceSeconds.sorted { $0.key < $1.key }.map { String(format: "%@ did not answer for %.2f s", $0.key, $0.value) }
        }
        if let availability { lines += ["", ProbeText.table(availability)] }
        return lines.joined(separator: "\n")
    }

    private static func color(_ state: String) -> Terminal.Color {
        switch StepState(rawValue: state) {
        case .done, .alreadySo: .green
        case .started: .yellow
        default: .cyan
        }
    }
}
