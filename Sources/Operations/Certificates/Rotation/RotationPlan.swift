package import ClusterPKI
package import Foundation
internal import HAProxy
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NodeAccess

/// New authorities in the place of old ones, in phases, on every node of a cluster.
package struct RotationPlan: Sendable {
    package struct Options: Sendable {
        package var authorities: [KubeadmCertificate.Authority]
        /// How long the new authorities are valid.
        package var validSeconds: Double
        /// How long connections may take to leave a node.
        package var sessionSeconds: Double
        /// Which part is done: all, all but the last phase, or the last.
        package var part: Part
        /// Whether what runs in pods is restarted, too, before the old authority is dropped.
        package var restartsWorkloads: Bool

        package enum Part: Sendable, Equatable { case all, keepOld, dropOld }

        package init(
            authorities: [KubeadmCertificate.Authority] = KubeadmCertificate.Authority.allCases, validSeconds: Double = 3650 * 86400,
            sessionSeconds: Double = 10, part: Part = .all, restartsWorkloads: Bool = true
        ) {
            self.authorities = authorities
            self.validSeconds = validSeconds
            self.sessionSeconds = sessionSeconds
            self.part = part
            self.restartsWorkloads = restartsWorkloads
        }

        var phases: [RotationPhase] {
            switch part {
            case .all: RotationPhase.allCases
            case .keepOld: [.trust, .reissue, .switchSigners]
            case .dropOld: [.drop]
            }
        }
    }

    /// What the cluster itself has to do with it.
    struct ClusterFacts: Sendable {
        var nodes: [String] = []
        var workloads: [Workload] = []
        /// Pods that nobody replaces.
        var loosePods: [String] = []
        /// Workloads that cannot be restarted now, and why.
        var stuck: [String] = []
    }

    /// A load balancer that verifies API servers by files of its own.
    struct Balancer: Sendable {
        var view: LoadBalancerView
        var verifies: Bool
        var hasMaster: Bool
    }

    /// Reads what is there, and makes the plan.
    /// - Parameters:
    ///   - settings: with every node of the cluster.
    ///   - nodes: the same, as they were read.
    package static func make(_ settings: CertificateSettings, _ nodes: [NodeCertificates], _ options: Options, at now: Date) async throws
        -> CertificatePlan
    {
        var settings = settings
        try RestartPlan.findHosts(&settings, nodes)
        if let other = try nodes.first(where: { node in try node.pod(.apiServer) != nil && !settings.hosts.contains { $0.name == node.node } }) {
            throw OperationError(
                .refused, "\(other.node) has an API server and no etcd beside it: control planes with an etcd elsewhere are not rotated here.")
        }
        if let missing = settings.folders.others.first(where: { path in !nodes.contains { $0.files.file(path) != nil } }) {
            throw OperationError(.invalid, "no node has \(missing): leave it out.")
        }
        guard let first = settings.hosts.first else {
            throw OperationError(.invalid, "none of the nodes has static pods in \(settings.folders.kubernetes)/manifests: name the control planes.")
        }
        var rotation = Rotation(authorities: options.authorities, validSeconds: options.validSeconds, first: first.name)
        var refusals: [String] = []
        for authority in options.authorities {
            do {
                rotation.old[authority.rawValue] = try old(authority, settings, nodes, options.part, at: now).pem
            } catch let error as OperationError { refusals.append(error.description) } catch let error as PKIError { refusals.append("\(error)") }
        }
        if options.part == .dropOld, refusals.isEmpty {
            for row in try await RotationStatus.read(settings, nodes, options.authorities).rows where !row.presentsOld.isEmpty {
                refusals.append("\(row.node) still presents what the old \(row.authority) has signed: \(row.presentsOld.joined(separator: ", ")).")
            }
        } else if refusals.isEmpty {
            try rehearse(settings, nodes, options, first.name, at: now)
        }
        var cluster = ClusterFacts()
        var balancers: [Balancer] = []
        for loadBalancer in settings.loadBalancers {
            let files = try await RotationRun.authorityFiles(of: loadBalancer)
            balancers.append(
                Balancer(view: try await LoadBalancerView.read(loadBalancer), verifies: !files.isEmpty, hasMaster: loadBalancer.master != nil))
        }
        if options.authorities.contains(.cluster) {
            for node in settings.nodes {
                let state = try await node.text("if command -v systemctl >/dev/null; then systemctl is-active kubelet 2>/dev/null || :; fi")
                if state.hasPrefix("active") { rotation.kubelets.append(node.name) }
            }
            cluster = try await facts(settings)
        }
        settings.rotation = rotation
        let addresses = try RestartPlan.addresses(nodes)
        var plan = try plan(settings, rotation, options, cluster, balancers, addresses)
        plan.refusals = refusals + plan.refusals
        return CertificatePlan(plan: plan, settings: settings)
    }

    /// The authority that is replaced: the same on all nodes, with its key on all control planes.
    private static func old(
        _ authority: KubeadmCertificate.Authority, _ settings: CertificateSettings, _ nodes: [NodeCertificates], _ part: Options.Part, at now: Date
    ) throws -> X509Certificate {
        var found: [X509Certificate]?
        for node in nodes {
            let all = try node.authorities(authority)
            let isControlPlane = settings.hosts.contains { $0.name == node.node }
            if all.isEmpty, !isControlPlane { continue }
            if let found, Set(try found.map { try $0.pem }) != Set(try all.map { try $0.pem }) {
                throw OperationError(.refused, "the nodes do not have the same \(authority.rawValue) (\(node.node) differs): `drydock certs check`.")
            }
            found = all
            if part != .dropOld, all.count != 1 {
                throw OperationError(
                    .refused,
                    "\(authority.rawValue) of \(node.node) holds \(all.count) authorities: a rotation was begun. Resume its run (`drydock runs list`), or finish it with --drop-old."
                )
            }
            guard isControlPlane else { continue }
            let signer = try node.signer(authority, at: now).certificate
            if part == .dropOld {
                let newest = all.max { $0.notBefore < $1.notBefore }
                guard all.count > 1 else {
                    throw OperationError(.refused, "\(authority.rawValue) of \(node.node) is one already: nothing is to be dropped.")
                }
                guard all.count == 2, signer == newest else {
                    throw OperationError(
                        .refused,
                        "\(authority.rawValue): the newer of two does not sign on \(node.node) yet. Resume the run that began the rotation, or roll it back (`drydock runs list`)."
                    )
                }
            } else {
                guard signer.isSelfSigned else {
                    throw OperationError(
                        .refused, "\(authority.rawValue) was signed by another authority (\(node.node)): have its successor signed there.")
                }
                guard signer.pathLength == nil || signer.pathLength ?? 0 > 0 else {
                    throw OperationError(
                        .refused,
                        "\(authority.rawValue) may not vouch for another authority (pathlen 0): who trusts it alone could not be carried over.")
                }
            }
        }
        guard let found, let old = found.min(by: { $0.notBefore < $1.notBefore }) else {
            throw OperationError(.refused, "no node has the \(authority.rawValue).")
        }
        return old
    }

    /// Makes the changes of the first phases in memory, with authorities that are thrown away: what cannot be written is found before anything is.
    private static func rehearse(
        _ settings: CertificateSettings, _ nodes: [NodeCertificates], _ options: Options, _ first: String, at now: Date
    ) throws {
        guard let source = nodes.first(where: { $0.node == first }) else { return }
        var pairs: [KubeadmCertificate.Authority: Succession.Pair] = [:]
        for authority in options.authorities {
            let signer = try source.signer(authority, at: now)
            let new = try Successor.make(of: signer.certificate, .ecdsaP256, seconds: options.validSeconds, at: now)
            pairs[authority] = .init(old: signer.certificate, new: new, cross: try signer.crossSign(new.certificate, at: now))
        }
        for node in nodes {
            let changes = RotationChanges(
                node: node, succession: Succession(pairs: pairs), validSeconds: settings.validSeconds, algorithm: .ecdsaP256, now: now)
            for phase in [RotationPhase.trust, .reissue] { _ = try changes.changes(phase) }
        }
    }

    private static func facts(_ settings: CertificateSettings) async throws -> ClusterFacts {
        try await ControlPlaneProbe(settings.hosts).withKubernetes { client in
            var facts = ClusterFacts()
            facts.nodes = try await client.list(Node.self).map(\.name).sorted()
            let owners = Dictionary(
                try await client.list(Resource.replicaSets, ListOptions(metadataOnly: true)).map {
                    ($0["metadata"]["uid"].string ?? "", $0.controller)
                },
                uniquingKeysWith: { first, _ in first })
            var workloads: Set<Workload> = []
            for pod in try await client.list(Resource.pods) where Self.readsAuthority(pod) {
                var owner = pod.controller
                if let set = owner, set.qualifiedKind == "ReplicaSet" { owner = owners[set.uid] ?? nil }
                if let owner, Workload.rolling.contains(owner.qualifiedKind) {
                    workloads.insert(Workload(kind: owner.qualifiedKind, name: ObjectName(pod.objectName.namespace, owner.name)))
                } else if !["Succeeded", "Failed"].contains(pod["status"]["phase"].string ?? "") {
                    facts.loosePods.append("\(pod.objectName)")
                }
            }
            for workload in workloads.sorted(by: { $0.description < $1.description }) {
                let object = try await client.get(workload.resource, workload.name)
                let strategy = object["spec"][workload.kind == "Deployment" ? "strategy" : "updateStrategy"]["type"].string
                let why =
                    object["spec"]["paused"].bool == true
                    ? "it is paused"
                    : strategy == "OnDelete" ? "its pods are replaced when somebody deletes them (OnDelete)" : workload.rollout(of: object)
                if let why { facts.stuck.append("\(workload): \(why)") } else { facts.workloads.append(workload) }
            }
            return facts
        }
    }

    /// Pods with a service account's token have the authority beside it.
    private static func readsAuthority(_ pod: JSON) -> Bool {
        pod["spec"]["containers"].elements.contains { container in
            container["volumeMounts"].elements.contains { $0["mountPath"].string == "/var/run/secrets/kubernetes.io/serviceaccount" }
        }
    }

    // MARK: The steps

    /// Pure.
    static func plan(
        _ settings: CertificateSettings, _ rotation: Rotation, _ options: Options, _ cluster: ClusterFacts, _ balancers: [Balancer],
        _ addresses: [String: String]
    ) throws -> CertificateAction.Plan {
        var plan = CertificateAction.Plan(operation: "certs rotate-ca", subject: settings.subject, steps: [])
        let rotatesCluster = rotation.authorities.contains(.cluster)
        let missing = Set(cluster.nodes).subtracting(settings.nodes.map(\.name)).sorted()
        if !missing.isEmpty {
            plan.refusals.append(
                "\(missing.joined(separator: ", ")) would be locked out: the kubelet there trusts the old authority, and shows a certificate of it. Name every node with --host."
            )
        }
        let unmanaged = Set(cluster.nodes).intersection(settings.nodes.map(\.name)).subtracting(rotation.kubelets).sorted()
        if !unmanaged.isEmpty {
            plan.refusals.append(
                "the kubelet of \(unmanaged.joined(separator: ", ")) is no service of systemd that runs: it could not be restarted, and would be locked out. Start it, or take the node out of the cluster."
            )
        }
        if balancers.isEmpty {
            plan.remarks.append(
                "no load balancer is named (--lb-host, --lb-socket): clients of a restarted API server are cut off, and one that verifies API servers by the old authority takes all of them for dead in the end"
            )
        }
        for balancer in balancers where rotatesCluster && balancer.verifies && !balancer.hasMaster {
            plan.refusals.append(
                "\(balancer.view.loadBalancer) verifies API servers by the authority, and has no master socket to reload it through. Start HAProxy with -W -S PATH, and give --lb-master-socket."
            )
        }
        if options.part != .dropOld { plan.steps.append(prepare(settings, rotation)) }
        for phase in options.phases {
            if phase == .drop, rotatesCluster {
                if options.restartsWorkloads {
                    plan.steps += cluster.workloads.map(restart)
                } else if !cluster.workloads.isEmpty {
                    plan.remarks.append("\(cluster.workloads.count) workloads keep trusting the old authority alone until somebody restarts them")
                }
                if options.restartsWorkloads, !cluster.stuck.isEmpty {
                    plan.remarks.append(
                        "left alone, and to be restarted before the old authority goes (--keep-old leaves time): \(cluster.stuck.joined(separator: "; "))"
                    )
                }
                if !cluster.loosePods.isEmpty {
                    plan.remarks.append(
                        "nobody replaces these pods, and they trust what they read when they started: \(cluster.loosePods.joined(separator: ", "))")
                }
            }
            plan.steps += try steps(phase, settings, rotation, options, balancers, addresses, &plan)
        }
        if options.part == .keepOld {
            plan.remarks.append(
                "the old authorities stay trusted: hand the new admin.conf out, then `drydock certs rotate-ca \(rotation.authorities.map(\.rawValue).joined(separator: " ")) --drop-old`"
            )
        } else {
            plan.remarks.append(
                "kubeconfigs that are elsewhere open nothing any more once the old authority is dropped: copy admin.conf there after the reissue, or use --keep-old"
            )
        }
        plan.remarks.append("what is replaced stays in \(settings.aside) on every node, keys as well: remove it when you need it no more")
        return plan
    }

    private static func rotationStep(
        _ id: String, _ title: String, _ target: String, _ reason: String, _ effect: String, _ undo: Undo<CertificateAction>, seconds: Double = 5,
        isDisruptive: Bool, _ action: RotationAction
    ) -> CertificateAction.Step {
        .init(
            id: id, title: title, target: target, reason: reason, effect: effect, undo: undo, expectedSeconds: seconds, isDisruptive: isDisruptive,
            action: .rotation(action))
    }

    private static func prepare(_ settings: CertificateSettings, _ rotation: Rotation) -> CertificateAction.Step {
        let names = rotation.authorities.map(\.rawValue).joined(separator: ", ")
        return rotationStep(
            "prepare", "make the new \(names) on \(rotation.first)", rotation.first, "they are to take the place of the old ones",
            "none: they lie in \(settings.aside)", .by(.rotation(.discard), title: "remove the new authorities"), isDisruptive: false, .prepare)
    }

    private static func restart(_ workload: Workload) -> CertificateAction.Step {
        rotationStep(
            "restart \(workload)", "restart \(workload)", workload.name.description,
            "its pods trust what they read when they started: the old authority alone", "its pods are replaced as it is set up to",
            .nothing(because: "the pods are the same"), seconds: 60, isDisruptive: true, .restartWorkload(workload))
    }

    private static func steps(
        _ phase: RotationPhase, _ settings: CertificateSettings, _ rotation: Rotation, _ options: Options, _ balancers: [Balancer],
        _ addresses: [String: String], _ plan: inout CertificateAction.Plan
    ) throws -> [CertificateAction.Step] {
        var steps: [CertificateAction.Step] = []
        let rotatesCluster = rotation.authorities.contains(.cluster)
        // Workers trust the cluster's authority, and have nothing to do with the others.
        let nodes = settings.nodes.filter { node in rotatesCluster || settings.hosts.contains { $0.name == node.name } }
        let (what, effect) =
            switch phase {
            case .trust:
                (
                    "trust both authorities",
                    "who starts from now on trusts both; kube-controller-manager does so at once: its manifest names another file"
                )
            case .reissue: ("certificates by the new authorities", "who reads them anew presents them; everybody trusts both")
            case .switchSigners: ("sign with the new authorities", "what is signed from now on, the new ones sign")
            case .drop: ("trust the new authorities alone", "who still presents what the old ones signed is turned away, as components restart")
            }
        if phase == .trust { steps += balancerSteps(phase, balancers, rotatesCluster) }
        for node in nodes {
            steps.append(
                rotationStep(
                    "\(phase.rawValue): write \(node.name)", "\(node.name): \(what)", node.name, "phase \(phase.rawValue) of \(options.phases.count)",
                    effect, .by(.rotation(.putBack(node: node.name, phase)), title: "put the files of \(node.name) before \(phase.rawValue) back"),
                    isDisruptive: true, .write(node: node.name, phase)))
        }
        if rotatesCluster, phase == .trust { steps.append(publish(.both, phase, undo: .old)) }
        steps += try pass(phase, settings, rotation, options, balancers, addresses, &plan)
        if rotatesCluster {
            for name in rotation.kubelets {
                steps.append(
                    rotationStep(
                        "\(phase.rawValue): kubelet \(name)", "restart the kubelet of \(name)", name,
                        "it reads its authority and its certificate when it starts",
                        "none: pods go on", .by(.rotation(.restartKubelet(node: name)), title: "restart it again"), seconds: 20, isDisruptive: true,
                        .restartKubelet(node: name)))
            }
        }
        if phase == .drop {
            if rotatesCluster || rotation.authorities.contains(.frontProxy) { steps.append(publish(.new, phase, undo: .both)) }
            steps += balancerSteps(phase, balancers, rotatesCluster)
        }
        steps.append(
            rotationStep(
                "\(phase.rawValue): verify", "look at every node: \(what)", settings.subject, "the next phase takes it for granted", "none",
                .nothing(because: "it only looks"), seconds: 10, isDisruptive: false, .verify(phase)))
        return steps
    }

    private static func publish(_ whom: TrustedAuthorities, _ phase: RotationPhase, undo: TrustedAuthorities) -> CertificateAction.Step {
        rotationStep(
            "\(phase.rawValue): publish", "tell those who join whom to trust", "cluster-info", "who joins trusts what it says",
            whom == .new ? "aggregated API servers turn clients of the old authorities away" : "none",
            .by(.rotation(.publish(undo)), title: "tell them \(undo.rawValue)"), isDisruptive: whom == .new, .publish(whom))
    }

    private static func balancerSteps(_ phase: RotationPhase, _ balancers: [Balancer], _ rotatesCluster: Bool) -> [CertificateAction.Step] {
        balancers.filter { rotatesCluster && $0.verifies }.map { balancer in
            let name = balancer.view.loadBalancer
            let desired = balancer.view.servers.filter { $0.mode != .ready || $0.weight != $0.initialWeight }.map {
                LoadBalancerAction.Desired(server: $0.reference, mode: $0.mode, weight: $0.weight == $0.initialWeight ? nil : $0.weight)
            }
            let healthy = balancer.view.servers.filter(\.takesTraffic).map(\.reference)
            func action(_ whom: TrustedAuthorities) -> RotationAction { .balancer(name, whom, desired: desired, healthy: healthy) }
            let (whom, before): (TrustedAuthorities, TrustedAuthorities) = phase == .trust ? (.both, .old) : (.new, .both)
            return rotationStep(
                "\(phase.rawValue): balancer \(name)",
                "\(name): verify API servers by \(whom == .both ? "both authorities" : "the new authority alone")",
                name, "it takes API servers for dead whose certificate it does not trust",
                "none for connections: the old worker finishes what it has",
                .by(.rotation(action(before)), title: "the files as they were, loaded"), seconds: 10, isDisruptive: true, action(whom))
        }
    }

    /// Restarts of what reads the files of a phase, one after the other.
    private static func pass(
        _ phase: RotationPhase, _ settings: CertificateSettings, _ rotation: Rotation, _ options: Options, _ balancers: [Balancer],
        _ addresses: [String: String], _ plan: inout CertificateAction.Plan
    ) throws -> [CertificateAction.Step] {
        var states: [ComponentState] = []
        for host in settings.hosts {
            for facts in settings.components[host.name] ?? [] where isDue(facts, phase, rotation, settings.folders) {
                states.append(ComponentState(node: host.name, component: facts.component, stale: []))
            }
        }
        guard !states.isEmpty else { return [] }
        let made = try RestartPlan.plan(
            settings, states, balancers.map(\.view), addresses, options.sessionSeconds, because: "it reads its files when it starts")
        plan.refusals += made.refusals.filter { !plan.refusals.contains($0) }
        plan.remarks += made.remarks.filter { !plan.remarks.contains($0) && !$0.hasPrefix("no load balancer") }
        return made.steps.map(RestartPlan.reversible).map { step in
            var step = step
            step.id = "\(phase.rawValue): \(step.id)"
            // What does not start with the new files starts with the old ones.
            if case .restart(let node, let component) = step.action {
                step.undo = .by(.rotation(.restartBefore(node: node, phase, component)), title: "put the files back, and restart it")
            }
            return step
        }
    }

    /// Whether a component reads what a phase changes.
    static func isDue(_ facts: ComponentFacts, _ phase: RotationPhase, _ rotation: Rotation, _ folders: CertificateFolders) -> Bool {
        // Only this one signs.
        if phase == .switchSigners { return facts.component == .controllerManager && rotation.authorities.contains(.cluster) }
        let paths = rotation.authorities.flatMap { authority in
            [authority.certificatePath] + KubeadmCertificate.all.filter { $0.authority == authority }.flatMap { [$0.certificatePath, $0.keyPath] }
        }
        return !Set(paths.map { "\(folders.kubernetes)/\($0)" }).isDisjoint(with: facts.files)
    }
}
