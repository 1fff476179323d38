internal import Foundation
internal import Yams

/// Monitoring as files: rules, scrape configuration and dashboards for the tools that people run already.
package struct MonitoringFiles: Sendable {
    package var groups: [AlertGroup]
    /// The label matcher that finds etcd's servers.
    package var selector = "job=~\".*etcd.*\""
    /// The namespace of the custom resources.
    package var namespace = "monitoring"
    /// What the runbook links begin with.
    package var runbooks = "https://runbooks.example/drydock"

    package init(groups: [AlertGroup]) { self.groups = groups }

    /// Where Prometheus finds the members, when it is told by file.
    package struct Scrape: Sendable {
        /// `host:port`.
        package var targets: [String]
        package var usesTLS: Bool
        package var authority: String?
        package var certificate: String?
        package var key: String?
        /// Prometheus' notation: `30s`.
        package var interval: String
        /// Rule files that it is to load.
        package var ruleFiles: [String]

        package init(
            targets: [String], usesTLS: Bool, authority: String?, certificate: String?, key: String?, interval: String, ruleFiles: [String]
        ) {
            self.targets = targets
            self.usesTLS = usesTLS
            self.authority = authority
            self.certificate = certificate
            self.key = key
            self.interval = interval
            self.ruleFiles = ruleFiles
        }
    }

    /// A rule file of Prometheus.
    package func rules() throws -> String { try Node.text(of: ruleGroups) }

    /// prometheus.yml.
    package func configuration(_ scrape: Scrape) throws -> String {
        var job: [(String, Node)] = [("job_name", "etcd"), ("scheme", Node(scrape.usesTLS ? "https" : "http"))]
        if scrape.usesTLS {
            let files = [("ca_file", scrape.authority), ("cert_file", scrape.certificate), ("key_file", scrape.key)]
            job.append(("tls_config", .map(files.compactMap { name, file in file.map { (name, Node($0)) } })))
        }
        job.append(("static_configs", .list([.map([("targets", .list(scrape.targets.map { Node($0) }))])])))
        return try Node.text(
            of:
                .map([
                    ("global", .map([("scrape_interval", Node(scrape.interval)), ("evaluation_interval", Node(scrape.interval))])),
                    ("rule_files", .list(scrape.ruleFiles.map { Node($0) })), ("scrape_configs", .list([.map(job)])),
                ]))
    }

    /// A ServiceMonitor and a PrometheusRule for the Prometheus operator.
    package func operatorResources() throws -> String {
        func metadata(_ name: String) -> Node {
            .map([
                ("name", Node(name)), ("namespace", Node(namespace)),
                ("labels", .map([("app.kubernetes.io/managed-by", "drydock"), ("k8s-app", "etcd")])),
            ])
        }
        let secrets = "/etc/prometheus/secrets/etcd-client-cert"
        let monitor = Node.map([
            ("apiVersion", "monitoring.coreos.com/v1"), ("kind", "ServiceMonitor"), ("metadata", metadata("etcd-monitor")),
            (
                "spec",
                .map([
                    ("jobLabel", "k8s-app"),
                    ("selector", .map([("matchLabels", .map([("k8s-app", "etcd")]))])),
                    ("namespaceSelector", .map([("matchNames", .list(["kube-system"]))])),
                    (
                        "endpoints",
                        .list([
                            .map([
                                ("port", "metrics"), ("interval", "30s"), ("scheme", "https"),
                                (
                                    "tlsConfig",
                                    .map([
                                        ("caFile", Node("\(secrets)/ca.crt")), ("certFile", Node("\(secrets)/tls.crt")),
                                        ("keyFile", Node("\(secrets)/tls.key")), ("serverName", "localhost"),
                                    ])
                                ),
                            ])
                        ])
                    ),
                ])
            ),
        ])
        let rule = Node.map([
            ("apiVersion", "monitoring.coreos.com/v1"), ("kind", "PrometheusRule"), ("metadata", metadata("etcd-alerts")), ("spec", ruleGroups),
        ])
        return try Node.text(of: monitor) + "---\n" + Node.text(of: rule)
    }

    private var ruleGroups: Node {
        .map([
            (
                "groups",
                .list(groups.map { group in .map([("name", Node(group.name)), ("rules", .list(group.rules.map(rule)))]) })
            )
        ])
    }

    private func rule(_ rule: AlertRule) -> Node {
        var fields: [(String, Node)] = [("alert", Node(rule.name)), ("expr", Node(rule.expression(selecting: selector)))]
        if !rule.pending.isEmpty { fields.append(("for", Node(rule.pending))) }
        fields.append(("labels", .map([("severity", Node(rule.severity.rawValue))])))
        fields.append(
            (
                "annotations",
                .map([
                    ("summary", Node(rule.summary)), ("description", Node(rule.description)), ("runbook_url", Node("\(runbooks)/\(rule.name).md")),
                ])
            ))
        return .map(fields)
    }

}
