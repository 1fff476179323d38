package import Maintenance

/// core/v1 Pod.
package struct Pod: KubernetesObject {
    package static let resource = Resource.pods
    package var json: JSON
    package init(_ json: JSON) { self.json = json }

    package var nodeName: String? { json["spec"]["nodeName"].string.flatMap { $0.isEmpty ? nil : $0 } }
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    package var phase: String { json["status"]["phase"].string ?? "" }
    package var isFinished: Bool { phase == "Succeeded" || phase == "Failed" }
    package var isReady: Bool { condition("Ready")?["status"].string == "True" }
    /// A static pod's shadow: the kubelet makes it, and deleting it stops nothing.
    package var isMirror: Bool { metadata["annotations"]["kubernetes.io/config.mirror"] != .null }
    package var hasEmptyDir: Bool { json["spec"]["volumes"].elements.contains { $0["emptyDir"] != .null } }
    /// Seconds that it is given to end.
    package var gracePeriodSeconds: Int { max(0, json["spec"]["terminationGracePeriodSeconds"].count ?? 30) }

    /// What the scheduler counts: the containers' requests together, or the largest of the init containers, whichever is more, and the overhead.
    package var requests: Resources {
        var sum = Resources()
        for container in json["spec"]["containers"].elements { sum += Resources(container["resources"]["requests"]) }
        for container in json["spec"]["initContainers"].elements { sum.formMaximum(Resources(container["resources"]["requests"])) }
        sum += Resources(json["spec"]["overhead"])
        sum.pods = 1
        return sum
    }
}

extension Resources {
    /// From requests, limits or a node's allocatable amounts.
    package init(_ json: JSON) {
        self.init(
            cpu: json["cpu"].quantity.thousandths, memory: json["memory"].quantity.units, pods: json["pods"].quantity.units)
        guard let object = json.object else { return }
        for member in object.members where !["cpu", "memory", "pods"].contains(member.name) { others[member.name] = member.value.quantity.units }
    }
}
