package import Foundation
package import ObjectStore

/// Copies a backup to another store, as it is stored: no key is needed. The service copies by itself where it can, and what it made is then read back;
/// otherwise the bytes pass here and are hashed on the way. The manifest goes last.
package struct BackupCopy: Sendable {
    package let source: BackupCatalog
    package let target: any ObjectStore
    package let retainUntil: Date?

    package init(from source: BackupCatalog, to target: any ObjectStore, retainUntil: Date? = nil) {
        self.source = source
        self.target = target
        self.retainUntil = retainUntil
    }

    package enum Outcome: String, Sendable, Codable {
        case copied
        /// The target has it already, with the same manifest, and all of it.
        case there
        /// The target had its manifest and lacked some of it, which was sent.
        case mended

        package var text: String {
            switch self {
            case .copied: "copied"
            case .there: "was there"
            case .mended: "copied what was missing"
            }
        }
    }

    /// - Parameter watch: told how many bytes more are done.
    package func run(_ backup: StoredBackup, watch: @escaping @Sendable (Int) -> Void = { _ in }) async throws -> Outcome {
        guard backup.faults.isEmpty else { throw OperationError(.damaged, "\(backup.id): \(backup.faults.joined(separator: "; ")).") }
        let manifestKey = "\(backup.id)/\(BackupManifest.name)"
        let manifest = try await source.store.bytes(manifestKey)
        // What is copied is what was read when the backup was found, whatever happens on the way.
        guard try BackupManifest(parsing: manifest, from: "\(source.store.location)/\(manifestKey)") == backup.manifest else {
            throw OperationError(.damaged, "\(source.store.location)/\(manifestKey) changed while it was read. Copy it again.")
        }
        if try await target.head(manifestKey) != nil {
            let there = try await target.bytes(manifestKey)
            _ = try BackupManifest(parsing: there, from: "\(target.location)/\(manifestKey)")
            guard there == manifest else {
                throw OperationError(.refused, "\(target.location) has another backup by the name \(backup.id). Nothing was written.")
            }
            var outcome = Outcome.there
            for part in backup.manifest.parts where try await target.head("\(backup.id)/\(part.name)")?.size != part.storedBytes {
                try await copy(part, of: backup, watch)
                outcome = .mended
            }
            return outcome
        }
        for part in backup.manifest.parts { try await copy(part, of: backup, watch) }
        try await target.write(manifest, to: manifestKey, PutOptions(retainUntil: retainUntil))
        return .copied
    }

    private func copy(_ part: BackupManifest.Part, of backup: StoredBackup, _ watch: @Sendable (Int) -> Void) async throws {
        let key = "\(backup.id)/\(part.name)"
        // Left by a copy that was broken off: without a manifest it counts for nothing.
        let options = PutOptions(ifAbsent: false, retainUntil: retainUntil, resumes: true)
        var check = PartCheck()
        if try await target.copy(key, from: source.store, options) {
            try await target.read(key, nil) { bytes in
                check.take(bytes)
                watch(bytes.count)
            }
            guard check.isAs(part) else {
                throw OperationError(.damaged, "\(key) in \(target.location) is not what was stored in \(source.store.location).")
            }
            return
        }
        let writer = try await target.begin(key, options)
        do {
            try await source.store.read(key, nil) { bytes in
                check.take(bytes)
                try await writer.write(Array(bytes))
                watch(bytes.count)
            }
            guard check.isAs(part) else { throw OperationError(.damaged, "\(key) in \(source.store.location) is not what its manifest says.") }
            _ = try await writer.finish()
        } catch {
            await writer.abandon()
            throw error
        }
    }
}
