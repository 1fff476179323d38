internal import Foundation
package import KubernetesAPI
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
        package var findings: [HostFinding]
        package var nodes: [Node]
        package var hosts: [HostFacts]
        package var forecast: DrainForecast?
    }

    /// Reads the cluster and its nodes, and makes the plan.
    /// - Throws: `OperationError` `.invalid` for what no plan can be made of.
    package func make(_ client: KubernetesClient) async throws -> Made {
        let facts = try await ClusterFacts.read(client)
        let nodes = facts.nodes.sorted { ($0.isControlPlane ? 0 : 1, $0.name) < ($1.isControlPlane ? 0 : 1, $1.name) }
        let accesses = try accesses(nodes)
        let hosts = try await withThrowingTaskGroup(of: HostFacts.self) { group in
            for access in accesses { group.addTask { [folders] in try await HostFacts.read(access, folders) } }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.node < $1.node }
        }
        let controlPlanes = accesses.filter { access in nodes.contains { $0.name == access.name && $0.isControlPlane } }
        guard !controlPlanes.isEmpty else {
            throw OperationError(.invalid, "none of the nodes is a control plane (node-role.kubernetes.io/control-plane or /master). Is the cluster kubeadm's?")
        }
        var settings = UpgradeSettings(control: try await control(controlPlanes), nodes: accesses, drain: drain)
        (settings.backup, settings.hooks, settings.ignoredPreflightErrors, settings.lockSeconds) = (backup, hooks, ignoredPreflightErrors, lockSeconds)
        for host in hosts {
            guard let manager = host.manager else { throw OperationError(.invalid, "\(host.node) has none of apt, dnf and zypper: nobody knows how to upgrade it.") }
            settings.packages[host.node] = NodePackages(manager: manager, held: host.packages.held)
        }
        settings.unreadyBefore = try await UpgradeRun.unready(client).map(\.workload)
        let hops = try hops(nodes, hosts)
        var plan = UpgradePlan(settings: settings, hops: hops, nodes: nodes, hosts: hosts)
        for loadBalancer in loadBalancers { plan.views.append(try await LoadBalancerView.read(loadBalancer)) }
        plan.addresses = Dictionary(
            uniqueKeysWithValues: settings.control.nodes.map { access in
                (access.name, nodes.first { $0.name == access.name }?.addresses.first ?? "")
            })
        (plan.canaries, plan.soakSeconds, plan.sessionSeconds) = (canaries, soakSeconds, sessionSeconds)
        plan.parallel = max(1, drain.maxUnavailable?.nodes(of: nodes.count) ?? 1)
        let forecast = try forecast(facts, accesses.map(\.name), plan.parallel, client.time.now())
        for outcome in forecast.nodes { plan.drainSeconds[outcome.node] = outcome.ends.map { max(5, $0 - outcome.begins) } }
        var made = Made(
            plan: try plan.make(subject: facts.subject), settings: settings, hops: hops, findings: [], nodes: nodes, hosts: hosts, forecast: forecast)
        let unnamed = nodes.map(\.name).filter { name in !accesses.contains { $0.name == name } }
        if !unnamed.isEmpty { made.plan.remarks.append("left as they are: \(unnamed.joined(separator: ", ")); name them with --host") }
        return made
    }

    private func accesses(_ nodes: [Node]) throws -> [NodeAccess] {
        guard let hosts else { return try nodes.map { try reach($0.name) } }
        if let unknown = hosts.first(where: { host in !nodes.contains { $0.name == host.name } }) {
            throw OperationError(.invalid, "the cluster has no node \(unknown.name). `drydock node status` shows the nodes; --host takes NAME=DESTINATION.")
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
                .invalid, "\(other.name) has no \(folders.kubernetes)/manifests/etcd.yaml: control planes with an etcd elsewhere are not upgraded here.")
        }
        return settings
    }

    /// From the oldest control plane or kubelet, over every minor.
    private func hops(_ nodes: [Node], _ hosts: [HostFacts]) throws -> [KubernetesVersion] {
        let kubelets = nodes.compactMap { KubernetesVersion($0.kubeletVersion) }
        let servers = hosts.compactMap { $0.images[Component.apiServer.rawValue] }.compactMap { ImageReference($0).version }
        guard let oldest = servers.min() else { throw OperationError(.invalid, "no control plane says in its manifest which version it has.") }
        // A run that ended half way is gone on with from where the last of them stands.
        let current = min(oldest, KubernetesVersion(major: oldest.major, minor: oldest.minor, patch: kubelets.filter { $0.minor == oldest.minor }.min()?.patch ?? oldest.patch))
        let path = try UpgradePath(from: min(current, target), to: target) { minor in
            if let named = via.first(where: { $0.minor == minor }) { return named }
            let offered = hosts.map { host in Set(host.available.compactMap { KubernetesVersion($0.prefix { $0 != "-" }) }.filter { $0.minor == minor }) }
            return offered.dropFirst().reduce(offered.first ?? []) { $0.intersection($1) }.max()
        }
        if path.hops.isEmpty, kubelets.contains(where: { $0 < target }) { return [target] }
        return path.hops
    }

    private func forecast(_ facts: ClusterFacts, _ names: [String], _ parallel: Int, _ now: Date) throws -> DrainForecast {
        var plan = NodeDrainPlan(nodes: names)
        (plan.options, plan.maxUnavailable, plan.respectsQuorum) = (drain.options, drain.maxUnavailable, true)
        plan.returns = true
        plan.gracePeriodSeconds = drain.gracePeriodSeconds
        return try plan.make(facts, at: now).forecast
    }
}
