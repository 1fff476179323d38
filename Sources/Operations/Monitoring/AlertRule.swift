/// One alert, as Prometheus evaluates it, and the page that says what to do.
package struct AlertRule: Sendable, Equatable {
    package enum Severity: String, Sendable { case warning, critical }

    /// Also the name of its page in docs/runbooks.
    package var name: String
    /// PromQL; `$selector` stands for the label matcher that finds the servers.
    package var expression: String
    /// How long the expression has to hold: `10m`. Empty for at once.
    package var pending: String
    package var severity: Severity
    package var summary: String
    package var description: String

    func expression(selecting selector: String) -> String { expression.replacing("$selector", with: selector) }
}

/// The alerts of one part of a cluster.
package struct AlertGroup: Sendable {
    package var name: String
    package var rules: [AlertRule]
}

extension AlertGroup {
    /// The alerts of backups. The bounds fit a backup every six hours and a drill every week; whoever has others changes them in the file.
    package static let backups = AlertGroup(
        name: "drydock-backups.rules",
        rules: [
            AlertRule(
                name: "BackupTooOld", expression: "time() - max by (cluster) (drydock_backup_last_success_timestamp_seconds) > 28800", pending: "10m",
                severity: .critical, summary: "a cluster has no recent backup",
                description: "The newest backup of {{ $labels.cluster }} is {{ $value | humanizeDuration }} old; the bound is 8 h."),
            AlertRule(
                name: "BackupLocationBehind",
                expression:
                    "max by (cluster) (drydock_backup_last_success_timestamp_seconds) - on (cluster) group_right () drydock_backup_last_success_timestamp_seconds > 28800",
                pending: "10m", severity: .warning, summary: "a location of backups lags behind the others",
                description: "{{ $labels.location }} lacks what other locations have of {{ $labels.cluster }}: {{ $value | humanizeDuration }}."),
            AlertRule(
                name: "BackupLocationDown", expression: "drydock_backup_location_up == 0", pending: "15m", severity: .critical,
                summary: "a location of backups cannot be read", description: "{{ $labels.location }} has not been readable for 15 minutes."),
            AlertRule(
                name: "BackupNone", expression: "drydock_backup_location_backups == 0", pending: "10m", severity: .critical,
                summary: "a location has no backups", description: "{{ $labels.location }} has no whole backup of any cluster."),
            AlertRule(
                name: "BackupBroken", expression: "drydock_backup_location_broken > 0", pending: "10m", severity: .warning,
                summary: "backups lack objects, or their manifests cannot be read",
                description: "{{ $value }} backups in {{ $labels.location }} cannot be restored."),
            AlertRule(
                name: "BackupMetricsMissing", expression: "absent(drydock_backup_location_up)", pending: "15m", severity: .critical,
                summary: "nobody tells of the backups",
                description: "There has been no metric of backups for {{ $value }} or more quarters of an hour."),
            AlertRule(
                name: "BackupFailing", expression: "increase(drydock_backup_failures_total[6h]) >= 3", pending: "", severity: .warning,
                summary: "backups, drills or prunes fail", description: "{{ $labels.operation }} failed {{ $value }} times within six hours."),
            AlertRule(
                name: "BackupNotDrilled",
                expression:
                    "time() - max by (cluster) (drydock_backup_last_drill_timestamp_seconds) > 864000 or drydock_backup_last_success_timestamp_seconds unless on (cluster) drydock_backup_last_drill_timestamp_seconds",
                pending: "1h", severity: .warning, summary: "no restore was rehearsed lately",
                description: "A restore of {{ $labels.cluster }} was last rehearsed too long ago, or never."),
            AlertRule(
                name: "BackupDrillFailed", expression: "drydock_backup_last_drill_success == 0", pending: "", severity: .critical,
                summary: "a rehearsed restore found something wrong",
                description: "The last drill of {{ $labels.cluster }} in {{ $labels.location }} did not find what was backed up."),
            AlertRule(
                name: "BackupRecoveryPointTooOld",
                expression: "time() - max by (cluster) (drydock_backup_recovery_point_timestamp_seconds) > 864000", pending: "1h", severity: .warning,
                summary: "the newest backup that is known to restore is old",
                description: "What is known to restore of {{ $labels.cluster }} is {{ $value | humanizeDuration }} old."),
            AlertRule(
                name: "BackupShrunk",
                expression: "drydock_backup_last_size_bytes < 0.5 * max_over_time(drydock_backup_last_size_bytes[2d])", pending: "",
                severity: .warning, summary: "a backup is much smaller than those before",
                description:
                    "The newest backup of {{ $labels.cluster }} has {{ $value | humanize1024 }}B, less than half of what it had within two days."),
            AlertRule(
                name: "BackupSlow",
                expression: "drydock_backup_last_duration_seconds > 900", pending: "", severity: .warning, summary: "a backup takes long",
                description: "The newest backup of {{ $labels.cluster }} took {{ $value | humanizeDuration }}; the bound is 15 minutes."),
        ])

    /// etcd's alerts. The thresholds are those of etcd's own mixin where it has one; the first two are stricter, for clusters that want to know
    /// before their users do.
    package static let etcd = AlertGroup(
        name: "etcd.rules",
        rules: [
            AlertRule(
                name: "EtcdHighCommitDurations",
                expression: "histogram_quantile(0.99, rate(etcd_disk_backend_commit_duration_seconds_bucket{$selector}[5m])) > 0.1",
                pending: "10m", severity: .warning, summary: "etcd's database commits are slow",
                description: "99 % of the commits of {{ $labels.instance }} take up to {{ $value | humanizeDuration }}; the bound is 100 ms."),
            AlertRule(
                name: "EtcdHighFsyncDurations",
                expression: "histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket{$selector}[5m])) > 0.1",
                pending: "10m", severity: .warning, summary: "etcd's log is slow to reach the disk",
                description: "99 % of the fsyncs of {{ $labels.instance }} take up to {{ $value | humanizeDuration }}; the bound is 100 ms."),
            AlertRule(
                name: "EtcdNoLeader", expression: "etcd_server_has_leader{$selector} == 0", pending: "1m", severity: .critical,
                summary: "an etcd member has no leader",
                description: "{{ $labels.instance }} follows no leader: it serves neither writes nor linearizable reads."),
            AlertRule(
                name: "EtcdMembersMissing", expression: "up{$selector} == 0", pending: "5m", severity: .warning,
                summary: "an etcd member does not answer", description: "{{ $labels.instance }} has not answered for five minutes."),
            AlertRule(
                name: "EtcdInsufficientMembers",
                expression: "sum without (instance, pod) (up{$selector} == bool 1) < (count without (instance, pod) (up{$selector}) + 1) / 2",
                pending: "3m", severity: .critical, summary: "an etcd cluster has no quorum",
                description: "Only {{ $value }} members of {{ $labels.job }} answer: too few for a quorum."),
            AlertRule(
                name: "EtcdDatabaseQuotaLow",
                expression: "etcd_mvcc_db_total_size_in_bytes{$selector} / etcd_server_quota_backend_bytes{$selector} > 0.95",
                pending: "10m", severity: .critical, summary: "an etcd database is almost as large as it may be",
                description:
                    "The database of {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its quota. At 100 % the cluster takes no writes."
            ),
            AlertRule(
                name: "EtcdDatabaseGrowth",
                expression: "predict_linear(etcd_mvcc_db_total_size_in_bytes{$selector}[4h], 14400) > etcd_server_quota_backend_bytes{$selector}",
                pending: "10m", severity: .warning, summary: "an etcd database will reach its quota within four hours",
                description: "At the rate of the last four hours the database of {{ $labels.instance }} reaches its quota in less than four hours."),
            AlertRule(
                name: "EtcdDatabaseFragmented",
                expression:
                    "etcd_mvcc_db_total_size_in_use_in_bytes{$selector} / etcd_mvcc_db_total_size_in_bytes{$selector} < 0.5 and etcd_mvcc_db_total_size_in_use_in_bytes{$selector} > 104857600",
                pending: "10m", severity: .warning, summary: "more than half of an etcd database is free space",
                description: "{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its database file."),
            AlertRule(
                name: "EtcdHighNumberOfLeaderChanges", expression: "increase(etcd_server_leader_changes_seen_total{$selector}[15m]) >= 4",
                pending: "5m", severity: .warning, summary: "etcd changes its leader often",
                description: "{{ $labels.instance }} saw {{ $value }} changes of leader within 15 minutes."),
            AlertRule(
                name: "EtcdHighNumberOfFailedProposals", expression: "increase(etcd_server_proposals_failed_total{$selector}[15m]) > 5",
                pending: "15m", severity: .warning, summary: "etcd fails to agree on writes",
                description: "{{ $labels.instance }} saw {{ $value }} failed proposals within 15 minutes."),
            AlertRule(
                name: "EtcdMemberCommunicationSlow",
                expression: "histogram_quantile(0.99, rate(etcd_network_peer_round_trip_time_seconds_bucket{$selector}[5m])) > 0.15",
                pending: "10m", severity: .warning, summary: "etcd members are slow to reach each other",
                description: "99 % of the round trips from {{ $labels.instance }} to {{ $labels.To }} take up to {{ $value | humanizeDuration }}."),
            AlertRule(
                name: "EtcdAlarmRaised",
                expression:
                    "etcd_mvcc_db_total_size_in_bytes{$selector} >= etcd_server_quota_backend_bytes{$selector} or increase(grpc_server_handled_total{$selector,grpc_service=\"etcdserverpb.KV\",grpc_code=~\"ResourceExhausted|DataLoss\"}[5m]) > 0",
                pending: "", severity: .critical, summary: "etcd refuses requests: its space is used up, or its data corrupt",
                description:
                    "{{ $labels.instance }} reached its quota or refuses requests (alarm NOSPACE or CORRUPT). Nothing in the cluster can be changed until that is mended."
            ),
        ])
}
