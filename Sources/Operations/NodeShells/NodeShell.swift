internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance
package import NodeAccess

/// A Job that is pinned to a node, whose pod has the host's root at /host and waits for commands: a way to nodes without ssh.
///
/// It is privileged, as whoever commands a host has to be, and nobody but who may run commands in pods of its namespace gets at it. Every run has its own, which
/// go when it ends (`removeAll`), or by themselves. Drains leave them.
package struct NodeShell: Sendable {
    private let client: KubernetesClient
    private let job: NodeAccess.PinnedJob

    package static let container = "shell"
    /// How long its pod may take to run.
    private static let patience = 90.0
    /// How long one lives, seconds. A run that takes longer makes new ones; what was at work then is begun anew, as after a boot of the host.
    private static let lifetime = 3 * 86400

    package init(_ client: KubernetesClient, _ job: NodeAccess.PinnedJob) {
        self.client = client
        self.job = job
    }

    /// The pod on a node, made where there is none.
    /// - Throws: `OperationError` when it does not come to run.
    package func pod(on node: String) async throws -> ObjectName {
        let limit = client.time.now().addingTimeInterval(Self.patience)
        var isMade = false
        while true {
            let pods = try await client.list(.pods, namespace: job.namespace, ListOptions(labels: selector, fields: .equal("spec.nodeName", node)))
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
                    "the pod on \(node) does not run: \(pods.first.map(Self.complaint) ?? "there is none"). Look at it with `kubectl describe pod -n \(job.namespace) -l \(Self.label)=\(job.tag)`."
                )
            }
            try await client.time.sleep(.milliseconds(500))
        }
    }

    /// Ends all Jobs by which nodes are reached.
    /// - Returns: what stays where they cannot be ended, and how it goes; nil where nothing does.
    package static func removeAll(of nodes: [NodeAccess], _ client: KubernetesClient) async -> String? {
        guard let job = nodes.pinnedJob, let left = whatStays(of: nodes) else { return nil }
        let shell = NodeShell(client, job)
        do {
            for job in try await client.list(.jobs, namespace: job.namespace, ListOptions(labels: shell.selector)) {
                try await client.delete(
                    .jobs, job.objectName, DeleteOptions(uid: job["metadata"]["uid"].string, propagationPolicy: "Background"))
            }
            return nil
        } catch { return "\(left): \(error)" }
    }

    /// What is left of a run that has stopped: what is at work in its Jobs is not cut off, and who goes on needs them. Nil where no Job is.
    package static func whatStays(of nodes: [NodeAccess]) -> String? {
        nodes.pinnedJob.map { job in
            "left: privileged Jobs in \(job.namespace), which go by themselves, or by `kubectl delete jobs -n \(job.namespace) -l \(label)=\(job.tag)`"
        }
    }

    private static let label = DrainFilters.nodeShellLabel
    private var selector: LabelSelector { LabelSelector([LabelSelector.Requirement(Self.label, .isIn, [job.tag])]) }

    private static func complaint(_ pod: JSON) -> String {
        let waiting = pod["status"]["containerStatuses"].elements.compactMap { $0["state"]["waiting"].object == nil ? nil : $0["state"]["waiting"] }
            .first
        return [pod["status"]["phase"].string, pod["status"]["message"].string, waiting?["reason"].string, waiting?["message"].string]
            .compactMap(\.self).joined(separator: ": ")
    }

    private func make(on node: String) async throws {
        // Names of nodes may be longer than those of Jobs, and have dots where those may not.
        let name = ObjectName(job.namespace, "drydock-node-\(node.prefix(30).replacing(".", with: "-"))-\(NodeAccess.digest("\(node) \(job.tag)"))")
        do {
            let old = try await client.get(.jobs, name)
            let conditions = old["status"]["conditions"].elements
            // One that has come to its end makes no pod any more.
            guard conditions.contains(where: { ["Complete", "Failed"].contains($0["type"].string) && $0["status"] == "True" }) else { return }
            try await client.delete(.jobs, name, DeleteOptions(uid: old["metadata"]["uid"].string, propagationPolicy: "Background"))
        } catch let error as APIStatus where error.isNotFound {}
        let labels: JSON = [Self.label: .string(job.tag), "app.kubernetes.io/name": "drydock"]
        let object: JSON = [
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": ["name": .string(name.name), "namespace": .string(job.namespace), "labels": labels],
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
                                "name": .string(Self.container), "image": .string(job.image), "imagePullPolicy": "IfNotPresent",
                                "args": ["host-shell"],
                                "securityContext": ["privileged": true, "runAsUser": 0, "runAsGroup": 0],
                                "volumeMounts": [["name": "host", "mountPath": "/host", "mountPropagation": "HostToContainer"]],
                            ]
                        ],
                        "volumes": [["name": "host", "hostPath": ["path": "/"]]],
                    ],
                ],
            ],
        ]
        do { try await client.create(.jobs, object) } catch let error as APIStatus where error.code == 409 {}
    }
}
