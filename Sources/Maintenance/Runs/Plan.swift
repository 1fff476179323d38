/// What an operation is going to do, made from facts that were read before anything is touched: an ordered list of steps.
///
/// A plan is a value. It prints, it compares, and the journal keeps it, so that a run that was killed goes on with the plan that it began with.
/// `Action` is what the operation knows to do; everything else is the same for all operations.
package struct Plan<Action: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    /// The operation's name, as on the command line: `etcd defrag`.
    package var operation: String
    /// What the run works on, and what its lock is on: one disruptive run a subject.
    package var subject: String
    package var steps: [Step<Action>]
    /// What a reader should know: members that are left out, and why.
    package var remarks: [String]
    /// Safety rules that forbid the plan, each with its remedy. A plan with refusals is not carried out.
    package var refusals: [String]
    /// How many lanes are worked on at once; nil for one.
    package var parallel: Int?

    package init(
        operation: String, subject: String, steps: [Step<Action>], remarks: [String] = [], refusals: [String] = [], parallel: Int? = nil
    ) {
        self.parallel = parallel
        self.operation = operation
        self.subject = subject
        self.steps = steps
        self.remarks = remarks
        self.refusals = refusals
    }
}

/// One step of a plan: check whether it is already so, act, verify.
package struct Step<Action: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    /// Unique in the plan.
    package var id: String
    /// What is done, for people: `defragment etcd-2`.
    package var title: String
    /// What it is done to.
    package var target: String
    package var reason: String
    /// What the cluster and its clients will notice.
    package var effect: String
    package var undo: Undo<Action>
    /// How long it is expected to take, seconds. The gate asks whether that fits into what is left of the window.
    package var expectedSeconds: Double
    /// Whether it can hurt the cluster, so that the gate decides before it.
    package var isDisruptive: Bool
    package var action: Action
    /// Whether what a step before it took away waits for it: then neither time nor a probe holds it up, and only the operation's own conditions count.
    package var isOwed: Bool?
    /// Steps of one lane follow one another; steps of different lanes, with none without a lane between them, may go side by side.
    package var lane: String?

    package init(
        id: String, title: String, target: String, reason: String, effect: String, undo: Undo<Action>, expectedSeconds: Double = 1,
        isDisruptive: Bool, isOwed: Bool? = nil, action: Action, lane: String? = nil
    ) {
        self.lane = lane
        self.isOwed = isOwed
        self.id = id
        self.title = title
        self.target = target
        self.reason = reason
        self.effect = effect
        self.undo = undo
        self.expectedSeconds = expectedSeconds
        self.isDisruptive = isDisruptive
        self.action = action
    }
}

extension Step {
    /// The same step of an operation that carries this one's actions along.
    package func map<Other>(_ transform: (Action) -> Other) -> Step<Other> {
        let undo: Undo<Other> =
            switch undo {
            case .nothing(let reason): .nothing(because: reason)
            case .by(let action, let title): .by(transform(action), title: title)
            case .impossible(let reason): .impossible(because: reason)
            }
        return Step<Other>(
            id: id, title: title, target: target, reason: reason, effect: effect, undo: undo, expectedSeconds: expectedSeconds,
            isDisruptive: isDisruptive, isOwed: isOwed, action: transform(action), lane: lane)
    }

    /// This step as the operation sees it whose action it carries along. How it is taken back is this one's own.
    package func carrying<Other>(_ action: Other) -> Step<Other> {
        Step<Other>(
            id: id, title: title, target: target, reason: reason, effect: effect, undo: .nothing(because: "who carries it along takes it back"),
            expectedSeconds: expectedSeconds, isDisruptive: isDisruptive, isOwed: isOwed, action: action, lane: lane)
    }
}

/// How a step that was done is taken back.
package enum Undo<Action: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    /// There is nothing to take back, for this reason: the contents are the same as before.
    case nothing(because: String)
    /// By this action.
    case by(Action, title: String)
    /// It cannot be taken back, for this reason, which says what to do instead.
    case impossible(because: String)

    package var text: String {
        switch self {
        case .nothing(let reason): "nothing to undo: \(reason)"
        case .by(_, let title): title
        case .impossible(let reason): "cannot be undone: \(reason)"
        }
    }
}
