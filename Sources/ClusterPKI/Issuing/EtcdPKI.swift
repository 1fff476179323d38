package import Foundation

/// The certificates of an etcd cluster in kubeadm's layout, one folder a node:
/// `etcd/{ca,server,peer,healthcheck-client}.{crt,key}` and `apiserver-etcd-client.{crt,key}`.
package struct EtcdPKI: Sendable {
    package let authority: CertificateAuthority

    package init() throws { authority = try CertificateAuthority(commonName: "etcd-ca") }

    /// Issues and writes a node's certificates below `folder`; keys are readable by their owner only.
    package func write(node: String, addresses: [String], to folder: URL) throws {
        let names = [node, "localhost"]
        let serving = ["server", "peer"]
        for file in serving {
            let request = CertificateRequest(
                commonName: node, dnsNames: names, ipAddresses: addresses + ["::1"], usages: [.server, .client])
            try write(try authority.issue(request), as: "etcd/\(file)", to: folder)
        }
        let client = CertificateRequest(
            commonName: "kube-etcd-healthcheck-client", organization: "system:masters", usages: [.client])
        try write(try authority.issue(client), as: "etcd/healthcheck-client", to: folder)
        let apiServer = CertificateRequest(
            commonName: "kube-apiserver-etcd-client", organization: "system:masters", usages: [.client])
        try write(try authority.issue(apiServer), as: "apiserver-etcd-client", to: folder)
        try write(authority.issued, as: "etcd/ca", to: folder)
    }

    /// Writes `name.crt` and `name.key` below `folder`.
    package func write(_ issued: IssuedCertificate, as name: String, to folder: URL) throws {
        let certificate = folder.appendingPathComponent(name + ".crt")
        try FileManager.default.createDirectory(at: certificate.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(issued.certificatePEM.utf8).write(to: certificate)
        let key = folder.appendingPathComponent(name + ".key").path
        guard FileManager.default.createFile(atPath: key, contents: Data(issued.keyPEM.utf8), attributes: [.posixPermissions: 0o600])
        else { throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: key]) }
    }
}
