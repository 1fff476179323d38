package import Foundation

/// One condition that must hold before a disruptive step, and what was found.
package struct GateCheck: Codable, Sendable, Equatable {
    package enum Outcome: String, Codable, Sendable {
        case holds
        /// It does not hold, and may a little later by itself: a member is catching up.
        case notYet
        /// It does not hold, and waiting does not help.
        case fails
    }

    /// The condition, for people: `members healthy`.
    package var name: String
    package var outcome: Outcome
    /// What was found, and on what.
    package var found: String

    package init(_ name: String, _ outcome: Outcome, _ found: String = "") {
        self.name = name
        self.outcome = outcome
        self.found = found
    }
}

/// The one place that decides whether a disruptive step may begin, for every operation.
///
/// It knows time itself; what only the operation can see (quorum, health, budgets, locks) comes as checks.
package struct Gate: Codable, Sendable, Equatable {
    /// When disruption is allowed at all; nil for any time.
    package var window: Window?
    /// When the run has to be over; nil for no limit.
    package var deadline: Date?
    /// What somebody sees who looks on from outside, whatever the operation is: a probe.
    package var observations: [GateCheck] = []

    package init(window: Window? = nil, deadline: Date? = nil) {
        self.window = window
        self.deadline = deadline
    }

    /// The same gate, with what was seen at this moment.
    package func observing(_ observations: [GateCheck]) -> Gate {
        var gate = self
        gate.observations = observations
        return gate
    }

    /// The gate of a run that begins, or goes on, at `now`.
    /// - Parameter maxSeconds: how long it may take from then on; nil for no limit.
    package init(window: Window?, maxSeconds: Double?, from now: Date) {
        self.init(window: window, deadline: maxSeconds.map { now.addingTimeInterval($0) })
    }

    package enum Decision: Sendable, Equatable {
        case go
        /// Not now; asking again soon may help. The reasons.
        case wait([String])
        /// No. The reasons.
        case stop([String])
    }

    /// - Parameters:
    ///   - expectedSeconds: how long the step is expected to take.
    ///   - now: the time of the decision.
    ///   - checks: what the operation found.
    package func decide(expectedSeconds: Double, now: Date, checks: [GateCheck]) -> Decision {
        var stops = windowComplaint(expectedSeconds: expectedSeconds, now: now).map { [$0] } ?? []
        if let deadline, now.addingTimeInterval(expectedSeconds) > deadline {
            let left = max(0, deadline.timeIntervalSince(now).wholeSeconds)
            stops.append("the step may take \(expectedSeconds.wholeSeconds) s, and \(left) s are left of the time the run may take")
        }
        let checks = observations + checks
        stops += checks.filter { $0.outcome == .fails }.map { "\($0.name): \($0.found)" }
        if !stops.isEmpty { return .stop(stops) }
        let waits = checks.filter { $0.outcome == .notYet }.map { "\($0.name): \($0.found)" }
        return waits.isEmpty ? .go : .wait(waits)
    }

    /// Why the window has no room for a step that begins now and takes so long; nil where it has.
    package func windowComplaint(expectedSeconds: Double, now: Date) -> String? {
        guard let window else { return nil }
        guard let left = window.remaining(at: now) else {
            return "the window \(window) is closed\(window.nextOpening(after: now).map { "; it opens at \($0.formatted(.iso8601))" } ?? "")"
        }
        guard left < expectedSeconds else { return nil }
        return "the step may take \(expectedSeconds.wholeSeconds) s, and the window \(window) closes in \(left.wholeSeconds) s"
    }
}
