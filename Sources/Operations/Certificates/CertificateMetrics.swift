internal import Foundation

extension CertificateReport {
    private static let families: [MetricsText.Family] = [
        .init("drydock_certificates_up", "gauge", "Whether the certificates could be read."),
        .init("drydock_certificate_expiry_timestamp_seconds", "gauge", "When the certificate expires."),
        .init("drydock_certificate_missing", "gauge", "Whether a certificate that kubeadm has is not there."),
        .init("drydock_certificate_findings", "gauge", "What is wrong with certificates, by severity."),
    ]

    /// What Prometheus is told, in its text format 0.0.4.
    package var metrics: String {
        var metrics = MetricsText(Self.families)
        metrics.add("drydock_certificates_up", [], 1)
        for row in rows {
            let labels = [("node", row.node), ("name", row.name), ("ca", row.ca)]
            if let expires = row.expires {
                metrics.add("drydock_certificate_expiry_timestamp_seconds", labels, expires.timeIntervalSince1970.rounded())
            }
            if row.isKubeadms { metrics.add("drydock_certificate_missing", labels, row.expires == nil ? 1 : 0) }
        }
        for node in Set(rows.map(\.node)).sorted() {
            for severity in [HostFinding.Severity.critical, .warning] {
                let count = findings.count { $0.host == node && $0.severity == severity }
                metrics.add("drydock_certificate_findings", [("node", node), ("severity", severity.rawValue)], Double(count))
            }
        }
        return metrics.text
    }

    /// What it is told when they cannot be read: old times that stay would be worse.
    package static var unreadable: String {
        var metrics = MetricsText(families)
        metrics.add("drydock_certificates_up", [], 0)
        return metrics.text
    }
}
