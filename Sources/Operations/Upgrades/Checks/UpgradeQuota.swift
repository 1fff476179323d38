internal import Foundation
internal import KubernetesAPI
package import Maintenance

/// What new pods may ask for in all while the largest node is away, so that those of drained nodes still find room: a ResourceQuota for the time of the
/// upgrade.
package struct UpgradeQuota: Sendable, Equatable {
    /// The largest node that takes pods.
    package var node: String
    /// What is free on the others when its pods have moved there; never less than nothing.
    package var free: Resources

    /// - Returns: nil where no two nodes take pods.
    package init?(_ facts: UpgradeFacts) {
        let open = facts.nodes.filter { node in
            node.isReady && !node.isUnschedulable && !node.taints.contains { $0.effect == "NoSchedule" || $0.effect == "NoExecute" }
        }
        guard open.count > 1,
            let largest = open.max(by: { ($0.allocatable.cpu, $0.allocatable.memory) < ($1.allocatable.cpu, $1.allocatable.memory) })
        else { return nil }
        var free = Resources()
        for node in open where node.name != largest.name { free += node.allocatable }
        let names = Set(open.map(\.name))
        for pod in facts.pods where pod.node.map(names.contains) == true && !pod.isFinished {
            // A DaemonSet's pod on the node that is away has nowhere to go.
            if pod.controller?.kind == "DaemonSet", pod.node == largest.name { continue }
            free -= pod.placement.requests
        }
        node = largest.name
        self.free = Resources(cpu: max(0, free.cpu), memory: max(0, free.memory), pods: max(0, free.pods))
    }

    package var text: String {
        "while \(node) is away, \(Double(free.cpu) / 1000) CPU, \(free.memory >> 20) MiB and \(free.pods) pods are free on the others"
    }

    /// To be applied to a namespace whose new pods must not take the room that drained ones need; and deleted afterwards.
    package func manifest(namespace: String) -> String {
        """
        # While the largest node (\(node)) is drained, its pods need room elsewhere. For as long as the upgrade lasts this quota keeps what is new in \(namespace)
        # from taking it: nothing that runs is touched, and what asks for more is refused. Delete it when the upgrade is done.
        apiVersion: v1
        kind: ResourceQuota
        metadata:
          name: upgrade-quota
          namespace: \(namespace)
        spec:
          hard:
            requests.cpu: "\(free.cpu)m"
            requests.memory: "\(free.memory >> 20)Mi"
            pods: "\(free.pods)"
        """
    }
}
