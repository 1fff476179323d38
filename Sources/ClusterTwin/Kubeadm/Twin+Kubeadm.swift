internal import KubernetesAPI
package import Maintenance

/// What kubeadm does to a cluster, as far as its API shows it: static pods, their mirror pods with the hash of their manifests, kube-proxy, the ConfigMap
/// kube-system/kubeadm-config, and kubelets that say which version they are.
extension Twin {
    /// The parts of a control plane that kubeadm runs as static pods, in the order in which it upgrades them.
    package static let staticPods = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]

    /// Makes the cluster one of kubeadm's: static pods on every control-plane node, kube-proxy, its ConfigMap; and kubelets of that version.
    package func installKubeadm(_ version: KubernetesVersion) throws {
        for node in objects(.nodes).map(Node.init) {
            setKubelet(of: node.name, to: version)
            guard node.isControlPlane else { continue }
            for component in Self.staticPods { try create(Self.mirrorPod(component, version, on: node.name)) }
        }
        try create([
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "kubeadm-config", "namespace": "kube-system"],
            "data": ["ClusterConfiguration": .string(Self.configuration(version))],
        ])
        let labels: JSON = ["k8s-app": "kube-proxy"]
        try create([
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": ["name": "kube-proxy", "namespace": "kube-system"],
            "spec": [
                "selector": ["matchLabels": labels],
                "template": [
                    "metadata": ["labels": labels],
                    "spec": [
                        "containers": [["name": "kube-proxy", "image": .string("registry.k8s.io/kube-proxy:\(version)")]],
                        "tolerations": [["operator": "Exists"]],
                    ],
                ],
            ],
        ])
    }

    /// The version of a node's static pods, by its API server; nil on a worker.
    package func staticPodVersion(of node: String) -> KubernetesVersion? {
        object(.pods, ObjectName("kube-system", "kube-apiserver-\(node)")).flatMap { Self.version(of: $0) }
    }

    /// Exchanges a static pod: another manifest, another hash, another container. When an API server starts anew, what watches it begins again; the newest
    /// API server decides which APIs there are.
    package func setStaticPod(_ component: String, of node: String, to version: KubernetesVersion) {
        let name = ObjectName("kube-system", "\(component)-\(node)")
        change(.pods, name) { pod in
            pod["spec"]["containers"] = Self.mirrorPod(component, version, on: node)["spec"]["containers"]
            pod["metadata"]["annotations"]["kubernetes.io/config.hash"] = .string(Self.hash(component, version))
        }
        guard component == "kube-apiserver" else { return }
        let newest = objects(.pods).filter { $0["metadata"]["labels"].strings["component"] == "kube-apiserver" }.compactMap(Self.version).map(\.minor)
            .max()
        if let newest { serve(minor: newest) }
        cutWatches()
    }

    /// What `kubeadm upgrade apply` changes for all nodes.
    package func setAddons(_ version: KubernetesVersion) {
        change(.configMaps, ObjectName("kube-system", "kubeadm-config")) { $0["data"]["ClusterConfiguration"] = .string(Self.configuration(version)) }
        change(.daemonSets, ObjectName("kube-system", "kube-proxy")) { set in
            set["spec"]["template"]["spec"]["containers"] = [["name": "kube-proxy", "image": .string("registry.k8s.io/kube-proxy:\(version)")]]
        }
    }

    /// A kubelet of another version has started.
    package func setKubelet(of node: String, to version: KubernetesVersion) {
        change(.nodes, ObjectName("", node)) { object in
            object["status"]["nodeInfo"]["kubeletVersion"] = .string("\(version)")
            object["status"]["nodeInfo"]["kubeProxyVersion"] = .string("\(version)")
        }
    }

    private static func version(of pod: JSON) -> KubernetesVersion? {
        let image = pod["spec"]["containers"].elements.first?["image"].string ?? ""
        return KubernetesVersion(image.split(separator: ":").last ?? "")
    }

    private static func configuration(_ version: KubernetesVersion) -> String {
        "apiVersion: kubeadm.k8s.io/v1beta\(version.minor >= 31 ? 4 : version.minor >= 22 ? 3 : 2)\nkind: ClusterConfiguration\nkubernetesVersion: \(version)\n"
    }

    private static func hash(_ component: String, _ version: KubernetesVersion) -> String {
        // etcd's manifest does not change with every minor.
        let text = component == "etcd" ? "etcd 3.\(version.minor >= 34 ? 6 : version.minor >= 22 ? 5 : 4)" : "\(component) \(version)"
        return String(text.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
    }

    private static func mirrorPod(_ component: String, _ version: KubernetesVersion, on node: String) -> JSON {
        let tag = component == "etcd" ? "3.\(version.minor >= 34 ? 6 : version.minor >= 22 ? 5 : 4).13-0" : "\(version)"
        return [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": [
                "name": .string("\(component)-\(node)"), "namespace": "kube-system",
                "labels": ["component": .string(component), "tier": "control-plane"],
                "annotations": [
                    "kubernetes.io/config.mirror": .string(hash(component, version)), "kubernetes.io/config.hash": .string(hash(component, version)),
                ],
            ],
            "spec": [
                "nodeName": .string(node), "hostNetwork": true, "priorityClassName": "system-node-critical",
                "containers": [
                    ["name": .string(component), "image": .string("registry.k8s.io/\(component):\(tag)"), "command": [.string(component)]]
                ],
                "tolerations": [["operator": "Exists"]],
            ],
        ]
    }
}
