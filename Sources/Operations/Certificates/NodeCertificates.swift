package import ClusterPKI
package import Foundation
package import NodeAccess
internal import ObjectStore

/// Where kubeadm and the kubelet keep their files on a node.
package struct CertificateFolders: Codable, Sendable, Equatable {
    package var kubernetes: String
    package var kubelet: String
    /// Kubeconfigs and certificates beside those of kubeadm, absolute.
    package var others: [String]

    package init(kubernetes: String = "/etc/kubernetes", kubelet: String = "/var/lib/kubelet", others: [String] = []) {
        self.kubernetes = kubernetes
        self.kubelet = kubelet
        self.others = others
    }

    var paths: [String] {
        let conf = ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf", "bootstrap-kubelet.conf"]
        return ["\(kubernetes)/pki", "\(kubernetes)/manifests"] + conf.map { "\(kubernetes)/\($0)" } + ["\(kubelet)/pki"] + others
    }
}

/// The certificates of one control-plane node, as they lie on its disk, in memory. Holds secrets.
package struct NodeCertificates: Sendable {
    package let node: String
    package let folders: CertificateFolders
    let files: NodeFiles
    /// Manifests that a run has taken away and not brought back, by path.
    let stopped: [String]

    /// - Throws: `NodeError` when the node cannot be reached, `OperationError` `.invalid` when it has no certificates of kubeadm's.
    package static func read(_ access: NodeAccess, _ folders: CertificateFolders) async throws -> NodeCertificates {
        let files = try await ControlPlaneFiles.read(folders.paths, of: access)
        let pods = "\(NodeAccess.quoted(folders.kubernetes))/drydock-*/pods"
        let stopped = try await access.text("for file in \(pods)/*.yaml; do if [ -e \"$file\" ]; then echo \"$file\"; fi; done")
        let found = NodeCertificates(
            node: access.name, folders: folders, files: files, stopped: stopped.split(separator: "\n").map(String.init).sorted())
        guard files.paths.contains(where: { $0.hasPrefix("\(folders.kubernetes)/pki/") }) else {
            throw OperationError(
                .invalid,
                "\(access.name) has no certificates in \(folders.kubernetes)/pki: it is no control-plane node of kubeadm's. Check --kubernetes-dir.")
        }
        return found
    }

    /// - Parameter path: below kubeadm's folder.
    func path(_ path: String) -> String { "\(folders.kubernetes)/\(path)" }

    func text(_ path: String) -> String? { files.file(path).map { String(decoding: $0.bytes, as: UTF8.self) } }

    /// As people know it, with the node where there are several.
    func place(_ path: String) -> String { "\(path) on \(node)" }

    /// The certificate of kubeadm's list; nil where it is missing.
    /// - Throws: `PKIError` when what lies there is none.
    package func certificate(_ kind: KubeadmCertificate) throws -> X509Certificate? {
        let path = path(kind.certificatePath)
        guard let text = text(path) else { return nil }
        switch kind.place {
        case .pair:
            let all = try X509Certificate.parse(pem: text, from: place(path))
            return all[0]
        case .kubeconfig: return try KubeconfigIdentity(text, from: place(path)).certificate
        }
    }

    func key(_ kind: KubeadmCertificate) throws -> PrivateKey? {
        let path = path(kind.keyPath)
        guard let text = text(path) else { return nil }
        switch kind.place {
        case .pair: return try PrivateKey(pem: text, from: place(path))
        case .kubeconfig: return try KubeconfigIdentity(text, from: place(path)).key
        }
    }

    /// All certificates that a CA file holds: one, or during a rotation two.
    package func authorities(_ authority: KubeadmCertificate.Authority) throws -> [X509Certificate] {
        let path = path(authority.certificatePath)
        return try text(path).map { try X509Certificate.parse(pem: $0, from: place(path)) } ?? []
    }

    /// Whether somebody else signs: kubeadm's external CA mode, in which the authority's key is not here.
    package func isExternal(_ authority: KubeadmCertificate.Authority) -> Bool { text(path(authority.keyPath)) == nil }

    /// Who signs for an authority here.
    /// - Throws: when its key is not here, belongs to another, or the authority is over.
    package func signer(_ authority: KubeadmCertificate.Authority, at now: Date) throws -> Signer {
        let path = path(authority.keyPath)
        guard let text = text(path) else {
            throw OperationError(
                .refused,
                "the key of \(authority.rawValue) is not on \(node) (\(path)): another signs for it. Make requests with --csr-dir, and bring the certificates back with --signed-dir."
            )
        }
        let key = try PrivateKey(pem: text, from: place(path))
        guard let certificate = try authorities(authority).first(where: { $0.matches(key) }) else {
            throw OperationError(.refused, "the key in \(place(path)) belongs to none of the certificates beside it.")
        }
        return try Signer(certificate: certificate, key: key, at: now, from: place(self.path(authority.certificatePath)))
    }

    /// The files that hold a certificate and its key, with others in their places.
    /// - Parameters:
    ///   - chain: the certificate, and those that are to be sent along.
    ///   - authorities: whom a kubeconfig is to trust from now on; nil for whom it trusts.
    func replacing(
        _ kind: KubeadmCertificate, by chain: [X509Certificate], _ key: PrivateKey, authorities: [X509Certificate]? = nil
    ) throws -> [FileChange] {
        switch kind.place {
        case .pair:
            // The key first: whoever reads them between the two has a pair that does not fit, and tries again.
            return [
                .write(path: path(kind.keyPath), bytes: Array(key.pem.utf8), keepsTime: false),
                .write(path: path(kind.certificatePath), bytes: Array(try chain.map { try $0.pem }.joined().utf8), keepsTime: false),
            ]
        case .kubeconfig(let name):
            let config = try KubeconfigIdentity(text(path(name)) ?? "", from: place(path(name)))
            let trusted = try config.authorities.isEmpty ? nil : authorities
            let replaced = try config.replacing(certificate: chain.first, key: key, authorities: trusted)
            return [.write(path: path(name), bytes: Array(replaced.utf8), keepsTime: false)]
        }
    }

    /// What the kubelet looks after by itself; nil where it has none.
    func certificate(_ kind: KubeletCertificate) throws -> X509Certificate? {
        let path = kind.path(in: folders)
        return try text(path).map { try X509Certificate.parse(pem: $0, from: place(path))[0] }
    }

    /// A static pod's manifest; nil where there is none.
    func pod(_ component: Component) throws -> StaticPod? {
        let path = path("manifests/\(component.rawValue).yaml")
        return try text(path).map { try StaticPod(parsing: $0, from: place(path)) }
    }
}
