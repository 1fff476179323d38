internal import EtcdStorage
internal import Foundation
package import KubernetesAPI
package import KubernetesClient
internal import Maintenance
internal import Operations
package import SystemPackage

/// The objects that a copy of a cluster is made of: nodes, workloads, their pods and budgets.
package enum ClusterCopy {
    /// Whom others are owned by come first.
    private static let resources: [Resource] = [
        .namespaces, .nodes, .deployments, .statefulSets, .daemonSets, .replicaSets, .podDisruptionBudgets, .pods,
    ]

    /// Of a cluster as it is now.
    package static func live(_ client: KubernetesClient) async throws -> [JSON] {
        let discovery = try await client.discover()
        var objects: [JSON] = []
        for resource in resources {
            let served = resource == .podDisruptionBudgets ? try discovery.resource(resource, versions: ["v1", "v1beta1"]) : resource
            for var object in try await client.list(served) {
                object["apiVersion"] = .string(served.apiVersion)
                object["kind"] = .string(served.kind)
                objects.append(object)
            }
        }
        return objects.filter(belongs)
    }

    /// Of a cluster as it was when a snapshot of its etcd was made.
    /// - Throws: `OperationError` for a snapshot that is damaged, has no such objects, or has them encrypted; `StorageError` for no snapshot.
    package static func snapshot(_ path: FilePath, progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> [JSON] {
        let found = try await SnapshotValues(reading: path, under: resources.map { "/registry/\(storedName($0))/" }, progress: progress)
        // A database that was copied from a data directory has no digest.
        if let finding = found.report.findings.first(where: { $0.severity == .error && $0.code != .sha256Absent }) {
            throw OperationError(.invalid, "\(path) is damaged: \(finding.message). `drydock snapshot verify` says more.")
        }
        var objects: [JSON] = []
        var budgets = "policy/v1"
        for resource in resources {
            for (key, value) in found.values.filter({ $0.key.hasPrefix("/registry/\(storedName(resource))/") }).sorted(by: { $0.key < $1.key }) {
                var object = try StoredObject.decode(value, key: key)
                // In v1beta1 an empty selector matches no pod, in v1 every one.
                if object["apiVersion"] == "policy/v1beta1", LabelSelector(object["spec"]["selector"]) == .everything { continue }
                // As it is served, and not as it was written once: what nobody has touched may stand in a version that no server has any more.
                object["apiVersion"] = .string(resource == .podDisruptionBudgets ? budgets : resource.apiVersion)
                if let version = KubernetesVersion(Node(object).kubeletVersion), version.minor < 21 { budgets = "policy/v1beta1" }
                objects.append(object)
            }
        }
        guard objects.contains(where: { $0["kind"].string == "Node" }) else {
            throw OperationError(
                .invalid, "\(path) has no nodes under /registry/minions: it is of no Kubernetes cluster, or of one with another --etcd-prefix.")
        }
        return objects.filter(belongs)
    }

    /// As API servers name it in etcd (pkg/registry); nodes are called what they were called first.
    private static func storedName(_ resource: Resource) -> String { resource == .nodes ? "minions" : resource.plural }

    /// As `kubectl get -o yaml` writes them.
    package static func objects(_ documents: [JSON]) -> [JSON] {
        documents.flatMap { $0["kind"].string?.hasSuffix("List") == true ? $0["items"].elements : [$0] }.filter(belongs)
    }

    /// What a twin has by itself is not copied; static pods it makes anew.
    private static func belongs(_ object: JSON) -> Bool {
        let name = object.objectName
        switch object["kind"].string {
        case "Namespace": return !["default", "kube-system", "kube-public", "kube-node-lease"].contains(name.name)
        case "DaemonSet": return name != ObjectName("kube-system", "kube-proxy")
        case "Pod":
            let facts = Pod(object).facts()
            return !facts.isMirror && !facts.isFinished && object["metadata"]["labels"].strings["k8s-app"] != "kube-proxy"
        default: return true
        }
    }
}
