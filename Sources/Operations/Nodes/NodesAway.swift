internal import KubernetesAPI

/// Which nodes of a cluster take no pods, kept as they change.
struct NodesAway: Sendable, Equatable {
    struct Away: Sendable, Equatable {
        var isReady: Bool
        /// Of the run that cordoned it, where drydock did.
        var mark: String?
    }

    private var names: Set<String> = []
    /// Not ready, or cordoned.
    private(set) var away: [String: Away] = [:]
    private(set) var controlPlane: Set<String> = []

    init(_ nodes: [Node] = []) {
        for node in nodes { apply(node) }
    }

    /// All nodes.
    var total: Int { names.count }

    mutating func apply(_ node: Node) {
        names.insert(node.name)
        if node.isControlPlane { controlPlane.insert(node.name) } else { controlPlane.remove(node.name) }
        let isReady = node.isReady
        away[node.name] = isReady && !node.isUnschedulable ? nil : Away(isReady: isReady, mark: CordonMark(node)?.mark)
    }

    mutating func remove(_ name: String) {
        names.remove(name)
        away[name] = nil
        controlPlane.remove(name)
    }
}
