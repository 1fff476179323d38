extension AlertGroup {
    /// Every group that there is.
    package static let all: [AlertGroup] = [.etcd, .backups] + controlPlane

    /// What stands before the API servers, they themselves, their certificates, and what a probe sees of them.
    package static let controlPlane: [AlertGroup] = [.loadBalancer, .apiServer, .certificates, .probe]

    /// The alerts of HAProxy, by its own exporter (2.6 to 2.8), which `drydock lb render` configures.
    package static let loadBalancer = AlertGroup(
        name: "haproxy.rules",
        rules: [
            AlertRule(
                name: "HAProxyBackendDown", expression: "haproxy_backend_active_servers == 0 and on (instance, proxy) haproxy_server_weight",
                pending: "1m",
                severity: .critical, summary: "a backend of HAProxy serves nobody",
                description: "{{ $labels.proxy }} on {{ $labels.instance }} has no server that takes traffic."),
            AlertRule(
                name: "HAProxyBackendWithoutSpare",
                expression:
                    "haproxy_backend_active_servers == 1 and on (instance, proxy) count by (instance, proxy) (haproxy_server_weight) > 1",
                pending: "5m", severity: .warning, summary: "one server is left in a backend of HAProxy",
                description:
                    "{{ $labels.proxy }} on {{ $labels.instance }} has one server left: nothing there can be serviced, and its failure is an outage."),
            AlertRule(
                name: "HAProxyServerDown", expression: "haproxy_server_status{state=\"DOWN\"} == 1", pending: "5m", severity: .warning,
                summary: "a server behind HAProxy is down",
                description: "{{ $labels.proxy }}/{{ $labels.server }} on {{ $labels.instance }} fails its checks."),
            AlertRule(
                name: "HAProxyServerLeftAway", expression: "haproxy_server_status{state=~\"DRAIN|MAINT\"} == 1", pending: "4h", severity: .warning,
                summary: "a server behind HAProxy was drained and not opened again",
                description: "{{ $labels.proxy }}/{{ $labels.server }} on {{ $labels.instance }} has been in {{ $labels.state }} for four hours."),
            AlertRule(
                name: "HAProxyConnectionsNearLimit",
                expression: "haproxy_process_current_connections / haproxy_process_max_connections > 0.8", pending: "5m", severity: .warning,
                summary: "HAProxy has almost as many connections as it may",
                description: "{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its connections. At 100 % clients wait at the door."),
            AlertRule(
                name: "HAProxyConnectionErrors", expression: "rate(haproxy_backend_connection_errors_total[5m]) > 0.1", pending: "5m",
                severity: .warning,
                summary: "HAProxy does not get through to its servers",
                description: "{{ $labels.proxy }} on {{ $labels.instance }} fails to connect {{ $value | humanize }} times a second."),
        ])

    /// The alerts of the API servers, by their own metrics (1.20 and newer).
    package static let apiServer = AlertGroup(
        name: "kube-apiserver.rules",
        rules: [
            AlertRule(
                name: "APIServerErrors",
                expression:
                    "sum by (instance) (rate(apiserver_request_total{code=~\"5..\"}[5m])) / sum by (instance) (rate(apiserver_request_total[5m])) > 0.03",
                pending: "10m", severity: .critical, summary: "an API server answers with errors",
                description: "{{ $labels.instance }} fails {{ $value | humanizePercentage }} of its requests; the bound is 3 %."),
            AlertRule(
                name: "APIServerSlow",
                expression:
                    "histogram_quantile(0.99, sum by (instance, le) (rate(apiserver_request_duration_seconds_bucket{verb!~\"WATCH|WATCHLIST|CONNECT|LIST\"}[5m]))) > 1",
                pending: "10m", severity: .warning, summary: "an API server is slow",
                description: "99 % of the requests to {{ $labels.instance }} take up to {{ $value | humanizeDuration }}; the bound is 1 s."),
            AlertRule(
                name: "ClientCertificateExpiring",
                expression:
                    "histogram_quantile(0.01, sum by (instance, le) (rate(apiserver_client_certificate_expiration_seconds_bucket[5m]))) < 604800 and on (instance) sum by (instance) (rate(apiserver_client_certificate_expiration_seconds_count[5m])) > 0",
                pending: "10m", severity: .warning, summary: "a client of the API uses a certificate that is almost over",
                description: "Somebody who asks {{ $labels.instance }} has a client certificate with {{ $value | humanizeDuration }} left."),
        ])

    /// The alerts of what `drydock certs export-metrics` tells.
    package static let certificates = AlertGroup(
        name: "drydock-certificates.rules",
        rules: [
            AlertRule(
                name: "CertificateExpiringSoon", expression: "drydock_certificate_expiry_timestamp_seconds - time() < 2592000", pending: "1h",
                severity: .warning, summary: "a certificate of the control plane expires soon",
                description: "{{ $labels.name }} on {{ $labels.node }} has {{ $value | humanizeDuration }} left."),
            AlertRule(
                name: "CertificatesExpired", expression: "drydock_certificate_expiry_timestamp_seconds - time() < 259200", pending: "",
                severity: .critical, summary: "a certificate of the control plane is over, or will be within three days",
                description: "{{ $labels.name }} on {{ $labels.node }} has {{ $value | humanizeDuration }} left."),
            AlertRule(
                name: "CertificateWrong", expression: "drydock_certificate_findings{severity=\"critical\"} > 0", pending: "10m", severity: .critical,
                summary: "certificates or keys of the control plane do not fit, or are open to others",
                description: "{{ $value }} findings on {{ $labels.node }}."),
            AlertRule(
                name: "CertificatesNotRead", expression: "drydock_certificates_up == 0", pending: "15m", severity: .warning,
                summary: "nobody knows when the certificates of the control plane expire",
                description: "drydock certs export-metrics at {{ $labels.instance }} cannot read a node."),
        ])

    /// The alerts of what `drydock probe` sees.
    package static let probe = AlertGroup(
        name: "drydock-probe.rules",
        rules: [
            AlertRule(
                name: "ProbeFailing", expression: "increase(drydock_probe_failures_total[5m]) / increase(drydock_probe_requests_total[5m]) > 0.001",
                pending: "", severity: .critical, summary: "the control plane does not answer a probe",
                description: "{{ $value | humanizePercentage }} of the requests to {{ $labels.target }} failed within five minutes.")
        ])
}
