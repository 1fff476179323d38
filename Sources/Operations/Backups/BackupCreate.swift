package import Etcd
package import Foundation
package import ObjectStore
internal import Synchronization

/// Makes a backup of etcd: one stream from the member into every store, hashed, compressed and encrypted on the way, with nothing on this host's disk;
/// and then the manifest, without which it does not count.
package struct BackupCreate: Sendable {
    /// As its folder in the stores is called.
    package var cluster: String
    /// Nobody for a backup that everybody can read who can read the store.
    package var recipients: [String]
    /// Of zstd; nil for no compression.
    package var compressionLevel: Int?
    package var retainUntil: Date?
    /// The version of this program.
    package var drydock: String

    package init(cluster: String, recipients: [String] = [], compressionLevel: Int? = 3, retainUntil: Date? = nil, drydock: String) {
        self.cluster = cluster
        self.recipients = recipients
        self.compressionLevel = compressionLevel
        self.retainUntil = retainUntil
        self.drydock = drydock
    }

    package enum Event: Sendable {
        case chosen(MemberChoice)
        case received(Int, total: Int)
    }

    package struct Outcome: Sendable {
        /// `cluster/2026-11-25T02:00:00Z-1042`.
        package var folder: String
        package var manifest: BackupManifest
        package var stored: [String]
        package var failed: [(location: String, error: StoreError)]
    }

    /// - Throws: when no store has it; when some have it, the outcome says which have not.
    package func run(
        _ client: EtcdClient, into stores: [any ObjectStore], at now: Date, watch: @escaping @Sendable (Event) -> Void = { _ in }
    ) async throws -> Outcome {
        try Self.check(cluster)
        var keys: [AgeRecipient] = []
        for recipient in recipients { keys.append(try AgeRecipient(parsing: recipient)) }
        let choice = try MemberChoice.choose(among: await client.statuses())
        watch(.chosen(choice))
        let status = choice.status
        let folder = "\(cluster)/\(BackupManifest.folder(at: now, revision: status.revision))"
        let options = PutOptions(retainUntil: retainUntil)
        let upload = try PartUpload(BackupManifest.snapshot, level: compressionLevel, recipients: keys)
        let framing = Mutex(SnapshotFraming())
        do {
            await upload.begin(folder, in: stores, options)
            try await client.snapshot(from: status.endpoint) { blob, remaining in
                let (received, total) = try framing.withLock { framing in
                    try blob.withUnsafeBytes { try framing.take($0, remaining: remaining) }
                    return (Int(framing.received), Int(framing.expected ?? 0))
                }
                try await upload.write(Array(blob)[...])
                watch(.received(received, total: total))
            }
            // Before the objects are there: what did not arrive whole is not kept.
            _ = try framing.withLock { try $0.finish(endpoint: status.endpoint) }
            let part = try await upload.finish()
            let hash = try? await client.hashKV(at: status.endpoint, revision: status.revision)
            let manifest = BackupManifest(
                cluster: cluster, clusterID: String(status.clusterID, radix: 16), createdAt: now, revision: status.revision,
                keyValueHash: hash.map { .init(revision: status.revision, compactRevision: $0.compactRevision, hash: $0.hash) },
                etcdVersion: status.version, endpoint: "\(status.endpoint)", drydock: drydock, recipients: recipients, parts: [part])
            return try await conclude(folder, manifest, upload, stores, options)
        } catch {
            await upload.abandon()
            throw error
        }
    }

    /// Writes the manifest where the parts are.
    private func conclude(
        _ folder: String, _ manifest: BackupManifest, _ upload: PartUpload, _ stores: [any ObjectStore], _ options: PutOptions
    ) async throws -> Outcome {
        var outcome = Outcome(folder: folder, manifest: manifest, stored: [], failed: [])
        let bytes = try manifest.json()
        for (store, destination) in zip(stores, await upload.destinations) {
            do throws(StoreError) {
                if let failure = destination.failure { throw failure }
                let writer = try await store.begin("\(folder)/\(BackupManifest.name)", options)
                do throws(StoreError) {
                    try await writer.write(bytes)
                    _ = try await writer.finish()
                } catch {
                    await writer.abandon()
                    throw error
                }
                outcome.stored.append(store.location)
            } catch { outcome.failed.append((store.location, error)) }
        }
        guard !outcome.stored.isEmpty else { throw outcome.failed.first?.error ?? StoreError(.configuration, "there is no store.") }
        return outcome
    }

    /// A cluster's name is a folder's name.
    package static func check(_ cluster: String) throws {
        let isFine =
            !cluster.isEmpty && cluster.utf8.count <= 100 && cluster.first != "."
            && cluster.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || "-_.".unicodeScalars.contains(scalar))
            }
        guard isFine else {
            throw OperationError(.invalid, "\"\(cluster.prefix(100))\" is no name for a cluster: letters, digits, -, _ and dots. Use --cluster.")
        }
    }
}
