internal import Foundation
internal import NIOCore
internal import SwiftASN1
internal import X509

/// Says why a handshake failed. The TLS library only says that it did, and whoever gets paged needs the reason.
///
/// Shakes hands once more, looks at the certificates that the server shows, and always refuses them: nothing is sent.
struct TLSDiagnosis {
    let endpoint: Endpoint
    let tls: EtcdConfiguration.TLS

    /// The reason, or nil when the certificates show none.
    func reason() async -> String? {
        guard let presented = await presentedCertificates() else {
            return "the server does not speak TLS there, or ended the handshake: write http:// if it serves without TLS"
        }
        guard let leaf = presented.first else { return nil }
        let now = Date()
        if leaf.notValidAfter < now { return "the server's certificate expired on \(leaf.notValidAfter.formatted(.iso8601))" }
        if leaf.notValidBefore > now {
            return "the server's certificate is not valid before \(leaf.notValidBefore.formatted(.iso8601)): check the clocks"
        }
        if let authority = tls.authority, let roots = try? EtcdConfiguration.TLS.certificates(authority, option: "--cacert") {
            let signers = roots + presented.dropFirst()
            if !signers.contains(where: { $0.publicKey.isValidSignature(leaf.signature, for: leaf) }) {
                return "the server's certificate was issued by \"\(leaf.issuer)\", which is not in \(authority)"
            }
            if let expired = roots.first(where: { $0.notValidAfter < now }) {
                return "the authority \"\(expired.subject)\" in \(authority) expired on \(expired.notValidAfter.formatted(.iso8601))"
            }
        }
        let names = subjectNames(of: leaf)
        if case .host(let host, _) = endpoint.address, !names.contains(host.lowercased()) {
            return "the server's certificate is for \(names.isEmpty ? "no name" : names.joined(separator: ", ")), not for \(host)"
        }
        return nil
    }

    private func subjectNames(of certificate: Certificate) -> [String] {
        let names = (try? certificate.extensions.subjectAlternativeNames) ?? nil
        return (names ?? SubjectAlternativeNames()).compactMap { name in
            switch name {
            case .dnsName(let name): return name.lowercased()
            case .ipAddress(let octets):
                let bytes = ByteBuffer(bytes: octets.bytes)
                return (try? SocketAddress(packedIPAddress: bytes, port: 0))?.ipAddress
            default: return nil
            }
        }
    }

    /// What the server shows, leaf first; nil when there is no handshake to be had.
    func presentedCertificates() async -> [Certificate]? {
        guard case .host(let host, let port) = endpoint.address else { return nil }
        let presented = await PresentedCertificates.read(host, port, serverName: endpoint.ipAddress == nil ? host : nil)
        return presented?.compactMap { try? Certificate(derEncoded: $0) }
    }
}
