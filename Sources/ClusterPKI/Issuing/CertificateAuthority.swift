internal import Crypto
package import Foundation
internal import SwiftASN1
internal import X509

/// A certificate and its private key, as PEM.
package struct IssuedCertificate: Sendable {
    package let certificatePEM: String
    /// Secret: goes to a file with mode 0600 and nowhere else.
    package let keyPEM: String
}

/// What a certificate is to say.
package struct CertificateRequest: Sendable {
    /// What the bearer may do with it (RFC 5280, section 4.2.1.12).
    package enum Usage: Sendable { case server, client }

    package var commonName: String
    package var organization: String?
    package var dnsNames: [String]
    /// Dotted or colon notation.
    package var ipAddresses: [String]
    package var usages: [Usage]
    package var notBefore: Date
    package var notAfter: Date

    /// Valid for a year from now, as kubeadm's certificates are, with five minutes of grace for clocks that differ.
    package init(
        commonName: String, organization: String? = nil, dnsNames: [String] = [], ipAddresses: [String] = [], usages: [Usage],
        notBefore: Date = Date(timeIntervalSinceNow: -300), notAfter: Date = Date(timeIntervalSinceNow: 365 * 86400)
    ) {
        self.commonName = commonName
        self.organization = organization
        self.dnsNames = dnsNames
        self.ipAddresses = ipAddresses
        self.usages = usages
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

/// Signs certificates. ECDSA on P-256, which every Kubernetes and etcd accepts.
package struct CertificateAuthority: Sendable {
    package let issued: IssuedCertificate
    private let name: DistinguishedName
    private let key: Certificate.PrivateKey

    /// A new self-signed authority, valid for ten years as kubeadm's are.
    package init(commonName: String) throws {
        let signingKey = P256.Signing.PrivateKey()
        key = Certificate.PrivateKey(signingKey)
        name = try DistinguishedName { CommonName(commonName) }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
            notValidBefore: Date(timeIntervalSinceNow: -300), notValidAfter: Date(timeIntervalSinceNow: 3650 * 86400),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true, keyCertSign: true))
            },
            issuerPrivateKey: key)
        issued = IssuedCertificate(
            certificatePEM: try certificate.serializeAsPEM().pemString, keyPEM: signingKey.pemRepresentation)
    }

    /// Signs a new key for `request`.
    package func issue(_ request: CertificateRequest) throws -> IssuedCertificate {
        let signingKey = P256.Signing.PrivateKey()
        let subject = try DistinguishedName {
            if let organization = request.organization { OrganizationName(organization) }
            CommonName(request.commonName)
        }
        let names = SubjectNames(dnsNames: request.dnsNames, addresses: request.ipAddresses)
        let usages: [ExtendedKeyUsage.Usage] = request.usages.map { $0 == .server ? .serverAuth : .clientAuth }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(signingKey.publicKey),
            notValidBefore: request.notBefore, notValidAfter: request.notAfter,
            issuer: name, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
                try ExtendedKeyUsage(usages)
                if !names.isEmpty { try names.extensionValue }
            },
            issuerPrivateKey: key)
        return IssuedCertificate(
            certificatePEM: try certificate.serializeAsPEM().pemString, keyPEM: signingKey.pemRepresentation)
    }
}
