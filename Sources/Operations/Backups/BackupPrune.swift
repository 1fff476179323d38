package import Foundation
package import Maintenance
internal import ObjectStore

/// Takes away the backups of a cluster that no rule keeps, and what belongs to no backup.
package struct BackupPrune: Sendable {
    package let catalog: BackupCatalog
    package let cluster: String
    /// Only says what would be done.
    package let isRehearsal: Bool

    package init(_ catalog: BackupCatalog, cluster: String, isRehearsal: Bool) {
        self.catalog = catalog
        self.cluster = cluster
        self.isRehearsal = isRehearsal
    }

    package struct Decision: Sendable, Codable, Equatable {
        /// A backup's id, or an object's key.
        package var object: String
        package var isKept: Bool
        /// The rules that keep it, or why it goes.
        package var reason: String
    }

    /// A backup that is being made has no manifest yet: what is younger than this is left, seconds.
    private static let orphanAge = 86_400.0

    /// What the rules say of every backup, newest first; what none keeps is deleted.
    /// - Parameter deletingBroken: whether backups go that lack objects. They never count for a rule: a good one would go in their place.
    package func backups(_ retention: Retention, deletingBroken: Bool = false, at now: Date) async throws -> [Decision] {
        let all = try await catalog.list(cluster: cluster).backups
        let backups = all.filter(\.faults.isEmpty)
        var candidates: [Retention.Candidate] = []
        for backup in backups {
            let head = try await catalog.store.head("\(backup.id)/\(BackupManifest.name)")
            candidates.append(
                .init(id: backup.id, createdAt: backup.manifest.createdAt, isVerified: backup.verifiedAt != nil, lockedUntil: head?.retainUntil))
        }
        let byID = Dictionary(backups.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        var decisions: [Decision] = []
        for verdict in retention.judge(candidates, at: now) {
            guard let backup = byID[verdict.candidate.id] else { continue }
            if !verdict.isKept, !isRehearsal { try await delete(backup) }
            decisions.append(
                Decision(
                    object: backup.id, isKept: verdict.isKept,
                    reason: verdict.isKept ? verdict.keptBy.joined(separator: ", ") : "no rule keeps it"))
        }
        for backup in all where !backup.faults.isEmpty {
            if deletingBroken, !isRehearsal { try await delete(backup) }
            decisions.append(
                Decision(
                    object: backup.id, isKept: !deletingBroken,
                    reason: "\(backup.faults.joined(separator: "; "))\(deletingBroken ? "" : ": no rule counts it; --broken deletes it")"))
        }
        return decisions
    }

    /// Deletes a backup: the manifest first, so that what is left of it, should this be interrupted, does not count.
    private func delete(_ backup: StoredBackup) async throws {
        try await catalog.store.delete("\(backup.id)/\(BackupManifest.name)")
        for object in backup.objects where object.key != "\(backup.id)/\(BackupManifest.name)" { try await catalog.store.delete(object.key) }
    }

    /// Objects without a manifest, and uploads that were never finished.
    package func orphans(at now: Date, olderThan age: Double? = nil) async throws -> [Decision] {
        let limit = now.addingTimeInterval(-(age ?? Self.orphanAge))
        var decisions: [Decision] = []
        for stray in try await catalog.list(cluster: cluster).strays where stray.modified <= limit {
            if !isRehearsal { try await catalog.store.delete(stray.key) }
            decisions.append(Decision(object: stray.key, isKept: false, reason: "it belongs to no backup"))
        }
        for upload in try await catalog.store.unfinished("\(cluster)/") where upload.begun <= limit {
            if !isRehearsal { try await catalog.store.discard(upload) }
            decisions.append(Decision(object: upload.key, isKept: false, reason: "it was never finished"))
        }
        return decisions
    }
}
