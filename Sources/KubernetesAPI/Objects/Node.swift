package import Maintenance

/// core/v1 Node.
package struct Node: KubernetesObject {
    package static let resource = Resource.nodes
    package var json: JSON
    package init(_ json: JSON) { self.json = json }

    package var isUnschedulable: Bool { json["spec"]["unschedulable"].bool ?? false }
    package var isReady: Bool { condition("Ready")?["status"].string == "True" }
    package var allocatable: Resources { Resources(json["status"]["allocatable"]) }
    package var taints: [Taint] { json["spec"]["taints"].elements.map(Taint.init) }
    package var bootID: String { json["status"]["nodeInfo"]["bootID"].string ?? "" }
    package var kubeletVersion: String { json["status"]["nodeInfo"]["kubeletVersion"].string ?? "" }

    /// Internal addresses first.
    package var addresses: [String] {
        let all = json["status"]["addresses"].elements.filter { ["InternalIP", "ExternalIP"].contains($0["type"].string) }
        return all.sorted { ($0["type"].string ?? "") > ($1["type"].string ?? "") }.compactMap { $0["address"].string }
    }

    /// By the labels of kubeadm, old and new.
    package var isControlPlane: Bool {
        let labels = labels
        return labels["node-role.kubernetes.io/control-plane"] != nil || labels["node-role.kubernetes.io/master"] != nil
    }

    /// By the labels of cloud providers, old and new; empty where nobody says.
    package var zone: String { labels["topology.kubernetes.io/zone"] ?? labels["failure-domain.beta.kubernetes.io/zone"] ?? "" }

    /// `control-plane,worker`, from the labels.
    package var roles: [String] {
        labels.keys.compactMap { key in
            key.hasPrefix("node-role.kubernetes.io/") ? String(key.dropFirst("node-role.kubernetes.io/".count)) : nil
        }.sorted()
    }
}

extension Taint {
    package init(_ json: JSON) {
        self.init(key: json["key"].string ?? "", value: json["value"].string ?? "", effect: json["effect"].string ?? "")
    }
}

extension Toleration {
    package init(_ json: JSON) {
        self.init(
            key: json["key"].string ?? "", value: json["value"].string ?? "", exists: json["operator"].string == "Exists",
            effect: json["effect"].string ?? "",
            seconds: json["tolerationSeconds"].integer.map(Double.init))
    }
}
