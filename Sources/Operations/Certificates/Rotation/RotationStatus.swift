package import ClusterPKI
internal import Etcd
package import Foundation
internal import NodeAccess

/// Who trusts and presents which authority, on every node: files, what is on the wire, kubeconfigs and kubelets.
package struct RotationStatus: Codable, Sendable, Equatable {
    package struct Trusted: Codable, Sendable, Equatable {
        /// `new` for the newest that any node has, `old` for all others.
        package var name: String
        /// The first half of its SHA-256 digest: kubeadm's authorities all have the serial number 0.
        package var fingerprint: String
        package var expires: Date
    }

    package struct Row: Codable, Sendable, Equatable {
        package var node: String
        package var authority: String
        package var trusted: [Trusted]
        /// Whose key is here: `new`, `old`; nil where none is.
        package var signs: String?
        /// kubeadm's names, paths, and ports, of what an older authority has signed.
        package var presentsOld: [String]
    }

    package var rows: [Row]

    /// Whether anything of an older authority is left.
    package var isMixed: Bool { rows.contains { !$0.presentsOld.isEmpty || $0.trusted.contains { $0.name == "old" } || $0.signs == "old" } }

    /// - Parameter settings: with the nodes.
    package static func read(
        _ settings: CertificateSettings, _ nodes: [NodeCertificates], _ authorities: [KubeadmCertificate.Authority]
    ) async throws -> RotationStatus {
        var settings = settings
        try RestartPlan.findHosts(&settings, nodes)
        var rows: [Row] = []
        for authority in authorities {
            let all = try nodes.flatMap { try $0.authorities(authority) }
            guard let newest = all.max(by: { $0.notBefore < $1.notBefore }) else { continue }
            for node in nodes {
                let trusted = try node.authorities(authority)
                guard !trusted.isEmpty else { continue }
                func name(_ certificate: X509Certificate) -> String { certificate == newest ? "new" : "old" }
                let key = try node.text(node.path(authority.keyPath)).map { try PrivateKey(pem: $0, from: node.place(node.path(authority.keyPath))) }
                rows.append(
                    Row(
                        node: node.node, authority: authority.rawValue,
                        trusted: trusted.map { Trusted(name: name($0), fingerprint: $0.fingerprint, expires: $0.notAfter) },
                        signs: key.map { newest.matches($0) ? "new" : "old" },
                        presentsOld: try node.presented(by: authority).filter { !$0.certificate.isSigned(by: newest) }.map(\.name)
                            + (try await onTheWire(settings, node, authority, newest))))
            }
        }
        return RotationStatus(rows: rows.sorted { ($0.node, $0.authority) < ($1.node, $1.authority) })
    }

    /// Ports at which the certificate of an older authority is presented.
    private static func onTheWire(
        _ settings: CertificateSettings, _ node: NodeCertificates, _ authority: KubeadmCertificate.Authority, _ newest: X509Certificate
    ) async throws -> [String] {
        guard let access = settings.nodes.first(where: { $0.name == node.node }) else { return [] }
        let files = Dictionary(
            KubeadmCertificate.all.map { (node.path($0.certificatePath), $0.authority) }, uniquingKeysWith: { first, _ in first })
        var old: [String] = []
        for served in (settings.components[node.node] ?? []).flatMap(\.served) {
            guard let file = served.file, files[file] == authority else { continue }
            let presented = try await access.reaching(served.host, served.port) { await PresentedCertificates.read($0, $1) }
            guard let leaf = presented?.first else { continue }
            if !(try X509Certificate(der: leaf)).isSigned(by: newest) { old.append("port \(served.port)") }
        }
        return old
    }
}

extension NodeCertificates {
    /// Everything on the node that an authority is to have signed: kubeadm's certificates, other kubeconfigs, and the kubelet's own.
    func presented(by authority: KubeadmCertificate.Authority) throws -> [(name: String, certificate: X509Certificate)] {
        var found = try KubeadmCertificate.all.filter { $0.authority == authority }.compactMap { kind in
            try certificate(kind).map { (kind.name, $0) }
        }
        guard authority == .cluster else { return found }
        for kind in KubeletCertificate.allCases {
            // One that it has made for itself is nobody's.
            guard let certificate = try certificate(kind), !certificate.isSelfSigned else { continue }
            found.append((kind.path(in: folders), certificate))
        }
        for (path, config) in otherKubeconfigs() {
            if let certificate = try config.certificate { found.append((path, certificate)) }
        }
        return found
    }

    /// Kubeconfigs beside those that kubeadm renews.
    func otherKubeconfigs() -> [(path: String, config: KubeconfigIdentity)] {
        let known = Set(KubeadmCertificate.all.map { path($0.certificatePath) })
        return kubeconfigs().filter { !known.contains($0.path) }
    }

    /// All kubeconfigs of the node that can be read as kubeadm writes them.
    func kubeconfigs() -> [(path: String, config: KubeconfigIdentity)] {
        files.paths.sorted().compactMap { path in
            let isKubeadms = path.hasSuffix(".conf") && path.hasPrefix("\(folders.kubernetes)/")
            guard isKubeadms || folders.others.contains(path), let text = text(path), let config = try? KubeconfigIdentity(text, from: place(path))
            else { return nil }
            return (path, config)
        }
    }
}

/// The certificates that a kubelet looks after by itself: `kubelet-client-current.pem` and its like, links to files with a time in their names.
enum KubeletCertificate: String, CaseIterable {
    case client = "kubelet-client"
    case server = "kubelet-server"

    func path(in folders: CertificateFolders) -> String { "\(folders.kubelet)/pki/\(rawValue)-current.pem" }

    /// Of one that was made at a time.
    func path(in folders: CertificateFolders, madeAt date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "yyyy-MM-dd-HH-mm-ss"
        return "\(folders.kubelet)/pki/\(rawValue)-\(formatter.string(from: date)).pem"
    }
}
