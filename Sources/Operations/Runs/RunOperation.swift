package import Maintenance

/// What an operation must be able to do for its plan to be carried out: look, act, verify. The runner does everything else, for all of them.
package protocol RunOperation: Sendable {
    associatedtype Action: Codable & Sendable & Equatable

    /// Whether a run can be taken back also when it is done.
    var canUndoWhenDone: Bool { get }

    /// The conditions of the gate that only this operation can see, as they are now.
    func checks(before step: Step<Action>) async throws -> [GateCheck]

    /// What is so before the step acts. It is written ahead, and handed to `isAlreadySo` after a kill.
    func evidence(before step: Step<Action>) async throws -> [String: String]

    /// Whether what the step is for is so already: how, or nil.
    /// - Parameter evidence: of an earlier attempt that nobody knows the end of; nil when there was none.
    func isAlreadySo(_ step: Step<Action>, evidence: [String: String]?) async throws -> String?

    /// Acts. Returns what came of it, for people.
    func act(_ step: Step<Action>, notify: @escaping @Sendable (String) -> Void) async throws -> String?

    /// Whether an error of `act` says for certain that nothing was changed.
    func changedNothing(_ error: any Error) -> Bool

    /// Makes sure that what the step is for is so.
    func verify(_ step: Step<Action>) async throws
}

extension RunOperation {
    package var canUndoWhenDone: Bool { false }
}

/// How a run is begun.
package enum Beginning: String, Codable, Sendable {
    case began
    case resumed
    case tookBack = "took back"
}

/// What happens in a run, for those who watch.
package enum RunEvent: Sendable, Equatable {
    case began(run: String, Beginning)
    /// Step `position` of `count`, from 1.
    case step(position: Int, count: Int, title: String)
    /// The gate makes the run wait for these reasons.
    case waiting([String])
    /// Something of note within the step.
    case note(String)
    case ended(title: String, state: StepState, result: String?)
}
