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

    var target: KubernetesVersion { hops.last ?? KubernetesVersion(major: 1, minor: 0, patch: 0) }

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

    func critical(_ host: String, _ subject: String, _ problem: String, _ remedy: String) -> HostFinding {
        HostFinding(host: host, severity: .critical, subject: subject, problem: problem, remedy: remedy)
    }

    func warning(_ host: String, _ subject: String, _ problem: String, _ remedy: String) -> HostFinding {
        HostFinding(host: host, severity: .warning, subject: subject, problem: problem, remedy: remedy)
    }

    func list(_ names: some Sequence<String>, _ most: Int = 5) -> String {
        let all = Array(Set(names)).sorted()
        return all.prefix(most).joined(separator: ", ") + (all.count > most ? " and \(all.count - most) more" : "")
    }

    // MARK: Versions

    func running(_ component: String) -> [(node: String, version: KubernetesVersion)] {
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
        let findings = rows.compactMap { row in
            row.complaint.map {
                critical(
                    row.node, row.component, $0,
                    row.state == ComponentsReport.Row.absent
                        ? "see what the node's kubelet says: `journalctl -u kubelet`"
                        : "look at its log; `drydock components status` shows all of them")
            }
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
}

extension Duration {
    /// `12 min`, `1 h 5 min`.
    package var minutesText: String {
        let minutes = Int((seconds / 60).rounded(.up))
        return minutes < 60 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
    }
}
