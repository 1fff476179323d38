internal import ClusterPKI
package import Foundation
internal import KubernetesAPI
package import KubernetesClient

/// Certificates that lie in the cluster itself: whom the API servers trust as webhooks and as other API servers, and the Secrets of TLS.
package struct ClusterCertificates: Sendable {
    private struct Found {
        var name: String
        var pem: String
        /// Of a Secret.
        var key: String?
    }

    private var found: [Found] = []
    private var findings: [HostFinding] = []

    /// Needs the right to list webhooks, API services and Secrets.
    package static func read(_ client: KubernetesClient) async throws -> ClusterCertificates {
        var all = ClusterCertificates()
        for kind in ["Mutating", "Validating"] {
            let resource = Resource(
                group: "admissionregistration.k8s.io", version: "v1", plural: "\(kind.lowercased())webhookconfigurations",
                kind: "\(kind)WebhookConfiguration")
            for object in try await client.list(resource) {
                for webhook in object["webhooks"].elements {
                    all.take(
                        bundle: webhook["clientConfig"]["caBundle"].string,
                        "webhook \(object["metadata"]["name"].string ?? "")/\(webhook["name"].string ?? "")")
                }
            }
        }
        let services = Resource(group: "apiregistration.k8s.io", version: "v1", plural: "apiservices", kind: "APIService")
        for object in try await client.list(services) where !object["spec"]["service"].isNull {
            let name = "apiservice \(object["metadata"]["name"].string ?? "")"
            if object["spec"]["insecureSkipTLSVerify"].bool == true {
                all.find(.warning, name, "the API servers do not verify who it is (insecureSkipTLSVerify)", "give it a caBundle")
            }
            all.take(bundle: object["spec"]["caBundle"].string, name)
        }
        let secrets = Resource(plural: "secrets", kind: "Secret")
        for object in try await client.list(secrets, ListOptions(fields: .equal("type", "kubernetes.io/tls"))) {
            let name = "secret \(object["metadata"]["namespace"].string ?? "")/\(object["metadata"]["name"].string ?? "")"
            let (certificate, key) = (decoded(object["data"]["tls.crt"].string), decoded(object["data"]["tls.key"].string))
            if let certificate, !certificate.isEmpty { all.found.append(Found(name: name, pem: certificate, key: key)) }
        }
        return all
    }

    private static func decoded(_ text: String?) -> String? { text.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) } }

    /// One without a bundle is verified by the authorities of the API server's host.
    private mutating func take(bundle: String?, _ name: String) {
        guard let bundle, !bundle.isEmpty else { return }
        guard let pem = Self.decoded(bundle) else { return find(.critical, name, "its caBundle is no PEM in base64", "write it anew") }
        found.append(Found(name: name, pem: pem))
    }

    private mutating func find(_ severity: HostFinding.Severity, _ name: String, _ problem: String, _ remedy: String) {
        findings.append(.init(host: "cluster", severity: severity, subject: name, problem: problem, remedy: remedy))
    }

    /// Puts them into a report.
    package func add(to report: inout CertificateReport, warnSeconds: Double, at now: Date) {
        var own = self
        for item in found {
            do {
                let all = try X509Certificate.parse(pem: item.pem, from: item.name)
                for (index, certificate) in all.enumerated() {
                    let name = all.count > 1 ? "\(item.name) (\(index + 1))" : item.name
                    let left = certificate.notAfter.timeIntervalSince(now)
                    report.rows.append(
                        .init(
                            node: "cluster", name: name, path: item.name, expires: certificate.notAfter, residual: CertificateReport.shortened(left),
                            ca: "",
                            externallyManaged: true, isAuthority: certificate.isAuthority, isKubeadms: false, serial: certificate.serial,
                            subject: certificate.subject, key: certificate.keyAlgorithm, names: certificate.names.sorted()))
                    if left < warnSeconds {
                        let when = certificate.notAfter.formatted(.iso8601)
                        own.find(
                            left <= 0 ? .critical : .warning, name, left <= 0 ? "it expired at \(when)" : "it expires at \(when)",
                            "whoever made it renews it")
                    }
                }
                if let key = item.key, !key.isEmpty, !all[0].matches(try PrivateKey(pem: key, from: item.name)) {
                    own.find(.critical, item.name, "its key is another's", "make both anew")
                }
            } catch { own.find(.critical, item.name, "\(error)", "look at it") }
        }
        report.findings = (report.findings + own.findings).sorted()
    }
}
