internal import Foundation
internal import ObjectStore

/// What Prometheus is told of backups. All of it is read from the stores, so it is true whoever made the backups; only failures are counted by the
/// process that met them.
package struct BackupMetrics: Sendable {
    /// The failures of this process, by what failed: `create`, `drill`, `prune`.
    package var failures: [String: Int] = [:]
    private var samples: [String: [(labels: [(String, String)], value: Double)]] = [:]

    /// In the order in which they are told.
    private static let families: [(name: String, type: String, help: String)] = [
        ("drydock_backup_location_up", "gauge", "Whether the location could be read."),
        ("drydock_backup_location_backups", "gauge", "Backups in the location, of all clusters, that have all their objects."),
        ("drydock_backup_location_broken", "gauge", "Backups in the location that lack objects, or whose manifest cannot be read."),
        ("drydock_backup_backups", "gauge", "Backups of the cluster in the location."),
        ("drydock_backup_stored_bytes", "gauge", "Bytes of all of them, as they are stored."),
        ("drydock_backup_last_success_timestamp_seconds", "gauge", "When the newest backup was made."),
        ("drydock_backup_last_duration_seconds", "gauge", "How long the newest backup took."),
        ("drydock_backup_last_size_bytes", "gauge", "The size of the newest backup before it was compressed."),
        ("drydock_backup_last_verified_timestamp_seconds", "gauge", "When the newest backup that was read back was made."),
        ("drydock_backup_last_drill_timestamp_seconds", "gauge", "When a restore was last rehearsed."),
        ("drydock_backup_last_drill_success", "gauge", "Whether the last rehearsal found everything as it was."),
        ("drydock_backup_recovery_time_seconds", "gauge", "How long the last rehearsal took until etcd served: the measured RTO."),
        (
            "drydock_backup_recovery_point_timestamp_seconds", "gauge",
            "When the newest backup was made whose restore was rehearsed: now minus this is the RPO."
        ),
        ("drydock_backup_failures_total", "counter", "Failures of this process, by operation."),
    ]

    package init() {}

    private mutating func add(_ name: String, _ labels: [(String, String)], _ value: Double) {
        samples["drydock_backup_\(name)", default: []].append((labels, value))
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
        var lines: [String] = []
        for family in Self.families {
            guard let found = all.samples[family.name] else { continue }
            lines += ["# HELP \(family.name) \(family.help)", "# TYPE \(family.name) \(family.type)"]
            for (labels, value) in found {
                let pairs = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
                lines.append("\(family.name){\(pairs)} \(Self.number(value))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func number(_ value: Double) -> String { value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)" }
}
