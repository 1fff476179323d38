internal import Crypto
package import Foundation
internal import SwiftASN1
internal import X509

/// A certificate authority that is there, with its key: kubeadm's `ca`, `etcd/ca` and `front-proxy-ca`.
package struct Signer: Sendable {
    package let certificate: X509Certificate
    let key: PrivateKey

    /// - Throws: `PKIError` when they do not belong together, or the certificate is no authority's, or is over.
    package init(certificate: X509Certificate, key: PrivateKey, at now: Date, from place: String) throws {
        guard certificate.isAuthority else { throw PKIError(.refused, "\(place) is no certificate authority.") }
        guard certificate.matches(key) else { throw PKIError(.refused, "the key beside \(place) is another's.") }
        guard certificate.notAfter > now else {
            throw PKIError(
                .refused,
                "\(place) expired at \(certificate.notAfter.formatted(.iso8601)): what it signs is worth nothing. The cluster needs a new authority.")
        }
        self.certificate = certificate
        self.key = key
    }

    /// A new certificate in the place of `old`, for another key: the subject, the names, the usages and every other extension stay; who signs, when, and
    /// the identifiers of the keys are new.
    /// - Parameters:
    ///   - names: other names than the old one has; nil for the same.
    ///   - seconds: how long it is valid from now. No certificate outlives its authority.
    package func renew(_ old: X509Certificate, for key: PrivateKey, names: SubjectNames? = nil, seconds: Double, at now: Date) throws
        -> X509Certificate
    {
        let publicKey = key.key.publicKey
        let identifier =
            try certificate.certificate.extensions.subjectKeyIdentifier?.keyIdentifier
            ?? SubjectKeyIdentifier(hash: certificate.certificate.publicKey).keyIdentifier
        let authorityKey = try Certificate.Extension(AuthorityKeyIdentifier(keyIdentifier: identifier), critical: false)
        let alternatives = try names.map { try Certificate.Extension($0.extensionValue, critical: false) }
        var kept = try old.certificate.extensions.map { own -> Certificate.Extension in
            switch own.oid {
            case .X509ExtensionID.authorityKeyIdentifier: authorityKey
            case .X509ExtensionID.subjectKeyIdentifier: try Certificate.Extension(SubjectKeyIdentifier(hash: publicKey), critical: own.critical)
            case .X509ExtensionID.subjectAlternativeName: alternatives ?? own
            default: own
            }
        }
        for wanted in [alternatives, authorityKey].compactMap(\.self) where !kept.contains(where: { $0.oid == wanted.oid }) { kept.append(wanted) }
        if names?.isEmpty == true { kept.removeAll { $0.oid == .X509ExtensionID.subjectAlternativeName } }
        let made = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
            // Clocks differ by minutes, and nothing is valid before its authority is.
            notValidBefore: max(now.addingTimeInterval(-300), certificate.notBefore),
            notValidAfter: min(now.addingTimeInterval(seconds), certificate.notAfter), issuer: certificate.certificate.subject,
            subject: old.certificate.subject,
            signatureAlgorithm: self.key.signatureAlgorithm, extensions: try Certificate.Extensions(kept), issuerPrivateKey: self.key.key)
        return X509Certificate(made)
    }
}

/// The names and addresses that a certificate is to be good for.
package struct SubjectNames: Sendable, Equatable, Codable {
    package var dnsNames: [String]
    /// Dotted or colon notation.
    package var addresses: [String]

    package init(dnsNames: [String], addresses: [String]) {
        self.dnsNames = dnsNames
        self.addresses = addresses
    }

    /// Tells names from addresses.
    package init(_ names: some Sequence<String>) {
        var (dns, addresses) = ([String](), [String]())
        for name in names {
            if Self.octets(name) != nil { addresses.append(name) } else { dns.append(name) }
        }
        self.init(dnsNames: dns, addresses: addresses)
    }

    package var isEmpty: Bool { dnsNames.isEmpty && addresses.isEmpty }
    package var all: Set<String> {
        Set(dnsNames.map { $0.lowercased() } + addresses.compactMap { Self.octets($0).flatMap { X509Certificate.address($0[...]) } })
    }

    var extensionValue: SubjectAlternativeNames {
        get throws {
            let octets = try addresses.map { address in
                guard let bytes = Self.octets(address) else { throw PKIError(.malformed, "\"\(address)\" is no address.") }
                return GeneralName.ipAddress(ASN1OctetString(contentBytes: bytes[...]))
            }
            return SubjectAlternativeNames(dnsNames.map { .dnsName($0) } + octets)
        }
    }

    static func octets(_ text: String) -> [UInt8]? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
        var v6 = in6_addr()
        return inet_pton(AF_INET6, text, &v6) == 1 ? withUnsafeBytes(of: v6) { Array($0) } : nil
    }
}

extension X509Certificate {
    /// The kind of key that a new one gets: the same, where it is made here.
    package var renewableAlgorithm: KeyAlgorithm { KeyAlgorithm(of: certificate.publicKey) ?? .ecdsaP256 }

    /// A request (PKCS#10) to have a certificate like this one for another key, as PEM: the same subject and names.
    package func signingRequest(for key: PrivateKey, names: SubjectNames? = nil) throws -> String {
        var wanted = Certificate.Extensions()
        if let names {
            if !names.isEmpty { try wanted.append(Certificate.Extension(try names.extensionValue, critical: false)) }
        } else if let own = try certificate.extensions.subjectAlternativeNames {
            try wanted.append(Certificate.Extension(own, critical: false))
        }
        for id in [ASN1ObjectIdentifier.X509ExtensionID.keyUsage, .X509ExtensionID.extendedKeyUsage] {
            if let own = certificate.extensions[oid: id] { try wanted.append(own) }
        }
        let request = try CertificateSigningRequest(
            version: .v1, subject: certificate.subject, privateKey: key.key,
            attributes: .init([.init(ExtensionRequest(extensions: wanted))]),
            signatureAlgorithm: key.signatureAlgorithm)
        return try request.serializeAsPEM().pemString + "\n"
    }
}
