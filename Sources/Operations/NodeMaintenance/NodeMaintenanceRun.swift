internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import KubernetesRuntime
package import Maintenance

/// Sees to one node of a live cluster.
package struct NodeMaintenanceRun: RunOperation {
    package let view: MaintenanceView
    package let desk: DrainDesk
    package let web: WebClient
    package let policy: MaintenancePolicy
    package let settings: MaintenanceRunSettings
    package let node: String
    /// Who carries it out, for the mark on the node.
    package let leader: String
    /// Nodes that are in work now: their alerts are expected.
    package let inWork: @Sendable () -> Set<String>

    package init(
        view: MaintenanceView, desk: DrainDesk, web: WebClient, policy: MaintenancePolicy, settings: MaintenanceRunSettings, node: String,
        leader: String, inWork: @escaping @Sendable () -> Set<String>
    ) {
        self.view = view
        self.desk = desk
        self.web = web
        self.policy = policy
        self.settings = settings
        self.node = node
        self.leader = leader
        self.inWork = inWork
    }

    private var client: KubernetesClient { view.client }
    private var now: Date { client.time.now() }

    /// As the server has it now.
    private func current() async throws -> Node {
        guard let found = try await client.find(Node.self, ObjectName("", node)) else { throw OperationError(.stopped, "the node \(node) is gone") }
        return found
    }

    // MARK: The gate's conditions

    package func checks(before step: MaintenanceAction.Step) async throws -> [GateCheck] {
        // Whatever is closed or paused: a node that takes pods again is disturbed no more.
        if step.action == .giveBack { return [] }
        return try await NodeGate(view: view, web: web, policy: policy, inWork: inWork).checks(
            node, hasBegun: step.action != .close, moment: step.action == .close ? .before : .during)
    }

    // MARK: Look, act, verify

    package func evidence(before step: MaintenanceAction.Step) async throws -> [String: String] {
        switch step.action {
        case .soak: ["since": Timestamp.time(now)]
        default: [:]
        }
    }

    package func isAlreadySo(_ step: MaintenanceAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .close:
            let node = try await current()
            return node.isUnschedulable && CordonMark(node)?.mark == settings.mark ? "cordoned" : nil
        case .drain:
            guard let drain = policy.drain else { return "the policy does not drain" }
            let outcome = drain.options.filters.sort(try await desk.pods(on: node, drain.podSelector), at: now)
            return outcome.taken.isEmpty && outcome.refusals.isEmpty ? "no pods to evict" : nil
        case .order(let order):
            if let progress = view.agent(node)?.progress, progress.id.hasPrefix("\(order.id)-"), progress.state == .done { return progress.message }
            guard order.kind == .update, let choice = order.packages, let report = view.agent(node)?.report else { return nil }
            return report.updates(choice).isEmpty ? "no updates are pending" : nil
        case .reboot(let order, let rule):
            // What was ordered already, by whomever, is not ordered again, and needs no gate any more: it is only waited for.
            if let agent = try await client.find(NodeAgent.self, ObjectName("", node)), let given = agent.order,
                given.id.hasPrefix("\(order.id)-"), let before = given.bootID, try await !["", before].contains(current().bootID)
            {
                return try await waitForBoot(from: before, order: nil, seconds: order.timeoutSeconds)
            }
            guard rule == .ifNeeded, let report = view.agent(node)?.report, !report.rebootRequired else { return nil }
            return "no reboot is needed"
        case .check: return nil
        case .soak(let seconds):
            guard let since = Timestamp.date(evidence?["since"]), now.timeIntervalSince(since) >= seconds else { return nil }
            return "watched for \(seconds.wholeSeconds) s"
        // Also where somebody has uncordoned it: what else is ours is to be taken back.
        case .open, .giveBack: return nil
        }
    }

    package func act(_ step: MaintenanceAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .close: return try await close(notify)
        case .drain:
            guard let drain = policy.drain else { return nil }
            return try await self.drain(drain, notify)
        case .order(let order): return try await give(order)
        case .reboot(let order, _): return try await reboot(order)
        case .check: return try await waitUntilWell()
        case .soak(let seconds): return try await watch(seconds)
        case .open: return try await open(isDone: true, notify)
        case .giveBack: return try await open(isDone: false, notify)
        }
    }

    package func changedNothing(_ error: any Error) -> Bool { (error as? OperationError)?.code == .refused }

    package func verify(_ step: MaintenanceAction.Step) async throws {
        guard step.action == .close, try await !current().isUnschedulable else { return }
        throw OperationError(.stopped, "\(node) takes pods again: somebody uncordoned it")
    }

    // MARK: Closing and opening

    private func close(_ notify: @Sendable (String) -> Void) async throws -> String? {
        let seen = try await current()
        if let url = settings.alertmanager {
            let longest =
                policy.expectedNodeSeconds + policy.actionTimeoutSeconds + policy.rebootTimeoutSeconds + policy.healthTimeoutSeconds
                + policy.soakSeconds + (policy.drain?.options.timeoutSeconds ?? 0)
            do {
                try await Silences(web: web, url: url).begin(
                    node: node, addresses: seen.addresses, mark: settings.mark, comment: "\(node) is in maintenance (\(policy.name))", from: now,
                    until: now.addingTimeInterval(longest))
            } catch let error as OperationError {
                // Nothing breaks by it: somebody is paged for nothing.
                notify("its alerts are not silenced: \(error)")
            }
        }
        let mark = CordonMark(mark: settings.mark, by: leader, at: now, reason: settings.reason)
        guard try await client.cordon(seen, mark, annotations: Self.closing(seen)) else {
            await endSilences(notify)
            throw OperationError(.refused, "it was cordoned by somebody else at this moment")
        }
        return nil
    }

    /// The autoscaler is kept off, unless somebody else does so already.
    private static func closing(_ node: Node) -> [String: JSON] {
        guard node.annotations[Annotations.scaleDownDisabled] == nil else { return [:] }
        return [Annotations.scaleDownDisabled: "true", Annotations.ownsScaleDown: "true"]
    }

    private func open(isDone: Bool, _ notify: @Sendable (String) -> Void) async throws -> String? {
        try await withdraw()
        let seen = try await current()
        let isOurs = seen.isUnschedulable && CordonMark(seen)?.mark == settings.mark
        guard seen.isReady || !isOurs else {
            throw OperationError(.stopped, "\(node) is not ready, so it stays cordoned. Mend it; `kubectl uncordon \(node)` opens it.")
        }
        var annotations: [String: JSON] = [:]
        if seen.annotations[Annotations.ownsScaleDown] != nil {
            annotations = [Annotations.scaleDownDisabled: .null, Annotations.ownsScaleDown: .null]
        }
        if isDone {
            var done = seen.maintained
            done[policy.name] = Timestamp.time(now)
            annotations[Annotations.maintained] = .string(JSON(done).description)
        }
        let opened: Node
        if isOurs {
            opened = try await client.uncordon(seen, annotations: annotations)
        } else {
            let members = JSON.object(JSONObject(annotations.map { .init(name: $0.key, value: $0.value) }))
            opened = Node(try await client.patch(.nodes, seen.objectName, .merge(["metadata": ["annotations": members]])))
        }
        // Whoever decides next must see it.
        _ = try await view.wait(node, seconds: 10) { view.node(node)?.resourceVersion == opened.resourceVersion ? true : nil }
        await endSilences(notify)
        return isOurs ? nil : "somebody else has opened or closed it meanwhile"
    }

    private func endSilences(_ notify: @Sendable (String) -> Void) async {
        guard let url = settings.alertmanager else { return }
        do { try await Silences(web: web, url: url).end(mark: settings.mark) } catch {
            notify("its silences are not ended: \(error). They end by themselves.")
        }
    }

    /// Takes the order back, so that an agent which comes late does nothing to a node that takes pods, and waits for the end of what it is at.
    private func withdraw() async throws {
        guard let agent = try await client.find(NodeAgent.self, ObjectName("", node)), let order = agent.order else { return }
        if agent.progress?.id == order.id, agent.progress?.state == .running {
            if order.kind == .reboot, let before = order.bootID {
                _ = try await waitForBoot(from: before, order: order, seconds: order.timeoutSeconds)
            } else {
                _ = try await view.wait(node, seconds: order.timeoutSeconds + 120) { () -> Bool? in
                    view.agent(node)?.progress?.state == .running ? nil : true
                }
            }
        }
        try await client.patch(.nodeAgents, ObjectName("", node), .merge(["spec": ["order": .null]]))
    }

    // MARK: Work

    private func drain(_ drain: MaintenancePolicy.Drain, _ notify: @escaping @Sendable (String) -> Void) async throws -> String {
        var terms = DrainDesk.Terms(options: drain.options, podSelector: drain.podSelector, gracePeriodSeconds: drain.gracePeriodSeconds)
        // Nothing is evicted when the window is closed.
        let left = view.window(of: policy).map { $0.remaining(at: now) ?? 0 }
        let isCut = left.map { terms.options.timeoutSeconds == 0 || $0 < terms.options.timeoutSeconds } ?? false
        if let left, isCut { terms.options.timeoutSeconds = max(1, left) }
        do {
            // Whoever carries this out goes last, when no other eviction is on its way that would be cut off: the server takes one that was for done, and
            // the budget is short of it for two minutes (the disruption controller's DeletionTimeout).
            var others = terms
            let own = LabelSelector.Requirement("app.kubernetes.io/component", .isNotIn, ["drydock-controller"])
            others.podSelector = LabelSelector((terms.podSelector?.requirements ?? []) + [own])
            let first = try await desk.drain(node, others, notify: notify)
            let (now, all) = (client.time.now(), try await desk.pods(on: node, terms.podSelector))
            guard !drain.options.filters.sort(all, at: now).taken.isEmpty else { return first }
            return "\(first); \(try await desk.drain(node, terms, notify: notify))"
        } catch let error as OperationError where error.code == .stopped && isCut {
            guard view.window(of: policy)?.remaining(at: now) ?? 0 < 1 else { throw error }
            throw OperationError(.refused, "the window closed before the node was drained: \(error)")
        }
    }

    /// Gives an order, and waits for its end.
    private func give(_ planned: NodeAgent.Order) async throws -> String? {
        let order = try await write(planned)
        let progress = try await view.wait(node, seconds: order.timeoutSeconds + 120) { () -> NodeAgent.Progress? in
            guard let progress = view.agent(node)?.progress, progress.id == order.id, progress.state != .running else { return nil }
            return progress
        }
        guard let progress else {
            throw OperationError(
                .stopped, "the agent of \(node) did not finish within \((order.timeoutSeconds + 120).wholeSeconds) s; its pod's log may tell why")
        }
        switch progress.state {
        case .done, .running: return progress.message.isEmpty ? nil : progress.message
        case .failed: throw OperationError(.stopped, "\(node): \(progress.message)")
        case .refused: throw OperationError(.refused, "the agent of \(node) refuses: \(progress.message)")
        }
    }

    /// Writes an order for the agent. One that it is at already, since another leader gave it, is not given again; every other attempt has an id of its own.
    /// - Parameter bootID: of a reboot: the boot that it is to end.
    private func write(_ planned: NodeAgent.Order, bootID: String? = nil) async throws -> NodeAgent.Order {
        guard let agent = try await client.find(NodeAgent.self, ObjectName("", node)) else {
            throw OperationError(.stopped, "there is no agent on \(node): the DaemonSet of drydock has no pod there")
        }
        var attempt = 1
        for known in [agent.order?.id, agent.progress?.id].compactMap(\.self) where known.hasPrefix("\(planned.id)-") {
            attempt = max(attempt, (Int(known.dropFirst(planned.id.count + 1)) ?? 0) + 1)
        }
        if let given = agent.order, given.id.hasPrefix("\(planned.id)-"), agent.progress?.id != given.id || agent.progress?.state == .running {
            return given
        }
        var order = planned
        order.id = "\(planned.id)-\(attempt)"
        order.bootID = bootID
        // What comes when the window is closed, or after everybody has given up, is refused there.
        let left = view.window(of: policy).map { $0.remaining(at: now) ?? 0 } ?? .infinity
        order.notAfter = now.addingTimeInterval(min(left, planned.timeoutSeconds))
        try await client.patch(.nodeAgents, ObjectName("", node), .merge(["spec": ["order": order.json]]))
        return order
    }

    private func reboot(_ planned: NodeAgent.Order) async throws -> String {
        // A kubelet that has just started says nothing of its boot for a moment.
        let known = try await view.wait(node, seconds: 60, every: 2) { () -> String? in
            let bootID = try await self.current().bootID
            return bootID.isEmpty ? nil : bootID
        }
        guard let before = known else { throw OperationError(.stopped, "\(node) reports no boot id, and nothing else proves that it booted anew") }
        let order = try await write(planned, bootID: before)
        return try await waitForBoot(from: order.bootID ?? before, order: order, seconds: order.timeoutSeconds)
    }

    /// - Parameter order: whose refusal or failure ends the waiting; nil where the host is on its way.
    private func waitForBoot(from before: String, order: NodeAgent.Order?, seconds: Double) async throws -> String {
        var lacks = "it has not been ordered yet"
        let isBack = try await view.wait(node, seconds: seconds, every: 15) { () -> Bool? in
            guard let lack = try await self.isBack(from: before) else { return true }
            lacks = lack
            if let order, let progress = view.agent(node)?.progress, progress.id == order.id {
                if progress.state == .refused { throw OperationError(.refused, "the agent of \(node) refuses: \(progress.message)") }
                if progress.state == .failed { throw OperationError(.stopped, "\(node): \(progress.message)") }
            }
            return nil
        }
        guard isBack == true else {
            throw OperationError(.stopped, "\(node) did not come back within \(seconds.wholeSeconds) s: \(lacks). Look at its console.")
        }
        return "booted anew"
    }

    /// What is missing of a proven reboot; nil when it is proven: another boot id, ready, and a lease that the kubelet renewed since.
    private func isBack(from bootID: String) async throws -> String? {
        guard let node = view.node(node) else { return "it is gone" }
        guard !node.bootID.isEmpty else { return "it reports no boot id yet" }
        guard node.bootID != bootID else { return "its boot id is the same as before" }
        guard node.isReady else { return "its kubelet is not ready" }
        let lease = try await client.find(Lease.self, ObjectName("kube-node-lease", node.name))
        guard let lease, let renewed = lease.renewTime else { return "its kubelet has no lease" }
        // The kubelet writes both; the node became ready in this boot, and the lease is younger than the boot before it could be.
        guard now.timeIntervalSince(renewed) < 40 else { return "its kubelet does not renew its lease" }
        return nil
    }

    // MARK: Health

    private func waitUntilWell() async throws -> String {
        var lacks = "nothing was seen"
        let isWell = try await view.wait(node, seconds: policy.healthTimeoutSeconds, every: 10) { () -> Bool? in
            guard let lack = try await complaint(.after) else { return true }
            lacks = lack
            return nil
        }
        guard isWell == true else {
            throw OperationError(.stopped, "\(node) is not well after \(policy.healthTimeoutSeconds.wholeSeconds) s: \(lacks)")
        }
        return "it is well"
    }

    /// What the node lacks; nil when it is well.
    private func complaint(_ moment: MaintenancePolicy.HealthCheck.Moment) async throws -> String? {
        guard let seen = view.node(node) else { return "it is gone" }
        guard seen.isReady else { return "it is not ready" }
        if moment == .after {
            if policy.action != .none {
                guard let report = view.agent(node)?.report, report.bootID == seen.bootID else { return "its agent has not reported since it booted" }
                if case .osUpdate(let choice) = policy.action {
                    let left = report.updates(choice).filter { settings.updates.contains("\($0.name) \($0.to)") }
                    if let first = left.first { return "\(left.count) updates are pending still, such as \(first.name) \(first.to)" }
                }
            }
            let unready = try await Self.unready(on: node, client).filter { !settings.unready.contains($0) }
            if let first = unready.first { return "\(unready.count) DaemonSets or static pods are not ready there, such as \(first)" }
        }
        for check in policy.checks where check.moments.contains(moment) {
            if let complaint = try await NodeGate.complaint(check, node: seen, view: view, web: web, mark: settings.mark) {
                return "\(check.name): \(complaint)"
            }
        }
        return nil
    }

    /// What belongs to a node and is not ready: DaemonSets that have pods there and none that is, and static pods, such as etcd's and the API server's.
    package static func unready(on node: String, _ client: KubernetesClient) async throws -> [ObjectName] {
        let pods = try await client.list(Pod.self, ListOptions(fields: .equal("spec.nodeName", node))).filter {
            ($0.controller?.qualifiedKind == "DaemonSet" || $0.isMirror) && !$0.isFinished
        }
        let owners = Dictionary(grouping: pods) { $0.isMirror ? $0.objectName : ObjectName($0.namespace, $0.controller?.name ?? "") }
        return owners.filter { !$0.value.contains(where: \.isReady) }.keys.sorted()
    }

    private func watch(_ seconds: Double) async throws -> String {
        let end = now.addingTimeInterval(seconds)
        while now < end {
            if let complaint = try await complaint(.during) { throw OperationError(.stopped, "\(node), while it was watched: \(complaint)") }
            let left = end.timeIntervalSince(now)
            guard left > 0 else { break }
            _ = try await view.wait(node, seconds: min(15, left)) { () -> Bool? in
                view.node(node)?.isReady == false ? true : nil
            }
        }
        return "watched for \(seconds.wholeSeconds) s"
    }
}

/// coordination.k8s.io Lease.
struct Lease: KubernetesObject {
    static let resource = Resource.leases
    var json: JSON
    init(_ json: JSON) { self.json = json }

    var renewTime: Date? { Timestamp.date(json["spec"]["renewTime"].string) }
}
