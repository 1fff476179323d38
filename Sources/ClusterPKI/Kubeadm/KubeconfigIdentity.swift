internal import Foundation
internal import Yams

/// The client certificate, the key and the authority in a kubeconfig of kubeadm's kind: one cluster, one user, everything embedded.
///
/// The text is kept as it is; what is replaced is replaced in it, so that comments, order and whatever else somebody wrote stay.
package struct KubeconfigIdentity: Sendable {
    /// The text of the file. Secret.
    package let text: String
    private let place: String
    private let authorityData: String?
    private let certificateData: String?
    private let keyData: String?
    /// `https://10.0.0.100:6443`.
    package let server: String

    /// Bytes at most.
    private static let longest = 4 << 20

    /// - Parameter place: where it lies, for errors, which never hold its contents.
    /// - Throws: `PKIError` `.malformed`.
    package init(_ text: String, from place: String) throws {
        func fail(_ what: String) -> PKIError { PKIError(.malformed, "\(place) \(what)") }
        guard text.utf8.count <= Self.longest else { throw fail("has more than \(Self.longest >> 20) MiB, and is no kubeconfig.") }
        let root: Node.Mapping
        do {
            guard let found = try Yams.compose(yaml: text)?.mapping else { throw fail("is no kubeconfig.") }
            root = found
        } catch let error as PKIError { throw error } catch { throw fail("is no YAML.") }
        func list(_ name: String) -> [Node] { root[name]?.sequence.map { Array($0) } ?? [] }
        let context = root["current-context"]?.string
        let chosen = list("contexts").first { $0["name"]?.string == context } ?? list("contexts").first
        let cluster = list("clusters").first { $0["name"]?.string == chosen?["context"]?["cluster"]?.string } ?? list("clusters").first
        let user = list("users").first { $0["name"]?.string == chosen?["context"]?["user"]?.string } ?? list("users").first
        guard let cluster = cluster?["cluster"], let server = cluster["server"]?.string else { throw fail("names no cluster with a server.") }
        self.text = text
        self.place = place
        self.server = server
        authorityData = cluster["certificate-authority-data"]?.string
        certificateData = user?["user"]?["client-certificate-data"]?.string
        keyData = user?["user"]?["client-key-data"]?.string
    }

    private func decoded(_ data: String?, _ what: String) throws -> String? {
        guard let data else { return nil }
        guard let bytes = Data(base64Encoded: data, options: .ignoreUnknownCharacters), let text = String(data: bytes, encoding: .utf8) else {
            throw PKIError(.malformed, "\(what) in \(place) is no PEM in base64.")
        }
        return text
    }

    /// The embedded client certificate; nil where there is none.
    package var certificate: X509Certificate? {
        get throws {
            try decoded(certificateData, "client-certificate-data").map {
                try X509Certificate.parse(pem: $0, from: "client-certificate-data in \(place)")[0]
            }
        }
    }

    package var key: PrivateKey? {
        get throws { try decoded(keyData, "client-key-data").map { try PrivateKey(pem: $0, from: "client-key-data in \(place)") } }
    }

    /// Whom it trusts to be the server.
    package var authorities: [X509Certificate] {
        get throws {
            try decoded(authorityData, "certificate-authority-data").map {
                try X509Certificate.parse(pem: $0, from: "certificate-authority-data in \(place)")
            } ?? []
        }
    }

    /// The same file with another identity, other authorities, or both.
    /// - Throws: `PKIError` `.refused` where the old value does not stand in the text once, in one piece.
    package func replacing(certificate: X509Certificate? = nil, key: PrivateKey? = nil, authorities: [X509Certificate]? = nil) throws -> String {
        var result = text
        func replace(_ old: String?, by new: String, _ what: String) throws {
            guard let old, !old.isEmpty else { throw PKIError(.refused, "\(place) has no \(what) to replace.") }
            guard result.components(separatedBy: old).count == 2 else {
                throw PKIError(.refused, "\(what) stands more than once in \(place), or on several lines. Write it on one, as kubeadm does.")
            }
            result = result.replacingOccurrences(of: old, with: Data(new.utf8).base64EncodedString())
        }
        if let certificate { try replace(certificateData, by: try certificate.pem, "client-certificate-data") }
        if let key { try replace(keyData, by: key.pem, "client-key-data") }
        if let authorities { try replace(authorityData, by: try authorities.map { try $0.pem }.joined(), "certificate-authority-data") }
        return result
    }
}
