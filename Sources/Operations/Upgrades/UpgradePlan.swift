internal import Foundation
internal import HAProxy
package import KubernetesAPI
package import Maintenance
internal import NodeAccess

/// The plan of an upgrade: minor by minor, the control planes one at a time, then the workers, a canary first.
package struct UpgradePlan: Sendable {
    package var settings: UpgradeSettings
    /// One minor after the other.
    package var hops: [KubernetesVersion]
    /// As the cluster has them.
    package var nodes: [Node]
    /// What the nodes' hosts say.
    package var hosts: [HostFacts]
    /// How long a node's pods take to go, seconds, where a forecast says so.
    package var drainSeconds: [String: Double] = [:]
    /// How many workers at once.
    package var parallel = 1
    /// How many workers go first, alone.
    package var canaries = 1
    /// After the canaries.
    package var soakSeconds = 0.0
    package var sessionSeconds = 10.0
    /// What the load balancers said.
    var views: [LoadBalancerView] = []
    /// By which API servers are known there.
    var addresses: [String: String] = [:]

    private typealias Step = UpgradeAction.Step

    package init(settings: UpgradeSettings, hops: [KubernetesVersion], nodes: [Node], hosts: [HostFacts]) {
        self.settings = settings
        self.hops = hops
        self.nodes = nodes
        self.hosts = hosts
    }

    /// How long the parts of an upgrade take where nobody has measured them, seconds.
    private enum Expected {
        static let kubeadm = 30.0
        static let images = 30.0
        static let controlPlane = 180.0
        static let drain = 60.0
        static let kubelet = 60.0
        static let proof = 30.0
    }

    /// Pure.
    package func make(subject: String) throws -> UpgradeAction.Plan {
        var plan = UpgradeAction.Plan(operation: "upgrade apply", subject: subject, steps: [], parallel: parallel)
        let controlPlanes = settings.control.hosts.map(\.name)
        let workers = settings.nodes.map(\.name).filter { !controlPlanes.contains($0) }
        guard !hops.isEmpty else { return plan }
        if settings.backup != nil {
            plan.steps.append(backup)
        } else {
            plan.remarks.append("no backup is made (--location): there is no way back for etcd's data")
        }
        if settings.control.loadBalancers.isEmpty {
            plan.remarks.append(
                "no load balancer is named (--lb-host, --lb-socket): clients of an API server that is upgraded are cut off, and come back elsewhere")
        }
        for hop in hops {
            plan.steps.append(inspect(hop))
            for (index, name) in controlPlanes.enumerated() {
                let front = try Front(views, of: name, addresses[name] ?? "", settings.control, sessionSeconds)
                plan.refusals += front.refusals
                if hop == hops[0] { plan.remarks += front.remarks }
                plan.steps += try controlPlane(name, hop, isFirst: index == 0, front)
            }
            // No kubelet may be newer than any API server that it may be sent to, so all of these go first.
            for name in controlPlanes {
                let front = try Front(views, of: name, addresses[name] ?? "", settings.control, sessionSeconds)
                plan.steps += asOne(
                    traffic(front.away, name, "for the kubelet of \(hop)") + (try kubelet(name, hop, isControlPlane: true, lane: nil))
                        + traffic(front.back, name, "after the kubelet of \(hop)"))
            }
            for hook in settings.hooks where hook.moment == .addons { plan.steps.append(self.hook(hook, nil, hop, lane: nil)) }
            for name in workers.prefix(canaries) { plan.steps += try worker(name, hop, lane: nil) }
            if soakSeconds > 0, workers.count > canaries { plan.steps.append(soak(hop)) }
            for name in workers.dropFirst(canaries) { plan.steps += try worker(name, hop, lane: "\(hop) \(name)") }
        }
        return plan
    }

    /// How long all of it is expected to take, seconds: workers side by side as far as they may be.
    package func seconds(of plan: UpgradeAction.Plan) -> Double {
        // The first step that disturbs a node carries the time of all that follow on it.
        plan.steps.filter { $0.isOwed != true && ($0.isDisruptive || $0.lane == nil) }.reduce(0) {
            $0 + $1.expectedSeconds / Double($1.lane == nil ? 1 : max(1, parallel))
        }
    }

    /// The version that a node has before a hop; what it goes back to.
    private func version(of name: String, before hop: KubernetesVersion) throws -> KubernetesVersion {
        if let index = hops.firstIndex(of: hop), index > 0 { return hops[index - 1] }
        guard let node = nodes.first(where: { $0.name == name }), let version = KubernetesVersion(node.kubeletVersion) else {
            throw OperationError(.invalid, "the cluster does not say which version \(name) has.")
        }
        return version
    }

    private func packageVersion(_ package: String, of name: String, before hop: KubernetesVersion) throws -> KubernetesVersion {
        if let index = hops.firstIndex(of: hop), index > 0 { return hops[index - 1] }
        return try hosts.first { $0.node == name }?.packages.version(package) ?? version(of: name, before: hop)
    }

    /// Of the control plane, which may be ahead of its kubelet.
    private func controlPlaneVersion(of name: String, before hop: KubernetesVersion) throws -> KubernetesVersion {
        if let index = hops.firstIndex(of: hop), index > 0 { return hops[index - 1] }
        let image = hosts.first { $0.node == name }?.images[Component.apiServer.rawValue] ?? ""
        return try ImageReference(image).version ?? version(of: name, before: hop)
    }

    // MARK: Steps

    private var backup: Step {
        Step(
            id: "backup", title: "back up etcd and the control planes' files, and read the backup back", target: "etcd",
            reason: "what the next steps change must have a way back", effect: "one member reads its data once",
            undo: .nothing(because: "a backup hurts nobody"), expectedSeconds: 60, isDisruptive: false, action: .backup)
    }

    private func inspect(_ hop: KubernetesVersion) -> Step {
        Step(
            id: "inspect \(hop)", title: "look whether the cluster may go to \(hop)", target: "cluster",
            reason: "what was so when the plan was made may have changed", effect: "none", undo: .nothing(because: "it only looks"),
            expectedSeconds: 20,
            isDisruptive: false, action: .inspect(hop))
    }

    private func packages(_ name: String, _ hop: KubernetesVersion, lane: String?) throws -> Step {
        let before = try packageVersion("kubeadm", of: name, before: hop)
        return Step(
            id: "kubeadm \(name) \(hop)", title: "install kubeadm \(hop) on \(name)", target: name, reason: "kubeadm upgrades to its own version",
            effect: "none; what runs goes on", undo: .by(.packages(node: name, ["kubeadm"], before), title: "install kubeadm \(before) on \(name)"),
            expectedSeconds: Expected.kubeadm, isDisruptive: true, action: .packages(node: name, ["kubeadm"], hop), lane: lane)
    }

    private func images(_ name: String, _ hop: KubernetesVersion, lane: String?) -> Step {
        Step(
            id: "images \(name) \(hop)", title: "fetch the images of \(hop) to \(name)", target: name, reason: "nobody waits for a registry later",
            effect: "room on its disk", undo: .nothing(because: "the kubelet removes images that nobody uses"), expectedSeconds: Expected.images,
            isDisruptive: false, action: .images(node: name, hop), lane: lane)
    }

    private func controlPlane(_ name: String, _ hop: KubernetesVersion, isFirst: Bool, _ front: Front) throws -> [Step] {
        let before = try controlPlaneVersion(of: name, before: hop)
        var steps = [try packages(name, hop, lane: nil), images(name, hop, lane: nil)]
        steps += traffic(front.away, name, "for \(hop)")
        steps.append(
            Step(
                id: "control plane \(name) \(hop)",
                title: "upgrade the control plane on \(name) to \(hop) (kubeadm upgrade \(isFirst ? "apply" : "node"))",
                target: name, reason: "control planes go first, one at a time",
                effect: "etcd, if it has a newer version, and the static pods start anew one after the other; clients go on at another API server"
                    + (isFirst ? "; kube-proxy and CoreDNS follow on all nodes" : ""),
                undo: .by(
                    .putBack(node: name, to: before, from: hop, isFirst: isFirst),
                    title: "put the static pods of \(before) back on \(name)" + (isFirst ? ", and kube-proxy, CoreDNS and kubeadm's ConfigMaps" : "")),
                expectedSeconds: Expected.controlPlane, isDisruptive: true, action: .controlPlane(node: name, hop, isFirst: isFirst)))
        return asOne(steps + traffic(front.back, name, "after \(hop)"))
    }

    /// What is done at load balancers; both ways it keeps clients away from what starts anew.
    private func traffic(_ steps: [LoadBalancerAction.Step], _ name: String, _ occasion: String) -> [Step] {
        steps.map { step in
            var step = RestartPlan.reversible(traffic: step)
            step.id += " \(occasion)"
            step.target = name
            return step.map { .traffic($0) }
        }
    }

    private func worker(_ name: String, _ hop: KubernetesVersion, lane: String?) throws -> [Step] {
        asOne([try packages(name, hop, lane: lane), images(name, hop, lane: lane)] + (try kubelet(name, hop, isControlPlane: false, lane: lane)))
    }

    /// From the cordon to the uncordon.
    private func kubelet(_ name: String, _ hop: KubernetesVersion, isControlPlane: Bool, lane: String?) throws -> [Step] {
        let before = try version(of: name, before: hop)
        let drain = drainSeconds[name] ?? Expected.drain
        var steps = [
            Step(
                id: "cordon \(name) \(hop)", title: "cordon \(name)", target: name, reason: "no new pods are to come", effect: "its pods stay",
                undo: .by(.nodes(.uncordon(node: name)), title: "uncordon \(name)"), isDisruptive: true, action: .nodes(.cordon(node: name)),
                lane: lane),
            Step(
                id: "drain \(name) \(hop)", title: "drain \(name)", target: name, reason: "a kubelet of another minor starts on an empty node",
                effect: "its pods are evicted, as their budgets allow, and made anew elsewhere",
                undo: .nothing(because: "the pods run elsewhere"), expectedSeconds: drain, isDisruptive: true, action: .nodes(.drain(node: name)),
                lane: lane),
        ]
        if !isControlPlane {
            steps.append(
                Step(
                    id: "configure \(name) \(hop)", title: "configure the kubelet of \(name) for \(hop) (kubeadm upgrade node)", target: name,
                    reason: "its configuration comes from the cluster", effect: "a file on the node",
                    undo: .by(
                        .putBack(node: name, to: before, from: hop, isFirst: false),
                        title: "put the kubelet's configuration of \(before) back on \(name)"),
                    expectedSeconds: 10, isDisruptive: true, action: .configuration(node: name, hop), lane: lane))
        }
        steps += [
            Step(
                id: "kubelet \(name) \(hop)", title: "install kubelet and kubectl \(hop) on \(name), and start the kubelet anew", target: name,
                reason: "nodes follow the control plane", effect: "the node says nothing for some seconds; no pod of a workload is on it",
                undo: .by(
                    .kubeletBack(node: name, to: before, from: hop),
                    title: "install kubelet and kubectl \(before) on \(name) with their files, and start the kubelet anew"),
                expectedSeconds: Expected.kubelet, isDisruptive: true, action: .kubelet(node: name, hop), lane: lane),
            Step(
                id: "prove \(name) \(hop)", title: "see that \(name) is well, and of \(hop)", target: name, reason: "it is to take pods again",
                effect: "none", undo: .nothing(because: "it only looks"), expectedSeconds: Expected.proof, isDisruptive: false,
                action: .prove(node: name, hop), lane: lane),
        ]
        steps += settings.hooks.filter { $0.moment == .node }.map { hook($0, name, hop, lane: lane) }
        steps.append(
            Step(
                id: "uncordon \(name) \(hop)", title: "uncordon \(name)", target: name, reason: "it is well again", effect: "new pods may come",
                undo: .by(.empty(node: name), title: "cordon and drain \(name) again"), expectedSeconds: drain, isDisruptive: true,
                action: .nodes(.uncordon(node: name)), lane: lane))
        return steps
    }

    private func hook(_ hook: UpgradeHook, _ node: String?, _ hop: KubernetesVersion, lane: String?) -> Step {
        let name = (hook.program as NSString).lastPathComponent
        return Step(
            id: "hook \(name) \(node ?? "") \(hop)", title: "run \(name)\(node.map { " for \($0)" } ?? "")", target: node ?? "cluster",
            reason: "it was asked for", effect: "what the program does", undo: .nothing(because: "nobody knows what the program did; look at it"),
            expectedSeconds: 60, isDisruptive: true, action: .hook(hook, node: node, hop), lane: lane)
    }

    private func soak(_ hop: KubernetesVersion) -> Step {
        Step(
            id: "soak \(hop)", title: "watch the canary for \(soakSeconds.wholeSeconds) s", target: "cluster",
            reason: "what is wrong with \(hop) shows on one node first", effect: "none", undo: .nothing(because: "it only waits"),
            expectedSeconds: soakSeconds, isDisruptive: false, action: .soak(seconds: soakSeconds))
    }

    /// What is done to one node is begun only when there is time for all of it, and then brought to its end.
    private func asOne(_ steps: [Step]) -> [Step] {
        var steps = steps
        guard let first = steps.firstIndex(where: \.isDisruptive) else { return steps }
        steps[first].expectedSeconds = steps[first...].reduce(0) { $0 + $1.expectedSeconds }
        for index in steps.indices.dropFirst(first + 1) where steps[index].isDisruptive { steps[index].isOwed = true }
        return steps
    }
}
