package import Foundation

/// Decides, from what is seen of the cluster, which pods to evict when, and when a node is drained. Pure: it is told of changes and answers, and
/// says what to do; who asks the server is not its concern. The same machine drives a live drain and a forecast.
///
/// An eviction is due as soon as the pod's budget has room; pods that are not ready go first, since nothing is lost by them. A node is drained when
/// its pods are gone and as many others of what they belong to have become ready.
package struct DrainMachine: Sendable {
    package struct Options: Sendable, Codable, Equatable {
        package var filters = DrainFilters()
        /// How long a node may take, seconds; 0 for ever.
        package var timeoutSeconds = 0.0
        /// Whether a node waits until others are ready in the place of its pods.
        package var awaitsReplacements = true
        /// How long to wait for that at most, seconds; then the node counts as drained, and the report says so.
        package var replacementSeconds = 300.0
        /// Whether nodes take pods again when they are drained: then pods that find no node are not waited for, since they may be waiting for this one.
        package var returns = false
        /// Delete pods without a look at budgets.
        package var disablesEviction = false

        package init() {}
    }

    /// What the server said to an eviction.
    package enum Answer: Sendable, Equatable {
        case accepted
        /// There is no such pod any more.
        case gone
        /// A budget has no room.
        case blocked(String)
        /// Try again after so many seconds, for this reason.
        case later(Double, String)
        /// Trying again does not help.
        case failed(String)
    }

    package enum Result: Sendable, Equatable {
        /// How many pods went, and what a reader should know.
        case drained(pods: Int, remark: String?)
        case failed(String)
    }

    /// How far a node is, for people.
    package struct Progress: Sendable, Equatable {
        package var node: String
        package var total: Int
        /// Pods that have gone.
        package var gone: Int
        /// Pods on their way.
        package var terminating: Int
        /// Pods that wait, by what they wait for.
        package var waiting: [String: Int]
        /// Workloads that have not replaced all of them.
        package var unsettled: Int
    }

    private struct NodeState: Sendable {
        var options: Options
        var order: Int
        var begun: Date
        var total: Int
        var remaining: Set<String>
        /// Pods that cannot go, by uid, with the reason.
        var failures: [String: (pod: ObjectName, reason: String)] = [:]
        var emptied: Date?
        /// Since when every live pod of its workloads has been ready, though there are fewer than before.
        var calmSince: Date?
    }

    private enum PodState: Sendable, Equatable {
        /// To be considered.
        case pending
        /// An eviction is on its way.
        case asked
        /// Its budget has no room; `pausing` says when to ask all the same, if that is known.
        case blocked(by: ObjectName, String)
        /// Until the time that `pausing` has.
        case pausing(String)
        /// The server took the eviction.
        case accepted
        case failed
    }

    private var pods: [String: PodFacts] = [:]
    private var names: [ObjectName: String] = [:]
    private var budgets = BudgetIndex()
    /// Evictions that a budget's numbers do not show yet.
    private var spent: [ObjectName: Int] = [:]
    private var inFlight: [ObjectName: Int] = [:]
    private var charged: [String: ObjectName] = [:]
    private var blocked: [ObjectName: Set<String>] = [:]
    private var states: [String: PodState] = [:]
    private var nodeOf: [String: String] = [:]
    private var dirty: Set<String> = []
    private var pausing: [String: Date] = [:]
    private var nodes: [String: NodeState] = [:]
    private var dirtyNodes: Set<String> = []
    private var begunCount = 0
    private var ready: [String: Int] = [:]
    private var live: [String: Int] = [:]
    /// Pods for which there is no node.
    private var homeless: [String: Int] = [:]
    private var replacements = Replacements()
    private var finished: [(node: String, result: Result)] = []

    /// How long fewer pods than before, all of them ready, must be so to count as scaled down, seconds.
    static let calm = 10.0

    package init() {}

    // MARK: What is seen

    package mutating func apply(_ pod: PodFacts) {
        if let other = names[pod.name], other != pod.uid { remove(other) }
        let before = pods.updateValue(pod, forKey: pod.uid)
        names[pod.name] = pod.uid
        count(before, -1)
        count(pod, 1)
        follow(pod, wasHealthy: before?.isHealthy ?? false, isHealthy: pod.isHealthy)
        guard nodeOf[pod.uid] != nil else { return }
        if states[pod.uid] == .pending || isBlocked(pod.uid) { dirty.insert(pod.uid) }
    }

    package mutating func remove(_ uid: String) {
        guard let pod = pods.removeValue(forKey: uid) else { return }
        count(pod, -1)
        follow(pod, wasHealthy: pod.isHealthy, isHealthy: false)
        if names[pod.name] == uid { names[pod.name] = nil }
        leave(uid)
    }

    /// A pod is of no more concern: it is gone, or nobody waits for it.
    private mutating func leave(_ uid: String) {
        guard let node = nodeOf.removeValue(forKey: uid) else { return }
        unblock(uid)
        settle(uid)
        states[uid] = nil
        pausing[uid] = nil
        dirty.remove(uid)
        nodes[node]?.remaining.remove(uid)
        nodes[node]?.failures[uid] = nil
        dirtyNodes.insert(node)
    }

    package mutating func apply(_ budget: DisruptionBudget) {
        let before = budgets.set(budget)
        // What was answered shows in the numbers now; what is on its way may not.
        spent[budget.name] = inFlight[budget.name, default: 0]
        if before?.selector != budget.selector {
            reconsider(namespace: budget.name.namespace)
        } else {
            release(blocked.removeValue(forKey: budget.name))
        }
    }

    package mutating func removeBudget(_ name: ObjectName) {
        guard budgets.remove(name) != nil else { return }
        reconsider(namespace: name.namespace)
    }

    /// Which budget covers which pod has changed in a namespace.
    private mutating func reconsider(namespace: String) {
        for uid in nodeOf.keys where pods[uid]?.name.namespace == namespace {
            unblock(uid)
            release([uid])
        }
    }

    private mutating func unblock(_ uid: String) {
        if case .blocked(let budget, _)? = states[uid] { blocked[budget]?.remove(uid) }
    }

    private mutating func release(_ uids: Set<String>?) {
        for uid in uids ?? [] where isBlocked(uid) || states[uid] == .pending {
            states[uid] = .pending
            dirty.insert(uid)
        }
    }

    private func isBlocked(_ uid: String) -> Bool { if case .blocked? = states[uid] { true } else { false } }

    private mutating func count(_ pod: PodFacts?, _ sign: Int) {
        guard let pod, let controller = pod.controller else { return }
        if !pod.isFinished, !pod.isTerminating { live[controller.uid, default: 0] += sign }
        if pod.isHealthy { ready[controller.uid, default: 0] += sign }
        if pod.isUnschedulable, !pod.isTerminating { homeless[controller.uid, default: 0] += sign }
    }

    /// Notes whom a change of a pod's readiness concerns.
    private mutating func follow(_ pod: PodFacts, wasHealthy: Bool, isHealthy: Bool) {
        guard wasHealthy != isHealthy, let workload = pod.controller?.uid else { return }
        if wasHealthy {
            replacements.lost(workload, for: nodeOf[pod.uid])
        } else if let node = replacements.gained(workload), nodes[node]?.remaining.isEmpty == true {
            dirtyNodes.insert(node)
        }
    }

    // MARK: What is asked for

    /// Begins to drain a node that is cordoned: the pods that are on it now are to go.
    /// - Parameter present: the pods of the node, as a list that the server made after the cordon says; they count beside what was seen before.
    /// - Returns: what the filters say; with a refusal the node is not begun.
    package mutating func begin(_ node: String, _ options: Options, present: [PodFacts], at now: Date) -> DrainFilters.Outcome {
        for pod in present { apply(pod) }
        let outcome = options.filters.sort(present, at: now)
        guard outcome.refusals.isEmpty else { return outcome }
        let state = NodeState(options: options, order: begunCount, begun: now, total: outcome.taken.count, remaining: Set(outcome.taken.map(\.uid)))
        begunCount += 1
        for pod in outcome.taken {
            nodeOf[pod.uid] = node
            if pod.isTerminating {
                states[pod.uid] = .accepted
            } else {
                states[pod.uid] = .pending
                dirty.insert(pod.uid)
            }
            // A job's pod that ended is not made anew, and a DaemonSet's goes with the node.
            if options.awaitsReplacements, let controller = pod.controller, !pod.isFinished, !["Job", "DaemonSet"].contains(controller.kind) {
                replacements.follow(
                    controller.uid, for: node, unready: live[controller.uid, default: 0] - ready[controller.uid, default: 0])
            }
        }
        nodes[node] = state
        dirtyNodes.insert(node)
        return outcome
    }

    /// Stops draining a node, whose pods stay as they are.
    package mutating func abandon(_ node: String) {
        guard let state = nodes.removeValue(forKey: node) else { return }
        for uid in state.remaining { leave(uid) }
        replacements.forget(node)
    }

    /// What the server said to an eviction that `step` asked for.
    package mutating func answered(_ uid: String, _ answer: Answer, at now: Date) {
        let budget = charged[uid]
        settle(uid)
        guard let node = nodeOf[uid], let pod = pods[uid] else { return }
        switch answer {
        case .accepted: states[uid] = .accepted
        case .gone: remove(uid)
        case .blocked(let reason):
            // The numbers that said otherwise are old: the next ones decide. Should they never come, look again in a while.
            if let budget {
                spent[budget] = max(spent[budget] ?? 0, budgets[budget]?.status.disruptionsAllowed ?? 0)
                block(uid, budget, reason)
                pausing[uid] = now.addingTimeInterval(5)
            } else {
                states[uid] = .pausing(reason)
                pausing[uid] = now.addingTimeInterval(1)
            }
        case .later(let seconds, let reason):
            states[uid] = .pausing(reason)
            pausing[uid] = now.addingTimeInterval(seconds)
        case .failed(let reason): fail(pod, on: node, reason)
        }
    }

    private mutating func fail(_ pod: PodFacts, on node: String, _ reason: String) {
        states[pod.uid] = .failed
        nodes[node]?.failures[pod.uid] = (pod.name, reason)
        dirtyNodes.insert(node)
    }

    private mutating func settle(_ uid: String) {
        guard let budget = charged.removeValue(forKey: uid) else { return }
        inFlight[budget, default: 0] -= 1
    }

    // MARK: What to do

    /// The evictions that are due now, in order, and the nodes that came to their end.
    package mutating func step(at now: Date) -> (evictions: [PodFacts], finished: [(node: String, result: Result)]) {
        for (uid, until) in pausing where until <= now {
            pausing[uid] = nil
            switch states[uid] {
            case .blocked(let budget, _)?:
                blocked[budget]?.remove(uid)
                // Ask, even if the numbers have not moved: they may be older than the truth.
                spent[budget] = inFlight[budget, default: 0]
            case .pausing?: break
            default: continue
            }
            states[uid] = .pending
            dirty.insert(uid)
        }
        skipLongGone(at: now)
        var evictions: [PodFacts] = []
        if !dirty.isEmpty {
            let due = dirty.compactMap { uid in
                pods[uid].map { (rank: $0.isHealthy ? 1 : 0, order: nodes[nodeOf[uid] ?? ""]?.order ?? 0, name: $0.name, uid: uid) }
            }
            dirty = []
            for next in due.sorted(by: { ($0.rank, $0.order, $0.name) < ($1.rank, $1.order, $1.name) }) {
                if let pod = pods[next.uid], isDue(pod) { evictions.append(pod) }
            }
        }
        for node in dirtyNodes { judge(node, at: now) }
        dirtyNodes = []
        defer { finished = [] }
        return (evictions, finished)
    }

    /// Whether to ask for the pod now; notes what it waits for otherwise.
    private mutating func isDue(_ pod: PodFacts) -> Bool {
        let uid = pod.uid
        if isBlocked(uid) { release([uid]) }
        guard states[uid] == .pending, nodeOf[uid] != nil else { return false }
        if pod.isTerminating {
            states[uid] = .accepted
            return false
        }
        if nodeOf[uid].flatMap({ nodes[$0] })?.options.disablesEviction == true || DisruptionBudget.ignoresBudgets(pod) {
            states[uid] = .asked
            return true
        }
        let covering = covering(pod)
        if covering.count > 1 {
            if let node = nodeOf[uid] { fail(pod, on: node, Self.manyBudgets(covering)) }
            return false
        }
        guard let budget = covering.first else {
            states[uid] = .asked
            return true
        }
        switch budget.answer(to: pod) {
        case .allowed(takesOne: false): states[uid] = .asked
        case .allowed(takesOne: true) where spent[budget.name, default: 0] < budget.status.disruptionsAllowed:
            states[uid] = .asked
            spent[budget.name, default: 0] += 1
            inFlight[budget.name, default: 0] += 1
            charged[uid] = budget.name
        case .notObserved: block(uid, budget.name, "budget \(budget.name) to be processed")
        default: block(uid, budget.name, "budget \(budget.name)")
        }
        return states[uid] == .asked
    }

    private mutating func block(_ uid: String, _ budget: ObjectName, _ reason: String) {
        states[uid] = .blocked(by: budget, reason)
        blocked[budget, default: []].insert(uid)
    }

    package static func manyBudgets(_ budgets: [DisruptionBudget]) -> String {
        "more than one disruption budget covers it (\(budgets.map(\.name.description).joined(separator: ", "))), which the eviction API does not support"
    }

    package func covering(_ pod: PodFacts) -> [DisruptionBudget] { budgets.covering(pod) }

    private mutating func skipLongGone(at now: Date) {
        for (node, state) in nodes where state.options.filters.skipWaitForDeleteTimeoutSeconds > 0 {
            let limit = state.options.filters.skipWaitForDeleteTimeoutSeconds
            for uid in state.remaining where nodeOf[uid] == node {
                guard let deletion = pods[uid]?.deletion, now.timeIntervalSince(deletion) > limit else { continue }
                leave(uid)
            }
        }
    }

    private mutating func judge(_ node: String, at now: Date) {
        guard var state = nodes[node] else { return }
        let options = state.options
        if !state.failures.isEmpty, state.remaining.count == state.failures.count {
            return end(node, .failed(Self.list(Dictionary(state.failures.values.map { ($0.pod, $0.reason) }, uniquingKeysWith: { $1 }))))
        }
        guard state.remaining.isEmpty else {
            if options.timeoutSeconds > 0, now.timeIntervalSince(state.begun) >= options.timeoutSeconds {
                var reasons: [ObjectName: String] = [:]
                for uid in state.remaining {
                    if let pod = pods[uid] { reasons[pod.name] = state.failures[uid]?.reason ?? waitingReason(uid) ?? "it is terminating" }
                }
                end(node, .failed("not drained within \(options.timeoutSeconds.wholeSeconds) s: \(Self.list(reasons))"))
            }
            return
        }
        if state.emptied == nil { state.emptied = now }
        let unsettled = replacements.unsettled(node)
        func waitsForNode(_ workload: String) -> Bool { options.returns && homeless[workload, default: 0] > 0 }
        let isCalm = unsettled.allSatisfy {
            ready[$0, default: 0] + (waitsForNode($0) ? homeless[$0, default: 0] : 0) == live[$0, default: 0]
        }
        if !isCalm { state.calmSince = nil } else if state.calmSince == nil { state.calmSince = now }
        nodes[node] = state
        let count = "\(unsettled.count) workload\(unsettled.count == 1 ? "" : "s")"
        if unsettled.isEmpty {
            end(node, .drained(pods: state.total, remark: nil))
        } else if let calm = state.calmSince, now.timeIntervalSince(calm) >= Self.calm {
            let what =
                unsettled.contains(where: waitsForNode) ? "whose new pods find no other node" : "with fewer pods than before, all of them ready"
            end(node, .drained(pods: state.total, remark: "\(count) \(what)"))
        } else if let emptied = state.emptied, now.timeIntervalSince(emptied) >= options.replacementSeconds {
            end(
                node,
                .drained(pods: state.total, remark: "\(count) with fewer ready pods than before, after \(options.replacementSeconds.wholeSeconds) s"))
        }
    }

    private mutating func end(_ node: String, _ result: Result) {
        abandon(node)
        finished.append((node, result))
    }

    private static func list(_ reasons: [ObjectName: String]) -> String {
        let sorted = reasons.sorted { $0.key < $1.key }
        let shown = sorted.prefix(10).map { "\($0.key): \($0.value)" }
        return shown.joined(separator: "; ") + (sorted.count > 10 ? "; and \(sorted.count - 10) more" : "")
    }

    // MARK: Looking on

    /// Looks at every node's clock; `step` then says which came to their end.
    package mutating func tick() { dirtyNodes.formUnion(nodes.keys) }

    package var isIdle: Bool { nodes.isEmpty }

    package var activeNodes: [String] { nodes.sorted { $0.value.order < $1.value.order }.map(\.key) }

    /// The pods that have not gone yet, of all nodes, with what each waits for.
    package var remaining: [(pod: PodFacts, waitsFor: String)] {
        nodeOf.keys.compactMap { uid in pods[uid].map { ($0, waitingReason(uid) ?? "its end") } }.sorted { $0.0.name < $1.0.name }
    }

    private func waitingReason(_ uid: String) -> String? {
        switch states[uid] {
        case .blocked(_, let reason)?, .pausing(let reason)?: reason
        case .asked?: "the server's answer"
        case .pending?: "its turn"
        default: nil
        }
    }

    package func progress(of node: String) -> Progress? {
        guard let state = nodes[node] else { return nil }
        var progress = Progress(node: node, total: state.total, gone: state.total - state.remaining.count, terminating: 0, waiting: [:], unsettled: 0)
        for uid in state.remaining {
            if let reason = waitingReason(uid) { progress.waiting[reason, default: 0] += 1 } else { progress.terminating += 1 }
        }
        progress.unsettled = state.remaining.isEmpty ? replacements.unsettled(node).count : 0
        return progress
    }
}
