internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import Maintenance
internal import NodeAccess

/// Reads what an upgrade is judged by: of the cluster, of the nodes' hosts, of etcd and of the certificates.
package struct UpgradeInspection: Sendable {
    package let client: KubernetesClient
    package let settings: UpgradeSettings

    /// nil to ask the cluster alone.
    package let hosts: (any UpgradeHosts)?

    package init(client: KubernetesClient, settings: UpgradeSettings, hosts: (any UpgradeHosts)?) {
        self.client = client
        self.settings = settings
        self.hosts = hosts
    }

    /// - Throws: when the cluster, or a node that is to be upgraded, does not answer.
    package func facts() async throws -> UpgradeFacts {
        var facts = UpgradeFacts()
        // What API servers were asked for comes first: this very look asks for much.
        if let hosts { try await hosts.read(&facts, client) } else { await facts.readRequests(client, []) }
        try await facts.read(client)
        facts.forecast = try await forecast()
        facts.window = settings.window
        return facts
    }

    /// What the drains of all nodes will meet.
    func forecast() async throws -> DrainForecast {
        let facts = try await ClusterFacts.read(client)
        let named = settings.nodes.map(\.name)
        var plan = NodeDrainPlan(nodes: named.isEmpty ? facts.nodes.map(\.name) : named)
        (plan.options, plan.maxUnavailable, plan.respectsQuorum) = (settings.drain.options, settings.drain.maxUnavailable, true)
        plan.returns = true
        plan.gracePeriodSeconds = settings.drain.gracePeriodSeconds
        return try plan.make(facts, at: client.time.now()).forecast
    }
}
