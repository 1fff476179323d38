package import Etcd
internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import NodeAccess
internal import Subprocess
internal import SystemPackage

/// Carries an upgrade out. What takes long on a node is a job there, which outlives the connection; what a node's state says is believed before what a
/// command said.
package struct UpgradeRun: RunOperation {
    /// What a program that begins an upgrade brings along.
    package struct Means: Sendable {
        /// Makes the backup, reads it back, and says where it is.
        package var backUp: @Sendable (EtcdClient, ControlPlaneFiles, UpgradeBackup) async throws -> String
        /// Of a whole rollback.
        package var restore: RestoreRun?

        package init(
            backUp: @escaping @Sendable (EtcdClient, ControlPlaneFiles, UpgradeBackup) async throws -> String, restore: RestoreRun? = nil
        ) {
            self.backUp = backUp
            self.restore = restore
        }
    }

    package let client: KubernetesClient
    package let settings: UpgradeSettings
    let desk: DrainDesk
    let means: Means

    /// Watches the cluster for as long as `body` works with the operation.
    package static func working<Result: Sendable>(
        _ client: KubernetesClient, _ settings: UpgradeSettings, _ means: Means, body: @escaping @Sendable (UpgradeRun) async throws -> Result
    ) async throws -> Result {
        try await DrainDesk.working(client) { desk in
            try await body(UpgradeRun(client: client, settings: settings, desk: desk, means: means))
        }
    }

    package var canUndoWhenDone: Bool { true }

    package func changedNothing(_ error: any Error) -> Bool { (error as? OperationError)?.code == .refused }

    private var time: RunTime { client.time }
    private var restarts: Restarts { Restarts(settings.control, time) }
    private var nodes: NodeRun { NodeRun(client: client, settings: settings.drain, desk: desk) }
    private var traffic: LoadBalancerRun {
        LoadBalancerRun(
            settings: LoadBalancerRunSettings(
                loadBalancers: settings.control.loadBalancers, settleSeconds: settings.control.patienceSeconds), time: time)
    }

    private func job(on name: String) throws -> NodeJob {
        NodeJob(try settings.node(name), folder: settings.jobs, patience: .seconds(settings.control.patienceSeconds + settings.lockSeconds))
    }

    private func q(_ text: String) -> String { NodeAccess.quoted(text) }

    // MARK: The gate's conditions

    package func checks(before step: UpgradeAction.Step) async throws -> [GateCheck] {
        switch step.action {
        case .traffic(let action): return try await traffic.checks(before: step.map { _ in action }) + (step.isOwed == true ? [] : [try await workloads()])
        case .nodes(.uncordon): return []
        case .nodes(let action):
            let own = try await nodes.checks(before: step.map { _ in action })
            return own + (step.isOwed == true ? [] : [try await workloads()])
        case .empty(let name): return try await nodes.checks(before: step.map { _ in .cordon(node: name) }) + [try await workloads()]
        case .controlPlane(let name, _, _), .putBack(let name, _, _, _):
            guard settings.isControlPlane(name) else { return [] }
            return try await restarts.checks(before: .etcd, on: name) + restarts.checks(before: .apiServer, on: name)
        case .kubelet(let name, _), .configuration(let name, _):
            // A kubelet of another minor starts on an empty node.
            let node = try await client.get(Node.self, ObjectName("", name))
            return [GateCheck("drained", node.isUnschedulable ? .holds : .fails, "\(name) takes pods: somebody uncordoned it")]
        case .restore(let action): return try await restore.checks(before: step.map { _ in action })
        case .backup, .inspect, .packages, .images, .prove, .soak, .hook: return []
        }
    }

    private var restore: RestoreRun {
        get throws {
            guard let restore = means.restore else { throw OperationError(.invalid, "this run restores nothing.") }
            return restore
        }
    }

    /// A node goes when the workloads are whole that were whole when the run began.
    private func workloads() async throws -> GateCheck {
        let unready = try await Self.unready(client).filter { !settings.unreadyBefore.contains($0.workload) }
        return GateCheck(
            "workloads", unready.isEmpty ? .holds : .notYet, unready.prefix(3).map { "\($0.workload): \($0.complaint)" }.joined(separator: "; "))
    }

    /// Workloads that are not whole.
    package static func unready(_ client: KubernetesClient) async throws -> [(workload: String, complaint: String)] {
        var found: [(String, String)] = []
        for kind in Workload.rolling {
            let resource = Workload(kind: kind, name: ObjectName("", "")).resource
            for object in try await client.list(resource) {
                let workload = Workload(kind: kind, name: object.objectName)
                if let complaint = workload.rollout(of: object) { found.append(("\(workload)", complaint)) }
            }
        }
        return found
    }

    // MARK: Look, act, verify

    package func evidence(before step: UpgradeAction.Step) async throws -> [String: String] {
        switch step.action {
        case .traffic(let action): return try await traffic.evidence(before: step.map { _ in action })
        case .nodes(let action): return try await nodes.evidence(before: step.map { _ in action })
        case .restore(let action): return try await restore.evidence(before: step.map { _ in action })
        case .controlPlane(let name, _, _):
            return Dictionary(uniqueKeysWithValues: try await staticPods(of: name).map { ("hash \($0.component.rawValue)", $0.hash) })
        default: return [:]
        }
    }

    package func isAlreadySo(_ step: UpgradeAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .packages(let name, let packages, let version):
            let installed = try await installed(on: name)
            let isSo = packages.allSatisfy { installed.version($0) == version }
            return isSo && isHeld(installed, name) ? "they are there" : nil
        case .controlPlane(let name, let version, let isFirst):
            guard try await complaint(ofControlPlane: name, version, isFirst: isFirst) == nil else { return nil }
            // What kubeadm does after the static pods has an end only in its exit code.
            if evidence != nil, try await job(on: name).exitCode("control-plane-\(version)") != 0 { return nil }
            return "it is of \(version)"
        case .putBack(let name, let version, let hop, let isFirst):
            guard settings.isControlPlane(name) else { return try await hasCopies(name, hop) ? nil : "nothing was replaced" }
            guard try await hasCopies(name, hop) else { return "nothing was replaced" }
            return try await complaint(ofControlPlane: name, version, isFirst: isFirst) == nil ? "it is of \(version)" : nil
        case .kubelet(let name, let version):
            let installed = try await installed(on: name)
            guard installed.version("kubelet") == version, installed.version("kubectl") == version, isHeld(installed, name) else { return nil }
            return try await complaint(ofKubelet: name, version) == nil ? "it is of \(version)" : nil
        case .nodes(let action): return try await nodes.isAlreadySo(step.map { _ in action }, evidence: evidence)
        case .traffic(let action): return try await traffic.isAlreadySo(step.map { _ in action }, evidence: evidence)
        case .restore(let action): return try await restore.isAlreadySo(step.map { _ in action }, evidence: evidence)
        case .empty, .backup, .inspect, .images, .configuration, .prove, .soak, .hook: return nil
        }
    }

    package func act(_ step: UpgradeAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .backup: return try await backUp()
        case .inspect(let version): return try await inspect(version)
        case .packages(let name, let packages, let version):
            try await install(packages, version, on: name, notify)
            return nil
        case .images(let name, let version): return try await fetchImages(version, on: name, notify)
        case .controlPlane(let name, let version, let isFirst): return try await upgradeControlPlane(name, version, isFirst: isFirst, notify)
        case .putBack(let name, let version, let hop, let isFirst): return try await putBack(name, version, hop, isFirst: isFirst, notify)
        case .configuration(let name, let version):
            try await keepFiles(of: name, version)
            _ = try await job(on: name).run("configuration-\(version)", "kubeadm upgrade node\(ignoring)", notify: notify)
            return nil
        case .kubelet(let name, let version): return try await renewKubelet(of: name, version, notify)
        case .nodes(let action): return try await nodes.act(step.map { _ in action }, notify: notify)
        case .empty(let name):
            let run = nodes
            let cordon = step.map { _ in NodeAction.cordon(node: name) }
            if try await run.isAlreadySo(cordon, evidence: nil) == nil { _ = try await run.act(cordon, notify: notify) }
            return try await run.act(step.map { _ in .drain(node: name) }, notify: notify)
        case .traffic(let action): return try await traffic.act(step.map { _ in action }, notify: notify)
        case .prove(let name, let version): return try await prove(name, version)
        case .soak(let seconds):
            try await time.sleep(.seconds(seconds))
            return nil
        case .hook(let hook, let name, let version): return try await run(hook, name, version)
        case .restore(let action): return try await restore.act(step.map { _ in action }, notify: notify)
        }
    }

    package func verify(_ step: UpgradeAction.Step) async throws {
        switch step.action {
        case .traffic(let action): try await traffic.verify(step.map { _ in action })
        case .nodes(let action): try await nodes.verify(step.map { _ in action })
        case .restore(let action): try await restore.verify(step.map { _ in action })
        case .packages(let name, let packages, let version):
            let installed = try await installed(on: name)
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

    private func installed(on name: String) async throws -> InstalledPackages {
        let packages = try settings.packages(of: name)
        return InstalledPackages(parsing: try await settings.node(name).text(NodePackages.installed(packages.manager)))
    }

    private func isHeld(_ installed: InstalledPackages, _ name: String) -> Bool {
        Set(settings.packages[name]?.held ?? []).isSubset(of: installed.held)
    }

    private func install(_ packages: [String], _ version: KubernetesVersion, on name: String, _ notify: @escaping @Sendable (String) -> Void) async throws {
        let script = try settings.packages(of: name).install(packages, version, lockSeconds: Int(settings.lockSeconds))
        _ = try await job(on: name).run("packages-\(packages[0])-\(version)", script, notify: notify)
    }

    private var ignoring: String { settings.ignoredPreflightErrors.map { " --ignore-preflight-errors=\(q($0))" } ?? "" }

    /// Those that the node will run, one at a time, where they are not there yet.
    private func fetchImages(_ version: KubernetesVersion, on name: String, _ notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        let configuration = try? await client.get(.configMaps, ObjectName("kube-system", "kubeadm-config"))
        let repository = configuration.flatMap { map -> String? in
            let text = map["data"]["ClusterConfiguration"].string ?? ""
            return text.split(separator: "\n").first { $0.hasPrefix("imageRepository:") }?.dropFirst("imageRepository:".count)
                .trimmingCharacters(in: CharacterSet(charactersIn: " \"'"))
        }
        var wanted = settings.isControlPlane(name) ? ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"] : []
        if try await find(.daemonSets, "kube-proxy") != nil { wanted.append("kube-proxy") }
        if try await find(.deployments, "coredns") != nil { wanted.append("coredns") }
        guard !wanted.isEmpty else { return nil }
        let output = try await job(on: name).run(
            "images-\(version)",
            """
            command -v crictl >/dev/null || { echo "there is no crictl: the kubelet fetches the images"; exit 0; }
            all=$(kubeadm config images list --kubernetes-version \(version)\(repository.map { " --image-repository \(q($0))" } ?? ""))
            count=0
            for image in $(printf '%s\\n' "$all" | grep -E '/(\(wanted.joined(separator: "|"))):'); do
                crictl inspecti -q "$image" >/dev/null 2>&1 || { crictl pull "$image"; count=$((count + 1)); }
            done
            echo "$count fetched"
            """, notify: notify)
        return output.split(separator: "\n").last.map(String.init)
    }

    private func find(_ resource: Resource, _ name: String) async throws -> JSON? {
        do { return try await client.get(resource, ObjectName("kube-system", name)) } catch let error as APIStatus where error.isNotFound { return nil }
    }

    // MARK: Control planes

    /// A static pod as the API server shows it.
    private struct MirrorPod {
        var component: Component
        var version: KubernetesVersion?
        var hash: String
        var isReady: Bool
    }

    private func staticPods(of name: String) async throws -> [MirrorPod] {
        var found: [MirrorPod] = []
        for component in Component.allCases {
            guard let pod = try await find(.pods, "\(component.rawValue)-\(name)") else { continue }
            found.append(
                MirrorPod(
                    component: component, version: ImageReference(pod["spec"]["containers"].elements.first?["image"].string ?? "").version,
                    hash: pod["metadata"]["annotations"]["kubernetes.io/config.hash"].string ?? "",
                    isReady: pod["status"]["conditions"].elements.contains { $0["type"].string == "Ready" && $0["status"].string == "True" }))
        }
        return found
    }

    /// What a control-plane node lacks to be of a version; nil when it is.
    private func complaint(ofControlPlane name: String, _ version: KubernetesVersion, isFirst: Bool) async throws -> String? {
        let folder = q("\(settings.control.folders.kubernetes)/manifests")
        let text = try await settings.node(name).text(
            "for file in \(folder)/*.yaml; do echo \"$(basename \"$file\" .yaml) $(sed -n 's/^ *-\\{0,1\\} *image: *//p' \"$file\" | head -n 1)\"; done")
        let images = Dictionary(
            text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }.filter { $0.count == 2 }.map { ($0[0], $0[1]) },
            uniquingKeysWith: { $1 })
        for component in Component.servers {
            let image = images[component.rawValue].map { ImageReference($0.trimmingCharacters(in: ["\"", "'"])) }
            guard image?.version == version else { return "the manifest of \(component.rawValue) on \(name) is of \(image?.tag ?? "nothing")" }
        }
        let pods = try await staticPods(of: name)
        for component in Component.servers {
            guard let pod = pods.first(where: { $0.component == component }) else { return "\(component.rawValue) does not run on \(name)" }
            guard pod.version == version else { return "\(component.rawValue) on \(name) still runs \(pod.version.map { "\($0)" } ?? "another image")" }
            guard pod.isReady else { return "\(component.rawValue) on \(name) is not ready" }
        }
        guard isFirst else { return nil }
        let configuration = try await find(.configMaps, "kubeadm-config")?["data"]["ClusterConfiguration"].string ?? ""
        guard configuration.contains("kubernetesVersion: \(version)\n") else { return "kube-system/kubeadm-config is not of \(version) yet" }
        if let proxy = try await find(.daemonSets, "kube-proxy") {
            let image = ImageReference(proxy["spec"]["template"]["spec"]["containers"].elements.first?["image"].string ?? "")
            guard image.version == version else { return "kube-proxy is not of \(version) yet" }
        }
        return nil
    }

    private func upgradeControlPlane(
        _ name: String, _ version: KubernetesVersion, isFirst: Bool, _ notify: @escaping @Sendable (String) -> Void
    ) async throws -> String {
        let access = try settings.node(name)
        let before = try await staticPods(of: name)
        try await keepFiles(of: name, version)
        if isFirst { try await keepAddons(on: name, version) }
        try await restarts.handOver(from: name)
        if !settings.control.loadBalancers.isEmpty {
            // Who is still connected to this API server must not wait there for an etcd that is away: kubeadm starts etcd anew when its manifest differs by
            // a word. No new connections come, so those that end here begin elsewhere.
            notify("kube-apiserver starts anew first, so that its clients go elsewhere")
            if try await restarts.isStopped(.apiServer, on: name) { _ = try await restarts.start(.apiServer, on: name) } else { _ = try await restarts.restart(.apiServer, on: name) }
            try await restarts.prove(.apiServer, on: name, notify: notify)
        }
        let command = isFirst ? "kubeadm upgrade plan \(version)\(ignoring)\nkubeadm upgrade apply \(version) --yes\(ignoring)" : "kubeadm upgrade node\(ignoring)"
        do { _ = try await job(on: name).run("control-plane-\(version)", command, notify: notify) } catch let error as NodeError where error.code != .unreachable {
            let now = try? await staticPods(of: name).map { "\($0.component.rawValue) \($0.version.map { "\($0)" } ?? "?")" }.joined(separator: ", ")
            throw OperationError(
                .stopped,
                "\(error). On \(name) run now: \(now ?? "nobody can tell"). kubeadm has put back what it could; what was there before is also in \(copies(version)) on \(access.name)"
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
        for component in try settings.control.host(name).running { try await restarts.prove(component, on: name, notify: notify) }
    }

    // MARK: What was there before

    private func copies(_ version: KubernetesVersion) -> String { "\(settings.aside)/before-\(version)" }

    private func hasCopies(_ name: String, _ version: KubernetesVersion) async throws -> Bool {
        try await settings.node(name).text("if [ -e \(q("\(copies(version)).done")) ]; then echo yes; fi").hasPrefix("yes")
    }

    /// Lays copies aside of what kubeadm changes on a node, once.
    private func keepFiles(of name: String, _ version: KubernetesVersion) async throws {
        let folders = settings.control.folders
        let paths = [
            "\(folders.kubernetes)/manifests", "\(folders.kubelet)/config.yaml", "\(folders.kubelet)/kubeadm-flags.env",
        ]
        _ = try await settings.node(name).text("umask 077\n" + FileChanges(aside: settings.aside).keep(paths, in: copies(version)))
    }

    /// What all nodes share and kubeadm's `apply` changes, and nobody puts back.
    private static let addons: [(resource: Resource, name: String, field: String)] = [
        (.configMaps, "kubeadm-config", "data"), (.configMaps, "kube-proxy", "data"), (.configMaps, "coredns", "data"),
        (.daemonSets, "kube-proxy", "spec"), (.deployments, "coredns", "spec"),
    ]

    private func addonsFile(_ version: KubernetesVersion) -> String { "\(copies(version)).addons" }

    private func keepAddons(on name: String, _ version: KubernetesVersion) async throws {
        let file = q(addonsFile(version))
        let access = try settings.node(name)
        guard try await !access.text("if [ -e \(file) ]; then echo yes; fi").hasPrefix("yes") else { return }
        var kept: JSON = .object(JSONObject())
        for addon in Self.addons {
            if let object = try await find(addon.resource, addon.name) { kept["\(addon.resource.plural)/\(addon.name)"] = object[addon.field] }
        }
        _ = try await access.text("umask 077; cat >\(file).part; sync; mv \(file).part \(file)", input: Array(kept.description.utf8))
    }

    private func putAddonsBack(from name: String, _ hop: KubernetesVersion) async throws {
        let file = q(addonsFile(hop))
        let text = try await settings.node(name).text("if [ -e \(file) ]; then cat \(file); fi", limit: 4 << 20)
        guard !text.isEmpty else { return }
        let kept = try JSON(parsing: text)
        for addon in Self.addons {
            let old = kept["\(addon.resource.plural)/\(addon.name)"]
            guard !old.isNull, var object = try await find(addon.resource, addon.name), object[addon.field] != old else { continue }
            object[addon.field] = old
            _ = try await client.replace(addon.resource, object)
        }
    }

    private func putBack(
        _ name: String, _ version: KubernetesVersion, _ hop: KubernetesVersion, isFirst: Bool, _ notify: @escaping @Sendable (String) -> Void
    ) async throws -> String? {
        let access = try settings.node(name)
        let kubelet = settings.control.folders.kubelet
        let files = ["\(kubelet)/config.yaml", "\(kubelet)/kubeadm-flags.env"].map { path in
            "if [ -e \(q(copies(hop) + path)) ]; then cp -a \(q(copies(hop) + path)) \(q(path + ".drydock-part")); mv -f \(q(path + ".drydock-part")) \(q(path)); fi"
        }
        _ = try await access.text(files.joined(separator: "\n"))
        guard settings.isControlPlane(name) else { return "the kubelet's configuration of \(version)" }
        if isFirst { try await putAddonsBack(from: name, hop) }
        let replaced = try await restarts.putBack(on: name, from: "\(copies(hop))\(settings.control.folders.kubernetes)/manifests", notify: notify)
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
        let access = try settings.node(name)
        try await install(["kubelet", "kubectl"], version, on: name, notify)
        let process = "systemctl show -p MainPID --value kubelet"
        let before = try await access.text(process)
        _ = try await job(on: name).run("kubelet-\(version)", "systemctl daemon-reload\nsystemctl restart kubelet", notify: notify)
        do {
            try await time.wait(within: settings.control.patienceSeconds, notify: notify) { try await complaint(ofKubelet: name, version) }
        } catch let error as OperationError {
            let said = (try? await access.text("journalctl -u kubelet -n 5 --no-pager -o cat 2>/dev/null || :")) ?? ""
            throw OperationError(error.code, "\(error)\(said.isEmpty ? "" : "; the kubelet said last: \(said.split(separator: "\n").joined(separator: "; ").suffix(600))")")
        }
        let after = try await access.text(process)
        return "process \(before.trimmed) became \(after.trimmed)"
    }

    private func prove(_ name: String, _ version: KubernetesVersion) async throws -> String {
        try await time.wait(within: settings.control.patienceSeconds) {
            if let complaint = try await complaint(ofKubelet: name, version) { return complaint }
            return settings.isControlPlane(name) ? try await complaint(ofControlPlane: name, version, isFirst: false) : nil
        }
        let node = try await client.get(Node.self, ObjectName("", name))
        return "kubelet \(node.kubeletVersion), boot \(node.bootID.prefix(8))"
    }

    // MARK: Around it

    private func backUp() async throws -> String {
        guard let backup = settings.backup else { return "none was asked for" }
        let files = ControlPlaneFiles(nodes: settings.control.nodes)
        return try await ControlPlaneProbe(settings.control.hosts).withEtcd { try await means.backUp($0, files, backup) }
    }

    private func inspect(_ version: KubernetesVersion) async throws -> String? {
        let facts = try await UpgradeInspection(client: client, settings: settings).facts()
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
        let outcome = try await Subprocess.run(
            .path(FilePath(hook.program)), environment: .inherit.updating(environment), input: .none, output: .string(limit: 64 << 10),
            error: .string(limit: 64 << 10))
        let said = (outcome.standardOutput + outcome.standardError).split(whereSeparator: \.isNewline).suffix(3).joined(separator: "; ")
        guard outcome.terminationStatus.isSuccess else {
            throw OperationError(.stopped, "\(hook.program) ended with \(outcome.terminationStatus): \(said)")
        }
        return said.isEmpty ? nil : said
    }
}

extension String {
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
