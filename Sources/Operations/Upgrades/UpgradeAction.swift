package import Maintenance
package import NodeAccess

/// What an upgrade of a cluster does.
package enum UpgradeAction: Codable, Sendable, Equatable {
    package typealias Plan = Maintenance.Plan<UpgradeAction>
    package typealias Step = Maintenance.Step<UpgradeAction>

    /// A backup of etcd and of the control planes' files, read back to the last byte.
    case backup
    /// Looks once more whether the cluster may go to this version.
    case inspect(KubernetesVersion)
    /// Installs Kubernetes' packages at a version.
    case packages(node: String, [String], KubernetesVersion)
    /// Fetches the images that the node will need.
    case images(node: String, KubernetesVersion)
    /// kubeadm's part on a control-plane node: etcd and the static pods; on the first one also what all nodes share.
    case controlPlane(node: String, KubernetesVersion, isFirst: Bool)
    /// The static pods and the kubelet's files as they were before, and on the first one what all nodes share.
    case putBack(node: String, to: KubernetesVersion, from: KubernetesVersion, isFirst: Bool)
    /// kubeadm's part on a worker: the kubelet's configuration.
    case configuration(node: String, KubernetesVersion)
    /// The kubelet and kubectl, and a new start of the kubelet.
    case kubelet(node: String, KubernetesVersion)
    /// The kubelet's files, the kubelet and kubectl as they were before, and a new start of the kubelet.
    case kubeletBack(node: String, to: KubernetesVersion, from: KubernetesVersion)
    case nodes(NodeAction)
    /// Cordons and drains in one, where a node was opened again.
    case empty(node: String)
    case traffic(LoadBalancerAction)
    /// The node is as it is meant to be, on the wire.
    case prove(node: String, KubernetesVersion)
    /// Time in which what was upgraded first may show what is wrong with it.
    case soak(seconds: Double)
    /// A program of the operator's, on this machine.
    case hook(UpgradeHook, node: String?, KubernetesVersion)
    /// Part of a whole rollback: etcd's data and the control planes' files of a backup.
    case restore(RestoreAction)
}

/// A program that an upgrade starts on this machine, with DRYDOCK_VERSION, DRYDOCK_NODE and KUBECONFIG in its environment; what it does not end well with stops the run.
package struct UpgradeHook: Codable, Sendable, Equatable {
    package enum Moment: String, Codable, Sendable, CaseIterable {
        /// When a node is upgraded, before it takes pods again.
        case node
        /// When all control planes are upgraded, before the workers: for the network and other add-ons.
        case addons
    }

    package var moment: Moment
    /// Absolute.
    package var program: String

    package init(moment: Moment, program: String) {
        self.moment = moment
        self.program = program
    }
}

/// Where the backup goes that an upgrade begins with.
package struct UpgradeBackup: Codable, Sendable, Equatable {
    package var locations: [String]
    package var cluster: String
    package var recipients: [String]
    /// Files with identities, absolute: the backup is decrypted to see that it can be. Never keys.
    package var identityFiles: [String]
    /// Whether the files of control planes, keys among them, are kept although nobody encrypts them.
    package var acceptsPlainKeys: Bool

    package init(locations: [String], cluster: String, recipients: [String], identityFiles: [String], acceptsPlainKeys: Bool) {
        self.locations = locations
        self.cluster = cluster
        self.recipients = recipients
        self.identityFiles = identityFiles
        self.acceptsPlainKeys = acceptsPlainKeys
    }
}

/// What an upgrade was asked for; the journal keeps it. No secrets.
package struct UpgradeSettings: RunSettings {
    /// The control planes: how they are reached, what their static pods say, the load balancers in front of them.
    package var control: CertificateSettings
    /// All nodes.
    package var nodes: [NodeAccess]
    /// How nodes are drained.
    package var drain: NodeRunSettings
    /// By node.
    package var packages: [String: NodePackages] = [:]
    package var backup: UpgradeBackup?
    package var hooks: [UpgradeHook] = []
    /// For kubeadm's --ignore-preflight-errors.
    package var ignoredPreflightErrors: String?
    /// How long another package manager is waited for, seconds.
    package var lockSeconds = 300.0
    /// Workloads that were not whole when the run began, and need not be.
    package var unreadyBefore: [String] = []
    /// Names of checks that somebody has waived.
    package var waivedChecks: Set<String> = []
    /// Of a whole rollback.
    package var restore: RestoreSettings?

    package init(control: CertificateSettings, nodes: [NodeAccess], drain: NodeRunSettings) {
        self.control = control
        self.nodes = nodes
        self.drain = drain
    }

    /// Of hosts that are not real: nobody reaches them by a shell.
    /// - Parameter controlPlanes: in the order in which they are upgraded.
    package init(rehearsing nodes: [String], controlPlanes: [String], tag: String, drain: NodeRunSettings, patienceSeconds: Double) {
        func access(_ name: String) -> NodeAccess { NodeAccess(name: name, way: .local) }
        control = CertificateSettings(nodes: controlPlanes.map(access), folders: CertificateFolders(), tag: tag, patienceSeconds: patienceSeconds)
        control.hosts = controlPlanes.map { name in
            ControlPlaneHost(
                access: access(name), member: name, peerURLs: [], dataDirectory: "/var/lib/etcd", clientURL: "", running: Component.allCases,
                starting: Component.allCases)
        }
        self.nodes = (controlPlanes + nodes.filter { !controlPlanes.contains($0) }).map(access)
        self.drain = drain
    }

    package var window: Window? {
        get { control.window }
        set { control.window = newValue }
    }
    package var maxSeconds: Double? { control.maxSeconds }

    /// Nodes that are reached by Jobs are reached through the cluster that these say.
    package mutating func reachNodes(by kubeconfigs: [String], context: String?) {
        func changed(_ access: NodeAccess) -> NodeAccess {
            guard case .job(var job) = access.way else { return access }
            (job.kubeconfigs, job.context) = (kubeconfigs, context)
            return NodeAccess(name: access.name, way: .job(job), usesSudo: access.usesSudo)
        }
        nodes = nodes.map(changed)
        control.nodes = control.nodes.map(changed)
        for index in control.hosts.indices { control.hosts[index].access = changed(control.hosts[index].access) }
    }

    func node(_ name: String) throws -> NodeAccess {
        guard let node = nodes.first(where: { $0.name == name }) else { throw OperationError(.invalid, "the run knows no node \(name).") }
        return node
    }

    func packages(of name: String) throws -> NodePackages {
        guard let found = packages[name] else { throw OperationError(.invalid, "the run knows no package manager of \(name).") }
        return found
    }

    func isControlPlane(_ name: String) -> Bool { control.hosts.contains { $0.name == name } }

    /// Of this run, on the nodes.
    var aside: String { "\(control.folders.kubernetes)/drydock-upgrade-\(control.tag)" }
    /// Where jobs are, on the nodes.
    var jobs: String { "/var/lib/drydock/upgrade-\(control.tag)" }
}

extension KubernetesVersion: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let version = KubernetesVersion(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is no version of Kubernetes")
        }
        self = version
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
