package import Foundation
package import KubernetesAPI
package import Maintenance

/// The plan of a drain: which nodes, in which order, how many at once, and what it will meet.
package struct NodeDrainPlan: Sendable {
    /// In the order in which they were named.
    package var nodes: [String]
    package var options = DrainMachine.Options()
    package var podSelector: LabelSelector?
    /// How many nodes at once.
    package var maxUnavailable: IntOrPercent?
    /// Whether each node takes pods again when it has been drained, as in a rolling maintenance.
    package var returns: Bool {
        get { options.returns }
        set { options.returns = newValue }
    }
    package var respectsQuorum = false
    package var surge: Surge?
    /// Seconds; nil for each pod's own.
    package var gracePeriodSeconds: Int?

    package init(nodes: [String]) { self.nodes = nodes }

    /// A plan and what it was made from, so that both can be shown.
    package struct Made: Sendable {
        package var plan: NodeAction.Plan
        package var forecast: DrainForecast
    }

    /// - Throws: `OperationError.invalid` when a node is not there.
    package func make(_ facts: ClusterFacts, workloads: WorkloadOwners = WorkloadOwners(), at now: Date) throws -> Made {
        let known = Dictionary(facts.nodes.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        for name in nodes where known[name] == nil {
            throw OperationError(.invalid, "there is no node \(name). `drydock node status` shows the nodes.")
        }
        let selected = order(nodes.compactMap { known[$0] })
        let parallel = max(1, min(selected.count, maxUnavailable?.nodes(of: facts.nodes.count) ?? 1))
        var plan = NodeAction.Plan(operation: "node drain", subject: facts.subject, steps: [], parallel: parallel)
        if maxUnavailable?.nodes(of: facts.nodes.count) == 0 {
            plan.refusals.append("--max-unavailable \(maxUnavailable?.description ?? "") lets no node go")
        }
        if !returns, let allowed = maxUnavailable?.nodes(of: facts.nodes.count), allowed > 0, selected.count > allowed {
            plan.refusals.append(
                "\(selected.count) nodes would stay cordoned, and --max-unavailable \(maxUnavailable?.description ?? "") allows \(allowed): name fewer, or add --uncordon"
            )
        }
        if !returns, respectsQuorum, selected.count(where: \.isControlPlane) > 1 {
            plan.refusals.append("several control-plane nodes would stay cordoned together: name one, or add --uncordon")
        }
        if facts.evictionVersion == nil, !options.disablesEviction {
            plan.refusals.append(
                "the server offers no evictions, so disruption budgets would not count. --disable-eviction deletes pods without a look at them")
        }
        let names = Set(nodes)
        var pods = facts.pods.filter { pod in !names.contains(pod.node ?? "") || podSelector?.matches(pod.labels) ?? true }
        if let gracePeriodSeconds {
            for index in pods.indices where pods[index].deletion == nil { pods[index].gracePeriodSeconds = gracePeriodSeconds }
        }
        let request = DrainForecast.Request(nodes: selected.map(\.name), parallel: parallel, returns: returns, options: options)
        func foresee(_ pods: [PodFacts], _ budgets: [DisruptionBudget]) -> DrainForecast {
            DrainForecast.make(request, nodes: facts.nodes.map(\.facts), pods: pods, budgets: budgets, at: now)
        }
        var forecast = foresee(pods, facts.budgets)
        let held = surge == nil ? [] : held(forecast, pods, workloads)
        switch surge {
        case .scale? where !held.isEmpty: forecast = foresee(pods, facts.budgets.map { surged($0, held.map(\.pod)) })
        // What is restarted is not evicted.
        case .restart? where !held.isEmpty: forecast = foresee(pods.filter { pod in !held.contains { $0.pod.uid == pod.uid } }, facts.budgets)
        default: break
        }
        // A budget that lets nothing go lets nothing go beside a second pod either.
        let stillBlocked = Set(forecast.blocked.map(\.pod))
        var surges: [(workload: Workload, node: String)] = []
        for (pod, workload) in held where !surges.contains(where: { $0.workload == workload }) && !stillBlocked.contains(pod.name) {
            surges.append((workload, pod.node ?? ""))
        }
        plan.steps = steps(selected, forecast, surges)
        plan.remarks = remarks(selected, forecast)
        return Made(plan: plan, forecast: forecast)
    }

    /// Round the zones, so that nodes which go at once are not all of one; control-plane nodes last.
    private func order(_ nodes: [Node]) -> [Node] {
        var zones: [String] = []
        var byZone: [String: [Node]] = [:]
        for node in nodes where !node.isControlPlane {
            if byZone[node.zone] == nil { zones.append(node.zone) }
            byZone[node.zone, default: []].append(node)
        }
        var ordered: [Node] = []
        let longest = byZone.values.map(\.count).max() ?? 0
        for index in 0..<longest { ordered += zones.compactMap { zone in byZone[zone].flatMap { index < $0.count ? $0[index] : nil } } }
        return ordered + nodes.filter(\.isControlPlane)
    }

    // MARK: Steps

    private func steps(_ nodes: [Node], _ forecast: DrainForecast, _ surges: [(workload: Workload, node: String)]) -> [NodeAction.Step] {
        var steps: [NodeAction.Step] = []
        if !returns { steps += nodes.map { cordon($0, lane: nil) } }
        func surgeStep(_ workload: Workload, lane: String?) -> NodeAction.Step {
            NodeAction.Step(
                id: "surge-\(workload.kind)-\(workload.name)",
                title: surge == .restart ? "restart \(workload)" : "run one more replica of \(workload)", target: workload.name.description,
                reason: "its budget would never let its one pod go",
                effect: surge == .restart ? "a new pod comes up elsewhere before the old one ends" : "one replica more until the end of the run",
                undo: surge == .restart
                    ? .nothing(because: "the pods are of the same template")
                    : .by(.scaleBack(workload), title: "back to as many replicas of \(workload) as before"), expectedSeconds: 30,
                isDisruptive: true,
                action: surge == .restart ? .restart(workload) : .scaleUp(workload), lane: lane)
        }
        // What is restarted must find its own node closed.
        let restartsInLane = returns && surge == .restart
        if !restartsInLane { steps += surges.map { surgeStep($0.workload, lane: nil) } }
        let outcomes = Dictionary(forecast.nodes.map { ($0.node, $0) }, uniquingKeysWith: { $1 })
        for node in nodes {
            let lane = respectsQuorum && node.isControlPlane ? "control plane" : node.name
            if returns { steps.append(cordon(node, lane: lane)) }
            if restartsInLane { steps += surges.filter { $0.node == node.name }.map { surgeStep($0.workload, lane: lane) } }
            let outcome = outcomes[node.name]
            let pods = outcome?.pods ?? 0
            steps.append(
                NodeAction.Step(
                    id: "drain-\(node.name)", title: "drain \(node.name)", target: node.name, reason: "its pods are to run elsewhere",
                    effect: "\(pods) pod\(pods == 1 ? " is" : "s are") evicted, as their budgets allow, and made anew on other nodes",
                    undo: .nothing(because: "the pods run elsewhere; uncordoning lets new ones come"),
                    expectedSeconds: max(1, (outcome?.ends ?? forecast.seconds) - (outcome?.begins ?? 0)), isDisruptive: true,
                    action: .drain(node: node.name), lane: lane))
            if returns {
                steps.append(
                    NodeAction.Step(
                        id: "uncordon-\(node.name)", title: "uncordon \(node.name)", target: node.name, reason: "it is to take pods again",
                        effect: "new pods may come", undo: .nothing(because: "the run is about taking nodes out and giving them back"),
                        isDisruptive: false, action: .uncordon(node: node.name), lane: lane))
            }
        }
        if surge == .scale {
            for (workload, _) in surges {
                steps.append(
                    NodeAction.Step(
                        id: "scale-back-\(workload.kind)-\(workload.name)", title: "back to as many replicas of \(workload) as before",
                        target: workload.name.description, reason: "the drain is over", effect: "one pod ends",
                        undo: .nothing(because: "it is as it was"), isDisruptive: false, action: .scaleBack(workload)))
            }
        }
        return steps
    }

    private func cordon(_ node: Node, lane: String?) -> NodeAction.Step {
        NodeAction.Step(
            id: "cordon-\(node.name)", title: "cordon \(node.name)", target: node.name, reason: "no new pods are to come",
            effect: "the scheduler passes it over; its pods stay", undo: .by(.uncordon(node: node.name), title: "uncordon \(node.name)"),
            isDisruptive: returns || maxUnavailable != nil || respectsQuorum, action: .cordon(node: node.name), lane: lane)
    }

    private func remarks(_ nodes: [Node], _ forecast: DrainForecast) -> [String] {
        var remarks: [String] = []
        for outcome in forecast.nodes { if let warning = outcome.warning { remarks.append("\(outcome.node): \(warning)") } }
        if !returns { remarks.append("the nodes stay cordoned; `drydock node uncordon` opens them") }
        for node in nodes where node.isUnschedulable {
            let mark = CordonMark(node)
            remarks.append("\(node.name) is cordoned already\(mark.map { ": \($0.text)" } ?? ", not by drydock, and will stay so")")
        }
        return remarks
    }

    // MARK: Surge

    /// The pods of Deployments of one replica that can never go, and their workloads. (A StatefulSet's pods have their names and places; a second one
    /// is no stand-in for the first.)
    private func held(_ forecast: DrainForecast, _ pods: [PodFacts], _ owners: WorkloadOwners) -> [(pod: PodFacts, workload: Workload)] {
        let blocked = Set(forecast.blocked.map(\.pod))
        return pods.filter { blocked.contains($0.name) }.compactMap { pod in
            guard let owner = pod.controller.flatMap({ owners[$0] }), owner.replicas == 1, owner.workload.kind == "Deployment" else { return nil }
            return (pod, owner.workload)
        }
    }

    /// A budget as it is when each of these pods has a second one beside it.
    private func surged(_ budget: DisruptionBudget, _ pods: [PodFacts]) -> DisruptionBudget {
        var budget = budget
        let more = pods.count(where: budget.covers)
        let status = budget.status
        let expectation = budget.expectation(matched: status.expectedPods + more, scale: status.expectedPods + more)
        if more > 0 {
            budget.status = .init(
                currentHealthy: status.currentHealthy + more, desiredHealthy: expectation?.desired ?? status.desiredHealthy,
                expectedPods: status.expectedPods + more)
        }
        return budget
    }
}

/// Which workload a controller stands for: a ReplicaSet for its Deployment.
package struct WorkloadOwners: Sendable {
    package struct Owner: Sendable, Equatable {
        package var workload: Workload
        package var replicas: Int
    }

    private var owners: [String: Owner] = [:]

    package init() {}

    package init(deployments: [JSON], replicaSets: [JSON], statefulSets: [JSON]) {
        let replicas = Dictionary(
            deployments.map { ($0["metadata"]["uid"].string ?? "", $0["spec"]["replicas"].count ?? 1) }, uniquingKeysWith: { $1 })
        for set in replicaSets {
            guard let deployment = set.controller, deployment.kind == "Deployment" else { continue }
            owners[set["metadata"]["uid"].string ?? ""] = Owner(
                workload: Workload(kind: "Deployment", name: ObjectName(set["metadata"]["namespace"].string ?? "", deployment.name)),
                replicas: replicas[deployment.uid] ?? 0)
        }
        for set in statefulSets {
            owners[set["metadata"]["uid"].string ?? ""] = Owner(
                workload: Workload(kind: "StatefulSet", name: set.objectName), replicas: set["spec"]["replicas"].count ?? 1)
        }
    }

    package subscript(controller: PodFacts.Controller) -> Owner? { owners[controller.uid] }
}
