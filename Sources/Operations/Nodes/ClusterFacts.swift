internal import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import Synchronization

/// What a drain's plan is made from: the nodes, pods and budgets of a cluster, read at once.
package struct ClusterFacts: Sendable {
    package var subject: String
    package var nodes: [Node]
    package var pods: [PodFacts]
    package var budgets: [DisruptionBudget]
    /// Of `policy`, for evictions; nil where the server offers none.
    package var evictionVersion: String?

    /// - Parameter pageSize: how many pods a list asks for at once; 0 for all.
    package static func read(_ client: KubernetesClient, pageSize: Int = 500) async throws -> ClusterFacts {
        let discovery = try await client.discover()
        let policy = try discovery.resource(.podDisruptionBudgets, versions: ["v1", "v1beta1"])
        let reader = PodReader()
        var pods: [PodFacts] = []
        try await client.forEachPage(.pods, ListOptions(limit: pageSize), restart: { pods = [] }) { page in pods += page.map { reader.facts(Pod($0)) }
        }
        let daemonSets = Set(try await client.list(.daemonSets, ListOptions(metadataOnly: true)).map { $0["metadata"]["uid"].string ?? "" })
        for index in pods.indices where pods[index].controller?.kind == "DaemonSet" {
            pods[index].controllerExists = daemonSets.contains(pods[index].controller?.uid ?? "")
        }
        return ClusterFacts(
            subject: try await client.clusterSubject(), nodes: try await client.list(Node.self), pods: pods,
            budgets: try await client.list(policy).map { PodDisruptionBudget($0).budget }, evictionVersion: discovery.evictionVersion)
    }
}

/// Reads facts of pods; pods of one template share what their template says.
final class PodReader: Sendable {
    private let placements = Mutex<[String: PodPlacement]>([:])

    func facts(_ pod: Pod) -> PodFacts {
        guard let owner = pod.controller else { return pod.facts() }
        // A DaemonSet's pods differ in the node that they ask for; a StatefulSet's may differ in revision.
        guard owner.kind == "ReplicaSet" else { return pod.facts() }
        if let known = placements.withLock({ $0[owner.uid] }) { return pod.facts(placement: known) }
        let placement = PodPlacement(pod)
        placements.withLock { $0[owner.uid] = placement }
        return pod.facts(placement: placement)
    }
}
