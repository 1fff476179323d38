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

    /// Nil when the node has none.
    package init?(_ node: Node) {
        guard let text = node.annotations[Self.annotation], let json = try? JSON(parsing: text), let mark = json["mark"].string else { return nil }
        self.mark = mark
        by = json["by"].string ?? "somebody"
        at = Timestamp.date(json["at"].string) ?? .distantPast
        reason = json["reason"].string
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
    /// Lets no new pods come to a node, and writes down for whom. The resource version makes sure that nobody cordoned it meanwhile.
    package func cordon(_ node: Node, _ mark: CordonMark) async throws {
        let patch: JSON = [
            "metadata": [
                "resourceVersion": .string(node.resourceVersion),
                "annotations": .object(JSONObject([.init(name: CordonMark.annotation, value: .string(mark.json.description))])),
            ], "spec": ["unschedulable": true],
        ]
        try await self.patch(.nodes, node.objectName, .merge(patch))
    }

    /// Lets pods come again.
    /// - Returns: the node as it is now.
    @discardableResult
    package func uncordon(_ node: Node) async throws -> Node {
        let patch: JSON = [
            "metadata": ["annotations": .object(JSONObject([.init(name: CordonMark.annotation, value: .null)]))], "spec": ["unschedulable": .null],
        ]
        return Node(try await self.patch(.nodes, node.objectName, .merge(patch)))
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
