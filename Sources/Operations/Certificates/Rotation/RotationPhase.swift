package import ClusterPKI
internal import Foundation

/// The order in which authorities are replaced, so that whoever trusts or presents either of them is understood all the while.
package enum RotationPhase: String, Codable, Sendable, CaseIterable {
    /// Everybody trusts both.
    case trust
    /// Everybody presents what the new one has signed. API servers send a certificate along by which the old one vouches for the new one, so that whoever
    /// still trusts the old one alone understands them, too.
    case reissue
    /// What is signed from now on, the new one signs.
    case switchSigners = "switch"
    /// Nobody trusts the old one any more.
    case drop
}

/// Whom somebody is to trust.
package enum TrustedAuthorities: String, Codable, Sendable {
    case old
    case both
    case new
}

/// Which authorities are replaced. Holds no keys: those are on the nodes alone.
package struct Rotation: Codable, Sendable, Equatable {
    package var authorities: [KubeadmCertificate.Authority]
    /// The certificates of the old ones, PEM.
    var old: [String: String] = [:]
    /// How long the new ones are valid.
    var validSeconds: Double
    /// Where the new ones are made; the other nodes get them from there.
    var first: String
    /// Nodes that have a kubelet as a service of systemd.
    var kubelets: [String] = []

    /// kube-controller-manager signs with one certificate and no bundle of them, so it gets a file of its own meanwhile, below kubeadm's folder.
    static let signerPath = "pki/drydock-signer.crt"
}

/// Old authorities and those that take their places. Holds secrets.
struct Succession: Sendable {
    struct Pair: Sendable {
        var old: X509Certificate
        var new: Successor
        /// The new one as the old one vouches for it; nil once the old one's key is gone.
        var cross: X509Certificate?
    }

    var pairs: [KubeadmCertificate.Authority: Pair]

    func trusted(_ whom: TrustedAuthorities, for authority: KubeadmCertificate.Authority, among current: [X509Certificate]) -> [X509Certificate] {
        guard let pair = pairs[authority] else { return current }
        let others = current.filter { $0 != pair.old && $0 != pair.new.certificate }
        switch whom {
        case .old: return [pair.old] + others
        case .both: return [pair.old, pair.new.certificate] + others
        case .new: return [pair.new.certificate] + others
        }
    }
}
