package import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance
package import NodeAccess

/// What somebody asked of an upgrade, before anything was read.
package struct UpgradeRequest: Sendable {
    package var target: KubernetesVersion
    /// Patches of minors on the way.
    package var via: [KubernetesVersion]
    package var tag: String
    package var folders: CertificateFolders
    /// All nodes, and how they are reached; nil for all that the cluster has, as `reach` says.
    package var hosts: [NodeAccess]?
    package var reach: @Sendable (String) throws -> NodeAccess
    package var loadBalancers: [LoadBalancer]
    package var holdsTraffic: Bool
    package var sessionSeconds: Double
    package var drain: NodeRunSettings
    package var canaries: Int
    package var soakSeconds: Double
    package var backup: UpgradeBackup?
    package var hooks: [UpgradeHook]
    package var ignoredPreflightErrors: String?
    package var patienceSeconds: Double
    package var lockSeconds: Double
    package var window: Window?
    package var maxSeconds: Double?
    /// Names of checks that are waived.
    package var waived: Set<String> = []
    /// Documents that are to be applied after the upgrade, by file.
    package var manifests: [(file: String, text: String)] = []
    /// Reads audit logs, line by line.
    package var readAudit: @Sendable (_ line: (String) -> Void) throws -> Void = { _ in }
    /// Files that could not be read, and why.
    package var unread: [String] = []
    /// The newest backup: when it was made, read back, and rehearsed; nil to look for none.
    package var findBackup: (@Sendable () async throws -> (createdAt: Date, verifiedAt: Date?, drilledAt: Date?)?)?
    /// Also where no other API server or etcd member is there meanwhile.
    package var acceptsRisk = false

    package init(
        target: KubernetesVersion, via: [KubernetesVersion], tag: String, folders: CertificateFolders, hosts: [NodeAccess]?,
        reach: @escaping @Sendable (String) throws -> NodeAccess, loadBalancers: [LoadBalancer], holdsTraffic: Bool, sessionSeconds: Double,
        drain: NodeRunSettings, canaries: Int, soakSeconds: Double, backup: UpgradeBackup?, hooks: [UpgradeHook], ignoredPreflightErrors: String?,
        patienceSeconds: Double, lockSeconds: Double, window: Window?, maxSeconds: Double?
    ) {
        self.target = target
        self.via = via
        self.tag = tag
        self.folders = folders
        self.hosts = hosts
        self.reach = reach
        self.loadBalancers = loadBalancers
        self.holdsTraffic = holdsTraffic
        self.sessionSeconds = sessionSeconds
        self.drain = drain
        self.canaries = canaries
        self.soakSeconds = soakSeconds
        self.backup = backup
        self.hooks = hooks
        self.ignoredPreflightErrors = ignoredPreflightErrors
        self.patienceSeconds = patienceSeconds
        self.lockSeconds = lockSeconds
        self.window = window
        self.maxSeconds = maxSeconds
    }

    /// A plan, what it was made for, and what was found on the way.
    package struct Made: Sendable {
        package var plan: UpgradeAction.Plan
        package var settings: UpgradeSettings
        package var hops: [KubernetesVersion]
        package var checks: [UpgradeCheck]
        package var facts: UpgradeFacts

        package init(plan: UpgradeAction.Plan, settings: UpgradeSettings, hops: [KubernetesVersion], checks: [UpgradeCheck], facts: UpgradeFacts) {
            (self.plan, self.settings, self.hops, self.checks, self.facts) = (plan, settings, hops, checks, facts)
        }
    }

    /// What can be said without the nodes' hosts: of the cluster alone.
    package func inspect(_ client: KubernetesClient) async throws -> Made {
        let settings = UpgradeSettings(
            control: CertificateSettings(nodes: [], folders: folders, tag: tag, window: window, maxSeconds: maxSeconds), nodes: [], drain: drain)
        var facts = try await UpgradeInspection(client: client, settings: settings, hosts: nil).facts()
        try await complete(&facts)
        let versions = facts.components.rows.filter { $0.component == Component.apiServer.rawValue }.compactMap { KubernetesVersion($0.version) }
        let kubelets = facts.nodes.compactMap { KubernetesVersion($0.kubeletVersion) }
        guard let current = versions.min() ?? kubelets.min() else {
            throw OperationError(.invalid, "the cluster has neither nodes nor API servers that are seen.")
        }
        try refuseDowngrade(versions.max() ?? current)
        let path = try UpgradePath(from: current, to: target) { minor in
            via.first { $0.minor == minor } ?? KubernetesVersion(major: current.major, minor: minor, patch: 0)
        }
        let plan = UpgradeAction.Plan(
            operation: "upgrade apply", subject: try await client.clusterSubject(), steps: [], remarks: ["the nodes' hosts were not looked at"])
        return Made(
            plan: plan, settings: settings, hops: path.hops, checks: UpgradeChecks(facts, hops: path.hops, at: client.time.now()).all, facts: facts)
    }

    /// What others than the cluster and its nodes know.
    private func complete(_ facts: inout UpgradeFacts) async throws {
        for (file, text) in manifests { facts.search.read(manifests: text, from: file, .manifest) }
        facts.search.add(gaps: unread)
        try readAudit { facts.search.read(auditLine: $0) }
        guard let findBackup else { return }
        facts.looksForBackup = true
        do { facts.backup = try await findBackup() } catch { facts.gaps.append("backups: \(error)") }
    }

    /// Reads the cluster and its nodes, and makes the plan. Jobs by which nodes were reached stay where a plan comes of it.
    /// - Throws: `OperationError` `.invalid` for what no plan can be made of.
    package func make(_ client: KubernetesClient) async throws -> Made {
        let nodes = try await client.list(Node.self).sorted { ($0.isControlPlane ? 0 : 1, $0.name) < ($1.isControlPlane ? 0 : 1, $1.name) }
        let accesses = try accesses(nodes)
        do {
            var made = try await make(client, nodes, accesses)
            if !made.plan.refusals.isEmpty || made.plan.steps.isEmpty, let left = await NodeShell.removeAll(of: accesses, client) {
                made.plan.remarks.append(left)
            }
            return made
        } catch {
            _ = await NodeShell.removeAll(of: accesses, client)
            throw error
        }
    }

    private func make(_ client: KubernetesClient, _ nodes: [Node], _ accesses: [NodeAccess]) async throws -> Made {
        let subject = try await client.clusterSubject()
        let controlPlanes = accesses.filter { access in nodes.contains { $0.name == access.name && $0.isControlPlane } }
        guard !controlPlanes.isEmpty else {
            throw OperationError(
                .invalid, "none of the nodes is a control plane (node-role.kubernetes.io/control-plane or /master). Is the cluster kubeadm's?")
        }
        if holdsTraffic, !loadBalancers.isEmpty, let first = controlPlanes.first(where: \.needsCluster) {
            throw OperationError(
                .invalid,
                "--lb-hold would hold the API by which \(first.name) is reached. Leave it out: some reads may then fail when etcd's leadership moves; or reach the control planes by ssh: --host \(first.name)=DESTINATION."
            )
        }
        var settings = UpgradeSettings(control: try await control(controlPlanes), nodes: accesses, drain: drain)
        (settings.backup, settings.hooks, settings.ignoredPreflightErrors, settings.lockSeconds) = (
            backup, hooks, ignoredPreflightErrors, lockSeconds
        )
        settings.waivedChecks = waived
        var facts = try await UpgradeInspection(
            client: client, settings: settings, hosts: KubeadmHosts(settings, time: client.time) { _, _, _ in "" }
        ).facts()
        let hosts = facts.hosts
        for host in hosts {
            guard let manager = host.manager else {
                throw OperationError(.invalid, "\(host.node) has none of apt, dnf and zypper: nobody knows how to upgrade it.")
            }
            settings.packages[host.node] = NodePackages(manager: manager, held: host.packages.held)
        }
        settings.unreadyBefore = facts.unready.map(\.workload)
        try await complete(&facts)
        let hops = try hops(nodes, hosts)
        var plan = UpgradePlan(settings: settings, hops: hops, nodes: nodes, hosts: hosts)
        for loadBalancer in loadBalancers { plan.views.append(try await LoadBalancerView.read(loadBalancer)) }
        plan.addresses = Dictionary(
            uniqueKeysWithValues: settings.control.nodes.map { access in
                (access.name, nodes.first { $0.name == access.name }?.addresses.first ?? "")
            })
        (plan.canaries, plan.soakSeconds, plan.sessionSeconds) = (canaries, soakSeconds, sessionSeconds)
        plan.parallel = max(1, drain.maxUnavailable?.nodes(of: nodes.count) ?? 1)
        for outcome in facts.forecast?.nodes ?? [] { plan.drainSeconds[outcome.node] = outcome.ends.map { max(5, $0 - outcome.begins) } }
        var made = Made(plan: try plan.make(subject: subject), settings: settings, hops: hops, checks: [], facts: facts)
        made.facts.expectedSeconds = plan.seconds(of: made.plan)
        made.facts.longestStepSeconds = made.plan.steps.filter { $0.isDisruptive && $0.isOwed != true }.map(\.expectedSeconds).max() ?? 0
        made.checks = UpgradeChecks(made.facts, hops: hops, at: client.time.now()).all
        try checkWaivers(made.checks)
        made.plan.refusals += UpgradeChecks.refusals(made.checks, waiving: waived)
        if drain.maxUnavailable?.nodes(of: nodes.count) == 0 { made.plan.refusals.append("--max-unavailable lets no node go") }
        let unnamed = nodes.map(\.name).filter { name in !accesses.contains { $0.name == name } }
        if !unnamed.isEmpty { made.plan.remarks.append("left as they are: \(unnamed.joined(separator: ", ")); name them with --host") }
        return made
    }

    private func refuseDowngrade(_ newest: KubernetesVersion) throws {
        guard target >= newest else {
            throw OperationError(
                .invalid,
                "\(target) is older than the control plane (\(newest)). It cannot be downgraded; `drydock upgrade rollback` takes a run back.")
        }
    }

    /// Checks that somebody waives are checks.
    private func checkWaivers(_ checks: [UpgradeCheck]) throws {
        guard let unknown = waived.first(where: { name in !checks.contains { $0.name == name } }) else { return }
        throw OperationError(.invalid, "there is no check \"\(unknown)\" to be waived. There are: \(checks.map(\.name).joined(separator: ", ")).")
    }

    private func accesses(_ nodes: [Node]) throws -> [NodeAccess] {
        guard let hosts else { return try nodes.map { try reach($0.name) } }
        if let unknown = hosts.first(where: { host in !nodes.contains { $0.name == host.name } }) {
            throw OperationError(
                .invalid, "the cluster has no node \(unknown.name). `drydock node status` shows the nodes; --host takes NAME=DESTINATION.")
        }
        return nodes.compactMap { node in hosts.first { $0.name == node.name } }
    }

    private func control(_ nodes: [NodeAccess]) async throws -> CertificateSettings {
        var settings = CertificateSettings(
            nodes: nodes, folders: folders, tag: tag, patienceSeconds: patienceSeconds, window: window, maxSeconds: maxSeconds)
        (settings.loadBalancers, settings.holdsTraffic, settings.acceptsRisk) = (loadBalancers, holdsTraffic, acceptsRisk)
        var files: [NodeCertificates] = []
        for node in nodes { files.append(try await .read(node, folders)) }
        try RestartPlan.findHosts(&settings, files)
        if let other = nodes.first(where: { access in !settings.hosts.contains { $0.name == access.name } }) {
            throw OperationError(
                .invalid,
                "\(other.name) has no \(folders.kubernetes)/manifests/etcd.yaml: control planes with an etcd elsewhere are not upgraded here.")
        }
        return settings
    }

    /// From the oldest control plane or kubelet, over every minor.
    private func hops(_ nodes: [Node], _ hosts: [HostFacts]) throws -> [KubernetesVersion] {
        let kubelets = nodes.compactMap { KubernetesVersion($0.kubeletVersion) }
        let servers = hosts.compactMap { $0.images[Component.apiServer.rawValue] }.compactMap { ImageReference($0).version }
        guard let oldest = servers.min() else { throw OperationError(.invalid, "no control plane says in its manifest which version it has.") }
        try refuseDowngrade(servers.max() ?? oldest)
        // A run that ended half way is gone on with from where the last of them stands.
        let path = try UpgradePath(from: oldest, to: target) { minor in
            if let named = via.first(where: { $0.minor == minor }) { return named }
            let offered = hosts.map { host in
                Set(host.available.compactMap { KubernetesVersion($0.prefix { $0 != "-" }) }.filter { $0.minor == minor })
            }
            return offered.dropFirst().reduce(offered.first ?? []) { $0.intersection($1) }.max()
        }
        if path.hops.isEmpty, kubelets.contains(where: { $0 < target }) { return [target] }
        return path.hops
    }
}
