package import Foundation

/// Decides which nodes of a policy may begin now, from how they all stand. Pure.
package struct Rollout: Sendable {
    /// How one node stands.
    package struct Situation: Sendable, Equatable {
        package enum Need: Sendable, Equatable {
            /// As it is meant to be.
            case current
            /// What is to be done, for people.
            case due(String)
            /// Nobody knows: why.
            case unknown(String)
            /// Its agent has never reported.
            case silent
        }

        package enum Work: Sendable, Equatable {
            case idle
            /// A run is on it.
            case inWork
            /// A run of it stopped: why. The node stays as it is until somebody looks.
            case failed(String)
        }

        /// What was given back is left alone for a while.
        package struct Rest: Sendable, Equatable {
            package var until: Date
            /// Why it was given back.
            package var reason: String

            package init(until: Date, reason: String) {
                self.until = until
                self.reason = reason
            }
        }

        package var place: NodeOrder.Place
        package var need: Need
        package var work: Work
        /// Why it takes no pods, by whomever: it is not ready, or cordoned; nil when it does.
        package var away: String?
        /// Why it is left alone; nil when it is not.
        package var pause: String?
        /// Whether it was seen to since the rollout began.
        package var isDone: Bool
        /// Nil when it was not given back.
        package var rest: Rest?

        package init(
            place: NodeOrder.Place, need: Need, work: Work = .idle, away: String? = nil, pause: String? = nil, isDone: Bool = false
        ) {
            self.place = place
            self.need = need
            self.work = work
            self.away = away
            self.pause = pause
            self.isDone = isDone
        }

        package var name: String { place.name }
        package var isDue: Bool { if case .due = need { true } else { false } }
    }

    /// Why something does not begin.
    package struct Blocker: Sendable, Equatable, Hashable {
        /// Nil where it concerns all.
        package var node: String?
        package var reason: String

        package init(node: String? = nil, _ reason: String) {
            self.node = node
            self.reason = reason
        }
    }

    package struct Decision: Sendable, Equatable {
        /// Nodes that the budget has room for, in order; what only a look at the cluster tells is asked of each before it begins.
        package var candidates: [String] = []
        /// How many of the candidates may begin.
        package var room = 0
        package var blockers: [Blocker] = []
        /// When to ask again if nothing happens; nil when only a change helps.
        package var nextTry: Date?
    }

    package var policy: MaintenancePolicy
    /// How long a node takes, seconds.
    package var nodeSeconds: Double
    /// Until when the first reports are waited for: who reports first must not go first for that. Nil for not at all.
    package var reportsBy: Date?

    package init(policy: MaintenancePolicy, nodeSeconds: Double, reportsBy: Date? = nil) {
        self.policy = policy
        self.nodeSeconds = nodeSeconds
        self.reportsBy = reportsBy
    }

    /// - Parameter situations: of all nodes that the policy selects.
    package func decide(_ situations: [Situation], at now: Date) -> Decision {
        var decision = Decision()
        func block(_ reason: String, node: String? = nil) { decision.blockers.append(Blocker(node: node, reason)) }
        for situation in situations.sorted(by: { $0.name < $1.name }) {
            if case .failed(let why) = situation.work { block(why, node: situation.name) }
            guard situation.work == .idle else { continue }
            if case .unknown(let why) = situation.need { block(why, node: situation.name) }
            if situation.need == .silent { block("no agent has reported from it", node: situation.name) }
        }
        let due = situations.filter { $0.isDue && $0.work == .idle }
        guard !due.isEmpty else { return decision }
        if let pause = policy.pause {
            block("paused: \(pause)")
            return decision
        }
        let failed = situations.filter { if case .failed = $0.work { true } else { false } }
        if !failed.isEmpty {
            block("the rollout waits for \(failed.map(\.name).sorted().joined(separator: ", ")), which failed")
            return decision
        }
        if case .stop(let reasons) = Gate(window: policy.window).decide(expectedSeconds: nodeSeconds, now: now, checks: []) {
            for reason in reasons { block(reason) }
            decision.nextTry = policy.window?.nextOpening(after: now)
            return decision
        }
        let silent = situations.count { $0.need == .silent && $0.work == .idle }
        if silent > 0, let reportsBy, now < reportsBy {
            block(
                "\(silent == 1 ? "1 agent has" : "\(silent) agents have") not reported yet; they are waited for until \(reportsBy.formatted(.iso8601))"
            )
            decision.nextTry = reportsBy
            return decision
        }
        var open: [Situation] = []
        for situation in due {
            if let pause = situation.pause {
                block("paused: \(pause)", node: situation.name)
            } else if let rest = situation.rest, now < rest.until {
                block("it was given back: \(rest.reason); the next try is at \(rest.until.formatted(.iso8601))", node: situation.name)
                decision.nextTry = min(decision.nextTry ?? rest.until, rest.until)
            } else if let away = situation.away {
                // Whoever took it away may be at work on it.
                block("it is left alone: \(away)", node: situation.name)
            } else {
                open.append(situation)
            }
        }
        guard !open.isEmpty else { return decision }
        let away = situations.filter { $0.away != nil || $0.work == .inWork }.map(\.name).sorted()
        let allowed = policy.maxUnavailable.nodes(of: situations.count)
        decision.room = allowed - away.count
        // The canaries come first, and alone: until they are done no other begins.
        let begun = situations.count { $0.isDone || $0.work == .inWork }
        let isTrial = situations.count(where: \.isDone) < policy.canaries
        if isTrial { decision.room = min(decision.room, policy.canaries - begun) }
        if decision.room > 0 {
            decision.candidates = policy.order.sort(open.map(\.place))
        } else if allowed == 0 {
            block("maxUnavailable \(policy.maxUnavailable) lets no node go")
        } else if isTrial, away.count < allowed {
            block("the first \(policy.canaries) nodes are not done yet")
        } else {
            let names = "\(away.prefix(5).joined(separator: ", "))\(away.count > 5 ? " and \(away.count - 5) more" : "")"
            block("\(names) \(away.count == 1 ? "is" : "are") away, and \(allowed) may be")
        }
        decision.room = max(0, decision.room)
        return decision
    }
}

extension Rollout {
    /// When the nodes go that are due, if everything goes as it usually does.
    package func forecast(_ situations: [Situation], at now: Date) -> MaintenanceForecast {
        let open = situations.filter { $0.isDue && $0.work == .idle && $0.pause == nil && $0.away == nil }
        let inWork = situations.count { $0.work == .inWork }
        let lost = situations.count { $0.away != nil && $0.work != .inWork }
        return MaintenanceForecast(
            nodes: policy.order.sort(open.map(\.place)), busy: Array(repeating: now.addingTimeInterval(nodeSeconds / 2), count: inWork),
            parallel: policy.maxUnavailable.nodes(of: situations.count) - lost,
            canaries: max(0, policy.canaries - situations.count(where: \.isDone)), nodeSeconds: nodeSeconds, window: policy.window, at: now)
    }
}
