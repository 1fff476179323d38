internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Keep backups of etcd in stores, and know that they can be read.",
        subcommands: [Create.self, List.self, Show.self, Verify.self, Fetch.self, Prune.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stream a snapshot of etcd into one or more stores.",
            discussion: """
                Hashed, compressed and encrypted on the way; nothing is written to this host's disk. A manifest is written last: what has none is no \
                backup. Encryption is age's: give the public keys with --recipient, and keep the identities elsewhere. Exit code 1 when a store did \
                not get it.
                """)

        @OptionGroup var place: BackupPlace
        @OptionGroup var cluster: ClusterNameOption
        @Option(help: ArgumentHelp("Who can read it; may be repeated.", valueName: "age1…")) var recipient: [String] = []
        @Option(help: ArgumentHelp("A file of recipients, one a line.", valueName: "file")) var recipientsFile: String?
        @Option(help: "How hard zstd tries, 1 to 19; 0 for no compression.") var compression = 3
        @Option(help: ArgumentHelp("Nobody may delete it for so long (object lock of S3).", valueName: "duration")) var retain: DurationArgument?
        @OptionGroup(title: "etcd") var etcd: EtcdOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func validate() throws {
            guard (0...19).contains(compression) else { throw ValidationError("--compression is 0 to 19.") }
        }

        func run() async throws {
            var recipients = recipient
            if let recipientsFile {
                guard let text = try? String(contentsOfFile: recipientsFile, encoding: .utf8) else {
                    throw StoreError(.configuration, "cannot read the recipients in \(recipientsFile).")
                }
                recipients += text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter {
                    !$0.isEmpty && !$0.hasPrefix("#")
                }
            }
            let now = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
            let create = BackupCreate(
                cluster: cluster.name, recipients: recipients, compressionLevel: compression == 0 ? nil : compression,
                retainUntil: retain.map { now.addingTimeInterval($0.duration.seconds) }, drydock: Version.current)
            if recipients.isEmpty {
                output.remark("warning: the backup is not encrypted: whoever reads the store reads every secret of the cluster. Use --recipient.")
            }
            let progress = ProgressBar("backup", options: output)
            let outcome = try await place.stores { stores in
                try await EtcdClient.connected(try etcd.configuration()) { client in
                    try await create.run(client, into: stores, at: now) { event in
                        if case .received(let done, let total) = event { progress.set(done: done, total: total) }
                    }
                }
            }
            progress.finish()
            try output.emit(CreateReport(outcome)) { CreateReport(outcome).text }
            guard outcome.failed.isEmpty else { throw Outcome(status: .failed) }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the backups of a store, newest first.")

        @OptionGroup var place: BackupPlace
        @Option(help: "Only of this cluster.") var cluster: String?
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let (backups, strays) = try await place.store { try await BackupCatalog($0).list(cluster: cluster) }
            let rows = backups.reversed().map { BackupRow($0) }
            try output.emit(rows) {
                var table = TextTable(["BACKUP", "MADE", "REVISION", "SIZE", "STORED", "VERIFIED", "STATE"], alignedRight: [2, 3, 4])
                for row in rows {
                    table.add([
                        row.id, row.createdAt.formatted(.iso8601), "\(row.revision)", Bytes.text(row.plainBytes), Bytes.text(row.storedBytes),
                        row.verifiedAt?.formatted(.iso8601) ?? "-", row.faults.isEmpty ? "whole" : row.faults.joined(separator: "; "),
                    ])
                }
                return rows.isEmpty ? "no backups" : table.text
            }
            if !strays.isEmpty { output.remark("note: \(strays.count) objects belong to no backup; `drydock backup prune --orphans` shows them") }
            if rows.contains(where: { !$0.faults.isEmpty }) { throw Outcome(status: .findings) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what a backup holds.")

        @Argument(help: "The backup, or how it begins; latest for the newest.") var backup: String
        @OptionGroup var place: BackupPlace
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let found = try await place.store { try await BackupCatalog($0).find(backup) }
            try output.emit(found.manifest) {
                let manifest = found.manifest
                var facts = FactList()
                facts.add("backup", found.id)
                facts.add("made", "\(manifest.createdAt.formatted(.iso8601)) by drydock \(manifest.drydock)")
                facts.add("of", "etcd \(manifest.etcdVersion), cluster \(manifest.clusterID), from \(manifest.endpoint)")
                facts.add("revision", "\(manifest.revision)")
                if let hash = manifest.keyValueHash { facts.add("HashKV", "\(hash.hash), compacted at \(hash.compactRevision)") }
                for part in manifest.parts {
                    facts.add(part.content, "\(Bytes.text(part.plainBytes)), sha256 \(part.plainSHA256)")
                    facts.add("kept as", "\(part.name), \(Bytes.text(part.storedBytes)), sha256 \(part.storedSHA256)")
                }
                facts.add("readable by", manifest.recipients.isEmpty ? "everybody who reads the store" : manifest.recipients.joined(separator: ", "))
                facts.add("verified", found.verifiedAt?.formatted(.iso8601) ?? "never")
                return facts.text
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a backup against its manifest.",
            discussion: """
                Without --deep: that every object is there, with its size. With --deep every byte is read back and hashed, and, with an --identity, \
                decrypted and decompressed. Exit code 3: something is wrong, and what.
                """)

        @Argument(help: "The backup, or how it begins; latest for the newest.") var backup = "latest"
        @Flag(help: "Read back every byte.") var deep = false
        @OptionGroup var place: BackupPlace
        @OptionGroup var identity: IdentityOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let identities = try identity.identities()
            let found = try await place.store { store -> StoredBackup in
                let catalog = BackupCatalog(store)
                let found = try await catalog.find(backup)
                if deep {
                    let total = Int(clamping: found.manifest.parts.map(\.plainBytes).reduce(0, +))
                    let progress = ProgressBar("verify", options: output)
                    progress.set(done: 0, total: total)
                    try await catalog.readBack(found, identities: identities) { progress.advance(by: $1.count) }
                    progress.finish()
                    // What was only hashed as it is stored may still be unreadable: the mark is for what was opened.
                    if !identities.isEmpty || found.manifest.parts.allSatisfy({ $0.encryption == nil }) {
                        try await catalog.markVerified(found, drydock: Version.current, at: Date())
                    }
                }
                return found
            }
            try output.emit(BackupRow(found)) {
                "\(found.id): \(found.faults.isEmpty ? deep ? "every byte is as it was" : "every object is there" : found.faults.joined(separator: "; "))"
            }
            if !found.faults.isEmpty { throw Outcome(status: .findings) }
            if deep, identities.isEmpty, found.manifest.parts.contains(where: { $0.encryption != nil }) {
                output.remark("note: it was hashed as it is stored, not decrypted; --identity proves that it can be")
            }
        }
    }

    struct Fetch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a backup's snapshot to a file, decrypted and checked.",
            discussion: "The file appears when it is whole. `drydock snapshot verify` and `restore` take it, and etcdutl does.")

        @Argument(help: "The backup, or how it begins; latest for the newest.") var backup: String
        @Argument(help: "Where the snapshot goes.") var file: String
        @OptionGroup var place: BackupPlace
        @OptionGroup var identity: IdentityOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let identities = try identity.identities()
            let target = URL(fileURLWithPath: file)
            // A folder as a store: its files appear whole, synced and for nobody else to read.
            let folder = try FolderStore(path: target.deletingLastPathComponent().path)
            let found = try await place.store { store -> StoredBackup in
                let catalog = BackupCatalog(store)
                let found = try await catalog.find(backup)
                guard let part = found.manifest.parts.first(where: { $0.content == BackupManifest.snapshot }) else {
                    throw OperationError(.invalid, "\(found.id) holds no snapshot of etcd.")
                }
                guard part.encryption == nil || !identities.isEmpty else {
                    throw OperationError(
                        .invalid, "\(found.id) is encrypted to \(found.manifest.recipients.joined(separator: ", ")). Give an --identity.")
                }
                let progress = ProgressBar("fetch", options: output)
                progress.set(done: 0, total: Int(clamping: part.plainBytes))
                let writer = try await folder.begin(target.lastPathComponent, PutOptions())
                do {
                    try await catalog.readBack(found, identities: identities) { piece, bytes in
                        guard piece.name == part.name else { return }
                        try await writer.write(bytes)
                        progress.advance(by: bytes.count)
                    }
                    _ = try await writer.finish()
                } catch {
                    await writer.abandon()
                    throw error
                }
                progress.finish()
                return found
            }
            try output.emit(BackupRow(found)) { "\(found.id) is in \(target.path)" }
        }
    }

    struct Prune: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete backups that no rule keeps.",
            discussion: """
                What one rule keeps is kept; the newest verified backup always is, and so is what is locked. Without a rule nothing is deleted. \
                --explain (or --dry-run) prints every backup with the rules that keep it, and deletes nothing.
                """)

        @OptionGroup var place: BackupPlace
        @OptionGroup var cluster: ClusterNameOption
        @Option(help: ArgumentHelp("Keep what is no older. (RETENTION_DAYS, in days)", valueName: "duration")) var keepWithin: DurationArgument?
        @Option(help: "Keep so many of the newest.") var keepLast: Int?
        @Option(help: "Keep one of each of so many hours.") var keepHourly: Int?
        @Option(help: "Keep one of each of so many days.") var keepDaily: Int?
        @Option(help: "Keep one of each of so many weeks.") var keepWeekly: Int?
        @Option(help: "Keep one of each of so many months.") var keepMonthly: Int?
        @Option(help: "Keep one of each of so many years.") var keepYearly: Int?
        @Flag(name: [.customLong("explain"), .customLong("dry-run")], help: "Say what would be deleted and why, and delete nothing.") var explain =
            false
        @Flag(help: "Also what belongs to no backup and is older than a day: uploads that were broken off, objects without a manifest.") var orphans =
            false
        @OptionGroup(title: "Output") var output: OutputOptions

        /// A backup that is being made has no manifest yet.
        private static let orphanAge = 86_400.0

        private func retention(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Retention {
            var retention = Retention()
            retention.keepWithin = keepWithin?.duration.seconds
            if keepWithin == nil, let days = environment["RETENTION_DAYS"], !days.isEmpty {
                guard let number = Double(days), number > 0, number < 1e6 else {
                    throw ValidationError("RETENTION_DAYS is \"\(days)\", not a number of days.")
                }
                retention.keepWithin = number * 86_400
            }
            (retention.keepLast, retention.hourly, retention.daily) = (keepLast, keepHourly, keepDaily)
            (retention.weekly, retention.monthly, retention.yearly) = (keepWeekly, keepMonthly, keepYearly)
            return retention
        }

        func run() async throws {
            let rules = try retention()
            let rows = try await place.store { store -> [PruneRow] in
                let catalog = BackupCatalog(store)
                var rows: [PruneRow] = []
                for (backup, verdict) in try await catalog.judge(rules, cluster: cluster.name, at: Date()) {
                    if !verdict.isKept, !explain { try await catalog.delete(backup) }
                    rows.append(
                        PruneRow(
                            object: backup.id, isKept: verdict.isKept,
                            reason: verdict.isKept ? verdict.keptBy.joined(separator: ", ") : "no rule keeps it"))
                }
                if orphans { rows += try await prune(catalog) }
                return rows
            }
            try output.emit(rows) {
                var table = TextTable(["BACKUP", explain ? "WOULD BE" : "IS", "WHY"])
                for row in rows { table.add([row.object, row.isKept ? "kept" : "deleted", row.reason]) }
                return rows.isEmpty ? "no backups" : table.text
            }
        }

        private func prune(_ catalog: BackupCatalog) async throws -> [PruneRow] {
            var rows: [PruneRow] = []
            let limit = Date() - Self.orphanAge
            for stray in try await catalog.list(cluster: cluster.name).strays where stray.modified < limit {
                if !explain { try await catalog.store.delete(stray.key) }
                rows.append(PruneRow(object: stray.key, isKept: false, reason: "it belongs to no backup"))
            }
            for upload in try await catalog.store.unfinished("\(cluster.name)/") where upload.begun < limit {
                if !explain { try await catalog.store.discard(upload) }
                rows.append(PruneRow(object: upload.key, isKept: false, reason: "it was never finished"))
            }
            return rows
        }
    }
}

// MARK: Reports

private struct PruneRow: Encodable {
    var object: String
    var isKept: Bool
    var reason: String
}

private struct BackupRow: Encodable {
    var id: String
    var createdAt: Date
    var revision: Int64
    var plainBytes: UInt64
    var storedBytes: UInt64
    var verifiedAt: Date?
    var faults: [String]

    init(_ backup: StoredBackup) {
        id = backup.id
        createdAt = backup.manifest.createdAt
        revision = backup.manifest.revision
        plainBytes = backup.manifest.parts.map(\.plainBytes).reduce(0, +)
        storedBytes = backup.manifest.parts.map(\.storedBytes).reduce(0, +)
        verifiedAt = backup.verifiedAt
        faults = backup.faults
    }
}

private struct CreateReport: Encodable {
    var backup: String
    var stored: [String]
    var failed: [String: String]
    var manifest: BackupManifest

    init(_ outcome: BackupCreate.Outcome) {
        backup = outcome.folder
        stored = outcome.stored
        failed = Dictionary(outcome.failed.map { ($0.location, $0.error.description) }, uniquingKeysWith: { $1 })
        manifest = outcome.manifest
    }

    var text: String {
        var facts = FactList()
        facts.add("backup", backup)
        for location in stored { facts.add("stored in", location) }
        for (location, error) in failed.sorted(by: { $0.key < $1.key }) { facts.add("NOT in", "\(location): \(error)") }
        for part in manifest.parts {
            facts.add(part.content, "\(Bytes.text(part.plainBytes)), kept as \(part.name), \(Bytes.text(part.storedBytes))")
        }
        return facts.text
    }
}
