internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance

extension KubernetesClient {
    /// How many nodes are written at once.
    private static let waitingWriters = 8

    /// Puts the taint that says "still to be drained" on nodes, or takes it away. Nodes that are gone do not matter.
    func setWaiting(_ isWaiting: Bool, nodes names: [String]) async throws {
        let wanted = Set(names)
        var left = try await list(Node.self).filter { wanted.contains($0.name) && $0.isWaiting != isWaiting }[...]
        try await withThrowingTaskGroup(of: Void.self) { group in
            func writeNext() {
                guard let node = left.popFirst() else { return }
                group.addTask {
                    try await change(node) { node in
                        guard let taints = node.taints(waiting: isWaiting) else { return nil }
                        let spec = JSONObject([.init(name: "taints", value: taints)])
                        return ["metadata": ["resourceVersion": .string(node.resourceVersion)], "spec": .object(spec)]
                    }
                }
            }
            for _ in 0..<Self.waitingWriters { writeNext() }
            while try await group.next() != nil { writeNext() }
        }
    }

    /// Patches a node as it was read, and reads it again when somebody else changed it meanwhile. (A node's taints are one list that is written whole.)
    /// - Parameter patch: nil when there is nothing to change.
    /// - Returns: the node as it is now.
    @discardableResult
    func change(_ node: Node, _ patch: (Node) -> JSON?) async throws -> Node {
        var node = node
        var attempts = 0
        while let change = patch(node) {
            do { return Node(try await self.patch(.nodes, node.objectName, .merge(change))) } catch let error as APIStatus
                where error.code == 409 && attempts < 5
            {
                attempts += 1
                node = try await get(Node.self, node.objectName)
            }
        }
        return node
    }
}

extension Node {
    var isWaiting: Bool { taints.contains { $0.key == Taint.waiting.key } }

    /// The taints with which it waits, or does not, as a merge patch has them; nil when it is so already.
    func taints(waiting: Bool) -> JSON? {
        guard waiting != isWaiting else { return nil }
        var taints = json["spec"]["taints"].elements.filter { $0["key"].string != Taint.waiting.key }
        if waiting { taints.append(["key": .string(Taint.waiting.key), "effect": .string(Taint.waiting.effect)]) }
        return taints.isEmpty ? .null : .array(taints)
    }
}
