internal import ClusterPKI
internal import Foundation
internal import NodeAccess

/// What a phase of a rotation changes on a node. Pure, and nothing where the phase is over: after a kill, the same question has what is left as its answer.
struct RotationChanges {
    let node: NodeCertificates
    let succession: Succession
    /// Of leaves.
    let validSeconds: Double
    /// nil for the kind that each certificate has.
    let algorithm: KeyAlgorithm?
    let now: Date

    private var authorities: [KubeadmCertificate.Authority] { KubeadmCertificate.Authority.allCases.filter { succession.pairs[$0] != nil } }
    private var rotatesCluster: Bool { succession.pairs[.cluster] != nil }

    func changes(_ phase: RotationPhase) throws -> [FileChange] {
        switch phase {
        case .trust: try bundles(phase) + kubeconfigTrust(.both) + signer(phase)
        case .reissue: try leaves() + identities() + kubelets()
        case .switchSigners: try bundles(phase) + keys() + signer(phase) + kubelets()
        case .drop: try bundles(phase) + kubeconfigTrust(.new) + withoutCross() + signer(phase) + kubelets()
        }
    }

    private func change(_ path: String, to text: String, keepsTime: Bool = false) -> FileChange? {
        node.text(path) == text ? nil : .write(path: path, bytes: Array(text.utf8), keepsTime: keepsTime)
    }

    // MARK: Whom one trusts

    private func bundles(_ phase: RotationPhase) throws -> [FileChange] {
        try authorities.compactMap { authority in
            let path = node.path(authority.certificatePath)
            let current = try node.authorities(authority)
            guard !current.isEmpty, let pair = succession.pairs[authority] else { return nil }
            var wanted = succession.trusted(phase == .drop ? .new : .both, for: authority, among: current)
            if phase == .switchSigners {
                // kubeadm signs with the first; whoever trusts them trusts them in any order.
                wanted = [pair.new.certificate] + wanted.filter { $0 != pair.new.certificate }
            }
            guard wanted != current else { return nil }
            return change(path, to: try wanted.map { try $0.pem }.joined(), keepsTime: phase == .switchSigners)
        }
    }

    private func kubeconfigTrust(_ whom: TrustedAuthorities) throws -> [FileChange] {
        guard let pair = succession.pairs[.cluster] else { return [] }
        return try node.kubeconfigs().compactMap { path, config in
            let current = try config.authorities
            // One of another cluster is none of ours.
            guard current.contains(pair.old) || current.contains(pair.new.certificate) else { return nil }
            let wanted = succession.trusted(whom, for: .cluster, among: current)
            guard Set(try wanted.map { try $0.pem }) != Set(try current.map { try $0.pem }) else { return nil }
            return change(path, to: try config.replacing(authorities: wanted))
        }
    }

    // MARK: What one presents

    private func renewed(_ old: X509Certificate, _ authority: KubeadmCertificate.Authority) throws -> (certificate: X509Certificate, key: PrivateKey)?
    {
        guard let pair = succession.pairs[authority] else { return nil }
        let signer = try Signer(certificate: pair.new.certificate, key: pair.new.key, at: now, from: "the new \(authority.rawValue)")
        let key = try PrivateKey.make(algorithm ?? old.renewableAlgorithm)
        return (try signer.renew(old, for: key, seconds: validSeconds, at: now), key)
    }

    private func leaves() throws -> [FileChange] {
        try KubeadmCertificate.all.flatMap { kind -> [FileChange] in
            guard let pair = succession.pairs[kind.authority], let old = try node.certificate(kind) else { return [] }
            let key = try? node.key(kind)
            if old.isSigned(by: pair.new.certificate), let key, old.matches(key) { return [] }
            guard let new = try renewed(old, kind.authority) else { return [] }
            let chain = kind.name == "apiserver" ? [new.certificate, pair.cross].compactMap(\.self) : [new.certificate]
            return try node.replacing(kind, by: chain, new.key)
        }
    }

    /// Kubeconfigs that kubeadm does not renew.
    private func identities() throws -> [FileChange] {
        guard let pair = succession.pairs[.cluster] else { return [] }
        return try node.otherKubeconfigs().compactMap { path, config in
            guard let old = try config.certificate, old.isSigned(by: pair.old), let new = try renewed(old, .cluster) else { return nil }
            return change(path, to: try config.replacing(certificate: new.certificate, key: new.key))
        }
    }

    /// The kubelet's own certificates, where the old authority has signed them. Looked at in later phases, too: kubelets have theirs renewed when they like,
    /// and until the signers are switched, by the old one.
    private func kubelets() throws -> [FileChange] {
        guard let pair = succession.pairs[.cluster] else { return [] }
        var changes: [FileChange] = []
        for kind in KubeletCertificate.allCases {
            let current = kind.path(in: node.folders)
            guard let old = try node.certificate(kind), old.isSigned(by: pair.old), let new = try renewed(old, .cluster) else { continue }
            // As the kubelet does: a file with a time in its name, and a link to it.
            let fresh = kind.path(in: node.folders, madeAt: now)
            changes.append(.write(path: fresh, bytes: Array((try new.certificate.pem + new.key.pem).utf8), keepsTime: false))
            changes.append(.link(path: current, target: fresh))
        }
        return changes
    }

    /// Nobody who trusts the old one alone is left: the certificate that vouches for the new one goes.
    private func withoutCross() throws -> [FileChange] {
        guard rotatesCluster, let kind = KubeadmCertificate.named("apiserver"), let text = node.text(node.path(kind.certificatePath)) else {
            return []
        }
        let chain = try X509Certificate.parse(pem: text, from: node.place(node.path(kind.certificatePath)))
        guard chain.count > 1 else { return [] }
        return try change(node.path(kind.certificatePath), to: chain[0].pem).map { [$0] } ?? []
    }

    // MARK: Who signs

    private func keys() -> [FileChange] {
        authorities.compactMap { authority in
            let path = node.path(authority.keyPath)
            guard let pair = succession.pairs[authority], node.text(path) != nil else { return nil }
            return change(path, to: pair.new.key.pem)
        }
    }

    /// Beside a bundle, kube-controller-manager has a file with the one certificate that it signs with.
    private func signer(_ phase: RotationPhase) throws -> [FileChange] {
        guard let pair = succession.pairs[.cluster], let pod = try node.pod(.controllerManager) else { return [] }
        let manifest = node.path("manifests/\(Component.controllerManager.rawValue).yaml")
        let (usual, own) = (node.path(KubeadmCertificate.Authority.cluster.certificatePath), node.path(Rotation.signerPath))
        let isOurs = pod.flags.contains { $0.key.hasPrefix("cluster-signing") && ($0.value == usual || $0.value == own) }
        guard isOurs, let text = node.text(manifest) else { return [] }
        let (from, to) = phase == .drop ? (own, usual) : (usual, own)
        let replaced = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.contains("--cluster-signing") && line.hasSuffix("cert-file=\(from)") ? line.dropLast(from.count) + to : line
        }.joined(separator: "\n")
        let flags = try StaticPod(parsing: replaced, from: node.place(manifest)).flags
        guard !flags.contains(where: { $0.key.hasPrefix("cluster-signing") && $0.key.hasSuffix("cert-file") && $0.value == from }) else {
            throw OperationError(
                .refused, "\(node.place(manifest)): --cluster-signing-cert-file is not written in one piece, as kubeadm does. Write it so.")
        }
        if phase == .drop {
            let gone: [FileChange] = node.text(own) == nil ? [] : [.remove(path: own)]
            return (change(manifest, to: replaced).map { [$0] } ?? []) + gone
        }
        let wanted = try phase == .trust ? pair.old.pem : pair.new.certificate.pem
        return [change(own, to: wanted), change(manifest, to: replaced)].compactMap(\.self)
    }
}
