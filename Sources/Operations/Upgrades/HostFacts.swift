internal import Foundation
package import Maintenance
package import NodeAccess

/// What a node's host says of itself, as far as an upgrade of Kubernetes asks.
package struct HostFacts: Codable, Sendable, Equatable {
    package var node: String
    package var packages: InstalledPackages
    package var manager: NodePackages.Manager?
    /// Versions of kubeadm that the repositories have, as the package manager writes them.
    package var available: [String] = []
    /// Repositories that have Kubernetes' packages, as their files name them.
    package var repositories: [String] = []
    /// Bytes that are free below these folders.
    package var free: [String: Int64] = [:]
    /// Bytes.
    package var memory: Int64 = 0
    package var swap: Int64 = 0
    /// 1 or 2.
    package var cgroup = 0
    /// Of the kubelet, from kubeadm's file and the administrators'.
    package var kubeletFlags = ""
    package var kubeletConfiguration = ""
    /// `containerd containerd.io 1.6.20`, nil where nobody says.
    package var runtime: String?
    /// The images of the static pods, by component; empty on workers.
    package var images: [String: String] = [:]
    package var needsReboot = false

    /// - Throws: `NodeError`.
    package static func read(_ access: NodeAccess, _ folders: CertificateFolders) async throws -> HostFacts {
        try HostFacts(parsing: try await access.text(script(folders)), node: access.name)
    }

    private static func script(_ folders: CertificateFolders) -> String {
        let (kubernetes, kubelet) = (NodeAccess.quoted(folders.kubernetes), NodeAccess.quoted(folders.kubelet))
        return """
            manager=
            if command -v apt-get >/dev/null; then manager=apt; elif command -v dnf >/dev/null; then manager=dnf; elif command -v zypper >/dev/null; then manager=zypper; fi
            echo "== manager"; echo "$manager"
            echo "== packages"
            case "$manager" in
            apt) \(NodePackages.installed(.apt));;
            dnf) \(NodePackages.installed(.dnf));;
            zypper) \(NodePackages.installed(.zypper));;
            esac
            echo "== available"
            case "$manager" in
            apt) \(NodePackages.available(.apt));;
            dnf) \(NodePackages.available(.dnf));;
            zypper) \(NodePackages.available(.zypper));;
            esac || :
            echo "== repositories"
            cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo 2>/dev/null | grep -E 'pkgs.k8s.io|core:/stable:|apt.kubernetes.io|packages.cloud.google.com' | grep -v '^#' || :
            echo "== free"
            for folder in \(kubernetes) \(kubelet) /var/lib/etcd /var/lib/containerd /var; do
                if [ -d "$folder" ]; then df -Pk "$folder" | awk -v folder="$folder" 'NR == 2 { print folder, $4 }'; fi
            done
            echo "== memory"; awk '/^MemTotal/ { print $2 }' /proc/meminfo
            echo "== swap"; awk 'NR > 1 { sum += $3 } END { print sum + 0 }' /proc/swaps
            echo "== cgroup"; if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo 2; else echo 1; fi
            echo "== flags"
            cat \(kubelet)/kubeadm-flags.env 2>/dev/null || :
            for file in /etc/default/kubelet /etc/sysconfig/kubelet; do if [ -e "$file" ]; then cat "$file"; fi; done
            echo "== configuration"; cat \(kubelet)/config.yaml 2>/dev/null || :
            echo "== runtime"; if command -v containerd >/dev/null; then containerd --version || :; fi
            echo "== images"
            \(StaticPodImages.script(folders))
            echo "== reboot"; if [ -e /var/run/reboot-required ]; then echo yes; fi
            """
    }

    init(parsing text: String, node: String) throws {
        var sections: [String: [String]] = [:]
        var current = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("== ") { current = String(line.dropFirst(3)) } else { sections[current, default: []].append(String(line)) }
        }
        func lines(_ name: String) -> [String] { (sections[name] ?? []).filter { !$0.isEmpty } }
        func bytes(_ name: String) -> Int64 {
            lines(name).first.flatMap { Int64($0) }.map { $0.multipliedReportingOverflow(by: 1024).partialValue } ?? 0
        }
        self.node = node
        manager = lines("manager").first.flatMap(NodePackages.Manager.init)
        packages = InstalledPackages(parsing: lines("packages").joined(separator: "\n"))
        available = lines("available")
        repositories = lines("repositories").map { $0.trimmingCharacters(in: .whitespaces) }
        for line in lines("free") {
            let words = line.split(separator: " ")
            if words.count == 2, let size = Int64(words[1]) { free[String(words[0])] = size.multipliedReportingOverflow(by: 1024).partialValue }
        }
        (memory, swap) = (bytes("memory"), bytes("swap"))
        cgroup = lines("cgroup").first.flatMap { Int($0) } ?? 0
        kubeletFlags = lines("flags").filter { !$0.hasPrefix("#") }.joined(separator: " ")
        kubeletConfiguration = (sections["configuration"] ?? []).joined(separator: "\n")
        runtime = lines("runtime").first
        images = StaticPodImages.parse(lines("images"))
        needsReboot = lines("reboot").first == "yes"
    }

    /// Whether a repository has kubeadm of a version, as far as the node knows.
    package func has(_ version: KubernetesVersion) -> Bool {
        available.contains { KubernetesVersion($0.prefix { $0 != "-" }) == version }
    }

    /// Whether the repository is one for each minor (pkgs.k8s.io), which is written anew for the next.
    package var isOfMinor: Bool { repositories.contains { $0.contains("core:/stable:") } }
}

/// The images of a host's static pods, as their manifests have them.
enum StaticPodImages {
    /// Prints lines such as `kube-apiserver k8s.gcr.io/kube-apiserver:v1.20.2`.
    static func script(_ folders: CertificateFolders) -> String {
        """
        for file in \(NodeAccess.quoted(folders.kubernetes))/manifests/*.yaml; do
            if [ -e "$file" ]; then echo "$(basename "$file" .yaml) $(sed -n 's/^ *-\\{0,1\\} *image: *//p' "$file" | head -n 1 | tr -d "\\"'")"; fi
        done
        """
    }

    /// By the pods' names, which are those of components.
    static func parse(_ lines: [String]) -> [String: String] {
        let pairs = lines.map { $0.split(separator: " ").map(String.init) }.filter { $0.count == 2 }.map { ($0[0], $0[1]) }
        return Dictionary(pairs, uniquingKeysWith: { _, last in last })
    }
}
