package import Etcd
internal import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import NodeAccess

/// The hosts of a cluster, as an upgrade needs them: their packages, kubeadm, their kubelets and their static pods. Those of real nodes, and those of a twin.
package protocol UpgradeHosts: Sendable {
    typealias Notify = @Sendable (String) -> Void

    /// Adds what hosts, etcd and certificates tell to what the cluster tells.
    func read(_ facts: inout UpgradeFacts, _ client: KubernetesClient) async throws

    /// Makes a backup of etcd and of the control planes' files, reads it back, and says where it is.
    func backUp(_ backup: UpgradeBackup) async throws -> String

    func installed(on name: String) async throws -> InstalledPackages
    /// Also older versions; what was held stays held.
    func install(_ packages: [String], _ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws
    /// - Parameters:
    ///   - wanted: names of images, without registry and tag.
    ///   - repository: where they are; nil for kubeadm's own.
    func fetchImages(_ version: KubernetesVersion, _ wanted: [String], from repository: String?, on name: String, notify: @escaping Notify)
        async throws -> String?

    /// The gate's conditions before the control plane on a node goes: etcd's quorum without it, another API server.
    func checks(beforeControlPlaneOn name: String) async throws -> [GateCheck]
    /// The versions that the manifests of static pods name.
    func manifests(on name: String) async throws -> [Component: KubernetesVersion]
    /// kubeadm's part on a control-plane node.
    func upgradeControlPlane(_ version: KubernetesVersion, isFirst: Bool, on name: String, notify: @escaping Notify) async throws
    /// Whether kubeadm came to its end, and a good one.
    func hasUpgradedControlPlane(_ version: KubernetesVersion, on name: String) async throws -> Bool
    /// kubeadm's part on a worker.
    func configureKubelet(_ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws
    /// Starts the kubelet anew. Returns what tells the new process from the old one.
    func startKubelet(_ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws -> String
    /// What the kubelet said last.
    func kubeletLog(on name: String) async -> String
    /// Waits until every part of a control plane presents what lies on its disk and its peers see it.
    func prove(controlPlaneOn name: String, notify: (String) -> Void) async throws

    /// Lays aside what kubeadm changes on a node, once.
    /// - Parameter addons: what it changes in the cluster.
    func keep(before version: KubernetesVersion, addons: JSON?, on name: String) async throws
    func hasKept(before version: KubernetesVersion, on name: String) async throws -> Bool
    func keptAddons(before version: KubernetesVersion, on name: String) async throws -> JSON?
    /// Puts the kubelet's files back; it reads them when it starts anew.
    func putKubeletFilesBack(before version: KubernetesVersion, on name: String) async throws
    /// Puts static pods back, one at a time, where they differ. An etcd stays that would be of an older minor: it would not start on what a newer cluster has
    /// written. Returns which were put back.
    func putStaticPodsBack(before version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws -> [Component]
}

/// Real hosts with kubeadm. What takes long on them is a job there, which outlives the connection.
package struct KubeadmHosts: UpgradeHosts {
    /// Makes the backup, reads it back, and says where it is.
    package typealias BackUp = @Sendable (EtcdClient, ControlPlaneFiles, UpgradeBackup) async throws -> String

    package let settings: UpgradeSettings
    let time: RunTime
    let makeBackup: BackUp

    package init(_ settings: UpgradeSettings, time: RunTime = .system, backUp: @escaping BackUp) {
        self.settings = settings
        self.time = time
        makeBackup = backUp
    }

    private var restarts: Restarts { Restarts(settings.control, time) }
    private func q(_ text: String) -> String { NodeAccess.quoted(text) }

    private func job(on name: String) throws -> NodeJob {
        NodeJob(try settings.node(name), folder: settings.jobs, patience: .seconds(settings.control.patienceSeconds + settings.lockSeconds))
    }

    // MARK: Looking

    package func read(_ facts: inout UpgradeFacts, _ client: KubernetesClient) async throws {
        facts.hosts = try await withThrowingTaskGroup(of: HostFacts.self) { group in
            for access in settings.nodes { group.addTask { [folders = settings.control.folders] in try await HostFacts.read(access, folders) } }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.node < $1.node }
        }
        await facts.readRequests(client, settings.control.hosts)
        guard !settings.control.hosts.isEmpty else { return }
        await facts.readEtcd(settings.control.hosts)
        var nodes: [NodeCertificates] = []
        for access in settings.control.nodes { nodes.append(try await .read(access, settings.control.folders)) }
        facts.certificates = CertificateReport(nodes, warnSeconds: 7 * 86400, at: time.now())
    }

    package func backUp(_ backup: UpgradeBackup) async throws -> String {
        let files = ControlPlaneFiles(nodes: settings.control.nodes)
        return try await ControlPlaneProbe(settings.control.hosts).withEtcd { try await makeBackup($0, files, backup) }
    }

    package func checks(beforeControlPlaneOn name: String) async throws -> [GateCheck] {
        try await restarts.checks(before: .etcd, on: name) + restarts.checks(before: .apiServer, on: name)
    }

    package func manifests(on name: String) async throws -> [Component: KubernetesVersion] {
        let text = try await settings.node(name).text(StaticPodImages.script(settings.control.folders))
        let pairs = StaticPodImages.parse(text.components(separatedBy: "\n")).compactMap { name, image in
            Component(rawValue: name).flatMap { component in ImageReference(image).version.map { (component, $0) } }
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    // MARK: Packages and images

    package func installed(on name: String) async throws -> InstalledPackages {
        let packages = try settings.packages(of: name)
        return InstalledPackages(parsing: try await settings.node(name).text(NodePackages.installed(packages.manager)))
    }

    package func install(_ packages: [String], _ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws {
        let script = try settings.packages(of: name).install(packages, version, lockSeconds: Int(settings.lockSeconds))
        _ = try await job(on: name).run("packages-\(packages[0])-\(version)", script, notify: notify)
    }

    package func fetchImages(
        _ version: KubernetesVersion, _ wanted: [String], from repository: String?, on name: String, notify: @escaping Notify
    ) async throws -> String? {
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

    // MARK: kubeadm

    private var ignoring: String { settings.ignoredPreflightErrors.map { " --ignore-preflight-errors=\(q($0))" } ?? "" }

    package func upgradeControlPlane(_ version: KubernetesVersion, isFirst: Bool, on name: String, notify: @escaping Notify) async throws {
        let job = try job(on: name)
        let jobName = "control-plane-\(version)"
        // kubeadm that an earlier life began must not find its static pods taken away.
        if try await job.attach(jobName, notify: notify), try await job.exitCode(jobName) == 0 { return }
        try await restarts.handOver(from: name)
        if !settings.control.loadBalancers.isEmpty {
            // Who is still connected to this API server must not wait there for an etcd that is away: kubeadm starts etcd anew when its manifest differs by
            // a word. No new connections come, so those that end here begin elsewhere.
            try await emptyServer(of: name, before: version, notify)
            try await restarts.prove(.apiServer, on: name, notify: notify)
        }
        let command =
            isFirst
            ? "kubeadm upgrade plan \(version)\(ignoring)\nkubeadm upgrade apply \(version) --yes\(ignoring)" : "kubeadm upgrade node\(ignoring)"
        _ = try await job.run(jobName, command, notify: notify)
    }

    /// Starts the API server anew, once, by an annotation in its manifest, which kubeadm then writes anew.
    private func emptyServer(of name: String, before version: KubernetesVersion, _ notify: Notify) async throws {
        let access = try settings.node(name)
        let path = "\(settings.control.folders.kubernetes)/manifests/kube-apiserver.yaml"
        let text = try await access.text("if [ -e \(q(path)) ]; then cat \(q(path)); fi")
        guard !text.isEmpty else {
            _ = try await restarts.start(.apiServer, on: name)
            return
        }
        let value = "\(settings.control.tag) \(version)"
        if !text.contains("drydock.dev/emptied: \"\(value)\"") {
            notify("kube-apiserver starts anew first, so that its clients go elsewhere")
            let bytes = Array(try StaticPod.annotating(text, "drydock.dev/emptied", value, from: "\(path) on \(name)").utf8)
            let part = q("\(settings.aside)/kube-apiserver.yaml")
            // Not among the manifests: the kubelet starts whatever is there.
            _ = try await access.text(
                """
                umask 077
                mkdir -p \(q(settings.aside))
                cat >\(part)
                [ "$(wc -c <\(part))" -eq \(bytes.count) ] || { echo "the manifest did not arrive whole" >&2; exit 1; }
                sync
                mv -f \(part) \(q(path))
                """, input: bytes)
        }
        try await time.wait(within: settings.control.patienceSeconds, notify: notify) {
            let written = Double(try await access.text("stat -c %Y \(q(path))").trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
            guard let started = try await restarts.state(of: .apiServer, on: name).startedAt else { return "kube-apiserver does not run on \(name)" }
            return started.timeIntervalSince1970 < written ? "the old kube-apiserver still ends on \(name)" : nil
        }
    }

    package func hasUpgradedControlPlane(_ version: KubernetesVersion, on name: String) async throws -> Bool {
        try await job(on: name).exitCode("control-plane-\(version)") == 0
    }

    package func configureKubelet(_ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws {
        _ = try await job(on: name).run("configuration-\(version)", "kubeadm upgrade node\(ignoring)", notify: notify)
    }

    package func startKubelet(_ version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws -> String {
        let process = "systemctl show -p MainPID --value kubelet"
        let access = try settings.node(name)
        let before = try await access.text(process)
        _ = try await job(on: name).run("kubelet-\(version)", "systemctl daemon-reload\nsystemctl restart kubelet", notify: notify)
        let after = try await access.text(process)
        return "process \(before.trimmingCharacters(in: .whitespacesAndNewlines)) became \(after.trimmingCharacters(in: .whitespacesAndNewlines))"
    }

    package func kubeletLog(on name: String) async -> String {
        let said = try? await settings.node(name).text("journalctl -u kubelet -n 5 --no-pager -o cat 2>/dev/null || :")
        return (said ?? "").split(separator: "\n").joined(separator: "; ")
    }

    package func prove(controlPlaneOn name: String, notify: (String) -> Void) async throws {
        for component in try settings.control.host(name).running { try await restarts.prove(component, on: name, notify: notify) }
    }

    // MARK: What was there before

    private func copies(_ version: KubernetesVersion) -> String { "\(settings.aside)/before-\(version)" }

    package func keep(before version: KubernetesVersion, addons: JSON?, on name: String) async throws {
        let folders = settings.control.folders
        let paths = ["\(folders.kubernetes)/manifests", "\(folders.kubelet)/config.yaml", "\(folders.kubelet)/kubeadm-flags.env"]
        let access = try settings.node(name)
        if let addons {
            let file = q("\(copies(version)).addons")
            let bytes = Array(addons.description.utf8)
            // What a lost connection has cut off is not kept.
            _ = try await access.text(
                """
                umask 077
                mkdir -p \(q(settings.aside))
                if [ -e \(file) ]; then cat >/dev/null; exit 0; fi
                cat >\(file).part
                [ "$(wc -c <\(file).part)" -eq \(bytes.count) ] || { echo "the copy did not arrive whole" >&2; exit 1; }
                sync
                mv \(file).part \(file)
                """, input: bytes)
        }
        _ = try await access.text("umask 077\n" + FileChanges(aside: settings.aside).keep(paths, in: copies(version)))
    }

    package func hasKept(before version: KubernetesVersion, on name: String) async throws -> Bool {
        try await settings.node(name).text("if [ -e \(q("\(copies(version)).done")) ]; then echo yes; fi").hasPrefix("yes")
    }

    package func keptAddons(before version: KubernetesVersion, on name: String) async throws -> JSON? {
        let file = q("\(copies(version)).addons")
        let text = try await settings.node(name).text("if [ -e \(file) ]; then cat \(file); fi", limit: 8 << 20)
        return text.isEmpty ? nil : try JSON(parsing: text)
    }

    package func putKubeletFilesBack(before version: KubernetesVersion, on name: String) async throws {
        let kubelet = settings.control.folders.kubelet
        let files = ["\(kubelet)/config.yaml", "\(kubelet)/kubeadm-flags.env"].map { path in
            let (copy, part) = (q(copies(version) + path), q("\(path).drydock-part"))
            return "if [ -e \(copy) ]; then cp -a \(copy) \(part); mv -f \(part) \(q(path)); fi"
        }
        _ = try await settings.node(name).text(files.joined(separator: "\n"))
    }

    package func putStaticPodsBack(before version: KubernetesVersion, on name: String, notify: @escaping Notify) async throws -> [Component] {
        _ = try await job(on: name).attach("control-plane-\(version)", notify: notify)
        return try await restarts.putBack(on: name, from: "\(copies(version))\(settings.control.folders.kubernetes)/manifests", notify: notify)
    }
}
