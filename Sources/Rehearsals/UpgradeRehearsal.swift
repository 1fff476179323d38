package import ClusterTwin
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance
package import Operations

/// An upgrade of a twin: the very same plan, gate, runner and drains as of a real cluster, on the twin's clock.
package struct UpgradeRehearsal: Sendable {
    package var settings: UpgradeSettings
    /// One minor after the other.
    package var hops: [KubernetesVersion]
    package var parallel = 1
    package var canaries = 1
    package var soakSeconds = 0.0

    /// - Parameters:
    ///   - twin: with nodes; kubeadm's parts are made where there are none.
    ///   - version: that it has.
    package init(
        _ twin: Twin, from version: KubernetesVersion, hops: [KubernetesVersion], drain: NodeRunSettings, tag: String, patienceSeconds: Double = 600
    ) throws {
        let nodes = twin.objects(.nodes).map(Node.init)
        let controlPlanes = nodes.filter(\.isControlPlane).map(\.name).sorted()
        guard !controlPlanes.isEmpty else {
            throw OperationError(.invalid, "the cluster has no control-plane nodes (node-role.kubernetes.io/control-plane).")
        }
        if twin.staticPodVersion(of: controlPlanes[0]) == nil { try twin.installKubeadm(version) }
        settings = UpgradeSettings(
            rehearsing: nodes.map(\.name).sorted(), controlPlanes: controlPlanes, tag: tag, drain: drain, patienceSeconds: patienceSeconds)
        self.hops = hops
    }

    /// - Throws: `OperationError` when the twin says nothing that a plan can be made of.
    package func plan(_ client: KubernetesClient, on hosts: any UpgradeHosts) async throws -> UpgradeRequest.Made {
        var facts = try await UpgradeInspection(client: client, settings: settings, hosts: hosts).facts()
        var plan = UpgradePlan(settings: settings, hops: hops, nodes: facts.nodes, hosts: facts.hosts)
        (plan.parallel, plan.canaries, plan.soakSeconds) = (parallel, canaries, soakSeconds)
        for outcome in facts.forecast?.nodes ?? [] { plan.drainSeconds[outcome.node] = outcome.ends.map { max(5, $0 - outcome.begins) } }
        let made = try plan.make(subject: try await client.clusterSubject())
        facts.expectedSeconds = plan.seconds(of: made)
        facts.longestStepSeconds = made.steps.filter { $0.isDisruptive && $0.isOwed != true }.map(\.expectedSeconds).max() ?? 0
        return UpgradeRequest.Made(
            plan: made, settings: settings, hops: hops, checks: UpgradeChecks(facts, hops: hops, at: client.time.now()).all, facts: facts)
    }

    /// How a rehearsal is gone on with.
    package enum Beginning: Sendable {
        case begin
        case resume(String)
        case rollBack(String)
    }

    /// Works until the upgrade ends, or is killed.
    package func run(
        _ rehearsal: Rehearsal, on hosts: TwinHosts, _ beginning: Beginning, journal: any RunJournal, killedAfter jobs: Int? = nil,
        gate: @escaping @Sendable () -> Gate = { Gate() }, notify: @escaping @Sendable (RunEvent) -> Void = { _ in }
    ) -> Rehearsal.Outcome<RunRecord> {
        let time = rehearsal.time
        return rehearsal.run(killedAfter: jobs) {
            let client = KubernetesClient(transport: TwinTransport(rehearsal.twin, time: time), rate: nil, time: time)
            return try await UpgradeRun.working(client, settings, on: hosts) { operation in
                let runner = Runner(
                    operation: operation, journal: journal, gate: gate, patience: .seconds(settings.drain.patienceSeconds), time: time, notify: notify
                )
                let subject = try await client.clusterSubject()
                switch beginning {
                case .begin:
                    let made = try await plan(client, on: hosts)
                    return try await runner.begin(made.plan, settings: try settings.json())
                case .resume(let id): return try await runner.resume(id, on: subject, takingLock: true)
                case .rollBack(let id): return try await runner.rollBack(id, on: subject, takingLock: true)
                }
            }
        }
    }
}
