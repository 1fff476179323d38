/// Flags that releases took away: a component that is given one does not start (CHANGELOG-1.20 to CHANGELOG-1.34).
enum RemovedFlags {
    struct Flag: Sendable {
        var name: String
        /// The first minor release without it.
        var removed: Int
        var remedy: String
    }

    static let kubelet: [Flag] = [
        Flag(name: "network-plugin", removed: 24, remedy: "take it out: the container runtime looks after the network"),
        Flag(name: "cni-conf-dir", removed: 24, remedy: "set it in the container runtime"),
        Flag(name: "cni-bin-dir", removed: 24, remedy: "set it in the container runtime"),
        Flag(name: "cni-cache-dir", removed: 24, remedy: "set it in the container runtime"),
        Flag(name: "network-plugin-mtu", removed: 24, remedy: "set it in the network's own configuration"),
        Flag(name: "image-pull-progress-deadline", removed: 24, remedy: "take it out: it was dockershim's"),
        Flag(name: "docker-endpoint", removed: 24, remedy: "take it out: it was dockershim's"),
        Flag(name: "dynamic-config-dir", removed: 24, remedy: "take it out, and keep the configuration in the kubelet's file"),
        Flag(name: "container-runtime", removed: 27, remedy: "take it out: remote is the only one"),
        Flag(name: "master-service-namespace", removed: 27, remedy: "take it out"),
        Flag(name: "cloud-config", removed: 31, remedy: "take it out: cloud providers are external"),
        Flag(name: "keep-terminated-pod-volumes", removed: 31, remedy: "take it out"),
        Flag(name: "iptables-masquerade-bit", removed: 31, remedy: "take it out"),
        Flag(name: "iptables-drop-bit", removed: 31, remedy: "take it out"),
        Flag(name: "pod-infra-container-image", removed: 35, remedy: "set the sandbox image in the container runtime"),
    ]

    /// By component of the control plane.
    static let servers: [Component: [Flag]] = [
        .apiServer: [
            Flag(name: "insecure-port", removed: 24, remedy: "take it out: there is no insecure port"),
            Flag(name: "insecure-bind-address", removed: 20, remedy: "take it out: there is no insecure port"),
            Flag(name: "address", removed: 24, remedy: "take it out"),
            Flag(name: "target-ram-mb", removed: 24, remedy: "take it out"),
            Flag(name: "kubelet-https", removed: 22, remedy: "take it out: kubelets are always asked by https"),
            Flag(name: "service-account-api-audiences", removed: 25, remedy: "use --api-audiences"),
            Flag(name: "cloud-provider", removed: 33, remedy: "take it out"),
        ],
        .controllerManager: [
            Flag(name: "port", removed: 24, remedy: "take it out: there is no insecure port"),
            Flag(name: "address", removed: 24, remedy: "take it out"),
            Flag(name: "deployment-controller-sync-period", removed: 24, remedy: "take it out"),
            Flag(name: "horizontal-pod-autoscaler-use-rest-clients", removed: 22, remedy: "take it out"),
            Flag(name: "experimental-cluster-signing-duration", removed: 25, remedy: "use --cluster-signing-duration"),
            Flag(name: "pod-eviction-timeout", removed: 27, remedy: "take it out: taints decide"),
            Flag(name: "enable-taint-manager", removed: 27, remedy: "take it out: it is always there"),
        ],
        .scheduler: [
            Flag(name: "port", removed: 24, remedy: "take it out: there is no insecure port"),
            Flag(name: "address", removed: 24, remedy: "take it out"),
            Flag(name: "policy-config-file", removed: 23, remedy: "use a KubeSchedulerConfiguration (--config)"),
            Flag(name: "policy-configmap", removed: 23, remedy: "use a KubeSchedulerConfiguration (--config)"),
            Flag(name: "algorithm-provider", removed: 23, remedy: "use a KubeSchedulerConfiguration (--config)"),
        ],
    ]

    /// The names of flags in a line of arguments.
    static func names(in text: String) -> Set<String> {
        Set(
            text.split { " \"'=\t\n".contains($0) }.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) })
    }
}
