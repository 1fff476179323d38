/// How many pods of a set may be away (policy PodDisruptionBudget), and what the disruption controller last said of it.
package struct DisruptionBudget: Sendable, Equatable {
    package struct Status: Sendable, Equatable {
        package var currentHealthy: Int
        package var desiredHealthy: Int
        package var expectedPods: Int
        package var disruptionsAllowed: Int

        package init(currentHealthy: Int, desiredHealthy: Int, expectedPods: Int) {
            self.currentHealthy = currentHealthy
            self.desiredHealthy = desiredHealthy
            self.expectedPods = expectedPods
            disruptionsAllowed = 0
            disruptionsAllowed = allowance
        }

        /// How many may go, by the other numbers.
        package var allowance: Int { expectedPods > 0 ? max(0, currentHealthy - desiredHealthy) : 0 }
    }

    package var name: ObjectName
    /// Nil matches nothing.
    package var selector: LabelSelector?
    package var minAvailable: IntOrPercent?
    package var maxUnavailable: IntOrPercent?
    /// `AlwaysAllow`: running pods that are not ready may go whatever the budget says.
    package var alwaysAllowsUnhealthy: Bool
    /// Whether the controller has seen the budget as it is.
    package var isObserved: Bool
    /// What the controller could not do with it, when it could not.
    package var failure: String?
    package var status: Status

    package init(
        name: ObjectName, selector: LabelSelector?, minAvailable: IntOrPercent? = nil, maxUnavailable: IntOrPercent? = nil,
        alwaysAllowsUnhealthy: Bool = false, isObserved: Bool = true, failure: String? = nil,
        status: Status = Status(currentHealthy: 0, desiredHealthy: 0, expectedPods: 0)
    ) {
        self.name = name
        self.selector = selector
        self.minAvailable = minAvailable
        self.maxUnavailable = maxUnavailable
        self.alwaysAllowsUnhealthy = alwaysAllowsUnhealthy
        self.isObserved = isObserved
        self.failure = failure
        self.status = status
    }

    package func covers(_ pod: PodFacts) -> Bool { pod.name.namespace == name.namespace && (selector?.matches(pod.labels) ?? false) }

    /// The controller's arithmetic (disruption controller of 1.20): how many pods are expected and how many must be healthy.
    ///
    /// - Parameters:
    ///   - matched: how many pods the selector matches.
    ///   - scale: the replicas of their distinct controllers together; nil when a pod has none, which fails all but an integer minAvailable.
    /// - Returns: nil when the budget cannot be worked out; then nothing is allowed.
    package func expectation(matched: Int, scale: Int?) -> (expected: Int, desired: Int)? {
        if let maxUnavailable {
            guard let scale else { return nil }
            return (scale, max(0, scale - maxUnavailable.value(of: scale, roundingUp: true)))
        }
        switch minAvailable {
        case .count(let count): return (matched, count)
        case .percent(let percent):
            guard let scale else { return nil }
            return (scale, IntOrPercent.percent(percent).value(of: scale, roundingUp: true))
        case nil: return nil
        }
    }

    /// `maxUnavailable 10%`, for people.
    package var rule: String {
        maxUnavailable.map { "maxUnavailable \($0)" } ?? minAvailable.map { "minAvailable \($0)" } ?? "neither minAvailable nor maxUnavailable"
    }

    /// What the API server answers to an eviction under this one budget (pkg/registry/core/pod/storage/eviction.go of 1.20).
    package enum Answer: Sendable, Equatable {
        case allowed(takesOne: Bool)
        /// The controller has not seen the budget as it is.
        case notObserved
        case exhausted
    }

    package func answer(to pod: PodFacts) -> Answer {
        if Self.ignoresBudgets(pod) { return .allowed(takesOne: false) }
        if !pod.isReady, alwaysAllowsUnhealthy { return .allowed(takesOne: false) }
        if !pod.isReady, status.currentHealthy >= status.desiredHealthy, status.desiredHealthy > 0 { return .allowed(takesOne: false) }
        guard isObserved else { return .notObserved }
        return status.disruptionsAllowed > 0 ? .allowed(takesOne: true) : .exhausted
    }

    /// Pods that have not started, have ended, or are on their way go without a look at budgets.
    package static func ignoresBudgets(_ pod: PodFacts) -> Bool { pod.phase == .pending || pod.isFinished || pod.deletion != nil }

    /// Why the budget will never let a healthy pod go, however long one waits; nil when it may.
    package var neverAllows: String? {
        if let failure { return "the disruption controller cannot work \(name) out: \(failure)" }
        switch maxUnavailable {
        case .count(0)?, .percent(0)?: return "\(name) has \(rule)"
        default: break
        }
        if case .percent(let percent)? = minAvailable, percent >= 100 { return "\(name) has \(rule)" }
        if status.expectedPods > 0, status.desiredHealthy >= status.expectedPods {
            return "\(name) (\(rule)) wants \(status.desiredHealthy) healthy pods of \(status.expectedPods)"
        }
        return nil
    }
}
