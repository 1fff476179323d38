internal import ClusterPKI
internal import Foundation
internal import HAProxy
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NodeAccess

/// Carries out what a rotation does beside restarts. Keys of authorities are read from the nodes into memory, and go to nodes alone.
struct RotationRun {
    let settings: CertificateSettings
    let rotation: Rotation
    let time: RunTime

    init(_ settings: CertificateSettings, _ time: RunTime) throws {
        guard let rotation = settings.rotation else { throw OperationError(.invalid, "the run rotates no authorities.") }
        (self.settings, self.rotation, self.time) = (settings, rotation, time)
    }

    private var files: FileChanges { FileChanges(aside: settings.aside) }
    private var probe: ControlPlaneProbe { ControlPlaneProbe(settings.hosts) }
    private var laidAside: String { "\(settings.aside)/authorities" }
    private func q(_ path: String) -> String { NodeAccess.quoted(path) }

    // MARK: The authorities

    /// As the first node has them: laid aside, or, for a run that only drops the old ones, in place. Other nodes get what they are to have, and no keys before that.
    private func succession() async throws -> Succession {
        let access = try settings.node(rotation.first)
        let kept = try await ControlPlaneFiles.read([laidAside], of: access)
        func text(_ name: String) -> String? { kept.file("\(laidAside)/\(name)").map { String(decoding: $0.bytes, as: UTF8.self) } }
        let node = try await NodeCertificates.read(access, settings.folders)
        var pairs: [KubeadmCertificate.Authority: Succession.Pair] = [:]
        for authority in rotation.authorities {
            let (name, place) = (authority.rawValue, "\(laidAside) on \(access.name)")
            guard let pem = rotation.old[name], let old = try X509Certificate.parse(pem: pem, from: "the run").first else { continue }
            if let certificate = text("\(name).crt"), let key = text("\(name).key"), let cross = text("\(name)-cross.crt") {
                pairs[authority] = .init(
                    old: old,
                    new: Successor(
                        certificate: try X509Certificate.parse(pem: certificate, from: place)[0], key: try PrivateKey(pem: key, from: place)),
                    cross: try X509Certificate.parse(pem: cross, from: place)[0])
                continue
            }
            let path = node.path(authority.keyPath)
            guard let text = node.text(path) else { throw OperationError(.stopped, "\(node.place(path)) is gone. Roll the run back.") }
            let key = try PrivateKey(pem: text, from: node.place(path))
            guard let certificate = try node.authorities(authority).first(where: { $0.matches(key) }), certificate != old else {
                throw OperationError(.stopped, "the new \(name) is neither in \(place) nor in place. Roll the run back.")
            }
            pairs[authority] = .init(old: old, new: Successor(certificate: certificate, key: key), cross: nil)
        }
        return Succession(pairs: pairs)
    }

    private func changes(
        _ phase: RotationPhase, on name: String, _ succession: Succession
    ) async throws -> (changes: [FileChange], node: NodeCertificates) {
        let node = try await NodeCertificates.read(settings.node(name), settings.folders)
        let changes = RotationChanges(
            node: node, succession: succession, validSeconds: settings.validSeconds, algorithm: settings.algorithm, now: time.now())
        return (try changes.changes(phase), node)
    }

    private func prepare() async throws -> String {
        let access = try settings.node(rotation.first)
        let node = try await NodeCertificates.read(access, settings.folders)
        let part = "\(laidAside).part"
        var changes: [FileChange] = []
        for authority in rotation.authorities {
            let signer = try node.signer(authority, at: time.now())
            let new = try Successor.make(
                of: signer.certificate, settings.algorithm ?? signer.certificate.renewableAlgorithm, seconds: rotation.validSeconds, at: time.now())
            for (ending, text) in [
                (".crt", try new.certificate.pem), (".key", new.key.pem), ("-cross.crt", try signer.crossSign(new.certificate, at: time.now()).pem),
            ] {
                changes.append(.write(path: "\(part)/\(authority.rawValue)\(ending)", bytes: Array(text.utf8), keepsTime: false))
            }
        }
        _ = try await access.text("umask 077; rm -rf \(q(part)); mkdir -p \(q(part))")
        try await files.write(changes, like: NodeFiles(), to: access)
        // All of them are there, or none.
        _ = try await access.text("mv \(q(part)) \(q(laidAside)); sync")
        return "in \(laidAside) on \(access.name)"
    }

    // MARK: As the runner asks

    func evidence(before action: RotationAction) async throws -> [String: String] {
        guard case .restartKubelet(let name) = action else { return [:] }
        return ["process": try await kubeletProcess(on: name)]
    }

    func isAlreadySo(_ action: RotationAction, evidence: [String: String]?) async throws -> String? {
        switch action {
        case .prepare:
            return try await settings.node(rotation.first).text("if [ -e \(q(laidAside)) ]; then echo yes; fi").hasPrefix("yes")
                ? "they are there" : nil
        case .write(let name, let phase): return try await changes(phase, on: name, succession()).changes.isEmpty ? "nothing is left to change" : nil
        case .putBack(let name, let phase):
            return try await files.hasCopies(Self.copies(phase), on: settings.node(name)) ? nil : "nothing was changed"
        case .restartKubelet(let name):
            guard let evidence else { return nil }
            let process = try await kubeletProcess(on: name)
            return process != "0" && process != evidence["process"] ? "it runs anew" : nil
        case .restartWorkload(let workload):
            let object = try await probe.withKubernetes { try await $0.get(workload.resource, workload.name) }
            return object["spec"]["template"]["metadata"]["annotations"][Self.annotation].string == settings.tag ? "it was asked for" : nil
        case .discard, .publish, .balancer, .verify, .restartBefore: return nil
        }
    }

    func act(_ action: RotationAction, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch action {
        case .prepare: return try await prepare()
        case .discard:
            _ = try await settings.node(rotation.first).text("rm -rf \(q(laidAside)) \(q("\(laidAside).part"))")
            return nil
        case .write(let name, let phase):
            let (changes, node) = try await changes(phase, on: name, succession())
            try await files.write(changes, keeping: Self.copies(phase), like: node.files, to: settings.node(name))
            return "\(changes.count) files"
        case .putBack(let name, let phase):
            try await files.putBack(Self.copies(phase), on: settings.node(name))
            return nil
        case .restartBefore(let name, let phase, let component):
            let access = try settings.node(name)
            if try await files.hasCopies(Self.copies(phase), on: access) { try await files.putBack(Self.copies(phase), on: access) }
            return try await Restarts(settings, time).restart(component, on: name)
        case .publish(let whom): return try await publish(whom)
        case .balancer(let name, let whom, let desired, let healthy): return try await balance(name, whom, desired, healthy, notify)
        case .restartKubelet(let name):
            _ = try await settings.node(name).text("systemctl restart kubelet")
            return "process \(try await kubeletProcess(on: name))"
        case .restartWorkload(let workload):
            _ = try await probe.withKubernetes {
                try await $0.patch(workload.resource, workload.name, Workload.restarting(Self.annotation, settings.tag))
            }
            return nil
        case .verify(let phase):
            // It reads every node, and what the cluster publishes in every namespace.
            try await waiting(every: .seconds(3)) { try await complaint(after: phase) }
            return "\(settings.nodes.count) nodes"
        }
    }

    func verify(_ action: RotationAction) async throws {
        switch action {
        case .write(let name, let phase):
            let left = try await changes(phase, on: name, succession()).changes
            guard left.isEmpty else {
                throw OperationError(.stopped, "\(left.map(\.path).joined(separator: ", ")) on \(name) are not what was written. Roll the run back.")
            }
        case .restartBefore(let name, _, let component): try await Restarts(settings, time).prove(component, on: name)
        case .restartKubelet(let name): try await proveKubelet(on: name)
        case .restartWorkload(let workload): try await waiting { try await complaint(of: workload) }
        default: break
        }
    }

    static let annotation = "drydock.dev/authorities-rotated"
    private static func copies(_ phase: RotationPhase) -> String { "before-\(phase.rawValue)" }

    private func waiting(every pause: Duration = .milliseconds(500), _ complaint: () async throws -> String?) async throws {
        try await time.wait(within: settings.patienceSeconds, every: pause, for: complaint)
    }

    // MARK: Looking

    /// What is missing after a phase, on any node; nil when all is as the phase means it.
    private func complaint(after phase: RotationPhase) async throws -> String? {
        let succession = try await succession()
        for node in settings.nodes {
            // A kubelet may have had its certificate renewed by the old signer, after its reissue.
            for phase in phase == .switchSigners ? [.reissue, phase] : [phase] {
                let left = try await changes(phase, on: node.name, succession).changes
                if !left.isEmpty { return "\(node.name): \(left.map(\.path).joined(separator: ", ")) are not as \(phase.rawValue) means them" }
            }
        }
        let restarts = Restarts(settings, time)
        for host in settings.hosts {
            for facts in settings.components[host.name] ?? [] where RotationPlan.isDue(facts, phase, rotation, settings.folders) {
                if let complaint = try await restarts.state(of: facts.component, on: host.name).complaint { return complaint }
            }
        }
        return try await complaintOfPublished(after: phase, succession)
    }

    /// What kube-controller-manager tells pods: the ConfigMaps kube-root-ca.crt, and the Secrets of service accounts.
    private func complaintOfPublished(after phase: RotationPhase, _ succession: Succession) async throws -> String? {
        let runsController = settings.components.values.joined().contains { $0.component == .controllerManager }
        guard let pair = succession.pairs[.cluster], [.trust, .drop].contains(phase), runsController else { return nil }
        let texts = try await probe.withKubernetes { client in
            let maps = try await client.list(Resource.configMaps, ListOptions(fields: .equal("metadata.name", "kube-root-ca.crt")))
            let tokens = try await client.list(Resource.secrets, ListOptions(fields: .equal("type", "kubernetes.io/service-account-token")))
            // A Secret of another maker may have none.
            return maps.map { $0["data"]["ca.crt"].string ?? "" }
                + tokens.compactMap { $0["data"]["ca.crt"].string.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) } }
        }
        let late = texts.count { text in
            let found = (try? X509Certificate.parse(pem: text, from: "kube-root-ca.crt")) ?? []
            return phase == .trust ? !found.contains(pair.new.certificate) : found.contains(pair.old)
        }
        guard late > 0 else { return nil }
        let what = phase == .trust ? "do not have the new authority yet" : "still have the old authority"
        return "\(late) of \(texts.count) ConfigMaps kube-root-ca.crt and Secrets of service accounts \(what)"
    }

    private func kubeletProcess(on name: String) async throws -> String {
        try await settings.node(name).text("systemctl show -p MainPID --value kubelet").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// A kubelet that renews its lease has been let in with the certificate that it has now.
    private func proveKubelet(on name: String) async throws {
        func renewed() async throws -> String? {
            try await probe.withKubernetes { client in
                try await client.get(Resource.leases, ObjectName("kube-node-lease", name))["spec"]["renewTime"].string
            }
        }
        var before: String?
        try await waiting {
            guard try await kubeletProcess(on: name) != "0" else { return "the kubelet of \(name) does not run" }
            let now = try await renewed()
            guard let seen = before else {
                before = now ?? ""
                return "the kubelet of \(name) has not renewed its lease yet"
            }
            return now == seen ? "the kubelet of \(name) has not renewed its lease since it was restarted" : nil
        }
    }

    private func complaint(of workload: Workload) async throws -> String? {
        let object = try await probe.withKubernetes { try await $0.get(workload.resource, workload.name) }
        return workload.rollout(of: object).map { "\(workload): \($0)" }
    }

    // MARK: Telling

    private func publish(_ whom: TrustedAuthorities) async throws -> String? {
        let succession = try await succession()
        return try await probe.withKubernetes { client in
            var told: [String] = []
            if succession.pairs[.cluster] != nil {
                let isTold = try await Self.edit(client, namespace: "kube-public", name: "cluster-info") { data in
                    guard let text = data["kubeconfig"].string, let config = try? KubeconfigIdentity(text, from: "cluster-info") else { return }
                    let current = try config.authorities
                    guard !current.isEmpty else { return }
                    data["kubeconfig"] = .string(
                        try config.replacing(authorities: succession.trusted(whom, for: .cluster, among: current)))
                }
                if isTold { told.append("cluster-info") }
            }
            // API servers add to this one, and never take anything away.
            if whom == .new {
                let isTold = try await Self.edit(client, namespace: "kube-system", name: "extension-apiserver-authentication") { data in
                    for (field, authority) in [
                        ("client-ca-file", KubeadmCertificate.Authority.cluster), ("requestheader-client-ca-file", .frontProxy),
                    ] {
                        guard succession.pairs[authority] != nil, let text = data[field].string else { continue }
                        let current = try X509Certificate.parse(pem: text, from: "extension-apiserver-authentication")
                        let wanted = succession.trusted(.new, for: authority, among: current)
                        if wanted != current { data[field] = .string(try wanted.map { try $0.pem }.joined()) }
                    }
                }
                if isTold { told.append("extension-apiserver-authentication") }
            }
            return told.isEmpty ? nil : told.joined(separator: ", ")
        }
    }

    /// Changes the data of a ConfigMap that is there, again when somebody else was faster.
    private static func edit(
        _ client: KubernetesClient, namespace: String, name: String, _ change: (inout JSON) throws -> Void
    ) async throws -> Bool {
        for _ in 0..<10 {
            guard var object = try await client.find(.configMaps, ObjectName(namespace, name)) else { return false }
            let before = object["data"]
            try change(&object["data"])
            guard object["data"] != before else { return false }
            do {
                _ = try await client.replace(Resource.configMaps, object)
                return true
            } catch let error as APIStatus where error.code == 409 { continue }
        }
        throw OperationError(.stopped, "the ConfigMap \(namespace)/\(name) is changed by others all the time.")
    }

    /// The old and the new authority in the files by which HAProxy verifies API servers. What it has loaded, it keeps until it is reloaded.
    private func balance(
        _ name: String, _ whom: TrustedAuthorities, _ desired: [LoadBalancerAction.Desired], _ healthy: [String],
        _ notify: @escaping @Sendable (String) -> Void
    ) async throws -> String {
        let succession = try await succession()
        guard let pair = succession.pairs[.cluster], let balancer = settings.loadBalancers.first(where: { $0.name == name }) else {
            throw OperationError(.invalid, "the run knows no load balancer \(name).")
        }
        var written = 0
        for path in try await Self.authorityFiles(of: balancer) {
            let current = try X509Certificate.parse(pem: try await balancer.access.text("cat \(q(path))", limit: 4 << 20), from: "\(path) on \(name)")
            guard current.contains(pair.old) || current.contains(pair.new.certificate) else { continue }
            let wanted = succession.trusted(whom, for: .cluster, among: current)
            guard wanted != current else { continue }
            let text = try wanted.map { try $0.pem }.joined()
            _ = try await balancer.access.text(
                "cp -a \(q(path)) \(q("\(path).drydock-part")); cat >\(q("\(path).drydock-part")); mv -f \(q("\(path).drydock-part")) \(q(path)); sync",
                input: Array(text.utf8))
            written += 1
        }
        let traffic = LoadBalancerRun(
            settings: LoadBalancerRunSettings(loadBalancers: [balancer], settleSeconds: settings.patienceSeconds), time: time)
        for action in [
            LoadBalancerAction.reload(loadBalancer: name), .reapply(loadBalancer: name, desired), .awaitHealth(loadBalancer: name, servers: healthy),
        ] {
            let step = LoadBalancerAction.Step(
                id: "", title: "", target: name, reason: "", effect: "", undo: .nothing(because: ""), isDisruptive: false, action: action)
            _ = try await traffic.act(step, notify: notify)
        }
        return "\(written) files"
    }

    /// Files with authorities that the configuration of a load balancer names (`ca-file`, below `ca-base`).
    static func authorityFiles(of balancer: LoadBalancer) async throws -> [String] {
        let text = try await balancer.access.text("cat \(NodeAccess.quoted(balancer.configuration))", limit: 16 << 20)
        return ConfigurationFile(parsing: text).authorityFiles
    }
}
