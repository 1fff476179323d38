package import Foundation

/// What a drain would do, worked out beforehand on a copy of what was read: the drain's own machine against budgets, replacements and room that
/// are counted together over all nodes. (The server's own dry run looks at one pod at a time.)
package struct DrainForecast: Sendable, Equatable {
    package struct PodOutcome: Sendable, Equatable {
        package var pod: ObjectName
        package var node: String
        /// When it is evicted, seconds after the begin; nil when it never is.
        package var evictedAfter: Double?
        /// The budget that it has to wait for first.
        package var waitsFor: ObjectName?
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
        var looked = Date.distantPast
        var machine: DrainMachine
        var capacity = ClusterCapacity()
        let facts: [String: NodeFacts]
        var pods: [String: PodFacts] = [:]
        var podsOfNode: [String: Set<String>] = [:]
        var queue = TimeQueue<Event>()
        var successors = 0
        /// Successors that have found no node, by uid.
        var homeless: [String: PodFacts] = [:]
        /// How often time was let pass though nothing was to happen.
        var idlePasses = 0
        /// How long pods of a controller take to be ready, seconds: the median of those that tell.
        let startups: [String: Double]
        var waiting: [String]
        var active: Set<String> = []
        var forecast = DrainForecast()
        /// Where a node's and a pod's outcome stand.
        var nodePositions: [String: Int] = [:]
        var podPositions: [String: Int] = [:]

        init(_ request: Request, nodes: [NodeFacts], pods: [PodFacts], budgets: [DisruptionBudget], at now: Date) {
            self.request = request
            start = now
            self.now = now
            machine = DrainMachine()
            waiting = request.nodes.reversed()
            // All are cordoned at the begin, unless each comes back.
            let cordoned = request.returns ? [] : Set(request.nodes)
            facts = Dictionary(nodes.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
            startups = Dictionary(grouping: pods.filter { $0.startupSeconds != nil && $0.controller != nil }) { $0.controller?.uid ?? "" }.mapValues {
                let seconds = $0.compactMap(\.startupSeconds).sorted()
                return max(0.1, seconds[seconds.count / 2])
            }
            for var node in nodes {
                if cordoned.contains(node.name) { node.isUnschedulable = true }
                capacity.set(node)
            }
            for var budget in budgets {
                // The controller will have seen it long before the drain comes to it.
                budget.isObserved = true
                machine.apply(budget)
            }
            for pod in pods {
                set(pod)
                // One that is going already goes by itself.
                if let deletion = pod.deletion { queue.push(.gone(pod.uid), at: max(now, deletion)) }
            }
        }

        private mutating func set(_ pod: PodFacts) {
            let before = pods.updateValue(pod, forKey: pod.uid)
            if let node = pod.node, before?.node != node {
                podsOfNode[node, default: []].insert(pod.uid)
                if !pod.isFinished {
                    capacity.bind(pod.uid, namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement, to: node)
                }
            }
            machine.apply(pod)
        }

        mutating func run() -> DrainForecast {
            while true {
                while active.count < request.parallel, let node = waiting.popLast() { begin(node) }
                let work = machine.step(at: now)
                for pod in work.evictions { evict(pod) }
                for (node, result) in work.finished { finish(node, result) }
                if !work.evictions.isEmpty || !work.finished.isEmpty {
                    idlePasses = 0
                    continue
                }
                if active.isEmpty, waiting.isEmpty { break }
                guard let next = queue.pop() else {
                    // Nothing more will happen by itself: nodes that wait for replacements give up, the others never end.
                    if !letTimePass() { explain() }
                    continue
                }
                idlePasses = 0
                now = next.at
                carryOut(next.element)
                while let more = queue.nextTime, more <= now, let event = queue.pop() { carryOut(event.element) }
                // A look at every node, which only those need that wait for a time to pass.
                if now.timeIntervalSince(looked) >= 1 {
                    looked = now
                    machine.tick()
                }
            }
            for pod in homeless.values.sorted(by: { $0.name < $1.name }) {
                let choice = capacity.choose(namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement)
                forecast.unplaced.append(Unplaced(pod: pod.name, reason: choice.message(nodes: capacity.nodeCount) ?? "there is no room in time"))
            }
            forecast.seconds = now.timeIntervalSince(start)
            forecast.pods.sort { ($0.evictedAfter ?? .infinity, $0.node, $0.pod) < ($1.evictedAfter ?? .infinity, $1.node, $1.pod) }
            return forecast
        }

        private mutating func begin(_ node: String) {
            if request.returns, var facts = facts[node] {
                facts.isUnschedulable = true
                capacity.set(facts)
            }
            let outcome = machine.begin(node, request.options, present: (podsOfNode[node] ?? []).compactMap { pods[$0] }, at: now)
            nodePositions[node] = forecast.nodes.count
            forecast.nodes.append(
                NodeOutcome(node: node, pods: outcome.taken.count, begins: now.timeIntervalSince(start), warning: outcome.warningLine))
            for (reason, names) in outcome.refusals.sorted(by: { $0.key < $1.key }) {
                for name in names.sorted() { block(name, node, reason, "allow it by the flag that the reason names, or move the pod by hand") }
            }
            guard outcome.refusals.isEmpty else { return }
            active.insert(node)
            for pod in outcome.taken {
                podPositions[pod.uid] = forecast.pods.count
                forecast.pods.append(PodOutcome(pod: pod.name, node: node))
            }
        }

        private mutating func finish(_ node: String, _ result: DrainMachine.Result) {
            active.remove(node)
            switch result {
            case .drained: forecast.nodes[nodePositions[node] ?? 0].ends = now.timeIntervalSince(start)
            case .failed:
                // Only what two budgets cover fails for good; everything else waits.
                for pod in (podsOfNode[node] ?? []).compactMap({ pods[$0] }).sorted(by: { $0.name < $1.name }) where podPositions[pod.uid] != nil {
                    let covering = machine.covering(pod)
                    guard covering.count > 1, !pod.isTerminating else { continue }
                    block(pod.name, node, DrainMachine.manyBudgets(covering), "let one budget cover the pod: narrow the selector of the others")
                }
            }
            if request.returns, let facts = facts[node] {
                capacity.set(facts)
                placeHomeless()
            }
        }

        private mutating func block(_ pod: ObjectName, _ node: String, _ reason: String, _ remedy: String) {
            forecast.blocked.append(Blocked(pod: pod, node: node, reason: reason, remedy: remedy))
        }

        private mutating func evict(_ pod: PodFacts) {
            guard var pod = pods[pod.uid], let node = pod.node else { return machine.answered(pod.uid, .gone, at: now) }
            if let position = podPositions[pod.uid] {
                let after = now.timeIntervalSince(start)
                forecast.pods[position].evictedAfter = after
                if after > forecast.nodes[nodePositions[node] ?? 0].begins { forecast.pods[position].waitsFor = machine.covering(pod).first?.name }
            }
            let wasHealthy = pod.isHealthy
            let end = now.addingTimeInterval(Double(pod.gracePeriodSeconds))
            pod.deletion = end
            machine.answered(pod.uid, .accepted, at: now)
            set(pod)
            if wasHealthy { change(pod, by: -1) }
            // One that has not started has nothing to end.
            queue.push(.gone(pod.uid), at: pod.phase == .running ? end : now)
            guard let controller = pod.controller, !pod.isFinished else { return }
            successors += 1
            var successor = pod
            successor.uid = "successor-\(successors)"
            // A StatefulSet's pod has the name of the one that goes, and waits for it.
            let isNamesake = controller.kind == "StatefulSet"
            if !isNamesake { successor.name.name = "\(controller.name)-\(successors)" }
            successor.deletion = nil
            successor.node = nil
            successor.phase = .pending
            successor.isReady = false
            queue.push(.replaced(by: successor), at: isNamesake ? end : now)
        }

        private mutating func carryOut(_ event: Event) {
            switch event {
            case .gone(let uid):
                if let node = pods.removeValue(forKey: uid)?.node { podsOfNode[node]?.remove(uid) }
                capacity.release(uid)
                machine.remove(uid)
                placeHomeless()
            case .replaced(var pod):
                place(&pod)
                set(pod)
            case .ready(let uid):
                guard var pod = pods[uid], !pod.isTerminating else { return }
                pod.isReady = true
                set(pod)
                change(pod, by: 1)
            }
        }

        private mutating func place(_ pod: inout PodFacts) {
            guard case .node(let node) = capacity.choose(namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement) else {
                pod.isUnschedulable = true
                homeless[pod.uid] = pod
                return
            }
            homeless[pod.uid] = nil
            pod.isUnschedulable = false
            pod.node = node
            pod.phase = .running
            let seconds = pod.controller.flatMap { startups[$0.uid] } ?? DrainForecast.typicalStartup
            queue.push(.ready(pod.uid), at: now.addingTimeInterval(seconds))
        }

        /// There is more room than before.
        private mutating func placeHomeless() {
            for var pod in homeless.values.sorted(by: { $0.name < $1.name }) {
                place(&pod)
                if pod.node != nil { set(pod) }
            }
        }

        /// A pod more, or less, is healthy: its budgets say so.
        private mutating func change(_ pod: PodFacts, by sign: Int) {
            for var budget in machine.covering(pod) {
                budget.status.currentHealthy += sign
                budget.status.disruptionsAllowed = budget.failure == nil ? budget.status.allowance : 0
                machine.apply(budget)
            }
        }

        /// Whether nodes are left that only wait for time to pass: a while of calm, or the end of their patience.
        private mutating func letTimePass() -> Bool {
            guard active.contains(where: { machine.progress(of: $0).map { $0.gone == $0.total } ?? false }), idlePasses < 3 else { return false }
            now = now.addingTimeInterval([0, DrainMachine.calm, request.options.replacementSeconds][idlePasses])
            idlePasses += 1
            machine.tick()
            return true
        }

        /// The pods that are left can never go: says why.
        private mutating func explain() {
            for (pod, waitsFor) in machine.remaining {
                guard let node = pod.node else { continue }
                guard let budget = machine.covering(pod).first else {
                    block(pod.name, node, "it waits for \(waitsFor)", "look at the pod")
                    continue
                }
                if let reason = budget.neverAllows {
                    block(
                        pod.name, node, reason,
                        "let the budget allow one disruption, or run more replicas; --surge does that for workloads of one replica")
                } else {
                    let numbers = "needs \(budget.status.desiredHealthy) healthy pods and has \(budget.status.currentHealthy)"
                    block(
                        pod.name, node, "\(budget.name) (\(budget.rule)) \(numbers): pods that are not ready, or find no node, hold it",
                        "make the pods that \(budget.name) covers ready; `kubectl get pods` shows them")
                }
            }
            for node in active { machine.abandon(node) }
            active = []
        }
    }
}
