internal import KubernetesAPI
package import Maintenance

/// How a node stands, for whoever is to take it out of service.
package struct NodeStatus: Encodable, Sendable, Equatable {
    package var node: String
    package var isReady: Bool
    package var isSchedulable: Bool
    /// By whom and why; nil when it is not.
    package var cordoned: String?
    package var roles: [String]
    /// Empty where nobody says.
    package var zone: String
    /// Of the kubelet.
    package var version: String
    /// Pods that have not ended.
    package var pods: Int
    /// Those of them whose budget has no room now.
    package var held: Int
}

extension ClusterFacts {
    /// The nodes with these labels, by name.
    package func nodeStatuses(_ labels: LabelSelector) -> [NodeStatus] {
        var index = BudgetIndex()
        for budget in budgets { index.set(budget) }
        let podsOfNode = Dictionary(grouping: pods.filter { !$0.isFinished }) { $0.node ?? "" }
        return nodes.filter { labels.matches($0.labels) }.sorted { $0.name < $1.name }.map { node in
            let own = podsOfNode[node.name] ?? []
            return NodeStatus(
                node: node.name, isReady: node.isReady, isSchedulable: !node.isUnschedulable,
                cordoned: node.isUnschedulable ? CordonMark(node)?.text ?? "by others" : nil, roles: node.roles, zone: node.zone,
                version: node.kubeletVersion, pods: own.count,
                held: own.count { pod in index.covering(pod).contains { $0.answer(to: pod) == .exhausted } })
        }
    }
}
