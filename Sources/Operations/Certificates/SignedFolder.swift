internal import ClusterPKI
internal import Foundation
internal import Maintenance

/// A folder through which another authority signs: requests and their keys go out, certificates come back. `NODE/NAME.csr`, `.key` and `.crt`.
package struct SignedFolder: Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    private func file(_ kind: KubeadmCertificate, of node: String, _ ending: String) -> String { "\(path)/\(node)/\(kind.name).\(ending)" }

    /// Writes keys and requests for all that a plan would renew.
    /// - Parameter isRehearsal: whether nothing is written.
    /// - Returns: the requests, below the folder.
    package func request(_ made: CertificatePlan, _ nodes: [NodeCertificates], isRehearsal: Bool) throws -> [String] {
        var written: [String] = []
        for step in made.plan.steps {
            guard case .renew(let name, let names) = step.action, let node = nodes.first(where: { $0.node == name }) else { continue }
            for kind in names.compactMap({ KubeadmCertificate.named($0) }) {
                guard let old = try node.certificate(kind) else { continue }
                written.append("\(name)/\(kind.name).csr")
                if isRehearsal { continue }
                try request(kind, of: name, old: old, names: made.settings.names[name]?[kind.name], algorithm: made.settings.algorithm)
            }
        }
        return written
    }

    /// Writes a new key and a request for it; the key is its owner's alone.
    private func request(_ kind: KubeadmCertificate, of node: String, old: X509Certificate, names: SubjectNames?, algorithm: KeyAlgorithm?) throws {
        let folder = "\(path)/\(node)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let key = try PrivateKey.make(algorithm ?? old.renewableAlgorithm)
        for (ending, text, mode) in [("key", key.pem, 0o600), ("csr", try old.signingRequest(for: key, names: names), 0o644)] {
            let place = file(kind, of: node, ending)
            guard !FileManager.default.fileExists(atPath: place) else {
                throw OperationError(.refused, "\(place) is there already: its certificate may be on the way. Use another folder, or remove it.")
            }
            guard FileManager.default.createFile(atPath: place, contents: Data(text.utf8), attributes: [.posixPermissions: mode]) else {
                throw OperationError(.stopped, "cannot write \(place).")
            }
        }
    }

    /// What came back, held against what was asked for.
    func take(
        _ kind: KubeadmCertificate, of node: String, old: X509Certificate, authorities: [X509Certificate], at now: Date
    ) throws -> (certificate: X509Certificate, key: PrivateKey) {
        func read(_ ending: String) throws -> (String, String) {
            let place = file(kind, of: node, ending)
            guard let data = FileManager.default.contents(atPath: place), let text = String(data: data, encoding: .utf8) else {
                throw OperationError(.invalid, "\(place) cannot be read. `--csr-dir` makes requests; their certificates go beside them.")
            }
            return (text, place)
        }
        let (certificateText, place) = try read("crt")
        let (keyText, keyPlace) = try read("key")
        let certificate = try X509Certificate.parse(pem: certificateText, from: place)[0]
        let key = try PrivateKey(pem: keyText, from: keyPlace)
        func refuse(_ why: String) -> OperationError { OperationError(.refused, "\(place) \(why)") }
        guard certificate.matches(key) else { throw refuse("belongs to another key than \(keyPlace).") }
        guard authorities.contains(where: { certificate.isSigned(by: $0) }) else {
            throw refuse("is not signed by \(kind.authority.rawValue) of \(node).")
        }
        guard certificate.subject == old.subject else { throw refuse("is for \(certificate.subject), and not for \(old.subject).") }
        guard certificate.notAfter > now, certificate.notBefore <= now else { throw refuse("is not valid now.") }
        let lacking = Set(old.usages).subtracting(certificate.usages)
        guard lacking.isEmpty else { throw refuse("is not good as \(lacking.sorted().joined(separator: ", ")).") }
        return (certificate, key)
    }
}
