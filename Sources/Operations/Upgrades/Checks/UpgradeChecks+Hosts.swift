internal import Foundation
internal import KubernetesAPI
internal import Maintenance

extension UpgradeChecks {
    var packages: UpgradeCheck {
        var findings: [HostFinding] = []
        for host in facts.hosts {
            for hop in hops where !host.has(hop) {
                if host.isOfMinor, hop != hops.first || hop.minor >= 24 {
                    continue
                }
                let old = host.repositories.contains { $0.contains("apt.kubernetes.io") || $0.contains("packages.cloud.google.com") }
                findings.append(
                    critical(
                        host.node, "packages", "no repository has kubeadm \(hop)\(old ? ": the old one is gone since March 2024" : "")",
                        old
                            ? "use pkgs.k8s.io/core:/stable:/v1.\(hop.minor)"
                            : "add the repository, or check the version (\(list(host.available.prefix(8), 8)) are there)"))
            }
            if host.packages.held.isEmpty {
                findings.append(
                    warning(
                        host.node, "packages", "kubeadm, kubelet and kubectl are not held: any update of the host may change them",
                        "apt-mark hold kubeadm kubelet kubectl (or dnf versionlock, zypper addlock)"))
            }
            for name in NodePackages.names where host.packages.versions[name] == nil {
                findings.append(
                    critical(host.node, "packages", "\(name) is not installed from a package", "install it so, or upgrade this node by hand"))
            }
        }
        let managers = Set(facts.hosts.compactMap { $0.manager?.rawValue }).sorted().joined(separator: ", ")
        return UpgradeCheck(
            "packages", "\(managers); held on \(facts.hosts.count { !$0.packages.held.isEmpty }) of \(facts.hosts.count) nodes", findings)
    }

    /// Images of a minor take about a gigabyte; kubeadm copies etcd's data to /etc/kubernetes.
    var disks: UpgradeCheck {
        var findings: [HostFinding] = []
        for host in facts.hosts {
            for (folder, free) in host.free where ["/var/lib/kubelet", "/var/lib/containerd", "/var"].contains(folder) && free < 2 << 30 {
                findings.append(
                    (free < 1 << 30 ? critical : warning)(
                        host.node, folder, "\(free >> 20) MiB are free; packages and images of a minor need 2048", "make room"))
            }
            if let free = host.free.first(where: { $0.key.hasSuffix("kubernetes") }), free.value < 512 << 20, !host.images.isEmpty {
                findings.append(
                    critical(
                        host.node, free.key, "\(free.value >> 20) MiB are free, and kubeadm copies etcd's data there",
                        "make room; kubeadm never removes its old copies in tmp/"))
            }
        }
        let least = facts.hosts.flatMap { $0.free.values }.min() ?? 0
        return UpgradeCheck("disks", "at least \(least >> 30) GiB free on all", findings)
    }

    var memory: UpgradeCheck {
        var findings: [HostFinding] = []
        for host in facts.hosts {
            if !host.images.isEmpty, host.memory < 1700 << 20 {
                findings.append(warning(host.node, "memory", "\(host.memory >> 20) MiB; kubeadm wants 1700 on a control plane", "give it more"))
            }
            if host.swap > 0, !host.kubeletConfiguration.contains("failSwapOn: false"), !host.kubeletFlags.contains("fail-swap-on=false") {
                findings.append(
                    critical(
                        host.node, "swap", "\(host.swap >> 20) MiB of swap are on: the kubelet will not start",
                        "swapoff -a, and take it out of /etc/fstab"))
            }
        }
        return UpgradeCheck("memory and swap", "at least \((facts.hosts.map(\.memory).min() ?? 0) >> 20) MiB", findings)
    }

    var cgroups: UpgradeCheck {
        let old = facts.hosts.filter { $0.cgroup == 1 }
        let findings =
            target.minor < 31
            ? []
            : old.map { host in
                (target.minor >= 35 ? critical : warning)(
                    host.node, "cgroup",
                    "it has cgroup v1\(target.minor >= 35 ? ", with which the kubelet does not start since 1.35" : ", which is in maintenance since 1.31")",
                    "boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1)")
            }
        return UpgradeCheck("cgroups", old.isEmpty ? "version 2 on all" : "version 1 on \(old.count) of \(facts.hosts.count)", findings)
    }

    var runtimes: UpgradeCheck {
        var findings: [HostFinding] = []
        for node in facts.nodes {
            let runtime = node.json["status"]["nodeInfo"]["containerRuntimeVersion"].string ?? ""
            let socket = node.annotations["kubeadm.alpha.kubernetes.io/cri-socket"] ?? ""
            if target.minor >= 24, runtime.hasPrefix("docker://"), !socket.contains("cri-dockerd") {
                findings.append(
                    critical(
                        node.name, "container runtime", "\(runtime) by dockershim, which 1.24 is without",
                        "move the node to containerd, or to cri-dockerd"))
            }
            if target.minor >= 24, socket.contains("dockershim") {
                findings.append(
                    critical(node.name, "cri-socket", "kubeadm's annotation names \(socket)", "annotate the node with the socket that it uses now"))
            }
            if target.minor >= 26, runtime.hasPrefix("containerd://"), let version = KubernetesVersion(runtime.dropFirst("containerd://".count)),
                (version.major, version.minor) < (1, 6)
            {
                findings.append(
                    critical(node.name, "container runtime", "\(runtime) does not speak CRI v1, which 1.26 needs", "containerd 1.6 or newer"))
            }
        }
        let seen = Set(facts.nodes.compactMap { $0.json["status"]["nodeInfo"]["containerRuntimeVersion"].string }).sorted()
        return UpgradeCheck("container runtimes", seen.joined(separator: ", "), findings)
    }

    /// A kubelet that is given a flag it does not know does not start.
    var kubeletFlags: UpgradeCheck {
        var findings: [HostFinding] = []
        for host in facts.hosts {
            let given = RemovedFlags.names(in: host.kubeletFlags)
            for flag in RemovedFlags.kubelet where given.contains(flag.name) && flag.removed <= target.minor {
                // What kubeadm itself wrote it takes out itself, which it does for one flag.
                let isKubeadms = flag.name == "container-runtime" || flag.name == "pod-infra-container-image"
                findings.append(
                    (isKubeadms ? warning : critical)(
                        host.node, "--\(flag.name)", "the kubelet of 1.\(flag.removed) does not know it and does not start",
                        "\(flag.remedy) (\(host.manager == .apt ? "/etc/default/kubelet" : "/etc/sysconfig/kubelet"), kubeadm-flags.env)"))
            }
        }
        return UpgradeCheck("kubelet flags", "\(facts.hosts.count) kubelets", findings)
    }

    var controlPlaneFlags: UpgradeCheck {
        var findings: [HostFinding] = []
        for (node, component, arguments) in facts.staticPodArguments {
            for flag in RemovedFlags.servers[component] ?? [] where flag.removed <= target.minor {
                // kubeadm itself closes insecure ports, as long as there are any.
                let given = arguments.replacingOccurrences(of: "--\(flag.name)=0", with: "")
                guard RemovedFlags.names(in: given).contains(flag.name) else { continue }
                // kubeadm writes the manifests anew, with what its ConfigMap says.
                findings.append(
                    warning(
                        node, component.rawValue, "--\(flag.name) is unknown to 1.\(flag.removed)",
                        "\(flag.remedy); take it out of extraArgs in kube-system/kubeadm-config"))
            }
        }
        return UpgradeCheck(
            "control-plane flags", facts.staticPodArguments.isEmpty ? "no static pods are seen" : "\(facts.staticPodArguments.count) static pods",
            findings)
    }

    /// 1.24 takes the label away that control planes had, and puts another taint on them.
    var labels: UpgradeCheck {
        guard target.minor >= 24 else { return UpgradeCheck("label and taint of control planes", "they change with 1.24") }
        let (label, taint) = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
        var findings: [HostFinding] = []
        for (kind, object) in facts.workloads {
            let name = "\(kind) \(object.objectName)"
            let pod = object["spec"]["template"]["spec"]
            let terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].elements
            let isSelected =
                pod["nodeSelector"].strings[label] != nil
                || terms.contains { term in
                    term["matchExpressions"].elements.contains {
                        $0["key"].string == label && $0["operator"].string != "DoesNotExist" && $0["operator"].string != "NotIn"
                    }
                }
            if isSelected {
                findings.append(
                    critical("cluster", name, "its pods ask for nodes with the label \(label), which 1.24 takes away", "ask for \(taint)"))
            }
            let tolerated = pod["tolerations"].elements
            let toleratesOld = tolerated.contains { $0["key"].string == label }
            let toleratesNew = tolerated.contains {
                $0["key"].string == taint || ($0["key"].string ?? "").isEmpty && $0["operator"].string == "Exists"
            }
            if toleratesOld, !toleratesNew {
                findings.append(
                    critical(
                        "cluster", name, "its pods tolerate \(label) and not \(taint), which control planes get with 1.24", "let them tolerate both"))
            }
        }
        return UpgradeCheck("label and taint of control planes", "\(facts.workloads.count) workloads", findings)
    }

    var images: UpgradeCheck {
        let repository = facts.imageRepository ?? "k8s.gcr.io"
        guard target.minor >= 25, repository == "k8s.gcr.io" else { return UpgradeCheck("image registry", repository) }
        return UpgradeCheck(
            "image registry", repository,
            [
                warning(
                    "cluster", "imageRepository",
                    "k8s.gcr.io gets no images since April 2023; kubeadm uses registry.k8s.io from 1.25 on, where nobody has said otherwise",
                    "set imageRepository in kube-system/kubeadm-config, and let firewalls and mirrors know registry.k8s.io")
            ])
    }
}

extension UpgradeFacts {
    /// What static pods of control planes are started with.
    var staticPodArguments: [(node: String, component: Component, arguments: String)] {
        controlPlanePods.compactMap { pod in
            guard let component = pod["metadata"]["labels"].strings["component"].flatMap(Component.init) else { return nil }
            let container = pod["spec"]["containers"].elements.first ?? .null
            let words = (container["command"].elements + container["args"].elements).compactMap(\.string)
            return (pod["spec"]["nodeName"].string ?? "", component, words.joined(separator: " "))
        }
    }
}
