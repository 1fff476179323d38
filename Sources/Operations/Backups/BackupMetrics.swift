internal import Foundation
internal import ObjectStore

/// What Prometheus is told of backups. All of it is read from the stores, so it is true whoever made the backups; only failures are counted by the
/// process that met them.
package struct BackupMetrics: Sendable {
    /// The failures of this process, by what failed: `create`, `drill`, `prune`.
    package var failures: [String: Int] = [:]
    private var metrics = MetricsText(Self.families)

    private static let families: [MetricsText.Family] = [
        .init("drydock_backup_location_up", "gauge", "Whether the location could be read."),
        .init("drydock_backup_location_backups", "gauge", "Backups in the location, of all clusters, that have all their objects."),
        .init("drydock_backup_location_broken", "gauge", "Backups in the location that lack objects, or whose manifest cannot be read."),
        .init("drydock_backup_backups", "gauge", "Backups of the cluster in the location."),
        .init("drydock_backup_stored_bytes", "gauge", "Bytes of all of them, as they are stored."),
        .init("drydock_backup_last_success_timestamp_seconds", "gauge", "When the newest backup was made."),
        .init("drydock_backup_last_duration_seconds", "gauge", "How long the newest backup took."),
        .init("drydock_backup_last_size_bytes", "gauge", "The size of the newest backup before it was compressed."),
        .init("drydock_backup_last_verified_timestamp_seconds", "gauge", "When the newest backup that was read back was made."),
        .init("drydock_backup_last_drill_timestamp_seconds", "gauge", "When a restore was last rehearsed."),
        .init("drydock_backup_last_drill_success", "gauge", "Whether the last rehearsal found everything as it was."),
        .init("drydock_backup_recovery_time_seconds", "gauge", "How long the last rehearsal took until etcd served: the measured RTO."),
        .init(
            "drydock_backup_recovery_point_timestamp_seconds", "gauge",
            "When the newest backup was made whose restore was rehearsed: now minus this is the RPO."),
        .init("drydock_backup_failures_total", "counter", "Failures of this process, by operation."),
    ]

    package init() {}

    private mutating func add(_ name: String, _ labels: [(String, String)], _ value: Double) {
        metrics.add("drydock_backup_\(name)", labels, value)
    }

    /// Says that a location cannot even be opened.
    package mutating func cannotRead(_ location: String) { add("location_up", [("location", location)], 0) }

    /// Reads what a location holds.
    package mutating func read(_ catalog: BackupCatalog) async {
        let location = ("location", catalog.store.location)
        do {
            let listing = try await catalog.list()
            let backups = listing.whole
            add("location_backups", [location], Double(backups.count))
            add("location_broken", [location], Double(listing.backups.count - backups.count + listing.unreadable.count))
            for (cluster, own) in Dictionary(grouping: backups, by: \.manifest.cluster).sorted(by: { $0.key < $1.key }) {
                try await read(own, in: catalog, [("cluster", cluster), location])
            }
            add("location_up", [location], 1)
        } catch { add("location_up", [location], 0) }
    }

    private mutating func read(_ backups: [StoredBackup], in catalog: BackupCatalog, _ labels: [(String, String)]) async throws {
        add("backups", labels, Double(backups.count))
        add("stored_bytes", labels, Double(backups.map(\.manifest.storedBytes).reduce(0, +)))
        if let newest = backups.last {
            add("last_success_timestamp_seconds", labels, newest.manifest.createdAt.timeIntervalSince1970)
            if let seconds = newest.manifest.seconds { add("last_duration_seconds", labels, seconds) }
            add("last_size_bytes", labels, Double(newest.manifest.plainBytes))
        }
        if let verified = backups.last(where: { $0.verifiedAt != nil }) {
            add("last_verified_timestamp_seconds", labels, verified.manifest.createdAt.timeIntervalSince1970)
        }
        let drills = try await catalog.drills(of: backups)
        if let last = drills.max(by: { $0.report.drilledAt < $1.report.drilledAt }) {
            add("last_drill_timestamp_seconds", labels, last.report.drilledAt.timeIntervalSince1970)
            add("last_drill_success", labels, last.report.isProof ? 1 : 0)
        }
        if let proof = drills.last(where: \.report.isProof) {
            add("recovery_time_seconds", labels, proof.report.recoverySeconds)
            add("recovery_point_timestamp_seconds", labels, proof.backup.manifest.createdAt.timeIntervalSince1970)
        }
    }

    /// Prometheus' text format 0.0.4.
    package var text: String {
        var all = self
        for (operation, count) in failures.sorted(by: { $0.key < $1.key }) { all.add("failures_total", [("operation", operation)], Double(count)) }
        return all.metrics.text
    }
}
