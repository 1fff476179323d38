internal import Foundation
internal import GRPCNIOTransportHTTP2Posix
internal import NIOSSL
internal import SwiftASN1
internal import X509

extension EtcdConfiguration.TLS {
    /// Reads the files and says which of them is wrong before anything is sent.
    func transportSecurity() throws(EtcdError) -> HTTP2ClientTransport.Posix.TransportSecurity {
        var tls = HTTP2ClientTransport.Posix.TransportSecurity.TLS.defaults
        tls.serverCertificateVerification = .fullVerification
        if let authority {
            _ = try Self.certificates(authority, option: "--cacert")
            tls.trustRoots = .certificates([.file(path: authority, format: .pem)])
        }
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            let chain = try Self.certificates(certificate, option: "--cert")
            let now = Date()
            if let leaf = chain.first, leaf.notValidAfter < now {
                throw EtcdError(
                    .tls, "the client certificate \(certificate) expired on \(leaf.notValidAfter.formatted(.iso8601)). Renew it, then run again.")
            }
            if let leaf = chain.first, leaf.notValidBefore > now {
                throw EtcdError(
                    .tls, "the client certificate \(certificate) is not valid before \(leaf.notValidBefore.formatted(.iso8601)). Check the clock.")
            }
            try Self.checkKey(key, belongsTo: chain.first, in: certificate)
            tls.certificateChain = [.file(path: certificate, format: .pem)]
            tls.privateKey = .file(path: key, format: .pem)
        default:
            throw EtcdError(.invalid, "--cert and --key go together: name both files, or neither.")
        }
        return .tls(tls)
    }

    /// The same for the port's HTTP side, which serves the metrics. The files have been checked when the connection was made.
    func clientConfiguration() throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authority { tls.trustRoots = .file(authority) }
        if let certificate, let key {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        }
        return tls
    }

    /// The certificates of a PEM file; at least one.
    static func certificates(_ path: String, option: String) throws(EtcdError) -> [Certificate] {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path).map { try Certificate(derEncoded: $0.toDERBytes()) }
            if !certificates.isEmpty { return certificates }
        } catch {
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw EtcdError(.invalid, "\(option): cannot read \(path). Check the path and that this user may read it.")
            }
        }
        throw EtcdError(.invalid, "\(option): \(path) holds no PEM certificate.")
    }

    private static func checkKey(_ path: String, belongsTo certificate: Certificate?, in certificatePath: String) throws(EtcdError) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw EtcdError(.invalid, "--key: cannot read \(path). Check the path and that this user may read it.")
        }
        guard let key = try? Certificate.PrivateKey(pemEncoded: text) else {
            throw EtcdError(.invalid, "--key: \(path) holds no PEM private key that can be used without a passphrase.")
        }
        if let certificate, certificate.publicKey != key.publicKey {
            throw EtcdError(.invalid, "--key: \(path) is not the key of the certificate in \(certificatePath).")
        }
    }
}
