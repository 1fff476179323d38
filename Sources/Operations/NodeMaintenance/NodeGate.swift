internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
package import Maintenance

/// What must hold before a node is disturbed, as far as only a look at the cluster tells. The window is the gate's own affair, and the budget the
/// rollout's: it decides for all nodes at once.
package struct NodeGate: Sendable {
    package let view: MaintenanceView
    package let web: WebClient
    package let policy: MaintenancePolicy
    /// Nodes that are in work now.
    package let inWork: @Sendable () -> Set<String>

    package init(
        view: MaintenanceView, web: WebClient, policy: MaintenancePolicy, inWork: @escaping @Sendable () -> Set<String>
    ) {
        self.view = view
        self.web = web
        self.policy = policy
        self.inWork = inWork
    }

    /// - Parameters:
    ///   - hasBegun: whether the node is in work already.
    ///   - moment: which of the policy's checks are asked.
    package func checks(
        _ name: String, hasBegun: Bool, moment: MaintenancePolicy.HealthCheck.Moment
    ) async throws -> [GateCheck] {
        guard let node = view.node(name) else { return [GateCheck("node", .fails, "\(name) is gone")] }
        var checks: [GateCheck] = []
        // What is in work comes to its end, whoever waits for it.
        if let pause = (hasBegun ? view.pauseOfAll : view.pause) ?? view.pause(of: node) ?? view.pause(of: policy.name) {
            checks.append(GateCheck("paused", .notYet, pause))
        }
        if !hasBegun {
            if !node.isReady { checks.append(GateCheck("ready", .notYet, "\(name) is not ready")) }
            if node.isControlPlane { checks.append(try await controlPlane(node)) }
        }
        if !checks.allSatisfy({ $0.outcome == .holds }) { return checks }
        if let blocking = try await blockingPods(name) { checks.append(blocking) }
        if let rule = policy.alerts {
            let busy = inWork().union([name])
            let excused = busy.union(busy.flatMap { view.node($0)?.addresses ?? [] })
            checks.append(await AlertGate(web: web, rule: rule).check(excused: excused))
        }
        for check in policy.checks where check.moments.contains(moment) {
            let complaint = try await Self.complaint(check, node: node, view: view, web: web, mark: "gate")
            checks.append(GateCheck(check.name, complaint == nil ? .holds : .notYet, complaint ?? ""))
        }
        return checks
    }

    // MARK: Control plane

    /// One control-plane node at a time, and only while etcd has a member to spare beside it.
    private func controlPlane(_ node: Node) async throws -> GateCheck {
        let name = "control plane"
        let busy = inWork()
        // Of two that are about to begin, the first by name goes.
        let others = view.nodes.values.filter {
            $0.isControlPlane && $0.name != node.name && (!$0.isReady || $0.isUnschedulable || busy.contains($0.name) && $0.name < node.name)
        }.map(\.name).sorted()
        guard others.isEmpty else {
            return GateCheck(name, .notYet, "\(others.joined(separator: ", ")) \(others.count == 1 ? "is" : "are") away, and one may be")
        }
        // kubeadm's static pods; the kubelet asks each member for its health.
        let members = try await view.client.list(
            Pod.self, namespace: "kube-system", ListOptions(labels: LabelSelector([.init("component", .isIn, ["etcd"])])))
        guard !members.isEmpty else { return GateCheck(name, .holds, "etcd runs elsewhere") }
        let isMember = members.contains { $0.nodeName == node.name }
        let healthy = members.count { $0.isReady && $0.nodeName != node.name }
        let quorum = members.count / 2 + 1
        // A cluster of one has no quorum to lose: it is away while its node is.
        guard members.count > 1, isMember, healthy < quorum else { return GateCheck(name, .holds) }
        return GateCheck(name, .notYet, "without \(node.name) etcd has \(healthy) healthy members of \(members.count), and needs \(quorum)")
    }

    // MARK: Pods and checks

    private func blockingPods(_ node: String) async throws -> GateCheck? {
        guard !policy.blockingPods.isEmpty else { return nil }
        for selector in policy.blockingPods {
            let options = ListOptions(labels: selector, fields: .equal("spec.nodeName", node))
            if let pod = try await view.client.list(Pod.self, options).first(where: { !$0.isFinished }) {
                return GateCheck("blocking pods", .notYet, "\(pod.objectName) runs there")
            }
        }
        return GateCheck("blocking pods", .holds)
    }

    /// What a check says against a node; nil when it passes.
    static func complaint(
        _ check: MaintenancePolicy.HealthCheck, node: Node, view: MaintenanceView, web: WebClient, mark: String
    ) async throws -> String? {
        switch check.question {
        case .http(let template):
            let address = node.addresses.first ?? node.name
            let url = template.replacing("{node}", with: node.name).replacing("{address}", with: address.contains(":") ? "[\(address)]" : address)
            do {
                let answer = try await web.send("GET", url, nil, check.timeoutSeconds)
                return answer.isWell ? nil : "\(WebClient.host(of: url)) answers \(answer.status)"
            } catch let error as OperationError { return error.description }
        case .command(let words):
            // The agent answers a question once, so every one has an id of its own.
            let id = "\(mark)-\(check.name)-\(Timestamp.microTime(view.client.time.now()))"
            let order = NodeAgent.Order(id: id, kind: .check, command: words, timeoutSeconds: check.timeoutSeconds)
            do { try await view.client.patch(.nodeAgents, node.objectName, .merge(["spec": ["check": order.json]])) } catch let error as APIStatus
                where error.isNotFound
            { return "there is no agent" }
            let progress = try await view.wait(node.name, seconds: check.timeoutSeconds + 10) { () -> NodeAgent.Progress? in
                guard let answer = view.agent(node.name)?.answer, answer.id == id, answer.state != .running else { return nil }
                return answer
            }
            guard let progress else { return "the agent does not answer" }
            return progress.state == .done ? nil : progress.message
        }
    }
}
