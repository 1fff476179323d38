internal import Crypto
package import Foundation
internal import SwiftASN1
internal import X509

/// A certificate that was read (RFC 5280).
package struct X509Certificate: Sendable, Equatable {
    let certificate: Certificate

    init(_ certificate: Certificate) { self.certificate = certificate }

    /// Certificates of a file at most: a bundle of authorities has a few hundred.
    private static let most = 1000
    /// Bytes at most.
    private static let longest = 4 << 20

    /// All certificates of a PEM file, in their order; other blocks are passed over.
    /// - Parameter place: where it lies, for errors.
    /// - Throws: `PKIError` `.malformed`.
    package static func parse(pem: String, from place: String) throws -> [X509Certificate] {
        guard pem.utf8.count <= longest else { throw PKIError(.malformed, "\(place) has more than \(longest >> 20) MiB, and is no certificate.") }
        let documents: [PEMDocument]
        do { documents = try PEMDocument.parseMultiple(pemString: pem) } catch { throw PKIError(.malformed, "\(place) is no PEM: \(error)") }
        guard documents.count <= most else { throw PKIError(.malformed, "\(place) has more than \(most) certificates.") }
        let certificates = try documents.filter { $0.discriminator == "CERTIFICATE" }.map { document in
            do { return X509Certificate(try Certificate(pemDocument: document)) } catch {
                throw PKIError(.malformed, "\(place) holds a certificate that cannot be read: \(error)")
            }
        }
        guard !certificates.isEmpty else { throw PKIError(.malformed, "\(place) holds no certificate.") }
        return certificates
    }

    /// - Parameter der: the bytes of one certificate, as TLS carries them.
    package init(der: [UInt8]) throws {
        do { certificate = try Certificate(derEncoded: der) } catch { throw PKIError(.malformed, "the certificate cannot be read: \(error)") }
    }

    package var pem: String {
        get throws { try certificate.serializeAsPEM().pemString + "\n" }
    }

    /// Hexadecimal, without leading zeros, as openssl prints it.
    package var serial: String {
        let text = certificate.serialNumber.bytes.drop { $0 == 0 }.map { String(format: "%02X", $0) }.joined()
        return text.isEmpty ? "00" : text
    }

    /// The first half of its SHA-256 digest, hexadecimal.
    package var fingerprint: String {
        var serializer = DER.Serializer()
        guard (try? serializer.serialize(certificate)) != nil else { return "" }
        return SHA256.hash(data: serializer.serializedBytes).prefix(16).map { String(format: "%02x", $0) }.joined()
    }

    package var notBefore: Date { certificate.notValidBefore }
    package var notAfter: Date { certificate.notValidAfter }
    package var subject: String { certificate.subject.description }

    package var isAuthority: Bool {
        guard case .isCertificateAuthority? = try? certificate.extensions.basicConstraints else { return false }
        return true
    }

    /// How many authorities may stand between it and a leaf; nil for any number.
    package var pathLength: Int? {
        guard case .isCertificateAuthority(let most)? = try? certificate.extensions.basicConstraints else { return nil }
        return most
    }

    package var isSelfSigned: Bool { certificate.subject == certificate.issuer && isSigned(by: self) }

    /// Names and addresses that it is good for: DNS names in lower case, addresses in their usual notation.
    package var names: Set<String> {
        guard let names = try? certificate.extensions.subjectAlternativeNames else { return [] }
        return Set(
            names.compactMap { name in
                switch name {
                case .dnsName(let name): name.lowercased()
                case .ipAddress(let octets): Self.address(octets.bytes)
                default: nil
                }
            })
    }

    /// What the bearer may do with it, as openssl names it: `serverAuth`, `clientAuth`, or a dotted identifier.
    package var usages: [String] {
        guard let usages = try? certificate.extensions.extendedKeyUsage else { return [] }
        return usages.map { $0 == .serverAuth ? "serverAuth" : $0 == .clientAuth ? "clientAuth" : "\($0)" }
    }

    /// `RSA 2048`, `ECDSA P-256`, …
    package var keyAlgorithm: String { KeyAlgorithm.text(certificate.publicKey) }

    /// Why the key or the signature can be broken, or nil.
    package var weakness: String? {
        let signature = certificate.signatureAlgorithm.description
        if signature.lowercased().contains("sha1") || signature.lowercased().contains("md5") { return "it is signed with \(signature)" }
        guard let bits = KeyAlgorithm.rsaBits(certificate.publicKey), bits < 2048 else { return nil }
        return "its RSA key has \(bits) bits"
    }

    /// Whether `authority` has signed it, really: by its key, and by its name.
    package func isSigned(by authority: X509Certificate) -> Bool {
        certificate.issuer == authority.certificate.subject
            && authority.certificate.publicKey.isValidSignature(certificate.signature, for: certificate)
    }

    /// Whether `key` belongs to it.
    package func matches(_ key: PrivateKey) -> Bool { key.key.publicKey == certificate.publicKey }

    static func address(_ bytes: ArraySlice<UInt8>) -> String? {
        let bytes = Array(bytes)
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch bytes.count {
        case 4: inet_ntop(AF_INET, bytes, &text, socklen_t(text.count))
        case 16: inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
        default: return nil
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
