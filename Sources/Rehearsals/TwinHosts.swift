package import ClusterTwin
internal import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import NodeAccess
package import Operations
internal import Synchronization

/// The hosts of a twin: packages, kubeadm and kubelets that take their time, and fail where somebody has it.
package final class TwinHosts: UpgradeHosts {
    /// How long things take, seconds of the twin's time; as measured on real nodes.
    package struct Pace: Sendable {
        package var packages = 15.0
        package var images = 20.0
        package var controlPlane = 60.0
        package var component = 15.0
        package var kubelet = 15.0
        package var backup = 30.0

        package init() {}
    }

    /// What can go wrong, and where.
    package enum Moment: Sendable, Equatable {
        case before, after
    }

    private struct Host {
        var versions: [String: KubernetesVersion] = [:]
        var held = Set(NodePackages.names)
        /// The manifests that it had before a version, by that version.
        var kept: [KubernetesVersion: [Component: KubernetesVersion]] = [:]
        var addons: [KubernetesVersion: JSON] = [:]
        var manifests: [Component: KubernetesVersion] = [:]
        var ended: Set<KubernetesVersion> = []
    }

    package let twin: Twin
    private let clock: Mutex<RunTime>
    private let pace: Pace
    private let hosts: Mutex<[String: Host]>
    /// Asked before and after everything that is done on a node; throws what goes wrong there.
    package let interfere: @Sendable (_ what: String, _ node: String, _ moment: Moment) async throws -> Void
    /// Conditions that do not hold for the moment.
    package let disturbances: @Sendable (_ node: String) -> [GateCheck]

    /// - Parameter version: of every package and manifest.
    package init(
        _ twin: Twin, _ version: KubernetesVersion, time: RunTime, pace: Pace = Pace(),
        disturbances: @escaping @Sendable (_ node: String) -> [GateCheck] = { _ in [] },
        interfere: @escaping @Sendable (_ what: String, _ node: String, _ moment: Moment) async throws -> Void = { _, _, _ in }
    ) {
        (self.twin, self.pace, self.disturbances, self.interfere) = (twin, pace, disturbances, interfere)
        clock = Mutex(time)
        var hosts: [String: Host] = [:]
        for node in twin.objects(.nodes).map(Node.init) {
            var host = Host()
            for name in NodePackages.names { host.versions[name] = version }
            if node.isControlPlane { for component in Component.servers { host.manifests[component] = version } }
            hosts[node.name] = host
        }
        self.hosts = Mutex(hosts)
    }

    /// Another process works on the same hosts, at its own time.
    package func move(to time: RunTime) { clock.withLock { $0 = time } }

    private var time: RunTime { clock.withLock { $0 } }

    private func reach<Result>(_ name: String, _ body: (inout Host) throws -> Result) throws -> Result {
        // A host that is down answers nobody.
        if let node = twin.object(.nodes, ObjectName("", name)).map(Node.init), !node.isReady, isDead(name) {
            throw NodeError(.unreachable, "\(name) cannot be reached")
        }
        return try hosts.withLock { hosts in
            guard var host = hosts[name] else { throw NodeError(.unreachable, "there is no host \(name)") }
            defer { hosts[name] = host }
            return try body(&host)
        }
    }

    private func isDead(_ name: String) -> Bool { twin.isDead(name) }

    private func work<Result>(_ what: String, on name: String, seconds: Double, _ body: (inout Host) throws -> Result) async throws -> Result {
        _ = try reach(name) { _ in }
        try await interfere(what, name, .before)
        try await time.sleep(.seconds(seconds))
        let result = try reach(name, body)
        try await interfere(what, name, .after)
        return result
    }

    // MARK: UpgradeHosts

    package func read(_ facts: inout UpgradeFacts, _ client: KubernetesClient) async throws { await facts.readRequests(client, []) }

    package func backUp(_ backup: UpgradeBackup) async throws -> String {
        try await time.sleep(.seconds(pace.backup))
        return "\(backup.cluster)/\(time.now().formatted(.iso8601))"
    }

    package func installed(on name: String) async throws -> InstalledPackages {
        try reach(name) { InstalledPackages(versions: $0.versions.mapValues { "\($0)-00" }, held: $0.held.sorted()) }
    }

    package func install(_ packages: [String], _ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws {
        try await work("install \(packages[0])", on: name, seconds: pace.packages) { host in
            for package in packages { host.versions[package] = version }
        }
    }

    package func fetchImages(
        _ version: KubernetesVersion, _ wanted: [String], from repository: String?, on name: String, notify: @escaping Notify
    ) async throws -> String? {
        try await work("fetch images", on: name, seconds: pace.images) { _ in "\(wanted.count) fetched" }
    }

    package func checks(beforeControlPlaneOn name: String) async throws -> [GateCheck] { disturbances(name) }

    package func manifests(on name: String) async throws -> [Component: KubernetesVersion] { try reach(name) { $0.manifests } }

    package func upgradeControlPlane(_ version: KubernetesVersion, isFirst: Bool, on name: String, notify: @escaping Notify) async throws {
        let kubeadm = try reach(name) { $0.versions["kubeadm"] }
        guard kubeadm == version else {
            throw NodeError(.failed, "\(name): kubeadm is \(kubeadm.map { "\($0)" } ?? "not there"), and \(version) is asked for")
        }
        try await work("kubeadm preflight", on: name, seconds: pace.controlPlane / 2) { _ in }
        for component in Component.servers {
            try await work("kubeadm \(component.rawValue)", on: name, seconds: pace.component) { host in
                host.manifests[component] = version
                twin.setStaticPod(component.rawValue, of: name, to: version)
            }
        }
        if isFirst { twin.setAddons(version) }
        try await work("kubeadm ends", on: name, seconds: pace.controlPlane / 2) { _ = $0.ended.insert(version) }
    }

    package func hasUpgradedControlPlane(_ version: KubernetesVersion, on name: String) async throws -> Bool {
        try reach(name) { $0.ended.contains(version) }
    }

    package func configureKubelet(_ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws {
        try await work("kubeadm upgrade node", on: name, seconds: 2) { _ in }
    }

    package func startKubelet(_ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws -> String {
        let installed = try await work("start kubelet", on: name, seconds: pace.kubelet) { $0.versions["kubelet"] }
        if let installed, !twin.isDead(name) { twin.setKubelet(of: name, to: installed) }
        return "started anew"
    }

    package func kubeletLog(on name: String) async -> String { "" }

    package func prove(controlPlaneOn name: String, notify: (String) -> Void) async throws { _ = try reach(name) { _ in } }

    package func keep(before version: KubernetesVersion, addons: JSON?, on name: String) async throws {
        try reach(name) { host in
            guard host.kept[version] == nil else { return }
            host.kept[version] = host.manifests
            if let addons { host.addons[version] = addons }
        }
    }

    package func hasKept(before version: KubernetesVersion, on name: String) async throws -> Bool { try reach(name) { $0.kept[version] != nil } }

    package func keptAddons(before version: KubernetesVersion, on name: String) async throws -> JSON? { try reach(name) { $0.addons[version] } }

    package func putKubeletFilesBack(before version: KubernetesVersion, on name: String) async throws { _ = try reach(name) { _ in } }

    package func putStaticPodsBack(before version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws -> [Component] {
        let (kept, now) = try reach(name) { ($0.kept[version] ?? [:], $0.manifests) }
        var replaced: [Component] = []
        for component in Component.servers {
            guard let old = kept[component], old != now[component] else { continue }
            try await work("put \(component.rawValue) back", on: name, seconds: pace.component) { host in
                host.manifests[component] = old
                twin.setStaticPod(component.rawValue, of: name, to: old)
            }
            replaced.append(component)
        }
        return replaced
    }
}
