package import Foundation

/// How far a run is.
package enum RunState: String, Codable, Sendable, CaseIterable {
    /// Its process is at work, or was killed at work: the owner tells which.
    case running
    /// It ended before its plan did: the gate said no, a step failed, somebody interrupted it. It can be resumed.
    case stopped
    case done
    /// It ended before it changed anything: the gate said no to its first step.
    case cancelled
    case rolledBack
    /// A person declared it over.
    case abandoned

    /// Whether nothing more is to come of it.
    package var isOver: Bool { self != .running && self != .stopped }
}

/// How far a step is.
package enum StepState: String, Codable, Sendable {
    case pending
    /// Written before the step acts: after a kill nobody knows how far it came, so it is checked before anything else.
    case started
    case done
    /// Nothing was to be done: it was so already.
    case alreadySo
    case undone

    package var isOver: Bool { self == .done || self == .alreadySo }
}

/// Who carries a run out, so that a lock whose owner is gone can be told from one that is held.
package struct RunOwner: Codable, Sendable, Equatable {
    package var host: String
    package var processID: Int32
    /// When that process started, in clock ticks after the host's, so that a process ID that was used again is not taken for the owner.
    package var processStart: UInt64
    /// Which boot of the host it was.
    package var bootID: String
    package var user: String

    package init(host: String, processID: Int32, processStart: UInt64, bootID: String, user: String) {
        self.host = host
        self.processID = processID
        self.processStart = processStart
        self.bootID = bootID
        self.user = user
    }
}

/// What the journal knows of one step.
package struct StepRecord: Codable, Sendable, Equatable {
    package var id: String
    package var title: String
    package var state: StepState
    /// How often it began to act.
    package var attempts: Int
    package var startedAt: Date?
    package var endedAt: Date?
    /// What was so before it acted, which tells after a kill whether it had acted.
    package var evidence: [String: String]
    /// What came of it.
    package var result: String?

    package init(
        id: String, title: String, state: StepState = .pending, attempts: Int = 0, startedAt: Date? = nil, endedAt: Date? = nil,
        evidence: [String: String] = [:], result: String? = nil
    ) {
        self.id = id
        self.title = title
        self.state = state
        self.attempts = attempts
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.evidence = evidence
        self.result = result
    }
}

/// What the journal knows of one run.
package struct RunRecord: Codable, Sendable, Equatable {
    package var id: String
    package var operation: String
    package var subject: String
    package var state: RunState
    package var startedAt: Date
    package var updatedAt: Date
    /// Why it is in its state, when that needs words.
    package var message: String?
    package var owner: RunOwner
    /// The plan, JSON.
    package var plan: String
    /// How the operation reaches its subject and what it was asked for, JSON. Never a secret.
    package var settings: String
    package var steps: [StepRecord]

    package init(
        id: String, operation: String, subject: String, state: RunState, startedAt: Date, updatedAt: Date, message: String? = nil,
        owner: RunOwner, plan: String, settings: String, steps: [StepRecord]
    ) {
        self.id = id
        self.operation = operation
        self.subject = subject
        self.state = state
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.message = message
        self.owner = owner
        self.plan = plan
        self.settings = settings
        self.steps = steps
    }
}
