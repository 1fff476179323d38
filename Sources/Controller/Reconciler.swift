internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import Operations
internal import Synchronization

/// Looks at one NodeMaintenance after the other: how its nodes stand, which may begin, and what people should know.
struct Reconciler: Sendable {
    let view: MaintenanceView
    let web: WebClient
    let crew: Crew
    let log: ControllerLog
    /// An agent that has not reported for so long is taken for lost, seconds.
    let staleSeconds: Double

    /// When the gate said no for a reason that may pass, it is asked again after so many seconds.
    private static let pause = 60.0
    /// How long a new NodeMaintenance waits for the first report of all its agents, seconds.
    private static let firstReports = 300.0

    private var client: KubernetesClient { view.client }
    private var now: Date { client.time.now() }

    // MARK: Windows

    /// Says in a MaintenanceWindow's status whether it is open, and when that changes.
    func reconcile(window name: String) async throws -> Date? {
        guard let object = view.windows[ObjectName("", name)] else { return nil }
        var status = JSONObject()
        var next: Date?
        do {
            let window = try Window(spec: object["spec"])
            let interval = window.interval(endingAfter: now)
            let isOpen = interval.map { $0.start <= now } ?? false
            status = JSONObject([
                .init(name: "open", value: .bool(isOpen)),
                .init(name: "opensAt", value: JSON(window.nextOpening(after: now).map(Timestamp.time))),
                .init(name: "closesAt", value: JSON(interval.map { Timestamp.time($0.end) })),
                .init(name: "message", value: interval == nil ? "it never opens" : .null),
            ])
            next = isOpen ? interval?.end : interval?.start
        } catch {
            status = JSONObject([
                .init(name: "open", value: false), .init(name: "message", value: .string("\(error)")), .init(name: "opensAt", value: .null),
                .init(name: "closesAt", value: .null),
            ])
        }
        try await write(.object(status), over: object, .maintenanceWindows)
        return next
    }

    // MARK: Maintenances

    /// - Returns: when to look again if nothing changes.
    func reconcile(_ name: String) async throws -> Date? {
        guard let object = view.maintenances[ObjectName("", name)] else {
            giveBackAll(of: name)
            return view.runs.values.contains { $0.maintenance == name && $0.isUnfinished } ? now.addingTimeInterval(Self.pause) : nil
        }
        var policy: MaintenancePolicy
        do { policy = try MaintenancePolicy(object, among: view.windows.values) } catch {
            // Nobody knows any more what is allowed: what was begun is given back.
            giveBackAll(of: name)
            try await write(MaintenanceStatus.invalid("\(error)", object, at: now), over: object, .nodeMaintenances)
            return now.addingTimeInterval(Self.pause)
        }
        policy.pause = view.pause ?? policy.pause
        // Also those that are selected no more, and on which a run has not come to a good end.
        let open = Set(view.runs.values.filter { $0.maintenance == name && ($0.isUnfinished || $0.isFailed) }.map(\.name))
        let nodes = view.nodes.values.filter { policy.selector.matches($0.labels) || open.contains($0.name) }.sorted { $0.name < $1.name }
        if policy.action != .none { try await ensureAgents(nodes) }
        var status = MaintenanceStatus(object)
        status.progress.observe(policy, at: now)
        try await attend(policy, nodes)
        var situations = nodes.map { node in
            Rollout.Situation(
                node, agent: view.agent(node.name), run: view.run(node.name), isInWork: crew.standing(of: node.name) != nil, policy: policy,
                progress: status.progress, staleSeconds: staleSeconds, at: now)
        }
        let seconds = status.progress.expectedSeconds(policy)
        let created = Timestamp.date(object["metadata"]["creationTimestamp"].string)
        let rollout = Rollout(policy: policy, nodeSeconds: seconds, reportsBy: created?.addingTimeInterval(Self.firstReports))
        var decision = rollout.decide(situations, at: now)
        if !decision.candidates.isEmpty {
            let begun = try await begin(&decision, policy, situations, seconds, status.progress.rolloutStartedAt == nil)
            for index in situations.indices where begun.contains(situations[index].name) { situations[index].work = .inWork }
            if !begun.isEmpty, status.progress.rolloutStartedAt == nil { status.progress.rolloutStartedAt = now }
        }
        status.learn(crew.takeDurations(of: name))
        let left = rollout.forecast(situations, at: now)
        if let end = status.conclude(policy, situations, decision, left, crew: crew, at: now) { await crew.tell(.ended, policy, end) }
        try await write(status.json(object, at: now), over: object, .nodeMaintenances)
        // What hangs on the clock alone: the window, reports that grow old.
        return [decision.nextTry, decision.blockers.isEmpty ? nil : closing(policy)].compactMap(\.self).filter { $0 > now }.min()
    }

    private func closing(_ policy: MaintenancePolicy) -> Date? {
        policy.window?.interval(endingAfter: now).map { $0.start > now ? $0.start : $0.end }
    }

    /// Nodes whose NodeMaintenance is gone, or cannot be read, are not left as they are.
    private func giveBackAll(of name: String) {
        for run in view.runs.values where run.maintenance == name && run.isUnfinished {
            // One that could not be given back is tried again when that may help.
            guard let node = view.node(run.name), !run.isFailed || node.isReady else { continue }
            crew.take(Crew.Job(node: node, policy: MaintenancePolicy(name: name), kind: .giveBack(failed: false)))
        }
    }

    /// A place for the order to, and the report of, each node's agent. Only the controller makes it, so that only the controller gives orders.
    private func ensureAgents(_ nodes: [Node]) async throws {
        for node in nodes where view.agent(node.name) == nil {
            let agent: JSON = [
                "apiVersion": .string(Resource.nodeAgents.apiVersion), "kind": "NodeAgent",
                "metadata": [
                    "name": .string(node.name),
                    "ownerReferences": [["apiVersion": "v1", "kind": "Node", "name": .string(node.name), "uid": .string(node.uid)]],
                ], "spec": .object(JSONObject()),
            ]
            do { try await client.create(.nodeAgents, agent) } catch let error as APIStatus where error.code == 409 {}
        }
    }

    // MARK: Runs that are there

    /// Goes on with runs that another leader began, and does what people ask for by annotation.
    private func attend(_ policy: MaintenancePolicy, _ nodes: [Node]) async throws {
        let busy = crew.inWork
        for node in nodes where !busy.contains(node.name) {
            guard let run = view.run(node.name), run.maintenance == policy.name else { continue }
            if run.isUnfinished, run.annotations[Annotations.abort] != nil {
                crew.take(Crew.Job(node: node, policy: policy, kind: .giveBack(failed: false)))
            } else if run.isFailed {
                guard run.annotations[Annotations.resume] != nil else { continue }
                try await client.patch(.maintenanceRuns, run.objectName, .merge(["metadata": ["annotations": [Annotations.resume: .null]]]))
                try await client.patch(.maintenanceRuns, run.objectName, .merge(["status": ["failed": false]]), subresource: "status")
                if run.isUnfinished { crew.take(Crew.Job(node: node, policy: policy, kind: .resume)) }
            } else if run.isUnfinished {
                crew.take(Crew.Job(node: node, policy: policy, kind: .resume, retries: run.retries))
            }
        }
    }

    // MARK: Beginning

    /// Asks the gate about the candidates, one after the other, as long as there is room.
    /// - Returns: the nodes that begin.
    private func begin(
        _ decision: inout Rollout.Decision, _ policy: MaintenancePolicy, _ situations: [Rollout.Situation], _ seconds: Double, _ isFirst: Bool
    ) async throws -> Set<String> {
        let nodeGate = NodeGate(view: view, web: web, policy: policy, inWork: { crew.inWork })
        let needs = Dictionary(situations.map { ($0.name, $0.need) }, uniquingKeysWith: { $1 })
        let gate = Gate(window: policy.window)
        var begun: Set<String> = []
        var refused: [String: Int] = [:]
        for name in decision.candidates where begun.count < decision.room {
            guard let node = view.node(name) else { continue }
            if let other = view.run(name), other.isUnfinished, other.maintenance != policy.name {
                decision.blockers.append(.init(node: name, "\(other.maintenance) is at work on it"))
                continue
            }
            let checks = try await nodeGate.checks(name, hasBegun: false, moment: .before)
            switch gate.decide(expectedSeconds: seconds, now: now, checks: checks) {
            case .go:
                let reason = if case .due(let why)? = needs[name] { why } else { "it is due" }
                if crew.take(Crew.Job(node: node, policy: policy, kind: .begin(reason: reason, seconds: seconds))) {
                    if isFirst, begun.isEmpty {
                        await crew.tell(.started, policy, "\(situations.count(where: \.isDue)) nodes are due, \(name) is the first")
                    }
                    begun.insert(name)
                }
            case .wait(let reasons), .stop(let reasons):
                decision.blockers.append(.init(node: name, reasons.joined(separator: "; ")))
                decision.nextTry = now.addingTimeInterval(Self.pause)
                // What holds for one node and not for it alone need not be asked for a hundred times.
                let reason = reasons.joined(separator: "; ")
                refused[reason, default: 0] += 1
                if refused[reason, default: 0] >= 3 { return begun }
            }
        }
        return begun
    }

    // MARK: Writing

    /// Writes a status when it says something else than the object does.
    private func write(_ status: JSON, over object: JSON, _ resource: Resource) async throws {
        var changes = JSONObject()
        for member in status.object?.members ?? [] where object["status"][member.name] != member.value.withoutNulls {
            changes.set(member.name, member.value)
        }
        guard !changes.isEmpty else { return }
        do { try await client.patch(resource, object.objectName, .merge(["status": .object(changes)]), subresource: "status") } catch let error
            as APIStatus where error.isNotFound
        {}
    }
}
