internal import KubernetesAPI

/// Which nodes of a cluster take no pods, kept as they change.
struct NodesAway: Sendable, Equatable {
    private var names: Set<String> = []
    /// Not ready, or cordoned.
    private(set) var away: Set<String> = []
    private(set) var controlPlane: Set<String> = []

    init(_ nodes: [Node] = []) {
        for node in nodes { apply(node) }
    }

    /// All nodes.
    var total: Int { names.count }

    mutating func apply(_ node: Node) {
        names.insert(node.name)
        if node.isControlPlane { controlPlane.insert(node.name) } else { controlPlane.remove(node.name) }
        if node.isReady, !node.isUnschedulable { away.remove(node.name) } else { away.insert(node.name) }
    }

    mutating func remove(_ name: String) {
        names.remove(name)
        away.remove(name)
        controlPlane.remove(name)
    }
}
