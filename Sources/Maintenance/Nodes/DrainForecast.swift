package import Foundation

/// What a drain would do, worked out beforehand on a copy of what was read: the drain's own machine against budgets, replacements and room that
/// are counted together over all nodes. (The server's own dry run looks at one pod at a time.)
package struct DrainForecast: Sendable, Equatable {
    package struct PodOutcome: Sendable, Equatable {
        package var pod: ObjectName
        package var node: String
        /// When it is evicted, seconds after the begin; nil when it never is.
        package var evictedAfter: Double?
        /// What it has to wait for first.
        package var waitsFor: String?
    }

    package struct Blocked: Sendable, Equatable {
        package var pod: ObjectName
        package var node: String
        /// Why it can never go.
        package var reason: String
        /// What to do about it.
        package var remedy: String
    }

    package struct Unplaced: Sendable, Equatable {
        package var pod: ObjectName
        package var reason: String
    }

    package struct NodeOutcome: Sendable, Equatable {
        package var node: String
        package var pods: Int
        /// When its drain begins and ends, seconds after the begin; the end is nil when there is none.
        package var begins: Double
        package var ends: Double?
        /// kubectl's words for what stays and what is lost.
        package var warning: String?
    }

    package var nodes: [NodeOutcome] = []
    package var pods: [PodOutcome] = []
    package var blocked: [Blocked] = []
    /// Pods whose replacements find no node.
    package var unplaced: [Unplaced] = []
    /// How long it takes, seconds, if each pod uses its grace period and starts as fast as its like did.
    package var seconds = 0.0

    package struct Request: Sendable {
        /// In this order.
        package var nodes: [String]
        /// How many at once.
        package var parallel: Int
        /// Whether a node takes pods again when it has been drained.
        package var returns: Bool
        package var options: DrainMachine.Options

        package init(nodes: [String], parallel: Int, returns: Bool, options: DrainMachine.Options) {
            self.nodes = nodes
            self.parallel = max(1, parallel)
            self.returns = returns
            self.options = options
        }
    }

    /// - Parameters:
    ///   - nodes: all of the cluster.
    ///   - pods: all of the cluster.
    package static func make(
        _ request: Request, nodes: [NodeFacts], pods: [PodFacts], budgets: [DisruptionBudget], at now: Date
    ) -> DrainForecast {
        var model = Model(request, nodes: nodes, pods: pods, budgets: budgets, at: now)
        return model.run()
    }

    /// How long a pod takes to be ready where none of its like tells, seconds.
    package static let typicalStartup = 5.0

    /// What happens in the forecast.
    private enum Event {
        case gone(String)
        case replaced(by: PodFacts)
        case ready(String)
    }

    private struct Model {
        let request: Request
        let start: Date
        var now: Date
        var machine: DrainMachine
        var capacity = ClusterCapacity()
        var facts: [String: NodeFacts]
        var pods: [String: PodFacts] = [:]
        var budgets: [ObjectName: DisruptionBudget]
        var queue = TimeQueue<Event>()
        var count = 0
        var startups: [String: [Double]] = [:]
        var waiting: [String]
        var active: Set<String> = []
        var forecast = DrainForecast()
        var positions: [String: Int] = [:]
        var originals: [String: (node: String, position: Int)] = [:]

        init(_ request: Request, nodes: [NodeFacts], pods: [PodFacts], budgets: [DisruptionBudget], at now: Date) {
            self.request = request
            start = now
            self.now = now
            machine = DrainMachine(options: request.options)
            facts = Dictionary(nodes.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
            self.budgets = Dictionary(budgets.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
            waiting = request.nodes.reversed()
            for var node in nodes {
                // All are cordoned at the begin, unless each comes back.
                if !request.returns, request.nodes.contains(node.name) { node.isUnschedulable = true }
                facts[node.name] = node
                capacity.set(node)
            }
            for budget in budgets { machine.apply(budget) }
            for pod in pods {
                self.pods[pod.uid] = pod
                machine.apply(pod, at: now)
                if let node = pod.node, !pod.isFinished {
                    capacity.bind(pod.uid, namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement, to: node)
                }
                if let controller = pod.controller, let seconds = pod.startupSeconds { startups[controller.uid, default: []].append(seconds) }
            }
        }

        mutating func run() -> DrainForecast {
            var byNode: [String: [PodFacts]] = [:]
            for pod in pods.values { if let node = pod.node { byNode[node, default: []].append(pod) } }
            // Pods that are going already go by themselves.
            for pod in pods.values { if let deletion = pod.deletion { schedule(max(now, deletion), .gone(pod.uid)) } }
            while true {
                while active.count < request.parallel, let node = waiting.popLast() { begin(node, byNode[node] ?? []) }
                let work = machine.step(at: now)
                for pod in work.evictions { evict(pod) }
                for (node, result) in work.finished { finish(node, result) }
                if !work.evictions.isEmpty || !work.finished.isEmpty { continue }
                if active.isEmpty, waiting.isEmpty { break }
                guard let next = queue.pop() else {
                    // Nothing more will happen by itself: nodes that wait for replacements give up, the others never end.
                    if !giveUpReplacements() { explain() }
                    continue
                }
                now = next.at
                carryOut(next.element)
                while let more = queue.nextTime, more <= now, let event = queue.pop() { carryOut(event.element) }
                machine.tick()
            }
            forecast.seconds = now.timeIntervalSince(start)
            forecast.pods.sort { ($0.evictedAfter ?? .infinity, $0.node, $0.pod) < ($1.evictedAfter ?? .infinity, $1.node, $1.pod) }
            return forecast
        }

        private mutating func begin(_ node: String, _ present: [PodFacts]) {
            if request.returns, var node = facts[node] {
                node.isUnschedulable = true
                capacity.set(node)
            }
            // Those that came to the node since the facts were read belong to it, too.
            let here = request.returns ? pods.values.filter { $0.node == node } : present.compactMap { pods[$0.uid] }
            let outcome = machine.begin(node, present: here, at: now)
            var row = NodeOutcome(node: node, pods: outcome.taken.count, begins: now.timeIntervalSince(start), warning: outcome.warningLine)
            for (reason, names) in outcome.refusals.sorted(by: { $0.key < $1.key }) {
                for name in names.sorted() {
                    forecast.blocked.append(
                        Blocked(pod: name, node: node, reason: reason, remedy: "allow it by the flag that the reason names, or move the pod by hand"))
                }
            }
            if outcome.refusals.isEmpty {
                active.insert(node)
                for pod in outcome.taken {
                    originals[pod.uid] = (node, forecast.pods.count)
                    forecast.pods.append(PodOutcome(pod: pod.name, node: node))
                }
            } else {
                row.ends = nil
            }
            positions[node] = forecast.nodes.count
            forecast.nodes.append(row)
        }

        private mutating func finish(_ node: String, _ result: DrainMachine.Result) {
            active.remove(node)
            if case .drained = result { forecast.nodes[positions[node] ?? 0].ends = now.timeIntervalSince(start) }
            if case .failed(let reason) = result { block(node, reason) }
            if request.returns, let facts = facts[node] { capacity.set(facts) }
        }

        private mutating func block(_ node: String, _ reason: String) {
            for (uid, place) in originals where place.node == node {
                guard let pod = pods[uid] else { continue }
                let covering = machine.covering(pod)
                let text = covering.count > 1 ? DrainMachine.manyBudgets(covering) : reason
                forecast.blocked.append(
                    Blocked(pod: pod.name, node: node, reason: text, remedy: "let one budget cover the pod: narrow the selector of the others"))
            }
        }

        private mutating func evict(_ pod: PodFacts) {
            guard var pod = pods[pod.uid] else { return machine.answered(pod.uid, .gone, at: now) }
            let covering = DisruptionBudget.ignoresBudgets(pod) || request.options.disablesEviction ? [] : machine.covering(pod)
            if let budget = covering.first.flatMap({ budgets[$0.name] }),
                budget.answer(to: pod) == .exhausted || budget.answer(to: pod) == .notObserved
            {
                // The controller will have seen it long before the drain comes to it.
                machine.answered(pod.uid, .blocked("budget \(budget.name)"), at: now)
                return
            }
            let wasHealthy = pod.isHealthy
            if let place = originals[pod.uid] { forecast.pods[place.position].evictedAfter = now.timeIntervalSince(start) }
            pod.deletion = now.addingTimeInterval(Double(pod.gracePeriodSeconds))
            pods[pod.uid] = pod
            machine.answered(pod.uid, .accepted, at: now)
            machine.apply(pod, at: now)
            if wasHealthy { change(pod, by: -1) }
            // One that has not started has nothing to end.
            schedule(pod.phase == .running ? pod.deletion ?? now : now, .gone(pod.uid))
            if let controller = pod.controller, !pod.isFinished {
                var successor = pod
                successor.uid = "successor-\(count)"
                successor.name.name = controller.kind == "StatefulSet" ? pod.name.name : "\(controller.name)-\(count)"
                successor.deletion = nil
                successor.node = nil
                successor.phase = .pending
                successor.isReady = false
                // A StatefulSet's pod has the name of the one that goes, and waits for it.
                schedule(controller.kind == "StatefulSet" ? pod.deletion ?? now : now, .replaced(by: successor))
            }
        }

        private mutating func carryOut(_ event: Event) {
            switch event {
            case .gone(let uid):
                pods[uid] = nil
                capacity.release(uid)
                machine.remove(uid, at: now)
            case .replaced(var pod):
                switch capacity.choose(namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement) {
                case .node(let node):
                    pod.node = node
                    pod.phase = .running
                    capacity.bind(pod.uid, namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement, to: node)
                    schedule(now.addingTimeInterval(startup(of: pod)), .ready(pod.uid))
                case let none: forecast.unplaced.append(Unplaced(pod: pod.name, reason: none.message(nodes: capacity.nodeCount) ?? ""))
                }
                pods[pod.uid] = pod
                machine.apply(pod, at: now)
            case .ready(let uid):
                guard var pod = pods[uid], pod.deletion == nil else { return }
                pod.isReady = true
                pods[uid] = pod
                machine.apply(pod, at: now)
                change(pod, by: 1)
            }
        }

        /// A pod more, or less, is healthy: its budgets say so.
        private mutating func change(_ pod: PodFacts, by sign: Int) {
            for covering in machine.covering(pod) {
                guard var budget = budgets[covering.name] else { continue }
                var status = DisruptionBudget.Status(
                    currentHealthy: budget.status.currentHealthy + sign, desiredHealthy: budget.status.desiredHealthy,
                    expectedPods: budget.status.expectedPods)
                if budget.failure != nil { status.disruptionsAllowed = 0 }
                budget.status = status
                budgets[budget.name] = budget
                machine.apply(budget)
            }
        }

        private func startup(of pod: PodFacts) -> Double {
            guard let seconds = pod.controller.flatMap({ startups[$0.uid] }), !seconds.isEmpty else { return DrainForecast.typicalStartup }
            return max(0.1, seconds.sorted()[seconds.count / 2])
        }

        private mutating func giveUpReplacements() -> Bool {
            guard active.contains(where: { machine.progress(of: $0).map { $0.gone == $0.total } ?? false }) else { return false }
            now = now.addingTimeInterval(request.options.replacementSeconds)
            machine.tick()
            return true
        }

        /// The pods that are left can never go: says why.
        private mutating func explain() {
            for (pod, waitsFor) in machine.remaining {
                guard let place = originals[pod.uid] else { continue }
                let covering = machine.covering(pod)
                guard let budget = covering.first.flatMap({ budgets[$0.name] }) else {
                    forecast.blocked.append(Blocked(pod: pod.name, node: place.node, reason: "it waits for \(waitsFor)", remedy: "look at the pod"))
                    continue
                }
                let status = budget.status
                let reason =
                    budget.neverAllows
                    ?? "\(budget.name) (\(budget.rule)) needs \(status.desiredHealthy) healthy pods and has \(status.currentHealthy): pods that are not ready, or find no node, hold it"
                let remedy =
                    budget.neverAllows == nil
                    ? "make the pods that \(budget.name) covers ready; `kubectl get pods` shows them"
                    : "let the budget allow one disruption, or run more replicas; --surge does that for workloads of one replica"
                forecast.blocked.append(Blocked(pod: pod.name, node: place.node, reason: reason, remedy: remedy))
            }
            for (_, place) in originals where forecast.pods[place.position].evictedAfter == nil {
                forecast.pods[place.position].waitsFor = forecast.blocked.first { $0.pod == forecast.pods[place.position].pod }?.reason
            }
            for node in active { machine.abandon(node) }
            active = []
        }

        private mutating func schedule(_ at: Date, _ event: Event) {
            count += 1
            queue.push(event, at: at)
        }
    }
}
