internal import KubernetesAPI
package import Maintenance

/// A Deployment or StatefulSet.
package struct Workload: Codable, Sendable, Hashable, CustomStringConvertible {
    /// `Deployment`, `StatefulSet`.
    package var kind: String
    package var name: ObjectName

    package init(kind: String, name: ObjectName) {
        self.kind = kind
        self.name = name
    }

    package var description: String { "\(kind) \(name)" }
}

extension Workload {
    /// Those whose pods are replaced when their template changes (apps/v1).
    static let rolling = ["Deployment", "StatefulSet", "DaemonSet"]

    var resource: Resource {
        switch kind {
        case "StatefulSet": .statefulSets
        case "DaemonSet": .daemonSets
        default: .deployments
        }
    }

    /// Pods of a changed template take the places of the others, as the workload is set up to replace them.
    static func restarting(_ annotation: String, _ value: String) -> Patch {
        .merge(["spec": ["template": ["metadata": ["annotations": [annotation: .string(value)]]]]])
    }

    /// What is missing until all pods are those of the newest template, and there; nil when nothing is.
    /// - Parameter object: as the server has it.
    func rollout(of object: JSON) -> String? {
        let status = object["status"]
        guard (status["observedGeneration"].integer ?? 0) >= (object["metadata"]["generation"].integer ?? 0) else {
            return "its controller has not seen the change yet"
        }
        let isDaemon = kind == "DaemonSet"
        let wanted = isDaemon ? status["desiredNumberScheduled"].integer ?? 0 : object["spec"]["replicas"].integer ?? 1
        let (all, new, ready) =
            isDaemon
            ? ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
            : ("replicas", "updatedReplicas", kind == "StatefulSet" ? "readyReplicas" : "availableReplicas")
        let counts = [all, new, ready].map { status[$0].integer ?? 0 }
        return counts == [wanted, wanted, wanted] ? nil : "\(counts[1]) of \(wanted) pods are new, \(counts[2]) available, \(counts[0]) in all"
    }
}
