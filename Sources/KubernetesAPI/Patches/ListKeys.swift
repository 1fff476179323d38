/// How lists in Kubernetes' own types merge: by a key of their elements, as a set, or not at all (patchMergeKey and listType in k8s.io/api).
package enum ListKeys {
    package enum Kind: Sendable, Equatable {
        /// Elements are the same when these members are.
        case map([String])
        /// Elements are plain values, each once.
        case set
        /// The list is one value.
        case atomic
    }

    /// By the name of the list, which tells them apart in the kinds that are served here; `ports` by the object that has them.
    package static func kind(of name: String, in parent: String) -> Kind {
        switch name {
        case "containers", "initContainers", "ephemeralContainers", "volumes", "env", "imagePullSecrets": .map(["name"])
        case "ports": parent == "spec" ? .map(["port", "protocol"]) : .map(["containerPort", "protocol"])
        case "volumeMounts": .map(["mountPath"])
        case "volumeDevices": .map(["devicePath"])
        case "hostAliases": .map(["ip"])
        case "topologySpreadConstraints": .map(["topologyKey", "whenUnsatisfiable"])
        case "conditions", "addresses": .map(["type"])
        case "ownerReferences": .map(["uid"])
        case "finalizers": .set
        default: .atomic
        }
    }

    /// The key that a strategic merge patch goes by: one member, the first. (Taints and tolerations merge by `key` there, and are atomic in applies.)
    static func strategicKey(of name: String, in parent: String) -> String? {
        switch kind(of: name, in: parent) {
        case .map(let keys): keys.first
        default: name == "taints" ? "key" : nil
        }
    }
}
