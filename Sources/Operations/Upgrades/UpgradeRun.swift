internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import NodeAccess
internal import Subprocess

/// Carries an upgrade out. What a node's state says is believed before what a command said.
package struct UpgradeRun: RunOperation {
    package let client: KubernetesClient
    package let settings: UpgradeSettings
    /// nil while the API is away, as it is in the middle of a whole rollback: then no node can be drained.
    let desk: DrainDesk?
    let hosts: any UpgradeHosts
    /// Of a whole rollback.
    let restored: RestoreRun?

    /// Watches the cluster for as long as `body` works with the operation.
    /// - Parameter restore: of a whole rollback.
    package static func working<Result: Sendable>(
        _ client: KubernetesClient, _ settings: UpgradeSettings, on hosts: any UpgradeHosts, restore: RestoreRun? = nil,
        body: @escaping @Sendable (UpgradeRun) async throws -> Result
    ) async throws -> Result {
        if restore != nil, await !Self.answers(client) {
            return try await body(UpgradeRun(client: client, settings: settings, desk: nil, hosts: hosts, restored: restore))
        }
        return try await DrainDesk.working(client) { desk in
            try await body(UpgradeRun(client: client, settings: settings, desk: desk, hosts: hosts, restored: restore))
        }
    }

    /// Whether there is an API that can be asked.
    package static func answers(_ client: KubernetesClient) async -> Bool { (try? await client.clusterSubject()) != nil }

    package var canUndoWhenDone: Bool { true }

    package func changedNothing(_ error: any Error) -> Bool { (error as? OperationError)?.code == .refused }

    private var time: RunTime { client.time }
    private var nodes: NodeRun {
        get throws {
            guard let desk else {
                throw OperationError(
                    .stopped, "the API did not answer when this began, so no node can be drained. When it is back, go on with the run")
            }
            return NodeRun(client: client, settings: settings.drain, desk: desk)
        }
    }
    private var traffic: LoadBalancerRun {
        LoadBalancerRun(
            settings: LoadBalancerRunSettings(
                loadBalancers: settings.control.loadBalancers, settleSeconds: settings.control.patienceSeconds), time: time)
    }

    // MARK: The gate's conditions

    package func checks(before step: UpgradeAction.Step) async throws -> [GateCheck] {
        switch step.action {
        case .traffic(let action):
            return try await traffic.checks(before: step.carrying(action)) + (step.isOwed == true ? [] : [try await workloads()])
        case .packages, .hook: return step.isOwed == true ? [] : [try await workloads()]
        case .nodes(.uncordon): return []
        case .nodes(let action):
            let own = try await nodes.checks(before: step.carrying(action))
            return own + (step.isOwed == true ? [] : [try await workloads()])
        case .empty(let name): return try await nodes.checks(before: step.carrying(.cordon(node: name))) + [try await workloads()]
        case .controlPlane(let name, _, _), .putBack(let name, _, _, _):
            guard settings.isControlPlane(name) else { return [] }
            return try await hosts.checks(beforeControlPlaneOn: name)
        case .kubelet(let name, _), .kubeletBack(let name, _, _), .configuration(let name, _):
            // A kubelet of another minor starts on an empty node.
            let node = try await client.get(Node.self, ObjectName("", name))
            let drained = GateCheck(
                "drained", node.isUnschedulable ? .holds : .fails,
                "\(name) takes pods: somebody uncordoned it. Cordon and drain it (`drydock node drain \(name)`), then go on")
            // A kubelet of another minor may start every container of its node anew, static pods too.
            return [drained] + (settings.isControlPlane(name) ? try await hosts.checks(beforeControlPlaneOn: name) : [])
        case .restore(let action): return try await restore.checks(before: step.carrying(action))
        case .backup, .inspect, .images, .prove, .soak: return []
        }
    }

    private var restore: RestoreRun {
        get throws {
            guard let restore = restored else { throw OperationError(.invalid, "this run restores nothing.") }
            return restore
        }
    }

    /// A node goes when the workloads are whole that were whole when the run began.
    private func workloads() async throws -> GateCheck {
        let unready = UpgradeFacts.complaints(of: try await UpgradeFacts.rolling(client)).filter { !settings.unreadyBefore.contains($0.workload) }
        return GateCheck(
            "workloads", unready.isEmpty ? .holds : .notYet, unready.prefix(3).map { "\($0.workload): \($0.complaint)" }.joined(separator: "; "))
    }

    // MARK: Look, act, verify

    package func evidence(before step: UpgradeAction.Step) async throws -> [String: String] {
        switch step.action {
        case .traffic(let action): return try await traffic.evidence(before: step.carrying(action))
        case .nodes(let action): return try await nodes.evidence(before: step.carrying(action))
        case .restore(let action): return try await restore.evidence(before: step.carrying(action))
        default: return [:]
        }
    }

    package func isAlreadySo(_ step: UpgradeAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .packages(let name, let packages, let version):
            let installed = try await hosts.installed(on: name)
            let isSo = packages.allSatisfy { installed.version($0) == version }
            return isSo && isHeld(installed, name) ? "they are there" : nil
        case .controlPlane(let name, let version, let isFirst):
            guard try await complaint(ofControlPlane: name, version, isFirst: isFirst) == nil else { return nil }
            // What kubeadm does after the static pods has an end only in its exit code.
            if evidence != nil, try await !hosts.hasUpgradedControlPlane(version, on: name) { return nil }
            return "it is of \(version)"
        case .putBack(let name, _, let hop, _): return try await hosts.hasKept(before: hop, on: name) ? nil : "nothing was replaced"
        case .kubelet(let name, let version):
            let installed = try await hosts.installed(on: name)
            guard installed.version("kubelet") == version, installed.version("kubectl") == version, isHeld(installed, name) else { return nil }
            return try await complaint(ofKubelet: name, version) == nil ? "it is of \(version)" : nil
        case .nodes(let action): return try await nodes.isAlreadySo(step.carrying(action), evidence: evidence)
        case .traffic(let action): return try await traffic.isAlreadySo(step.carrying(action), evidence: evidence)
        case .restore(let action): return try await restore.isAlreadySo(step.carrying(action), evidence: evidence)
        case .empty, .kubeletBack, .backup, .inspect, .images, .configuration, .prove, .soak, .hook: return nil
        }
    }

    package func act(_ step: UpgradeAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .backup:
            guard let backup = settings.backup else { return "none was asked for" }
            return try await hosts.backUp(backup)
        case .inspect(let version): return try await inspect(version)
        case .packages(let name, let packages, let version):
            try await hosts.install(packages, version, on: name, notify: notify)
            return nil
        case .images(let name, let version): return try await fetchImages(version, on: name, notify)
        case .controlPlane(let name, let version, let isFirst): return try await upgradeControlPlane(name, version, isFirst: isFirst, notify)
        case .putBack(let name, let version, let hop, let isFirst): return try await putBack(name, version, hop, isFirst: isFirst, notify)
        case .configuration(let name, let version):
            try await hosts.keep(before: version, addons: nil, on: name)
            try await hosts.configureKubelet(version, on: name, notify: notify)
            return nil
        case .kubelet(let name, let version): return try await renewKubelet(of: name, version, notify)
        case .kubeletBack(let name, let version, let hop):
            // The older one may not know what the newer one reads.
            try await hosts.putKubeletFilesBack(before: hop, on: name)
            return try await renewKubelet(of: name, version, notify)
        case .nodes(let action): return try await nodes.act(step.carrying(action), notify: notify)
        case .empty(let name):
            let run = try nodes
            let cordon = step.carrying(NodeAction.cordon(node: name))
            if try await run.isAlreadySo(cordon, evidence: nil) == nil { _ = try await run.act(cordon, notify: notify) }
            do { return try await run.act(step.carrying(.drain(node: name)), notify: notify) } catch let error as OperationError
                where error.code == .refused
            {
                // Something was changed: the node is cordoned.
                throw OperationError(.stopped, "\(error); \(name) is cordoned")
            }
        case .traffic(let action): return try await traffic.act(step.carrying(action), notify: notify)
        case .prove(let name, let version): return try await prove(name, version)
        case .soak(let seconds):
            try await time.sleep(.seconds(seconds))
            return nil
        case .hook(let hook, let name, let version): return try await run(hook, name, version)
        case .restore(let action): return try await restore.act(step.carrying(action), notify: notify)
        }
    }

    package func verify(_ step: UpgradeAction.Step) async throws {
        switch step.action {
        case .traffic(let action): try await traffic.verify(step.carrying(action))
        case .nodes(let action): try await nodes.verify(step.carrying(action))
        case .restore(let action): try await restore.verify(step.carrying(action))
        case .packages(let name, let packages, let version):
            let installed = try await hosts.installed(on: name)
            if let wrong = packages.first(where: { installed.version($0) != version }) {
                throw OperationError(.stopped, "\(wrong) on \(name) is \(installed.versions[wrong] ?? "not installed"), and not \(version)")
            }
            guard isHeld(installed, name) else { throw OperationError(.stopped, "the packages that are held on \(name) are not held any more") }
        case .controlPlane(let name, let version, let isFirst), .putBack(let name, let version, _, let isFirst):
            try await settle(name, version, isFirst: isFirst) { _ in }
        default: break
        }
    }

    // MARK: Packages

    private func isHeld(_ installed: InstalledPackages, _ name: String) -> Bool {
        Set(settings.packages[name]?.held ?? []).isSubset(of: installed.held)
    }

    /// Those that the node will run, one at a time, where they are not there yet.
    private func fetchImages(_ version: KubernetesVersion, on name: String, _ notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        let repository = try await ClusterConfiguration.find(client)?.imageRepository
        var wanted = settings.isControlPlane(name) ? ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"] : []
        if try await find(.daemonSets, "kube-proxy") != nil { wanted.append("kube-proxy") }
        if try await find(.deployments, "coredns") != nil { wanted.append("coredns") }
        guard !wanted.isEmpty else { return nil }
        return try await hosts.fetchImages(version, wanted, from: repository, on: name, notify: notify)
    }

    private func find(_ resource: Resource, _ name: String) async throws -> JSON? {
        try await client.find(resource, ObjectName("kube-system", name))
    }

    // MARK: Control planes

    /// A static pod as the API server shows it.
    private struct MirrorPod {
        var component: Component
        var version: KubernetesVersion?
        var hash: String
        var isRunning: Bool
    }

    private func staticPods(of name: String) async throws -> [MirrorPod] {
        var found: [MirrorPod] = []
        for component in Component.allCases {
            guard let pod = try await find(.pods, "\(component.rawValue)-\(name)") else { continue }
            found.append(
                MirrorPod(
                    component: component, version: ImageReference(pod["spec"]["containers"].elements.first?["image"].string ?? "").version,
                    hash: pod["metadata"]["annotations"]["kubernetes.io/config.hash"].string ?? "",
                    isRunning: pod["status"]["phase"].string == "Running"))
        }
        return found
    }

    /// What a control-plane node lacks to be of a version; nil when it is.
    private func complaint(ofControlPlane name: String, _ version: KubernetesVersion, isFirst: Bool) async throws -> String? {
        let manifests = try await hosts.manifests(on: name)
        for component in Component.servers where manifests[component] != version {
            return "the manifest of \(component.rawValue) on \(name) is of \(manifests[component].map { "\($0)" } ?? "nothing")"
        }
        let pods = try await staticPods(of: name)
        for component in Component.servers {
            guard let pod = pods.first(where: { $0.component == component }) else { return "\(component.rawValue) does not run on \(name)" }
            guard pod.version == version else {
                return "\(component.rawValue) on \(name) still runs \(pod.version.map { "\($0)" } ?? "another image")"
            }
            // Whether it is ready its own port says: kubelets tell that of static pods a minute late.
            guard pod.isRunning else { return "\(component.rawValue) on \(name) does not run yet" }
        }
        guard isFirst else { return nil }
        guard try await ClusterConfiguration.read(client).kubernetesVersion == version else {
            return "kube-system/kubeadm-config is not of \(version) yet"
        }
        if let proxy = try await find(.daemonSets, "kube-proxy") {
            let image = ImageReference(proxy["spec"]["template"]["spec"]["containers"].elements.first?["image"].string ?? "")
            guard image.version == version else { return "kube-proxy is not of \(version) yet" }
        }
        return nil
    }

    private func upgradeControlPlane(
        _ name: String, _ version: KubernetesVersion, isFirst: Bool, _ notify: @escaping @Sendable (String) -> Void
    ) async throws -> String {
        let before = try await staticPods(of: name)
        try await hosts.keep(before: version, addons: isFirst ? addons() : nil, on: name)
        do { try await hosts.upgradeControlPlane(version, isFirst: isFirst, on: name, notify: notify) } catch let error as NodeError
            where error.code == .failed || error.code == .interrupted
        {
            let now = try? await staticPods(of: name).map { "\($0.component.rawValue) \($0.version.map { "\($0)" } ?? "?")" }.joined(separator: ", ")
            throw OperationError(
                .stopped,
                "\(error). On \(name) run now: \(now ?? "nobody can tell"). kubeadm has put back what it could; what was there before is also in \(settings.aside) on \(name)"
            )
        }
        try await settle(name, version, isFirst: isFirst, notify)
        let after = try await staticPods(of: name)
        let changed = after.compactMap { pod -> String? in
            guard let old = before.first(where: { $0.component == pod.component }), old.hash != pod.hash else { return nil }
            return "\(pod.component.rawValue) (hash \(old.hash.prefix(6)) to \(pod.hash.prefix(6)))"
        }
        return changed.isEmpty ? "nothing changed" : changed.joined(separator: ", ")
    }

    /// Waits until a control plane is of a version, and every part of it well on the wire.
    private func settle(_ name: String, _ version: KubernetesVersion, isFirst: Bool, _ notify: (String) -> Void) async throws {
        guard settings.isControlPlane(name) else { return }
        try await time.wait(within: settings.control.patienceSeconds, notify: notify) {
            try await complaint(ofControlPlane: name, version, isFirst: isFirst)
        }
        try await hosts.prove(controlPlaneOn: name, notify: notify)
    }

    // MARK: What was there before

    /// What all nodes share and kubeadm's `apply` changes, and nobody puts back. Of workloads the template: how many there are is somebody else's.
    private static let addonObjects: [(resource: Resource, name: String, field: [String])] = [
        (.configMaps, "kubeadm-config", ["data"]), (.configMaps, "kubelet-config", ["data"]), (.configMaps, "kube-proxy", ["data"]),
        (.configMaps, "coredns", ["data"]), (.daemonSets, "kube-proxy", ["spec", "template"]), (.deployments, "coredns", ["spec", "template"]),
    ]

    private func addons() async throws -> JSON {
        var kept: JSON = .object(JSONObject())
        for addon in Self.addonObjects {
            if let object = try await find(addon.resource, addon.name) {
                kept["\(addon.resource.plural)/\(addon.name)"] = addon.field.reduce(object) { $0[$1] }
            }
        }
        return kept
    }

    private func putAddonsBack(_ kept: JSON) async throws {
        for addon in Self.addonObjects {
            let old = kept["\(addon.resource.plural)/\(addon.name)"]
            guard !old.isNull else { continue }
            var attempts = 0
            while var object = try await find(addon.resource, addon.name), addon.field.reduce(object, { $0[$1] }) != old {
                if addon.field.count == 2 { object[addon.field[0]][addon.field[1]] = old } else { object[addon.field[0]] = old }
                do {
                    _ = try await client.replace(addon.resource, object)
                    break
                } catch let error as APIStatus where error.code == 409 && attempts < 5 { attempts += 1 }
            }
        }
    }

    private func putBack(
        _ name: String, _ version: KubernetesVersion, _ hop: KubernetesVersion, isFirst: Bool, _ notify: @escaping @Sendable (String) -> Void
    ) async throws -> String? {
        if isFirst, let kept = try await hosts.keptAddons(before: hop, on: name) { try await putAddonsBack(kept) }
        try await hosts.putKubeletFilesBack(before: hop, on: name)
        guard settings.isControlPlane(name) else { return "the kubelet's configuration of \(version)" }
        let replaced = try await hosts.putStaticPodsBack(before: hop, on: name, notify: notify)
        return replaced.isEmpty ? "nothing was to be put back" : replaced.map(\.rawValue).joined(separator: ", ")
    }

    // MARK: Kubelets

    /// What a kubelet lacks to be of a version and well; nil when it is.
    private func complaint(ofKubelet name: String, _ version: KubernetesVersion) async throws -> String? {
        let node = try await client.get(Node.self, ObjectName("", name))
        guard KubernetesVersion(node.kubeletVersion) == version else { return "the kubelet of \(name) says that it is \(node.kubeletVersion)" }
        return node.isReady ? nil : "\(name) is not ready: \(node.condition("Ready")?["message"].string ?? "its kubelet says nothing")"
    }

    private func renewKubelet(of name: String, _ version: KubernetesVersion, _ notify: @escaping @Sendable (String) -> Void) async throws -> String {
        try await hosts.install(["kubelet", "kubectl"], version, on: name, notify: notify)
        let change = try await hosts.startKubelet(version, on: name, notify: notify)
        do {
            try await time.wait(within: settings.control.patienceSeconds, notify: notify) { try await complaint(ofKubelet: name, version) }
        } catch let error as OperationError {
            let said = await hosts.kubeletLog(on: name)
            throw OperationError(error.code, "\(error)\(said.isEmpty ? "" : "; the kubelet said last: \(said.suffix(600))")")
        }
        return change
    }

    private func prove(_ name: String, _ version: KubernetesVersion) async throws -> String {
        try await time.wait(within: settings.control.patienceSeconds) {
            if let complaint = try await complaint(ofKubelet: name, version) { return complaint }
            return settings.isControlPlane(name) ? try await complaint(ofControlPlane: name, version, isFirst: false) : nil
        }
        if settings.isControlPlane(name) { try await hosts.prove(controlPlaneOn: name) { _ in } }
        let node = try await client.get(Node.self, ObjectName("", name))
        return "kubelet \(node.kubeletVersion), boot \(node.bootID.prefix(8))"
    }

    // MARK: Around it

    private func inspect(_ version: KubernetesVersion) async throws -> String? {
        let facts = try await UpgradeInspection(client: client, settings: settings, hosts: hosts).facts()
        let checks = UpgradeChecks(facts, hops: [version], at: time.now()).all
        let refusals = UpgradeChecks.refusals(checks, waiving: settings.waivedChecks)
        guard refusals.isEmpty else { throw OperationError(.refused, "the cluster may not go to \(version): \(refusals.joined(separator: "; "))") }
        let warnings = checks.reduce(0) { $0 + $1.findings.count }
        return warnings == 0 ? "nothing is in the way" : "\(warnings) findings, none in the way"
    }

    private func run(_ hook: UpgradeHook, _ node: String?, _ version: KubernetesVersion) async throws -> String? {
        let environment: [Environment.Key: String?] = [
            "DRYDOCK_VERSION": "\(version)", "DRYDOCK_NODE": node ?? "", "KUBECONFIG": settings.drain.kubeconfigs.joined(separator: ":"),
        ]
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-hook-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        // However much it says, and however long it wants to take.
        let script = "exec timeout -k 10 \(settings.control.patienceSeconds.wholeSeconds) \"$0\" >\"$1\" 2>&1 </dev/null"
        let outcome = try await Subprocess.run(
            .name("sh"), arguments: ["-c", script, hook.program, folder.appendingPathComponent("said").path],
            environment: .inherit.updating(environment), input: .none, output: .discarded, error: .discarded)
        let file = try? FileHandle(forReadingFrom: folder.appendingPathComponent("said"))
        let size = (try? file?.seekToEnd()) ?? 0
        try? file?.seek(toOffset: size > 4096 ? size - 4096 : 0)
        let text = String(decoding: (try? file?.readToEnd()) ?? Data(), as: UTF8.self)
        let said = text.split(whereSeparator: \.isNewline).suffix(3).joined(separator: "; ")
        guard outcome.terminationStatus.isSuccess else {
            let isLate = outcome.terminationStatus == .exited(124)
            throw OperationError(
                .stopped,
                "\(hook.program) \(isLate ? "did not end within \(settings.control.patienceSeconds.wholeSeconds) s" : "ended with \(outcome.terminationStatus)"): \(said)"
            )
        }
        return said.isEmpty ? nil : said
    }
}
