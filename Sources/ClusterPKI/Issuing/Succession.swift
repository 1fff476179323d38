package import Foundation
internal import SwiftASN1
internal import X509

/// An authority that takes the place of another.
package struct Successor: Sendable {
    package let certificate: X509Certificate
    package let key: PrivateKey

    package init(certificate: X509Certificate, key: PrivateKey) {
        self.certificate = certificate
        self.key = key
    }

    /// A new self-signed authority with the subject, the usages and every other extension of `old`.
    ///
    /// Two authorities of one subject are told apart by the identifiers of their keys (RFC 5280, sections 4.2.1.1 and 4.2.1.2).
    /// - Parameter seconds: how long it is valid from now.
    package static func make(of old: X509Certificate, _ algorithm: KeyAlgorithm, seconds: Double, at now: Date) throws -> Successor {
        let key = try PrivateKey.make(algorithm)
        let made = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.key.publicKey,
            // Clocks differ by minutes; and the newer of the two is told by this, too.
            notValidBefore: max(now.addingTimeInterval(-300), old.notBefore.addingTimeInterval(1)), notValidAfter: now.addingTimeInterval(seconds),
            issuer: old.certificate.subject, subject: old.certificate.subject, signatureAlgorithm: key.signatureAlgorithm,
            extensions: try extensions(like: old, for: key.key.publicKey, signer: nil), issuerPrivateKey: key.key)
        return Successor(certificate: X509Certificate(made), key: key)
    }

    fileprivate static func extensions(
        like old: X509Certificate, for key: Certificate.PublicKey, signer: SubjectKeyIdentifier?
    ) throws -> Certificate.Extensions {
        let own: [ASN1ObjectIdentifier] = [.X509ExtensionID.authorityKeyIdentifier, .X509ExtensionID.subjectKeyIdentifier]
        var kept = old.certificate.extensions.filter { !own.contains($0.oid) }
        kept.append(try Certificate.Extension(SubjectKeyIdentifier(hash: key), critical: false))
        if let signer { kept.append(try Certificate.Extension(AuthorityKeyIdentifier(keyIdentifier: signer.keyIdentifier), critical: false)) }
        return try Certificate.Extensions(kept)
    }
}

extension Signer {
    /// Says that another authority is as good as this one: a certificate of its name and key, signed by this one. Who trusts only this one
    /// accepts what the other has signed, where the server sends it along.
    package func crossSign(_ other: X509Certificate, at now: Date) throws -> X509Certificate {
        let own = try certificate.certificate.extensions.subjectKeyIdentifier ?? SubjectKeyIdentifier(hash: certificate.certificate.publicKey)
        let made = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: other.certificate.publicKey,
            notValidBefore: max(other.notBefore, certificate.notBefore), notValidAfter: min(other.notAfter, certificate.notAfter),
            issuer: certificate.certificate.subject, subject: other.certificate.subject, signatureAlgorithm: key.signatureAlgorithm,
            extensions: try Successor.extensions(like: other, for: other.certificate.publicKey, signer: own), issuerPrivateKey: key.key)
        return X509Certificate(made)
    }
}
