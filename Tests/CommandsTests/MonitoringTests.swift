import Etcd
import Foundation
import Operations
import Proving
import Testing

private enum Promtool {
    static let path = "/usr/bin/promtool"
    static var mayRun: Bool {
        FileManager.default.isExecutableFile(atPath: path) && EtcdRelease.mayRun || ProcessInfo.processInfo.environment["CI"] == "true"
    }
}

/// What makes one alert fire, and what does not.
private struct AlertCase {
    var alert: String
    /// Series and values as promtool's tests write them, for firing and for not firing.
    var firing: [(String, String)]
    var quiet: [(String, String)]
    /// When to look.
    var at = "30m"

    private static let labels = "job=\"etcd\",instance=\"a\""

    private static func bucket(_ name: String, slow: Bool, more: String = "") -> [(String, String)] {
        // All observations lie above the bound, or all below it.
        ["0.064", "0.128", "0.256", "+Inf"].map { bound in
            let counts = slow ? bound == "0.256" || bound == "+Inf" : true
            return ("\(name)_bucket{\(labels)\(more),le=\"\(bound)\"}", counts ? "0+100x60" : "0x60")
        }
    }

    private static func gauge(_ name: String, _ values: String, more: String = "") -> (String, String) { ("\(name){\(labels)\(more)}", values) }

    static let all: [AlertCase] = [
        .init(
            alert: "EtcdHighCommitDurations", firing: bucket("etcd_disk_backend_commit_duration_seconds", slow: true),
            quiet: bucket("etcd_disk_backend_commit_duration_seconds", slow: false)),
        .init(
            alert: "EtcdHighFsyncDurations", firing: bucket("etcd_disk_wal_fsync_duration_seconds", slow: true),
            quiet: bucket("etcd_disk_wal_fsync_duration_seconds", slow: false)),
        .init(alert: "EtcdNoLeader", firing: [gauge("etcd_server_has_leader", "0x60")], quiet: [gauge("etcd_server_has_leader", "1x60")]),
        .init(alert: "EtcdMembersMissing", firing: [gauge("up", "0x60")], quiet: [gauge("up", "1x60")]),
        .init(
            alert: "EtcdInsufficientMembers",
            firing: [("a", "1x60"), ("b", "0x60"), ("c", "0x60")].map { ("up{job=\"etcd\",instance=\"\($0.0)\"}", $0.1) },
            quiet: [("a", "1x60"), ("b", "1x60"), ("c", "0x60")].map { ("up{job=\"etcd\",instance=\"\($0.0)\"}", $0.1) }),
        .init(
            alert: "EtcdDatabaseQuotaLow",
            firing: [gauge("etcd_mvcc_db_total_size_in_bytes", "96x60"), gauge("etcd_server_quota_backend_bytes", "100x60")],
            quiet: [gauge("etcd_mvcc_db_total_size_in_bytes", "90x60"), gauge("etcd_server_quota_backend_bytes", "100x60")]),
        .init(
            alert: "EtcdDatabaseGrowth",
            firing: [gauge("etcd_mvcc_db_total_size_in_bytes", "0+1000x400"), gauge("etcd_server_quota_backend_bytes", "500000x400")],
            quiet: [gauge("etcd_mvcc_db_total_size_in_bytes", "0+100x400"), gauge("etcd_server_quota_backend_bytes", "500000x400")], at: "5h"),
        .init(
            alert: "EtcdDatabaseFragmented",
            firing: [gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "200000000x60"), gauge("etcd_mvcc_db_total_size_in_bytes", "500000000x60")],
            // Half free, but small.
            quiet: [gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "20000000x60"), gauge("etcd_mvcc_db_total_size_in_bytes", "50000000x60")]),
        .init(
            alert: "EtcdHighNumberOfLeaderChanges", firing: [gauge("etcd_server_leader_changes_seen_total", "0+1x60")],
            quiet: [gauge("etcd_server_leader_changes_seen_total", "1x60")]),
        .init(
            alert: "EtcdHighNumberOfFailedProposals", firing: [gauge("etcd_server_proposals_failed_total", "0+1x60")],
            quiet: [gauge("etcd_server_proposals_failed_total", "3x60")], at: "45m"),
        .init(
            alert: "EtcdMemberCommunicationSlow", firing: bucket("etcd_network_peer_round_trip_time_seconds", slow: true, more: ",To=\"b\""),
            quiet: bucket("etcd_network_peer_round_trip_time_seconds", slow: false, more: ",To=\"b\"")),
        .init(
            alert: "EtcdAlarmRaised",
            firing: [
                gauge(
                    "grpc_server_handled_total", "0+1x60",
                    more: ",grpc_service=\"etcdserverpb.KV\",grpc_method=\"Put\",grpc_code=\"ResourceExhausted\"")
            ],
            quiet: [gauge("etcd_mvcc_db_total_size_in_bytes", "90x60"), gauge("etcd_server_quota_backend_bytes", "100x60")]),
    ]

    private static func backup(_ name: String, _ values: String, _ more: String = "") -> (String, String) {
        ("drydock_backup_\(name){cluster=\"c\",location=\"a\"\(more)}", values)
    }

    private static func backupB(_ name: String, _ values: String) -> (String, String) {
        ("drydock_backup_\(name){cluster=\"c\",location=\"b\"}", values)
    }

    // promtool's clock begins at 0.
    static let backups: [AlertCase] = [
        .init(
            alert: "BackupTooOld", firing: [backup("last_success_timestamp_seconds", "0x700")],
            quiet: [backup("last_success_timestamp_seconds", "0x700"), backupB("last_success_timestamp_seconds", "20000x700")], at: "9h"),
        .init(
            alert: "BackupLocationBehind",
            firing: [backup("last_success_timestamp_seconds", "0x700"), backupB("last_success_timestamp_seconds", "30000x700")],
            quiet: [backup("last_success_timestamp_seconds", "10000x700"), backupB("last_success_timestamp_seconds", "30000x700")], at: "9h"),
        .init(
            alert: "BackupLocationDown", firing: [("drydock_backup_location_up{location=\"a\"}", "0x60")],
            quiet: [("drydock_backup_location_up{location=\"a\"}", "1x60")]),
        .init(
            alert: "BackupNone", firing: [("drydock_backup_location_backups{location=\"a\"}", "0x60")],
            quiet: [("drydock_backup_location_backups{location=\"a\"}", "1x60")]),
        .init(
            alert: "BackupBroken", firing: [("drydock_backup_location_broken{location=\"a\"}", "1x60")],
            quiet: [("drydock_backup_location_broken{location=\"a\"}", "0x60")]),
        .init(
            alert: "BackupMetricsMissing", firing: [("up{job=\"other\"}", "1x60")],
            quiet: [("drydock_backup_location_up{location=\"a\"}", "0x60")]),
        .init(
            alert: "BackupFailing", firing: [("drydock_backup_failures_total{operation=\"create\"}", "0+1x60")],
            quiet: [("drydock_backup_failures_total{operation=\"create\"}", "2x60")]),
        .init(
            alert: "BackupNotDrilled", firing: [backup("last_success_timestamp_seconds", "0x300")],
            quiet: [backup("last_success_timestamp_seconds", "0x300"), backup("last_drill_timestamp_seconds", "0x300")], at: "3h"),
        .init(alert: "BackupDrillFailed", firing: [backup("last_drill_success", "0x60")], quiet: [backup("last_drill_success", "1x60")]),
        .init(
            alert: "BackupRecoveryPointTooOld", firing: [backup("recovery_point_timestamp_seconds", "0x20000")],
            quiet: [backup("recovery_point_timestamp_seconds", "600000x20000")], at: "264h"),
        .init(
            alert: "BackupShrunk", firing: [backup("last_size_bytes", "1000x20 400x40")], quiet: [backup("last_size_bytes", "1000x20 600x40")]),
        .init(alert: "BackupSlow", firing: [backup("last_duration_seconds", "1000x60")], quiet: [backup("last_duration_seconds", "100x60")]),
    ]

    private static func server(_ name: String, _ state: String, _ values: String) -> (String, String) {
        ("haproxy_server_status{instance=\"lb\",proxy=\"kube\",server=\"\(name)\",state=\"\(state)\"}", values)
    }

    private static func proxy(_ name: String, _ values: String, server: String = "") -> (String, String) {
        ("haproxy_\(name){instance=\"lb\",proxy=\"kube\"\(server.isEmpty ? "" : ",server=\"\(server)\"")}", values)
    }

    private static let weights = [proxy("server_weight", "1x300", server: "cp1"), proxy("server_weight", "1x300", server: "cp2")]

    private static func buckets(_ name: String, _ bounds: [String], above: Bool, _ more: String = "") -> [(String, String)] {
        bounds.map {
            ("\(name)_bucket{instance=\"a\"\(more),le=\"\($0)\"}", above && $0 != "+Inf" && $0 != bounds[bounds.count - 2] ? "0x60" : "0+100x60")
        }
    }

    static let controlPlane: [AlertCase] = [
        .init(
            alert: "HAProxyBackendDown", firing: weights + [proxy("backend_active_servers", "0x60")],
            // One without servers, such as that of a page, is none that could serve.
            quiet: [proxy("backend_active_servers", "0x60")]),
        .init(
            alert: "HAProxyBackendWithoutSpare", firing: weights + [proxy("backend_active_servers", "1x60")],
            quiet: [weights[0], proxy("backend_active_servers", "1x60")]),
        .init(
            alert: "HAProxyServerDown", firing: [server("cp1", "DOWN", "1x60")], quiet: [server("cp1", "DOWN", "0x60"), server("cp1", "UP", "1x60")]),
        .init(alert: "HAProxyServerLeftAway", firing: [server("cp1", "DRAIN", "1x300")], quiet: [server("cp1", "DRAIN", "1x100 0x200")], at: "5h"),
        .init(
            alert: "HAProxyConnectionsNearLimit",
            firing: [("haproxy_process_current_connections", "900x60"), ("haproxy_process_max_connections", "1000x60")],
            quiet: [("haproxy_process_current_connections", "700x60"), ("haproxy_process_max_connections", "1000x60")]),
        .init(
            alert: "HAProxyConnectionErrors", firing: [proxy("backend_connection_errors_total", "0+60x60")],
            quiet: [proxy("backend_connection_errors_total", "0+1x60")]),
        .init(
            alert: "APIServerErrors",
            firing: [
                ("apiserver_request_total{instance=\"a\",code=\"500\"}", "0+10x60"),
                ("apiserver_request_total{instance=\"a\",code=\"200\"}", "0+100x60"),
            ],
            quiet: [
                ("apiserver_request_total{instance=\"a\",code=\"500\"}", "0+1x60"),
                ("apiserver_request_total{instance=\"a\",code=\"200\"}", "0+100x60"),
            ]),
        .init(
            alert: "APIServerSlow", firing: buckets("apiserver_request_duration_seconds", ["0.5", "1", "2", "+Inf"], above: true, ",verb=\"GET\""),
            quiet: buckets("apiserver_request_duration_seconds", ["0.5", "1", "2", "+Inf"], above: false, ",verb=\"GET\"")
                + buckets("apiserver_request_duration_seconds", ["0.5", "1", "2", "+Inf"], above: true, ",verb=\"WATCH\"")),
        .init(
            alert: "ClientCertificateExpiring",
            firing: buckets("apiserver_client_certificate_expiration_seconds", ["86400", "604800", "2592000", "+Inf"], above: false) + [
                ("apiserver_client_certificate_expiration_seconds_count{instance=\"a\"}", "0+100x60")
            ],
            quiet: buckets("apiserver_client_certificate_expiration_seconds", ["86400", "604800", "2592000", "+Inf"], above: true) + [
                ("apiserver_client_certificate_expiration_seconds_count{instance=\"a\"}", "0+100x60")
            ]),
        .init(
            alert: "CertificateExpiringSoon",
            firing: [("drydock_certificate_expiry_timestamp_seconds{node=\"a\",name=\"apiserver\"}", "2000000x200")],
            quiet: [("drydock_certificate_expiry_timestamp_seconds{node=\"a\",name=\"apiserver\"}", "3000000x200")], at: "2h"),
        .init(
            alert: "CertificatesExpired", firing: [("drydock_certificate_expiry_timestamp_seconds{node=\"a\",name=\"apiserver\"}", "1000x60")],
            quiet: [("drydock_certificate_expiry_timestamp_seconds{node=\"a\",name=\"apiserver\"}", "2000000x60")]),
        .init(
            alert: "CertificateWrong", firing: [("drydock_certificate_findings{node=\"a\",severity=\"critical\"}", "1x60")],
            quiet: [("drydock_certificate_findings{node=\"a\",severity=\"warning\"}", "3x60")]),
        .init(alert: "CertificatesNotRead", firing: [("drydock_certificates_up", "0x60")], quiet: [("drydock_certificates_up", "1x60")]),
        .init(
            alert: "ProbeFailing",
            firing: [("drydock_probe_failures_total{target=\"get\"}", "0+1x60"), ("drydock_probe_requests_total{target=\"get\"}", "0+600x60")],
            quiet: [("drydock_probe_failures_total{target=\"get\"}", "1x60"), ("drydock_probe_requests_total{target=\"get\"}", "0+600x60")]),
    ]

    /// A group of promtool's unit tests. It asks for the alert's own series by name: labels and texts are the rule's.
    func test(_ series: [(String, String)], fires: Bool) -> [String: Any] {
        [
            "interval": "1m", "input_series": series.map { ["series": $0.0, "values": $0.1] },
            "promql_expr_test": [
                [
                    "expr": "max by (alertname) (ALERTS{alertname=\"\(alert)\",alertstate=\"firing\"})", "eval_time": at,
                    "exp_samples": fires ? [["labels": "{alertname=\"\(alert)\"}", "value": 1] as [String: Any]] : [],
                ] as [String: Any]
            ],
        ]
    }
}

@Suite(.enabled(if: Promtool.mayRun, "promtool or etcd is not installed: run `make setup`"), .timeLimit(.minutes(30)))
struct MonitoringTests {
    private func rendered(_ format: String, _ more: [String] = [], for subject: String = "etcd") async throws -> String {
        let run = try await BuiltProgram.run(["monitoring", "render", "--for", subject, "--format", format] + more)
        try #require(run.status == 0, "\(run.errors)")
        return run.output
    }

    @Test func `promtool accepts the rules, and every alert fires when it should and only then`() async throws {
        try await BuiltProgram.withFolder { folder in
            let rules = folder.appendingPathComponent("etcd.rules.yml")
            try Data(try await rendered("prometheus", for: "all").utf8).write(to: rules)
            let check = try await CommandRun.run(Promtool.path, ["check", "rules", rules.path])
            #expect(check.status == 0, "\(check.output)\(check.errors)")
            let cases = AlertCase.all + AlertCase.backups + AlertCase.controlPlane
            #expect(Set(cases.map(\.alert)) == Set(AlertGroup.all.flatMap(\.rules).map(\.name)), "every alert has its case")
            let groups = cases.flatMap { [$0.test($0.firing, fires: true), $0.test($0.quiet, fires: false)] }
            let tests = folder.appendingPathComponent("tests.yml")
            // JSON is YAML, too.
            let file: [String: Any] = ["rule_files": ["etcd.rules.yml"], "evaluation_interval": "1m", "tests": groups]
            try JSONSerialization.data(withJSONObject: file).write(to: tests)
            let run = try await CommandRun.run(Promtool.path, ["test", "rules", tests.path])
            #expect(run.status == 0, "\(run.output)\(run.errors)")
        }
    }

    @Test func `Every alert has a severity, texts and a page that names a drydock command`() async throws {
        let pages = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/runbooks")
        for rule in AlertGroup.all.flatMap(\.rules) {
            let page = try String(contentsOf: pages.appendingPathComponent("\(rule.name).md"), encoding: .utf8)
            #expect(page.contains("# \(rule.name)") && page.contains("    drydock "), "\(rule.name)")
            #expect(!rule.summary.isEmpty && rule.description.contains("{{"), "\(rule.name)")
        }
        let output = try await rendered("prometheus-operator", ["--runbook-url", "https://books.example/x/"])
        #expect(output.contains("kind: ServiceMonitor") && output.contains("kind: PrometheusRule") && output.contains("serverName: localhost"))
        #expect(output.contains("runbook_url: https://books.example/x/EtcdNoLeader.md"))
        let dashboard = try JSONSerialization.jsonObject(with: Data(try await rendered("grafana").utf8)) as? [String: Any]
        #expect((dashboard?["panels"] as? [[String: Any]])?.count ?? 0 >= 8)
        let other = try JSONSerialization.jsonObject(with: Data(try await rendered("grafana", for: "control-plane").utf8)) as? [String: Any]
        #expect(other?["uid"] as? String == "drydock-control-plane" && (other?["panels"] as? [[String: Any]])?.count ?? 0 >= 10)
    }

    @Test func `A real Prometheus scrapes the real cluster as rendered, and its alert fires when the cluster runs full`() async throws {
        try await withDesk(.init(members: 3, usesTLS: true, arguments: ["--quota-backend-bytes", "\(4 << 20)"])) { desk in
            let folder = desk.cluster.folder
            try Data(try await rendered("prometheus").utf8).write(to: folder.appendingPathComponent("etcd.rules.yml"))
            let configuration = try await rendered("prometheus-config", ["--interval", "1s"] + desk.cluster.flags)
            let file = folder.appendingPathComponent("prometheus.yml")
            try Data(configuration.utf8).write(to: file)
            let check = try await CommandRun.run(Promtool.path, ["check", "config", file.path])
            #expect(check.status == 0, "\(check.output)\(check.errors)")
            let port = try FreePorts.take(1)[0]
            let prometheus = try CommandRun.Running(
                "/usr/bin/prometheus",
                [
                    "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.path)/tsdb", "--web.listen-address=127.0.0.1:\(port)",
                    "--log.level=warn",
                ])
            defer { prometheus.send(SIGKILL) }
            func query(_ expression: String) async throws -> Bool {
                let run = try await CommandRun.run(
                    Promtool.path, ["query", "instant", "http://127.0.0.1:\(port)", expression])
                return run.status == 0 && !run.output.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty
            }
            func eventually(_ expression: String) async throws -> Bool {
                let deadline = ContinuousClock.now + .seconds(60)
                while ContinuousClock.now < deadline {
                    try #require(prometheus.isRunning, "\(prometheus.errorsSoFar)")
                    if try await query(expression) { return true }
                }
                return false
            }
            #expect(try await eventually("count(up{job=\"etcd\"} == 1) == 3"), "it scrapes all three members over TLS")
            #expect(try await !query("ALERTS{alertname=\"EtcdAlarmRaised\",alertstate=\"firing\"}"))
            _ = try? await desk.connected { client in
                for count in 0..<1000 { _ = try await client.put([("/full/\(count)", [UInt8](repeating: 1, count: 64 << 10))]) }
            }
            #expect(try await eventually("ALERTS{alertname=\"EtcdAlarmRaised\",alertstate=\"firing\"}"))
        }
    }
}
