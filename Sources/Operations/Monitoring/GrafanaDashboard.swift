internal import Foundation

/// A dashboard for Grafana (schema version 39), JSON.
package struct GrafanaDashboard: Sendable {
    private struct Panel {
        var title: String
        var unit: String
        /// PromQL and legend.
        var queries: [(expression: String, legend: String)]
        /// A line to compare with.
        var threshold: Double?
        var description: String
    }

    package enum Subject: Sendable {
        case etcd
        /// HAProxy, the API servers, certificates and the probe.
        case controlPlane
    }

    private let subject: Subject
    private let selector: String

    /// - Parameter selector: finds etcd's servers.
    package init(_ subject: Subject, selector: String) {
        self.subject = subject
        self.selector = selector
    }

    package func json() throws -> String {
        let isEtcd = subject == .etcd
        let chosen = isEtcd ? Self.panels : Self.controlPlanePanels
        let panels = chosen.enumerated().map { index, panel in self.panel(panel, index: index) }
        let dashboard: [String: Any] = [
            "title": isEtcd ? "etcd (drydock)" : "Control plane (drydock)", "uid": isEtcd ? "drydock-etcd" : "drydock-control-plane",
            "tags": [isEtcd ? "etcd" : "control-plane", "drydock"], "timezone": "browser", "schemaVersion": 39, "version": 1,
            "refresh": "30s", "time": ["from": "now-6h", "to": "now"], "editable": true, "panels": panels,
            "templating": [
                "list": [["name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"] as [String: Any]]
                    + (isEtcd
                        ? [
                            [
                                "name": "job", "type": "query", "label": "Cluster", "datasource": ["type": "prometheus", "uid": "${datasource}"],
                                "query": "label_values(etcd_server_has_leader{\(selector)}, job)", "refresh": 2,
                            ] as [String: Any]
                        ] : [])
            ],
        ]
        let data = try JSONSerialization.data(withJSONObject: dashboard, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    private func panel(_ panel: Panel, index: Int) -> [String: Any] {
        let source: [String: Any] = ["type": "prometheus", "uid": "${datasource}"]
        var defaults: [String: Any] = ["unit": panel.unit, "custom": ["lineWidth": 1, "fillOpacity": 8, "thresholdsStyle": ["mode": "line"]]]
        if let threshold = panel.threshold {
            defaults["thresholds"] = [
                "mode": "absolute", "steps": [["color": "green", "value": NSNull()] as [String: Any], ["color": "red", "value": threshold]],
            ]
        }
        let targets = panel.queries.enumerated().map { number, query in
            [
                "refId": String(UnicodeScalar(UInt8(65 + number))), "datasource": source, "legendFormat": query.legend,
                "expr": query.expression.replacing("$selector", with: "job=\"$job\""),
            ] as [String: Any]
        }
        return [
            "id": index + 1, "type": "timeseries", "title": panel.title, "description": panel.description, "datasource": source,
            "gridPos": ["x": index % 2 * 12, "y": index / 2 * 8, "w": 12, "h": 8], "targets": targets,
            "fieldConfig": ["defaults": defaults, "overrides": [] as [Any]],
            "options": ["legend": ["displayMode": "list", "placement": "bottom"], "tooltip": ["mode": "multi"]],
        ]
    }

    private static let panels: [Panel] = [
        Panel(
            title: "Leader", unit: "short",
            queries: [
                ("etcd_server_is_leader{$selector}", "{{instance}} leads"), ("etcd_server_has_leader{$selector}", "{{instance}} has a leader"),
            ], threshold: nil, description: "Who leads, and who follows a leader."),
        Panel(
            title: "Leader changes", unit: "short", queries: [("increase(etcd_server_leader_changes_seen_total{$selector}[15m])", "{{instance}}")],
            threshold: 4, description: "Within 15 minutes."),
        Panel(
            title: "WAL fsync, 99th percentile", unit: "s",
            queries: [("histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket{$selector}[5m]))", "{{instance}}")], threshold: 0.1,
            description: "How long the log takes to reach the disk."),
        Panel(
            title: "Backend commit, 99th percentile", unit: "s",
            queries: [("histogram_quantile(0.99, rate(etcd_disk_backend_commit_duration_seconds_bucket{$selector}[5m]))", "{{instance}}")],
            threshold: 0.1, description: "How long commits of the database take."),
        Panel(
            title: "Database size", unit: "bytes",
            queries: [
                ("etcd_mvcc_db_total_size_in_bytes{$selector}", "{{instance}} file"),
                ("etcd_mvcc_db_total_size_in_use_in_bytes{$selector}", "{{instance}} in use"),
                ("min(etcd_server_quota_backend_bytes{$selector})", "quota"),
            ], threshold: nil, description: "The gap between file and use is what a defragmentation gives back."),
        Panel(
            title: "Quota used", unit: "percentunit",
            queries: [("etcd_mvcc_db_total_size_in_bytes{$selector} / etcd_server_quota_backend_bytes{$selector}", "{{instance}}")], threshold: 0.95,
            description: "At 100 % the cluster takes no writes."),
        Panel(
            title: "Peer round trip, 99th percentile", unit: "s",
            queries: [
                ("histogram_quantile(0.99, rate(etcd_network_peer_round_trip_time_seconds_bucket{$selector}[5m]))", "{{instance}} to {{To}}")
            ], threshold: 0.15, description: "Between the members."),
        Panel(
            title: "Proposals", unit: "ops",
            queries: [
                ("rate(etcd_server_proposals_committed_total{$selector}[5m])", "{{instance}} committed"),
                ("rate(etcd_server_proposals_failed_total{$selector}[5m])", "{{instance}} failed"),
                ("etcd_server_proposals_pending{$selector}", "{{instance}} pending"),
            ], threshold: nil, description: "Writes that the cluster agrees on."),
        Panel(
            title: "Requests refused or failed", unit: "ops",
            queries: [
                (
                    "sum by (grpc_code) (rate(grpc_server_handled_total{$selector,grpc_code!=\"OK\",grpc_code!=\"Canceled\"}[5m]))", "{{grpc_code}}"
                )
            ], threshold: nil, description: "By gRPC code; ResourceExhausted means NOSPACE or too many requests."),
        Panel(
            title: "Defragmentation and snapshots", unit: "s",
            queries: [
                ("increase(etcd_disk_backend_defrag_duration_seconds_sum{$selector}[5m])", "{{instance}} defragmenting"),
                ("increase(etcd_disk_backend_snapshot_duration_seconds_sum{$selector}[5m])", "{{instance}} snapshot"),
            ], threshold: nil, description: "Seconds spent within five minutes."),
    ]

    private static let controlPlanePanels: [Panel] = [
        Panel(
            title: "Servers that take traffic", unit: "short", queries: [("haproxy_backend_active_servers", "{{instance}} {{proxy}}")],
            threshold: nil,
            description: "By backend of HAProxy. Zero is an outage, one has no spare."),
        Panel(
            title: "Server states", unit: "short", queries: [("haproxy_server_status{state!=\"UP\"} == 1", "{{server}} {{state}} on {{instance}}")],
            threshold: nil, description: "Those that are not up."),
        Panel(
            title: "Sessions", unit: "short", queries: [("haproxy_server_current_sessions", "{{instance}} {{server}}")], threshold: nil,
            description: "By server: connections live long, so they spread slowly after one comes back."),
        Panel(
            title: "Connections used", unit: "percentunit",
            queries: [("haproxy_process_current_connections / haproxy_process_max_connections", "{{instance}}")],
            threshold: 0.8, description: "Of those that HAProxy may have."),
        Panel(
            title: "Connections that failed", unit: "ops",
            queries: [
                ("rate(haproxy_backend_connection_errors_total[5m])", "{{instance}} {{proxy}} errors"),
                ("rate(haproxy_backend_redispatch_warnings_total[5m])", "{{instance}} {{proxy}} tried elsewhere"),
            ], threshold: nil, description: "From HAProxy to its servers."),
        Panel(
            title: "API errors", unit: "percentunit",
            queries: [
                (
                    "sum by (instance) (rate(apiserver_request_total{code=~\"5..\"}[5m])) / sum by (instance) (rate(apiserver_request_total[5m]))",
                    "{{instance}}"
                )
            ], threshold: 0.03, description: "The share of requests that end with a status of 500 and more."),
        Panel(
            title: "API latency, 99th percentile", unit: "s",
            queries: [
                (
                    "histogram_quantile(0.99, sum by (instance, le) (rate(apiserver_request_duration_seconds_bucket{verb!~\"WATCH|WATCHLIST|CONNECT|LIST\"}[5m])))",
                    "{{instance}}"
                )
            ], threshold: 1, description: "Without lists and watches."),
        Panel(
            title: "Certificates", unit: "s", queries: [("bottomk(10, drydock_certificate_expiry_timestamp_seconds - time())", "{{node}} {{name}}")],
            threshold: nil, description: "What is left of the ten that expire first."),
        Panel(
            title: "Probe: failures", unit: "ops", queries: [("rate(drydock_probe_failures_total[5m])", "{{target}}")], threshold: nil,
            description: "Requests of `drydock probe` that failed."),
        Panel(
            title: "Probe: latency", unit: "s", queries: [("drydock_probe_latency_seconds{quantile=~\"0.5|0.99\"}", "{{target}} {{quantile}}")],
            threshold: nil, description: "From when a request was due."),
    ]
}
