internal import Foundation
internal import HAProxy
internal import Maintenance
internal import NodeAccess

/// Restarts of what uses certificates: node by node, each away from the load balancers meanwhile, one component at a time.
package struct RestartPlan: Sendable {
    /// etcd first: its API server is restarted after it, and has it back when it starts.
    private static let order: [Component] = [.etcd, .apiServer, .controllerManager, .scheduler]

    /// - Parameters:
    ///   - components: which; empty for all that there are.
    ///   - sessionSeconds: how long connections may take to leave a node.
    package static func make(
        _ settings: CertificateSettings, _ nodes: [NodeCertificates], components: [Component], sessionSeconds: Double
    ) async throws -> CertificatePlan {
        var settings = settings
        try findHosts(&settings, nodes)
        if let other = settings.nodes.first(where: { access in !settings.hosts.contains { $0.name == access.name } }) {
            throw OperationError(
                .invalid,
                "\(other.name) has no \(settings.folders.kubernetes)/manifests/etcd.yaml: control planes with an etcd elsewhere are not restarted here."
            )
        }
        let stopped = nodes.flatMap { node in node.stopped.map { "\($0) on \(node.node)" } }
        var states: [ComponentState] = []
        let restarts = Restarts(settings, .system)
        for host in settings.hosts {
            for component in host.running where components.isEmpty || components.contains(component) {
                states.append(try await restarts.state(of: component, on: host.name))
            }
        }
        var views: [LoadBalancerView] = []
        for loadBalancer in settings.loadBalancers { views.append(try await LoadBalancerView.read(loadBalancer)) }
        var plan = try plan(settings, states, views, addresses(nodes), sessionSeconds)
        if !stopped.isEmpty {
            plan.remarks.append("stopped by a run that has not brought them back (`drydock runs list`): \(stopped.joined(separator: ", "))")
        }
        return CertificatePlan(plan: plan, settings: settings)
    }

    /// The control planes among the nodes, and what their static pods say.
    static func findHosts(_ settings: inout CertificateSettings, _ nodes: [NodeCertificates]) throws {
        settings.identify(nodes)
        for access in settings.nodes {
            guard let node = nodes.first(where: { $0.node == access.name }), let etcd = try node.pod(.etcd) else { continue }
            let facts = try order.compactMap { try ComponentFacts.read($0, of: node) }
            let running = facts.map(\.component)
            settings.hosts.append(try ControlPlaneHost(access, etcd, try node.pod(.apiServer), running: running, starting: running))
            settings.components[access.name] = facts
        }
    }

    /// By which the API servers of nodes are known at load balancers.
    static func addresses(_ nodes: [NodeCertificates]) throws -> [String: String] {
        try Dictionary(uniqueKeysWithValues: nodes.map { node in (node.node, try node.pod(.apiServer)?.flags["advertise-address"] ?? "") })
    }

    /// Pure.
    /// - Parameter reason: why everything is restarted; nil to say it of each by its state.
    static func plan(
        _ settings: CertificateSettings, _ states: [ComponentState], _ views: [LoadBalancerView], _ addresses: [String: String],
        _ sessionSeconds: Double, because reason: String? = nil
    ) throws -> CertificateAction.Plan {
        var plan = CertificateAction.Plan(operation: "certs restart", subject: settings.subject, steps: [])
        if settings.loadBalancers.isEmpty {
            plan.remarks.append(
                "no load balancer is named (--lb-host, --lb-socket): clients of a restarted API server are cut off, and come back elsewhere")
        }
        if states.contains(where: { $0.component == .etcd && (settings.isForced || $0.complaint != nil) }), !settings.holdsTraffic {
            plan.remarks.append(
                "when etcd's leadership moves, reads that are under way fail (status 500, `leader changed`): a few with many clients. --lb-hold makes them wait"
            )
        }
        func isDue(_ component: Component) -> Bool {
            states.contains { $0.component == component && (settings.isForced || $0.complaint != nil) }
        }
        let (servers, members) = (settings.hosts.count { $0.server != nil }, settings.hosts.count)
        if !settings.acceptsRisk {
            if isDue(.etcd), members < 3 {
                plan.refusals.append(
                    "with \(members) members of etcd none is to spare: name all control planes, or --accept-risk, and the API is gone meanwhile.")
            }
            if isDue(.apiServer), servers < 2 {
                plan.refusals.append("there is no other API server meanwhile: name all control planes, or --accept-risk.")
            }
        }
        for host in settings.hosts {
            let due = order.filter { component in
                states.contains { $0.node == host.name && $0.component == component && (settings.isForced || $0.complaint != nil) }
            }
            guard !due.isEmpty else {
                plan.remarks.append("\(host.name): everything uses the newest files already")
                continue
            }
            func why(_ component: Component) -> String {
                reason ?? states.first { $0.node == host.name && $0.component == component }?.complaint ?? "it was asked for"
            }
            // An API server is of no use while the etcd beside it is away.
            let isAway = host.server != nil && (due.contains(.apiServer) || due.contains(.etcd))
            let front = try Front(isAway ? views : [], of: host.name, addresses[host.name] ?? "", settings, sessionSeconds)
            plan.steps += front.away.map { $0.map { .traffic($0) } }
            plan.refusals += front.refusals
            plan.remarks += front.remarks
            // Who is still connected to an API server must not wait there for an etcd that is away: it ends first, and starts when etcd is back.
            let isAround = due.contains(.etcd) && host.server != nil
            if isAround {
                var between = restart(.etcd, host.name, why(.etcd))
                between.isOwed = true
                plan.steps += [stop(host.name), between, start(host.name)]
            }
            for component in due where !isAround || ![.etcd, .apiServer].contains(component) {
                plan.steps.append(restart(component, host.name, why(component)))
            }
            plan.steps += front.back.map { $0.map { .traffic($0) } }
        }
        return plan
    }

    /// The same step in a pass that is a pass again when it is taken back, the last first: whoever is restarted is drained before, and open afterwards.
    static func reversible(_ step: CertificateAction.Step) -> CertificateAction.Step {
        var step = step
        switch step.action {
        case .restart: step.undo = .by(step.action, title: "restart it again")
        // The gate looks before what is harmless forward, too: backward it is not.
        case .start(let node, let component):
            step.undo = .by(.stop(node: node, component), title: "stop it while its etcd restarts")
            (step.isDisruptive, step.isOwed) = (true, true)
        case .traffic(.set(let target, .ready)): return drained(again: target, by: .traffic(.set(target, .drain)), step)
        default: break
        }
        return step
    }

    static func reversible(traffic step: LoadBalancerAction.Step) -> LoadBalancerAction.Step {
        guard case .set(let target, .ready) = step.action else { return step }
        return drained(again: target, by: .set(target, .drain), step)
    }

    private static func drained<Action>(again target: LoadBalancerAction.Target, by action: Action, _ step: Step<Action>) -> Step<Action> {
        var step = step
        step.undo = .by(action, title: "drain \(target.server) again")
        (step.isDisruptive, step.isOwed) = (true, true)
        return step
    }

    private static func stop(_ node: String) -> CertificateAction.Step {
        .init(
            id: "stop \(node) kube-apiserver", title: "stop kube-apiserver on \(node)", target: node, reason: "the etcd that it asks is restarted",
            effect: "its clients finish what they have begun, and go on at another; watches begin anew",
            undo: .by(.start(node: node, .apiServer), title: "start it again"), expectedSeconds: 180, isDisruptive: true,
            action: .stop(node: node, .apiServer))
    }

    private static func start(_ node: String) -> CertificateAction.Step {
        .init(
            id: "start \(node) kube-apiserver", title: "start kube-apiserver on \(node)", target: node, reason: "its etcd is back",
            effect: "it serves again", undo: .nothing(because: "it ran before"), expectedSeconds: 60, isDisruptive: false,
            action: .start(node: node, .apiServer))
    }

    private static func restart(_ component: Component, _ node: String, _ why: String) -> CertificateAction.Step {
        let effect =
            switch component {
            case .etcd: "one member is away for some seconds; if it leads, another is elected"
            case .apiServer: "its clients go on at another; watches begin anew"
            case .controllerManager, .scheduler: "if it leads, another does after its lease"
            }
        return .init(
            id: "restart \(node) \(component.rawValue)", title: "restart \(component.rawValue) on \(node)", target: node, reason: why, effect: effect,
            undo: .nothing(because: "it is the same program with the files that lie there"), expectedSeconds: 60, isDisruptive: true,
            action: .restart(node: node, component))
    }
}
