package import ClusterPKI
internal import Crypto
internal import Foundation
package import Maintenance
package import NodeAccess

/// What can be done to the certificates of a node.
package enum CertificateAction: Codable, Sendable, Equatable {
    package typealias Plan = Maintenance.Plan<CertificateAction>
    package typealias Step = Maintenance.Step<CertificateAction>

    /// Makes new keys, signs them, copies the files aside, and replaces them one by one. Names are kubeadm's.
    case renew(node: String, names: [String])
    /// The files as they were before they were renewed.
    case putBack(node: String)
    /// Ends a static pod and starts it anew, so that it reads its files.
    case restart(node: String, Component)
    /// Ends a static pod, and leaves it so for a while.
    case stop(node: String, Component)
    case start(node: String, Component)
    /// Ends a static pod, writes another image into its manifest, and starts it.
    case update(node: String, Component, image: String)
    /// Moves traffic at a load balancer while a node is worked on.
    case traffic(LoadBalancerAction)
    /// Puts new authorities into the place of old ones.
    case rotation(RotationAction)
}

/// A plan, and what it was made for.
package struct CertificatePlan: Sendable {
    package var plan: CertificateAction.Plan
    package var settings: CertificateSettings
}

/// What a run on certificates was asked for. Keys are never in it.
package struct CertificateSettings: RunSettings, Equatable {
    package var nodes: [NodeAccess]
    package var folders: CertificateFolders
    /// Of the control plane, whoever names which of its nodes: the digest of what tokens of service accounts are verified by, which outlives every certificate.
    package var identity: String?
    /// Tells this run's files on the nodes from those of others.
    package var tag: String
    /// nil for the kind that each certificate has.
    package var algorithm: KeyAlgorithm?
    /// How long new certificates are valid.
    package var validSeconds: Double
    /// Other names than the certificates have now, by node and kubeadm's name.
    package var names: [String: [String: SubjectNames]] = [:]
    /// A folder on this machine with what another authority has signed; nil where the nodes' own authorities sign.
    package var signedFolder: String?
    package var patienceSeconds: Double
    package var window: Window?
    package var maxSeconds: Double?
    /// Of restarts: the nodes as their static pods say, and what each reads and shows.
    package var hosts: [ControlPlaneHost] = []
    package var components: [String: [ComponentFacts]] = [:]
    /// In front of the API servers; none where nothing balances.
    package var loadBalancers: [LoadBalancer] = []
    /// Also what uses the newest files already.
    package var isForced = false
    /// Whether an etcd may go that has no other beside it.
    package var acceptsRisk = false
    /// Whether load balancers are held still while etcd's leadership moves.
    package var holdsTraffic = false
    /// Of rotations.
    package var rotation: Rotation?

    package init(
        nodes: [NodeAccess], folders: CertificateFolders, tag: String, algorithm: KeyAlgorithm? = nil,
        validSeconds: Double = KubeadmCertificate.validity, patienceSeconds: Double = 300, window: Window? = nil, maxSeconds: Double? = nil
    ) {
        self.nodes = nodes
        self.folders = folders
        self.tag = tag
        self.algorithm = algorithm
        self.validSeconds = validSeconds
        self.patienceSeconds = patienceSeconds
        self.window = window
        self.maxSeconds = maxSeconds
    }

    /// One run at a time works on a control plane, whatever nodes it names.
    package var subject: String { "control plane \(identity ?? nodes.map(\.name).sorted().joined(separator: ", "))" }

    mutating func identify(_ nodes: [NodeCertificates]) {
        identity = nodes.lazy.compactMap { node in node.text(node.path("pki/sa.pub")) ?? node.text(node.path("pki/ca.crt")) }.first.map { text in
            String(SHA256.hash(data: Data(text.utf8)).hexadecimal.prefix(12))
        }
    }

    func node(_ name: String) throws -> NodeAccess {
        guard let node = nodes.first(where: { $0.name == name }) else { throw OperationError(.invalid, "the run knows no node \(name).") }
        return node
    }

    func host(_ name: String) throws -> ControlPlaneHost {
        guard let host = hosts.first(where: { $0.name == name }) else { throw OperationError(.invalid, "the run knows no node \(name).") }
        return host
    }

    func pods(_ host: ControlPlaneHost) -> StaticPodScripts {
        StaticPodScripts(manifests: "\(folders.kubernetes)/manifests", kept: "\(aside)/pods", dataDirectory: host.dataDirectory)
    }

    /// On the nodes, beside kubeadm's files, so that a rename is enough.
    var aside: String { "\(folders.kubernetes)/drydock-certs-\(tag)" }
}
