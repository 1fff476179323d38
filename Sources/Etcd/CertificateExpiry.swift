package import Foundation
internal import X509

/// When a certificate that the cluster's clients or servers use ends.
package struct CertificateExpiry: Sendable, Codable, Equatable {
    /// The file, or the endpoint that shows it.
    package var place: String
    package var subject: String
    package var notAfter: Date
}

extension EtcdConfiguration {
    /// The ends of the certificates in the PEM files that this configuration names.
    package func certificateFiles() throws -> [CertificateExpiry] {
        let files = [(tls?.authority, "--cacert"), (tls?.certificate, "--cert")].compactMap { file, option in file.map { ($0, option) } }
        return try files.flatMap { file, option in
            try TLS.certificates(file, option: option).map {
                CertificateExpiry(place: file, subject: "\($0.subject)", notAfter: $0.notValidAfter)
            }
        }
    }

    /// The end of the certificate that the server at `endpoint` shows; nil without TLS, or when it shows none.
    package func serverCertificate(at endpoint: Endpoint) async -> CertificateExpiry? {
        guard endpoint.requiresTLS ?? (tls != nil) else { return nil }
        let diagnosis = TLSDiagnosis(endpoint: endpoint, tls: tls ?? TLS(authority: nil, certificate: nil, key: nil))
        return await diagnosis.presentedCertificates()?.first.map {
            CertificateExpiry(place: endpoint.description, subject: "\($0.subject)", notAfter: $0.notValidAfter)
        }
    }
}
