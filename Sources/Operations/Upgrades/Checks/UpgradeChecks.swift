package import Foundation
internal import KubernetesAPI
package import Maintenance

/// Judges whether a cluster may go to a version: each thing that is looked at, with what was found and what to do. Pure.
package struct UpgradeChecks: Sendable {
    package let facts: UpgradeFacts
    /// One minor after the other; the last is the target.
    package let hops: [KubernetesVersion]
    package let now: Date

    package init(_ facts: UpgradeFacts, hops: [KubernetesVersion], at now: Date) {
        (self.facts, self.hops, self.now) = (facts, hops, now)
    }

    private var target: KubernetesVersion { hops.last ?? KubernetesVersion(major: 1, minor: 0, patch: 0) }

    /// In the order in which they are shown.
    package var all: [UpgradeCheck] {
        var checks = [
            path, versions, components, nodes, pods, removedAPIs, callers, webhooks, aggregatedAPIs, disruptions, capacity, etcd, certificates,
        ]
        if !facts.hosts.isEmpty { checks += [packages, disks, memory, cgroups, kubeletFlags] }
        checks += [runtimes, controlPlaneFlags, labels, images, backup, window]
        if !facts.gaps.isEmpty || !facts.search.gaps.isEmpty {
            checks.append(
                UpgradeCheck("what nobody could look at", (facts.gaps + facts.search.gaps).prefix(5).joined(separator: "; "), isUnknown: true))
        }
        return checks
    }

    /// Why checks forbid an upgrade, one line each.
    /// - Parameter waived: names of checks that somebody has waived.
    package static func refusals(_ checks: [UpgradeCheck], waiving waived: Set<String>) -> [String] {
        checks.filter { $0.state == .blocker && !waived.contains($0.name) }.flatMap { check in
            check.findings.filter { $0.severity == .critical }.map { finding in
                "\(check.name): \(finding.host == "cluster" ? "" : "\(finding.host): ")\(finding.subject): \(finding.problem). \(finding.remedy). (--waive \"\(check.name)\" goes on all the same)"
            }
        }
    }

    private func critical(_ host: String, _ subject: String, _ problem: String, _ remedy: String) -> HostFinding {
        HostFinding(host: host, severity: .critical, subject: subject, problem: problem, remedy: remedy)
    }

    private func warning(_ host: String, _ subject: String, _ problem: String, _ remedy: String) -> HostFinding {
        HostFinding(host: host, severity: .warning, subject: subject, problem: problem, remedy: remedy)
    }

    private func list(_ names: some Sequence<String>, _ most: Int = 5) -> String {
        let all = Array(Set(names)).sorted()
        return all.prefix(most).joined(separator: ", ") + (all.count > most ? " and \(all.count - most) more" : "")
    }

    // MARK: Versions

    private func running(_ component: String) -> [(node: String, version: KubernetesVersion)] {
        facts.components.rows.filter { $0.component == component }.compactMap { row in KubernetesVersion(row.version).map { (row.node, $0) } }
    }

    private var path: UpgradeCheck {
        let current = running("kube-apiserver").map(\.version).min() ?? running("kubelet").map(\.version).min()
        let way = ([current].compactMap { $0 } + hops).map(\.description).joined(separator: " -> ")
        return UpgradeCheck("path", hops.isEmpty ? "everything is of that version already" : way)
    }

    /// What runs together now, and would on the way: kubelets are upgraded at each hop, so only the first can find them too old.
    private var versions: UpgradeCheck {
        var findings = facts.components.findings.filter { $0.problem.contains("version") || $0.problem.contains("newer") }.map { finding in
            warning(finding.node.isEmpty ? "cluster" : finding.node, finding.component, finding.problem, "bring it to the others' version first")
        }
        if let first = hops.first {
            for component in [VersionSkew.Component.kubelet, .proxy, .controllerManager, .scheduler] {
                for (node, version) in running(component.rawValue) {
                    guard let complaint = VersionSkew.complaint(component, version, servers: [first]) else { continue }
                    findings.append(
                        critical(node, component.rawValue, "at \(first): \(complaint)", "upgrade it to the control plane's version first"))
                }
            }
        }
        for (kubectl, users) in facts.search.kubectls where abs(kubectl.minor - target.minor) > 1 {
            findings.append(
                warning(
                    "cluster", "kubectl \(kubectl)", "\(list(users)) used it: it is more than one minor away from \(target)",
                    "let them have kubectl 1.\(target.minor)"))
        }
        let seen = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"].compactMap { name -> String? in
            let versions = Set(running(name).map(\.version)).sorted()
            return versions.isEmpty ? nil : "\(name) \(versions.map(\.description).joined(separator: ", "))"
        }
        return UpgradeCheck("versions", seen.joined(separator: "; "), findings)
    }

    /// Without the API componentstatuses, which says nothing since 1.19.
    private var components: UpgradeCheck {
        let parts = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"]
        let rows = facts.components.rows.filter { parts.contains($0.component) }
        let findings = rows.filter { $0.state != "Ready" }.map { row in
            critical(row.node, row.component, "it is not ready (\(row.state))", "look at its log; `drydock components status` shows all of them")
        }
        return UpgradeCheck(
            "components", rows.isEmpty ? "no static pods are seen" : "\(rows.count - findings.count) of \(rows.count) ready", findings)
    }

    private var nodes: UpgradeCheck {
        var findings: [HostFinding] = []
        for node in facts.nodes {
            if !node.isReady {
                findings.append(
                    critical(
                        node.name, "node", "it is not ready: \(node.condition("Ready")?["message"].string ?? "its kubelet says nothing")",
                        "bring it back, or take it out of the cluster"))
            }
            for condition in ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"]
            where node.condition(condition)?["status"].string == "True" {
                findings.append(critical(node.name, "node", "it has \(condition)", "`kubectl describe node \(node.name)` says why"))
            }
            if node.isUnschedulable {
                let mark = CordonMark(node)
                findings.append(
                    warning(
                        node.name, "node", "it is cordoned\(mark.map { ": \($0.text)" } ?? "") and will stay so", "uncordon it if nobody needs that"))
            }
        }
        for host in facts.hosts where host.needsReboot {
            findings.append(warning(host.node, "host", "it waits for a reboot", "let the maintenance do it first, or after"))
        }
        return UpgradeCheck("nodes", "\(facts.nodes.count(where: \.isReady)) of \(facts.nodes.count) ready", findings)
    }

    private var pods: UpgradeCheck {
        var findings = facts.unready.map { warning("cluster", $0.workload, $0.complaint, "mend it first: who is not whole cannot spare a pod") }
        let stuck = facts.pods.filter { [.pending, .failed, .unknown].contains($0.phase) }
        for pod in stuck.prefix(20) {
            findings.append(warning(pod.node ?? "cluster", "Pod \(pod.name)", "it is \(pod.phase.rawValue)", "`kubectl describe pod` says why"))
        }
        return UpgradeCheck(
            "pods", "\(facts.pods.count(where: { $0.phase == .running && $0.isReady })) of \(facts.pods.count) running and ready", findings)
    }

    // MARK: APIs

    /// What people and programs have written in versions that go.
    private var removedAPIs: UpgradeCheck {
        let sources: Set<APIUse.Source> = [.object, .managedFields, .lastApplied, .registration, .helm, .manifest, .file]
        return apis("removed APIs", sources, none: "nothing is written in a version that goes")
    }

    /// Who still asks.
    private var callers: UpgradeCheck { apis("callers of removed APIs", [.requests, .audit], none: "nobody asked for a version that goes") }

    private struct Key: Hashable {
        var groupVersion: String
        var kind: String
        var source: APIUse.Source
    }

    private func apis(_ name: String, _ sources: Set<APIUse.Source>, none: String) -> UpgradeCheck {
        let groups = Dictionary(grouping: facts.search.uses.filter { sources.contains($0.source) }) {
            Key(groupVersion: $0.groupVersion, kind: $0.kind, source: $0.source)
        }
        var findings: [HostFinding] = []
        var removed: Set<String> = []
        for (key, uses) in groups {
            guard let lifecycle = APILifecycle.find(key.groupVersion, key.kind) else { continue }
            let isGone = lifecycle.isRemoved(in: target.minor)
            guard isGone || lifecycle.isDeprecated(in: target.minor) else { continue }
            let subject = "\(key.groupVersion) \(key.kind)"
            // What drydock itself asks for to look for objects it may have been alone; the objects are found in any case.
            if key.source == .requests, facts.search.own.contains(subject) { continue }
            if isGone { removed.insert(subject) }
            let who = uses.compactMap(\.who)
            let last = uses.compactMap(\.at).max()
            var problem =
                "\(isGone ? "1.\(lifecycle.removed ?? 0) is without it" : "it is deprecated\(lifecycle.removed.map { ", and gone in 1.\($0)" } ?? "")"); "
            problem += Self.text(key.source, uses.count) + " " + list(uses.map(\.place), 3)
            if !who.isEmpty { problem += ", by \(list(who, 3))" }
            if let last { problem += ", last at \(last.formatted(.iso8601))" }
            if let remark = lifecycle.remark { problem += " (\(remark))" }
            // Who asks the metric does not say.
            let isHard =
                isGone && key.source != .requests
                && (lifecycle.replacement == nil || [.object, .registration, .helm, .manifest, .file, .audit].contains(key.source))
            findings.append((isHard ? critical : warning)("cluster", subject, problem, Self.remedy(lifecycle, key.source)))
        }
        let found =
            findings.isEmpty
            ? none : "\(removed.count) kinds are gone in 1.\(target.minor)" + (findings.count > removed.count ? "; \(findings.count) findings" : "")
        return UpgradeCheck(name, found, findings)
    }

    private static func text(_ source: APIUse.Source, _ count: Int) -> String {
        switch source {
        case .object: "\(count) objects:"
        case .managedFields: "written to \(count) objects:"
        case .lastApplied: "applied to \(count) objects:"
        case .requests: "asked for at"
        case .audit: "asked for in the"
        case .registration: "registered by"
        case .helm: "in"
        case .manifest, .file: "in"
        }
    }

    private static func remedy(_ lifecycle: APILifecycle, _ source: APIUse.Source) -> String {
        let instead =
            lifecycle.replacement.map { "use \($0)\(lifecycle.replacementSince.map { " (since 1.\($0))" } ?? "")" }
            ?? "there is nothing in its place: do without"
        switch source {
        case .object: return instead + ", and delete the objects before"
        case .managedFields, .lastApplied: return instead + "; the object itself is served in the new version, whoever writes it has to change"
        case .requests: return instead + "; an audit log names who asks (--audit-log)"
        case .helm: return instead + " in the chart, and upgrade the release before the cluster (or `helm mapkubeapis`)"
        case .registration: return instead + ": let the webhook take AdmissionReview v1"
        case .file: return instead + " (kubeadm config migrate, where it is kubeadm's)"
        case .audit, .manifest: return instead
        }
    }

    private var webhooks: UpgradeCheck {
        var findings: [HostFinding] = []
        var count = 0
        for configuration in facts.webhooks {
            for webhook in configuration["webhooks"].elements {
                count += 1
                let name = "webhook \(configuration.objectName.name)/\(webhook["name"].string ?? "")"
                let fails = webhook["failurePolicy"].string != "Ignore"
                let service = webhook["clientConfig"]["service"]
                let place = ObjectName(service["namespace"].string ?? "", service["name"].string ?? "")
                if !service.isNull, !facts.servedServices.contains(place) {
                    let problem = "nobody answers behind its service \(place)\(fails ? ", and what it cannot judge is refused" : "")"
                    findings.append((fails ? critical : warning)("cluster", name, problem, "bring its pods back, or delete the configuration"))
                }
                let takesAll = webhook["rules"].elements.contains { rule in
                    let resources = rule["resources"].elements.compactMap(\.string)
                    return resources.contains { ["*", "*/*", "pods", "nodes", "pods/*"].contains($0) }
                }
                let isBounded =
                    !webhook["namespaceSelector"]["matchExpressions"].elements.isEmpty || !webhook["namespaceSelector"]["matchLabels"].strings.isEmpty
                if fails, takesAll, !isBounded {
                    findings.append(
                        warning(
                            "cluster", name, "it judges the pods of kube-system, too: while it is away no static pod's mirror and no add-on comes up",
                            "leave kube-system out with a namespaceSelector, or run it twice"))
                }
            }
        }
        return UpgradeCheck("webhooks", count == 0 ? "none" : "\(count) webhooks", findings)
    }

    private var aggregatedAPIs: UpgradeCheck {
        let services = facts.apiServices.filter { !$0["spec"]["service"].isNull }
        let findings = services.compactMap { service -> HostFinding? in
            let available = service["status"]["conditions"].elements.first { $0["type"].string == "Available" }
            guard available?["status"].string != "True" else { return nil }
            return critical(
                "cluster", "apiservice \(service.objectName.name)",
                "its server does not answer: \(available?["message"].string ?? "nobody knows why")",
                "bring it back, or delete it: namespaces cannot be deleted meanwhile")
        }
        return UpgradeCheck("aggregated APIs", services.isEmpty ? "none" : "\(services.count - findings.count) of \(services.count) answer", findings)
    }

    // MARK: Drains

    private var disruptions: UpgradeCheck {
        guard let forecast = facts.forecast else { return UpgradeCheck("disruption budgets", "no forecast was made", isUnknown: true) }
        let findings = forecast.blocked.map { critical($0.node, "Pod \($0.pod)", "it can never go: \($0.reason)", $0.remedy) }
        let found = "\(forecast.pods.count) pods move, in \(forecast.seconds.wholeSeconds) s of drains"
        return UpgradeCheck("disruption budgets", found, findings)
    }

    private var capacity: UpgradeCheck {
        guard let forecast = facts.forecast else { return UpgradeCheck("capacity", "no forecast was made", isUnknown: true) }
        let findings = forecast.unplaced.map {
            warning("cluster", "Pod \($0.pod)", "it would find no node: \($0.reason)", "add a node, or ask for less")
        }
        return UpgradeCheck("capacity", UpgradeQuota(facts)?.text ?? "no node to spare", findings)
    }

    // MARK: etcd, certificates, backups

    private var etcd: UpgradeCheck {
        guard let audit = facts.etcd else { return UpgradeCheck("etcd", "nobody asked it (no control-plane host is reached)", isUnknown: true) }
        var findings = audit.findings.filter { $0.severity != .info }.map { finding in
            // Of a release that may lose data the upgrade is the cure.
            (finding.severity == .error && finding.code != "data-inconsistency" ? critical : warning)(
                "etcd", finding.subject, finding.message, finding.remedy)
        }
        if target.minor >= 34 {
            for row in facts.components.rows where row.component == "etcd" {
                guard let version = KubernetesVersion(row.version.prefix { $0 != "-" }), version.minor < 5 else { continue }
                findings.append(critical(row.node, "etcd", "\(version) cannot be upgraded to 3.6 at once", "go to 3.5.26 or newer first"))
            }
        }
        return UpgradeCheck("etcd", "\(facts.etcdMembers) voting members", findings)
    }

    private var certificates: UpgradeCheck {
        guard let report = facts.certificates else { return UpgradeCheck("certificates", "no control-plane host is reached", isUnknown: true) }
        let next = report.rows.filter { !$0.isAuthority }.compactMap(\.expires).min()
        return UpgradeCheck(
            "certificates", next.map { "the first expires at \($0.formatted(.iso8601)); kubeadm renews them on the way" } ?? "none", report.findings)
    }

    private var backup: UpgradeCheck {
        guard facts.looksForBackup else {
            return UpgradeCheck(
                "backup", "no location is named",
                [
                    warning(
                        "cluster", "backup", "without a backup there is no way back for etcd's data",
                        "name a --location; `upgrade apply` makes one and reads it back")
                ])
        }
        guard let backup = facts.backup else {
            return UpgradeCheck(
                "backup", "the location has none",
                [
                    warning(
                        "cluster", "backup", "the location has no backup yet; nobody knows whether one restores",
                        "drydock backup create, then drydock backup drill")
                ])
        }
        var findings: [HostFinding] = []
        let age = now.timeIntervalSince(backup.createdAt)
        if age > 86400 {
            findings.append(warning("cluster", "backup", "the newest is \(Int(age / 3600)) hours old", "`upgrade apply` makes a new one first"))
        }
        if backup.drilledAt == nil {
            findings.append(warning("cluster", "backup", "nobody has rehearsed a restore of the newest", "drydock backup drill"))
        }
        return UpgradeCheck(
            "backup", "made at \(backup.createdAt.formatted(.iso8601))\(backup.drilledAt.map { ", rehearsed at \($0.formatted(.iso8601))" } ?? "")",
            findings)
    }

    private var window: UpgradeCheck {
        let total = facts.expectedSeconds
        guard total > 0 else {
            return UpgradeCheck(
                "window", facts.window.map { "\($0); nobody knows how long it takes" } ?? "none is given", isUnknown: facts.window != nil)
        }
        let text =
            "about \(Duration.seconds(total).minutesText) in all, \(Duration.seconds(facts.longestStepSeconds).minutesText) for the longest node"
        guard let window = facts.window else { return UpgradeCheck("window", text + "; no window is given") }
        guard let opening = window.nextOpening(after: now), let length = window.remaining(at: opening.addingTimeInterval(1)) else {
            return UpgradeCheck("window", text, [critical("cluster", "window", "\(window) never opens again", "name another")])
        }
        var findings: [HostFinding] = []
        if length < facts.longestStepSeconds {
            findings.append(
                critical(
                    "cluster", "window", "\(window) is open for \(Duration.seconds(length).minutesText), and no node fits into that", "make it longer"
                ))
        } else if length < total {
            findings.append(
                warning(
                    "cluster", "window",
                    "all of it needs \(Int((total / length).rounded(.up))) windows; the run stops between two nodes and goes on in the next",
                    "make it longer, or let more workers go at once (--max-unavailable)"))
        }
        return UpgradeCheck("window", text + "; \(window) opens at \(opening.formatted(.iso8601))", findings)
    }

    // MARK: Hosts

    private var packages: UpgradeCheck {
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
    private var disks: UpgradeCheck {
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

    private var memory: UpgradeCheck {
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

    private var cgroups: UpgradeCheck {
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

    private var runtimes: UpgradeCheck {
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
    private var kubeletFlags: UpgradeCheck {
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

    private var controlPlaneFlags: UpgradeCheck {
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
    private var labels: UpgradeCheck {
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

    private var images: UpgradeCheck {
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

extension Duration {
    /// `12 min`, `1 h 5 min`.
    package var minutesText: String {
        let minutes = Int((seconds / 60).rounded(.up))
        return minutes < 60 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
    }
}
