internal import Etcd
internal import Foundation

/// What etcd's data would lose if a backup took its place: what was written since, by resource. Events and leases are told apart: nobody misses them.
package struct DataLoss: Codable, Sendable, Equatable {
    package struct Row: Codable, Sendable, Equatable {
        /// `deployments`, `apps.example.com/widgets`; as etcd's keys have it.
        package var resource: String
        package var created: Int
        package var changed: Int
        /// Some of them, `namespace/name`.
        package var examples: [String]
    }

    package var backup: String
    package var backupRevision: Int64
    package var revision: Int64
    package var rows: [Row]

    /// How many revisions were written since the backup.
    package var revisions: Int64 { max(0, revision - backupRevision) }

    /// Objects that keep being written by themselves, and are made anew.
    package static let transient: Set<String> = ["events", "leases", "masterleases", "ranges", "compact_rev_key"]

    package var remarkable: [Row] { rows.filter { !Self.transient.contains($0.resource) } }

    /// - Parameter keys: with the revisions at which they were created and last changed.
    init(backup: String, backupRevision: Int64, revision: Int64, keys: [KeyRevisions]) {
        (self.backup, self.backupRevision, self.revision) = (backup, backupRevision, revision)
        var rows: [String: Row] = [:]
        for key in keys where key.modRevision > backupRevision {
            let (resource, name) = Self.parse(key.key)
            var row = rows[resource] ?? Row(resource: resource, created: 0, changed: 0, examples: [])
            if key.createRevision > backupRevision { row.created += 1 } else { row.changed += 1 }
            if row.examples.count < 5 { row.examples.append(name) }
            rows[resource] = row
        }
        self.rows = rows.values.sorted { ($0.created + $0.changed, $1.resource) > ($1.created + $1.changed, $0.resource) }
    }

    /// Kubernetes names its keys `/registry/<resource>/…`, `/registry/<group>/<resource>/…` where the group has a dot, and
    /// `/registry/services/{specs,endpoints}/…`.
    static func parse(_ key: String) -> (resource: String, name: String) {
        var parts = key.split(separator: "/").map(String.init)
        if parts.first == "registry" { parts.removeFirst() }
        guard let first = parts.first else { return (key, "") }
        let length = first.contains(".") || first == "services" ? 2 : 1
        return (parts.prefix(length).joined(separator: "/"), parts.dropFirst(length).joined(separator: "/"))
    }

    /// For people; empty where nothing but events and leases was written.
    package var lines: [String] {
        var lines = ["\(revisions) revisions were written since the backup \(backup) (revision \(backupRevision), now \(revision)):"]
        for row in rows {
            let examples =
                Self.transient.contains(row.resource)
                ? "" : " (\(row.examples.joined(separator: ", "))\(row.created + row.changed > row.examples.count ? ", …" : ""))"
            lines.append("  \(row.resource): \(row.created) created, \(row.changed) changed\(examples)")
        }
        lines.append("  what was deleted since comes back")
        return lines
    }
}
