/// A version of Kubernetes: `v1.23.17`, `v1.24.0-rc.1+build`, and an image's tag of it.
package struct KubernetesVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int
    package var patch: Int

    package init(major: Int, minor: Int, patch: Int) {
        (self.major, self.minor, self.patch) = (major, minor, patch)
    }

    /// - Returns: nil for what is none, such as `latest` or a digest.
    package init?(_ text: some StringProtocol) {
        let parts = (text.hasPrefix("v") ? text.dropFirst() : text[...]).split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let major = Int(parts[0]), let minor = Int(parts[1]), let patch = Int(parts[2].prefix { $0.isASCII && $0.isNumber }),
            (0...99).contains(major), (0...999).contains(minor), patch >= 0
        else { return nil }
        self.init(major: major, minor: minor, patch: patch)
    }

    package static func < (left: Self, right: Self) -> Bool { (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch) }

    package var description: String { "v\(major).\(minor).\(patch)" }
}

/// Which versions may run side by side (Kubernetes' version skew policy).
package enum VersionSkew {
    /// What a version belongs to.
    package enum Component: String, Sendable, Codable {
        case apiServer = "kube-apiserver"
        case controllerManager = "kube-controller-manager"
        case scheduler = "kube-scheduler"
        case kubelet
        case proxy = "kube-proxy"
    }

    /// Why a component may not run beside these API servers; nil when it may. Behind a load balancer a component talks to any of them, so the oldest counts
    /// for what is too new, and the newest for what is too old.
    package static func complaint(_ component: Component, _ version: KubernetesVersion, servers: [KubernetesVersion]) -> String? {
        guard let oldest = servers.min(), let newest = servers.max(), version.major == oldest.major else { return nil }
        let behind = newest.minor - version.minor
        switch component {
        case .apiServer:
            // One complaint is enough for two that are too far apart.
            return version == newest && newest.minor - oldest.minor > 1
                ? "it is \(newest.minor - oldest.minor) minor versions newer than another API server (\(oldest)); one is the most" : nil
        case .controllerManager, .scheduler:
            if version.minor > oldest.minor { return "it is newer than an API server (\(oldest)): API servers go first" }
            return behind > 1 ? "it is \(behind) minor versions older than an API server (\(newest)); one is the most" : nil
        case .kubelet, .proxy:
            if version.minor > oldest.minor { return "it is newer than an API server (\(oldest)): API servers go first" }
            // Widened with 1.28, for kubelets since 1.25.
            let most = version.minor < 25 ? 2 : 3
            return behind > most ? "it is \(behind) minor versions older than an API server (\(newest)); \(most) are the most" : nil
        }
    }

    /// Why a container runtime does not fit to its kubelet; nil when it does. Docker's own way ended with 1.24.
    package static func complaint(runtime: String, kubelet: KubernetesVersion) -> String? {
        runtime.hasPrefix("docker://") && kubelet.minor >= 23
            ? "Docker is reached through dockershim, which 1.24 has no more: move to containerd, or to cri-dockerd" : nil
    }
}
