internal import Foundation
package import KubernetesAPI
package import KubernetesClient
internal import Maintenance

/// What was done, or would be, to a node's door.
package struct NodeChange: Encodable, Sendable, Equatable {
    package var node: String
    /// For people: `cordoned`, `takes pods already`.
    package var change: String
    /// Who and why, or what to do.
    package var detail: String?
    /// Whether a safety rule forbids it.
    package var isRefused = false
    package var isFailed = false
}

/// Closes nodes for new pods, and opens those that drydock closed.
package struct Cordoning: Sendable {
    package let client: KubernetesClient
    /// Say what would be done, and do nothing.
    package let isRehearsal: Bool

    package init(client: KubernetesClient, isRehearsal: Bool) {
        self.client = client
        self.isRehearsal = isRehearsal
    }

    /// What fails on one node is told, and does not hide what was done to the others.
    private func attempt(_ node: String, _ body: () async throws -> NodeChange) async -> NodeChange {
        do { return try await body() } catch { return NodeChange(node: node, change: "failed", detail: "\(error)", isFailed: true) }
    }

    /// - Parameter reason: is written on the node.
    package func cordon(_ nodes: [Node], reason: String?) async throws -> [NodeChange] {
        let mark = CordonMark(mark: UUID().uuidString, by: CordonMark.currentUser, at: client.time.now(), reason: reason)
        var changes: [NodeChange] = []
        for node in nodes {
            guard !node.isUnschedulable else {
                changes.append(NodeChange(node: node.name, change: "already cordoned", detail: CordonMark(node)?.text))
                continue
            }
            changes.append(
                await attempt(node.name) {
                    if !isRehearsal, try await !client.cordon(node, mark) { return NodeChange(node: node.name, change: "already cordoned") }
                    return NodeChange(node: node.name, change: isRehearsal ? "would be cordoned" : "cordoned")
                })
        }
        return changes
    }

    /// - Parameter force: also what somebody else closed.
    package func uncordon(_ nodes: [Node], force: Bool) async throws -> [NodeChange] {
        var changes: [NodeChange] = []
        for node in nodes {
            let mark = CordonMark(node)
            if !node.isUnschedulable {
                changes.append(NodeChange(node: node.name, change: "takes pods already"))
            } else if mark == nil, !force {
                changes.append(
                    NodeChange(
                        node: node.name, change: "refused", detail: "drydock did not cordon it; --force opens it all the same", isRefused: true))
            } else {
                changes.append(
                    await attempt(node.name) {
                        if !isRehearsal { try await client.uncordon(node) }
                        return NodeChange(node: node.name, change: isRehearsal ? "would be uncordoned" : "uncordoned", detail: mark?.text)
                    })
            }
        }
        return changes
    }
}
