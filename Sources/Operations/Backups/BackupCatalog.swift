package import Foundation
package import ObjectStore

/// A backup as a store has it.
package struct StoredBackup: Sendable {
    /// `cluster/2026-11-25T02:00:00Z-1042`.
    package var id: String
    package var manifest: BackupManifest
    /// Its objects, with sizes; the manifest too.
    package var objects: [ObjectInfo]
    /// Whether a mark beside it says that it was read back whole.
    package var verifiedAt: Date?

    /// Objects that the manifest names and the store has not, or with another size.
    package var faults: [String] {
        manifest.parts.compactMap { part in
            guard let object = objects.first(where: { $0.key == "\(id)/\(part.name)" }) else { return "\(part.name) is missing" }
            return object.size == part.storedBytes ? nil : "\(part.name) has \(object.size) bytes, and \(part.storedBytes) were stored"
        }
    }
}

/// The backups of a store.
package struct BackupCatalog: Sendable {
    package let store: any ObjectStore

    /// Beside the manifest, when the backup was read back whole; the only object of a backup that is written again.
    static let verifiedName = "verified.json"

    /// How many manifests are read at once.
    private static let mostReads = 16

    private struct Verification: Codable {
        var verifiedAt: Date
        var drydock: String
    }

    package init(_ store: any ObjectStore) { self.store = store }

    /// What a store holds.
    package struct Listing: Sendable {
        /// Oldest first.
        package var backups: [StoredBackup]
        /// Those that have all their objects.
        package var whole: [StoredBackup] { backups.filter(\.faults.isEmpty) }
        /// Objects of folders without a manifest.
        package var strays: [ObjectInfo]
        /// Folders whose manifest cannot be read, and why.
        package var unreadable: [(id: String, error: OperationError)]
    }

    /// Lists the backups.
    /// - Parameter cluster: nil for all.
    package func list(cluster: String? = nil) async throws -> Listing {
        var folders: [String: [ObjectInfo]] = [:]
        var strays: [ObjectInfo] = []
        try await store.list(cluster.map { "\($0)/" } ?? "") { page in
            for object in page {
                let parts = object.key.split(separator: "/")
                if parts.count == 3, BackupManifest.isFolder(parts[1]) { folders["\(parts[0])/\(parts[1])", default: []].append(object) }
            }
        }
        var backups: [StoredBackup] = []
        var waiting: [(id: String, objects: [ObjectInfo])] = []
        for (id, objects) in folders {
            if objects.contains(where: { $0.key == "\(id)/\(BackupManifest.name)" }) {
                waiting.append((id, objects))
            } else {
                // Only what has a name that we give: the store may hold other people's things too.
                strays += objects.filter { Self.isOurs($0.key) }
            }
        }
        var unreadable: [(id: String, error: OperationError)] = []
        func take(_ found: (id: String, result: Result<StoredBackup?, OperationError>)) {
            switch found.result {
            case .success(let backup): if let backup { backups.append(backup) }
            case .failure(let error): unreadable.append((found.id, error))
            }
        }
        try await withThrowingTaskGroup(of: (id: String, result: Result<StoredBackup?, OperationError>).self) { group in
            for (index, folder) in waiting.enumerated() {
                if index >= Self.mostReads, let found = try await group.next() { take(found) }
                group.addTask {
                    // Somebody may be pruning: then it is gone. What is no manifest of ours does not hide the others.
                    do { return (folder.id, .success(try await read(folder.id, folder.objects))) } catch let error as StoreError
                        where error.code == .missing
                    {
                        return (folder.id, .success(nil))
                    } catch let error as OperationError { return (folder.id, .failure(error)) }
                }
            }
            for try await found in group { take(found) }
        }
        return Listing(
            backups: backups.sorted { ($0.manifest.createdAt, $0.id) < ($1.manifest.createdAt, $1.id) }, strays: strays.sorted { $0.key < $1.key },
            unreadable: unreadable.sorted { $0.id < $1.id })
    }

    private static func isOurs(_ key: String) -> Bool {
        let name = key.split(separator: "/").last ?? ""
        return name == verifiedName || name == BackupDrill.reportName || name.hasPrefix("\(BackupManifest.snapshot)")
            || name.hasPrefix("control-plane.tar")
    }

    /// The backup with this id, or the only one whose id begins so; `latest` is the newest.
    package func find(_ id: String, cluster: String? = nil) async throws -> StoredBackup {
        let listing = try await list(cluster: cluster)
        let backups = listing.backups
        func isMeant(_ other: String) -> Bool { other == id || other.hasPrefix(id) || other.split(separator: "/").last?.hasPrefix(id) == true }
        // A newest one that cannot be read is not passed over in silence. Folders begin with the time.
        func folder(_ id: String) -> String { id.split(separator: "/").last.map(String.init) ?? "" }
        if id == "latest", Set(backups.map(\.manifest.cluster)).count > 1 {
            let names = Set(backups.map(\.manifest.cluster)).sorted().joined(separator: ", ")
            throw OperationError(.invalid, "\(store.location) has backups of \(names). Say which is meant: --cluster, or CLUSTER_NAME.")
        }
        let newest = backups.map { folder($0.id) }.max() ?? ""
        if let broken = listing.unreadable.first(where: { id == "latest" ? folder($0.id) > newest : isMeant($0.id) }) { throw broken.error }
        let found =
            id == "latest"
            ? Array(backups.suffix(1))
            : backups.filter { isMeant($0.id) }
        guard found.count <= 1 else { throw OperationError(.invalid, "\(found.count) backups begin with \(id): write more of it.") }
        guard let backup = found.first else {
            throw OperationError(.invalid, "there is no backup \(id) in \(store.location). `drydock backup list` shows what there is.")
        }
        return backup
    }

    private func read(_ id: String, _ objects: [ObjectInfo]) async throws -> StoredBackup {
        let manifest = try BackupManifest(
            parsing: try await store.bytes("\(id)/\(BackupManifest.name)"), from: "\(store.location)/\(id)/\(BackupManifest.name)")
        var backup = StoredBackup(id: id, manifest: manifest, objects: objects)
        if objects.contains(where: { $0.key == "\(id)/\(Self.verifiedName)" }) {
            let decoder = JSONDecoder()
            decoder.dateDecodingStrategy = .iso8601
            backup.verifiedAt = (try? decoder.decode(Verification.self, from: Data(try await store.bytes("\(id)/\(Self.verifiedName)"))))?.verifiedAt
        }
        return backup
    }

    // MARK: Reading back

    /// Reads every byte of a backup, and checks it against the manifest. Where no identity is given, what is encrypted is checked as it is stored.
    /// - Parameter sink: takes the content of each part, as far as it can be read.
    package func readBack(
        _ backup: StoredBackup, identities: [AgeIdentity], sink: (_ part: BackupManifest.Part, _ bytes: [UInt8]) async throws -> Void = { _, _ in }
    ) async throws {
        guard backup.faults.isEmpty else { throw OperationError(.damaged, "\(backup.id): \(backup.faults.joined(separator: "; ")).") }
        try await readBack(backup.manifest.parts, of: backup, identities: identities, sink: sink)
    }

    private func readBack(
        _ parts: [BackupManifest.Part], of backup: StoredBackup, identities: [AgeIdentity],
        sink: (_ part: BackupManifest.Part, _ bytes: [UInt8]) async throws -> Void
    ) async throws {
        for part in parts {
            do {
                if part.encryption != nil, identities.isEmpty {
                    try await checkStored(part, of: backup)
                    continue
                }
                var download = try PartDownload(part, identities: identities)
                try await store.read("\(backup.id)/\(part.name)", nil) { bytes in try await download.take(bytes) { try await sink(part, $0) } }
                try await download.finish { try await sink(part, $0) }
            } catch let error where error is AgeError || error is CompressionError {
                throw OperationError(.damaged, "\(backup.id)/\(part.name): \(error)")
            }
        }
    }

    /// Writes one content of a backup to a store under its own name or `key`, decrypted and checked; it is there when it is whole.
    /// - Parameters:
    ///   - checkingAll: whether everything else of the backup is read back, too.
    ///   - watch: told how many bytes more are done.
    /// - Returns: the part that it is.
    @discardableResult
    package func fetch(
        _ content: String, of backup: StoredBackup, to target: any ObjectStore, as key: String? = nil, identities: [AgeIdentity],
        checkingAll: Bool = false, watch: (Int) -> Void = { _ in }
    ) async throws -> BackupManifest.Part {
        guard let part = backup.manifest.parts.first(where: { $0.content == content }) else {
            throw OperationError(.invalid, "\(backup.id) holds no \(content).")
        }
        guard part.encryption == nil || !identities.isEmpty else {
            throw OperationError(.invalid, "\(backup.id) is encrypted to \(backup.manifest.recipients.joined(separator: ", ")). Give an --identity.")
        }
        let writer = try await target.begin(key ?? content, PutOptions())
        do {
            try await readBack(checkingAll ? backup.manifest.parts : [part], of: backup, identities: identities) { piece, bytes in
                guard piece.name == part.name else { return }
                try await writer.write(bytes)
                watch(bytes.count)
            }
            _ = try await writer.finish()
        } catch {
            await writer.abandon()
            throw error
        }
        return part
    }

    /// Makes sure, without reading all of it, that one of the identities opens a backup.
    func checkReadable(_ backup: StoredBackup, identities: [AgeIdentity]) async throws {
        guard let part = backup.manifest.parts.first(where: { $0.content == BackupManifest.snapshot }), part.encryption != nil else { return }
        var decryptor = AgeDecryptor(with: identities)
        do {
            try await store.read("\(backup.id)/\(part.name)", 0..<min(part.storedBytes, 64 << 10)) { _ = try decryptor.update($0) }
        } catch let error as AgeError { throw OperationError(.invalid, "\(backup.id)/\(part.name): \(error)") }
    }

    /// The files of the control-plane nodes that a backup holds, by node; empty where it holds none.
    func controlPlaneFiles(of backup: StoredBackup, identities: [AgeIdentity]) async throws -> [String: NodeFiles] {
        guard let part = backup.manifest.parts.first(where: { $0.content == ControlPlaneFiles.content }) else { return [:] }
        var parser = NodeFiles.Parser()
        do {
            var download = try PartDownload(part, identities: identities)
            try await store.read("\(backup.id)/\(part.name)", nil) { bytes in try await download.take(bytes) { try parser.take($0[...]) } }
            try await download.finish { try parser.take($0[...]) }
            return try parser.finish()
        } catch let error where error is AgeError || error is CompressionError || error is TarError {
            throw OperationError(.damaged, "\(backup.id)/\(part.name): \(error)")
        }
    }

    private func checkStored(_ part: BackupManifest.Part, of backup: StoredBackup) async throws {
        var check = PartCheck()
        try await store.read("\(backup.id)/\(part.name)", nil) { check.take($0) }
        guard check.isAs(part) else {
            throw OperationError(.damaged, "\(backup.id)/\(part.name) is not what was stored: its SHA-256 is another.")
        }
    }

    /// The mark that a backup was read back, as it is; nil where there is none.
    func verification(of backup: StoredBackup) async throws -> [UInt8]? {
        backup.verifiedAt == nil ? nil : try await store.bytes("\(backup.id)/\(Self.verifiedName)")
    }

    /// Notes that a backup was read back whole.
    package func markVerified(_ backup: StoredBackup, drydock: String, at now: Date) async throws {
        try await writeMark(Self.verifiedName, Verification(verifiedAt: now, drydock: drydock), of: backup)
    }

    /// What rehearsed restores found, in the order of the backups.
    package func drills(of backups: [StoredBackup]) async throws -> [(backup: StoredBackup, report: BackupDrill.Report)] {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        var drills: [(StoredBackup, BackupDrill.Report)] = []
        for backup in backups {
            let key = "\(backup.id)/\(BackupDrill.reportName)"
            guard backup.objects.contains(where: { $0.key == key }) else { continue }
            if let report = try? decoder.decode(BackupDrill.Report.self, from: Data(try await store.bytes(key))) { drills.append((backup, report)) }
        }
        return drills
    }

    /// Writes what was found out about a backup beside it; a mark may be written again.
    func writeMark(_ name: String, _ mark: some Encodable & Sendable, of backup: StoredBackup) async throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try await store.write(Array(try encoder.encode(mark)), to: "\(backup.id)/\(name)", PutOptions(ifAbsent: false))
    }
}
