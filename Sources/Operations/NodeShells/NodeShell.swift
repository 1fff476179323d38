internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance

/// A Job that is pinned to a node, whose pod has the host's root at /host and waits for commands: a way to nodes without ssh.
///
/// It is privileged, as whoever commands a host has to be, and nobody but who may run commands in pods of its namespace gets at it. It goes after a day, or
/// with `removeAll`. Drains leave it.
package struct NodeShell: Sendable {
    private let client: KubernetesClient
    private let namespace: String
    private let image: String

    package static let container = "shell"
    /// How long its pod may take to run.
    private static let patience = 90.0
    /// How long one lives, seconds: longer than an upgrade of a node, whatever goes wrong.
    private static let lifetime = 86400

    /// - Parameter image: with drydock in it.
    package init(_ client: KubernetesClient, namespace: String, image: String) {
        self.client = client
        self.namespace = namespace
        self.image = image
    }

    /// The pod on a node, made where there is none.
    /// - Throws: `OperationError` when it does not come to run.
    package func pod(on node: String) async throws -> ObjectName {
        let limit = client.time.now().addingTimeInterval(Self.patience)
        var isMade = false
        while true {
            let pods = try await client.list(.pods, namespace: namespace, ListOptions(labels: Self.selector, fields: .equal("spec.nodeName", node)))
            let usable = pods.first { pod in
                pod["metadata"]["deletionTimestamp"].isNull && pod["status"]["phase"] == "Running"
                    && pod["status"]["containerStatuses"].elements.allSatisfy { $0["ready"] == true }
            }
            if let usable { return usable.objectName }
            if !isMade { try await make(on: node) }
            isMade = true
            guard client.time.now() < limit else {
                throw OperationError(
                    .stopped,
                    "the pod on \(node) does not run: \(pods.first.map(Self.complaint) ?? "there is none"). Look at it with `kubectl describe pod -n \(namespace) -l \(Self.label)`."
                )
            }
            try await client.time.sleep(.milliseconds(500))
        }
    }

    /// Ends them all.
    package func removeAll() async throws {
        for job in try await client.list(.jobs, namespace: namespace, ListOptions(labels: Self.selector)) {
            try await client.delete(.jobs, job.objectName, DeleteOptions(propagationPolicy: "Background"))
        }
    }

    private static let label = DrainFilters.nodeShellLabel
    private static var selector: LabelSelector { LabelSelector([.init(label, .exists)]) }

    private static func complaint(_ pod: JSON) -> String {
        let waiting = pod["status"]["containerStatuses"].elements.compactMap { $0["state"]["waiting"].object == nil ? nil : $0["state"]["waiting"] }
            .first
        return [pod["status"]["phase"].string, pod["status"]["message"].string, waiting?["reason"].string, waiting?["message"].string]
            .compactMap(\.self).joined(separator: ": ")
    }

    private func make(on node: String) async throws {
        let name = ObjectName(namespace, "drydock-node-\(node.prefix(40))-\(Self.digest(node))")
        // One that has come to its end makes no pod any more.
        if let old = try? await client.get(.jobs, name) {
            guard
                old["status"]["conditions"].elements.contains(where: { ["Complete", "Failed"].contains($0["type"].string) && $0["status"] == "True" })
            else { return }
            try await client.delete(.jobs, name, DeleteOptions(propagationPolicy: "Background"))
        }
        let labels: JSON = [Self.label: "true", "app.kubernetes.io/name": "drydock"]
        let job: JSON = [
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": ["name": .string(name.name), "namespace": .string(namespace), "labels": labels],
            "spec": [
                // Its node may boot, and its kubelet start anew, as often as it likes.
                "backoffLimit": 1000, "activeDeadlineSeconds": JSON(Self.lifetime), "ttlSecondsAfterFinished": 60,
                "template": [
                    "metadata": ["labels": labels],
                    "spec": [
                        "nodeName": .string(node), "restartPolicy": "OnFailure", "hostPID": true, "hostNetwork": true,
                        "automountServiceAccountToken": false, "priorityClassName": "system-node-critical", "terminationGracePeriodSeconds": 2,
                        "tolerations": [["operator": "Exists"]],
                        "containers": [
                            [
                                "name": .string(Self.container), "image": .string(image), "imagePullPolicy": "IfNotPresent", "args": ["host-shell"],
                                "securityContext": ["privileged": true, "runAsUser": 0, "runAsGroup": 0],
                                "volumeMounts": [["name": "host", "mountPath": "/host", "mountPropagation": "HostToContainer"]],
                            ]
                        ],
                        "volumes": [["name": "host", "hostPath": ["path": "/"]]],
                    ],
                ],
            ],
        ]
        do { try await client.create(.jobs, job) } catch let error as APIStatus where error.code == 409 {}
    }

    /// Names of nodes may be longer than those of Jobs.
    private static func digest(_ name: String) -> String {
        String(name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }, radix: 16)
    }
}
