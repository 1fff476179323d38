internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import Maintenance
internal import NodeAccess

/// Reads what an upgrade is judged by: of the cluster, of the nodes' hosts, of etcd and of the certificates.
package struct UpgradeInspection: Sendable {
    package let client: KubernetesClient
    package let settings: UpgradeSettings

    package init(client: KubernetesClient, settings: UpgradeSettings) {
        self.client = client
        self.settings = settings
    }

    /// - Throws: when the cluster, or a node that is to be upgraded, does not answer.
    package func facts() async throws -> UpgradeFacts {
        var facts = UpgradeFacts()
        try await facts.read(client)
        facts.hosts = try await Self.hosts(settings.nodes, settings.control.folders)
        await facts.readRequests(client, settings.control.hosts)
        if !settings.control.hosts.isEmpty {
            await facts.readEtcd(settings.control.hosts)
            var nodes: [NodeCertificates] = []
            for access in settings.control.nodes { nodes.append(try await .read(access, settings.control.folders)) }
            facts.certificates = CertificateReport(nodes, warnSeconds: 7 * 86400, at: client.time.now())
            for node in nodes {
                for path in node.files.paths where path.hasSuffix(".yaml") && !path.contains("/manifests/") {
                    if let text = node.text(path) { facts.search.read(file: text, node.place(path)) }
                }
            }
        }
        facts.forecast = try await forecast()
        facts.window = settings.window
        return facts
    }

    static func hosts(_ nodes: [NodeAccess], _ folders: CertificateFolders) async throws -> [HostFacts] {
        try await withThrowingTaskGroup(of: HostFacts.self) { group in
            for access in nodes { group.addTask { try await HostFacts.read(access, folders) } }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.node < $1.node }
        }
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
