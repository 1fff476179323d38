package import Foundation
package import KubernetesAPI
package import KubernetesClient
internal import Maintenance

/// Who cordoned a node and why: an annotation, so that only what drydock closed is opened by drydock.
package struct CordonMark: Sendable, Equatable {
    package static let annotation = "drydock.dev/cordoned"

    /// Of the run.
    package var mark: String
    /// `user@host`.
    package var by: String
    package var at: Date
    package var reason: String?

    package init(mark: String, by: String, at: Date, reason: String? = nil) {
        self.mark = mark
        self.by = by
        self.at = at
        self.reason = reason
    }

    /// Nil when the node has none, or when somebody else has cordoned it since: then the mark is a left-over.
    package init?(_ node: Node) {
        guard !node.isUnschedulable || Self.isOurs(node) else { return nil }
        guard let text = node.annotations[Self.annotation], let json = try? JSON(parsing: text), let mark = json["mark"].string else { return nil }
        self.mark = mark
        by = json["by"].string ?? "somebody"
        at = Timestamp.date(json["at"].string) ?? .distantPast
        reason = json["reason"].string
    }

    /// Whether the field that closes the node is drydock's, as the server keeps it (metadata.managedFields). Where it keeps nothing, it may be.
    private static func isOurs(_ node: Node) -> Bool {
        let owners = node.metadata["managedFields"].elements.filter { !$0["fieldsV1"]["f:spec"]["f:unschedulable"].isNull }.map {
            $0["manager"].string ?? ""
        }
        return owners.isEmpty || owners.contains { $0.hasPrefix("drydock") }
    }

    package var json: JSON {
        var json: JSON = ["mark": .string(mark), "by": .string(by), "at": .string(Timestamp.time(at))]
        if let reason { json["reason"] = .string(reason) }
        return json
    }

    /// For people.
    package var text: String { "cordoned by drydock for \(by) at \(Timestamp.time(at))\(reason.map { ": \($0)" } ?? "")" }

    package static var currentUser: String { "\(ProcessInfo.processInfo.userName)@\(ProcessInfo.processInfo.hostName)" }
}

extension KubernetesClient {
    /// Lets no new pods come to a node, and writes down for whom.
    /// - Parameter annotations: what else is written on it.
    /// - Returns: false when somebody else cordoned it meanwhile, which is left so.
    @discardableResult
    package func cordon(_ node: Node, _ mark: CordonMark, annotations: [String: JSON] = [:]) async throws -> Bool {
        let annotations = JSONObject(
            annotations.map { .init(name: $0.key, value: $0.value) } + [.init(name: CordonMark.annotation, value: .string(mark.json.description))])
        var node = node
        var attempts = 0
        while true {
            if node.isUnschedulable { return CordonMark(node) == mark }
            let patch: JSON = [
                "metadata": ["resourceVersion": .string(node.resourceVersion), "annotations": .object(annotations)], "spec": ["unschedulable": true],
            ]
            do {
                try await self.patch(.nodes, node.objectName, .merge(patch))
                return true
            } catch let error as APIStatus where error.code == 409 && attempts < 5 {
                attempts += 1
                node = try await get(Node.self, node.objectName)
            }
        }
    }

    /// Lets pods come again, if the node is as it was read.
    /// - Parameter annotations: what else is written on it; null takes away.
    /// - Returns: the node as it is now.
    @discardableResult
    package func uncordon(_ node: Node, annotations: [String: JSON] = [:]) async throws -> Node {
        // In a merge patch null takes a member away.
        let mark = JSONObject(
            annotations.map { .init(name: $0.key, value: $0.value) } + [.init(name: CordonMark.annotation, value: .null)])
        let open = JSONObject([.init(name: "unschedulable", value: .null)])
        var node = node
        var attempts = 0
        while true {
            let patch: JSON = ["metadata": ["resourceVersion": .string(node.resourceVersion), "annotations": .object(mark)], "spec": .object(open)]
            do { return Node(try await self.patch(.nodes, node.objectName, .merge(patch))) } catch let error as APIStatus
                where error.code == 409 && attempts < 5
            {
                attempts += 1
                let before = CordonMark(node)
                node = try await get(Node.self, node.objectName)
                // Whoever cordoned it meanwhile meant it.
                guard node.isUnschedulable, CordonMark(node) == before else { return node }
            }
        }
    }

    /// Writes an event on a node, where that is allowed: `kubectl describe node` shows it. Never fails.
    package func note(_ reason: String, _ message: String, on node: String, isWarning: Bool = false) async {
        let now = time.now()
        let stamp = JSON.string(Timestamp.time(now))
        let event: JSON = [
            "apiVersion": "v1", "kind": "Event",
            "metadata": ["name": .string("\(node).\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"), "namespace": "default"],
            // Events of nodes go by the name, as the kubelet's do.
            "involvedObject": ["apiVersion": "v1", "kind": "Node", "name": .string(node), "uid": .string(node)], "reason": .string(reason),
            "message": .string(message), "type": isWarning ? "Warning" : "Normal", "count": 1, "firstTimestamp": stamp, "lastTimestamp": stamp,
            "source": ["component": "drydock"],
        ]
        _ = try? await create(.events, event, namespace: "default")
    }

    /// What identifies a cluster: the uid of its namespace kube-system.
    package func clusterSubject() async throws -> String {
        "cluster \(try await get(.namespaces, ObjectName("", "kube-system"))["metadata"]["uid"].string ?? "")"
    }
}
