package import Etcd
package import Foundation
internal import Maintenance
package import ObjectStore
internal import NodeAccess
internal import Synchronization

/// Makes a backup of etcd, and of the files of its control-plane nodes if asked: one stream into every store, hashed, compressed and encrypted on the way, with nothing on this host's disk;
/// and then the manifest, without which it does not count.
package struct BackupCreate: Sendable {
    /// As its folder in the stores is called.
    package var cluster: String
    /// Nobody for a backup that everybody can read who can read the store.
    package var recipients: [String]
    /// Of zstd; nil for no compression.
    package var compressionLevel: Int?
    package var retainUntil: Date?
    /// What else it holds; nil for etcd alone.
    package var files: ControlPlaneFiles?
    /// The version of this program.
    package var drydock: String

    package init(
        cluster: String, recipients: [String] = [], compressionLevel: Int? = 3, retainUntil: Date? = nil, files: ControlPlaneFiles? = nil,
        drydock: String
    ) {
        self.files = files
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
        let began = ContinuousClock.now
        var keys: [AgeRecipient] = []
        for recipient in recipients { keys.append(try AgeRecipient(parsing: recipient)) }
        let choice = try MemberChoice.choose(among: await client.statuses())
        watch(.chosen(choice))
        let status = choice.status
        let folder = "\(cluster)/\(BackupManifest.folder(at: now, revision: status.revision))"
        let options = PutOptions(retainUntil: retainUntil)
        var uploads = Uploads(stores: stores, folder: folder, options: options, level: compressionLevel, recipients: keys)
        var parts: [BackupManifest.Part] = []
        if let files { parts.append(try await uploads.store(ControlPlaneFiles.content) { try await files.write(to: $0) }) }
        parts.append(
            try await uploads.store(BackupManifest.snapshot) { upload in
                let framing = Mutex(SnapshotFraming())
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
            })
        let hash = try? await client.hashKV(at: status.endpoint, revision: status.revision)
        let members = try await client.members(at: status.endpoint).filter { !$0.isLearner && $0.isStarted }
        let manifest = BackupManifest(
            cluster: cluster, clusterID: String(status.clusterID, radix: 16), createdAt: now, revision: status.revision,
            keyValueHash: hash.map { .init(revision: status.revision, compactRevision: $0.compactRevision, hash: $0.hash) },
            etcdVersion: status.version, endpoint: "\(status.endpoint)", members: members.map { .init(name: $0.name, peerURLs: $0.peerURLs) },
            controlPlaneNodes: files?.nodes.map(\.name), seconds: (ContinuousClock.now - began).seconds, drydock: drydock, recipients: recipients,
            parts: parts)
        return try await conclude(manifest, uploads)
    }

    /// The objects of one backup on their way into all stores. A store that failed once gets nothing more.
    private struct Uploads {
        let stores: [any ObjectStore]
        let folder: String
        let options: PutOptions
        let level: Int?
        let recipients: [AgeRecipient]
        var failures: [String: StoreError] = [:]

        mutating func store(_ content: String, from produce: (PartUpload) async throws -> Void) async throws -> BackupManifest.Part {
            let upload = try PartUpload(content, level: level, recipients: recipients)
            let left = stores.filter { failures[$0.location] == nil }
            if left.isEmpty, let failure = failures.values.first { throw failure }
            do {
                await upload.begin(folder, in: left, options)
                try await produce(upload)
                let part = try await upload.finish()
                for destination in await upload.destinations where destination.failure != nil {
                    failures[destination.location] = destination.failure
                }
                return part
            } catch {
                await upload.abandon()
                throw error
            }
        }
    }

    /// Writes the manifest where the parts are.
    private func conclude(_ manifest: BackupManifest, _ uploads: Uploads) async throws -> Outcome {
        var outcome = Outcome(folder: uploads.folder, manifest: manifest, stored: [], failed: [])
        let bytes = try manifest.json()
        for store in uploads.stores {
            do throws(StoreError) {
                if let failure = uploads.failures[store.location] { throw failure }
                try await store.write(bytes, to: "\(uploads.folder)/\(BackupManifest.name)", uploads.options)
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
