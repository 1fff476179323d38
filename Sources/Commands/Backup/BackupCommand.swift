internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations
internal import SystemPackage

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Keep backups of etcd in stores, and know that they can be read.",
        subcommands: [Create.self, List.self, Show.self, Status.self, Verify.self, Drill.self, Copy.self, Fetch.self, Prune.self])

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

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say how much would be lost now: the newest backup of each cluster, and the newest that is known to be readable.",
            discussion: "Exit code 3 when a cluster's newest backup, or newest verified one, is older than --max-age.")

        @OptionGroup var place: BackupPlace
        @Option(help: "Only of this cluster.") var cluster: String?
        @Option(help: ArgumentHelp("How old the newest may be.", valueName: "duration")) var maxAge: DurationArgument?
        @OptionGroup(title: "Output") var output: OutputOptions

        private struct Row: Encodable {
            var cluster: String
            var backups: Int
            var storedBytes: UInt64
            var newest: Date
            var newestVerified: Date?
            var isLate: Bool
        }

        func run() async throws {
            let backups = try await place.store { try await BackupCatalog($0).list(cluster: cluster).backups }
            let now = Date()
            let rows = Dictionary(grouping: backups, by: \.manifest.cluster).sorted { $0.key < $1.key }.map { name, own in
                let newest = own.map(\.manifest.createdAt).max() ?? .distantPast
                let verified = own.filter { $0.verifiedAt != nil }.map(\.manifest.createdAt).max()
                let limit = maxAge?.duration.seconds ?? .infinity
                let age = now.timeIntervalSince(min(newest, maxAge == nil ? newest : verified ?? .distantPast))
                return Row(
                    cluster: name, backups: own.count, storedBytes: own.flatMap(\.manifest.parts).map(\.storedBytes).reduce(0, +), newest: newest,
                    newestVerified: verified, isLate: age > limit)
            }
            try output.emit(rows) {
                var table = TextTable(["CLUSTER", "BACKUPS", "STORED", "NEWEST", "AGE", "NEWEST VERIFIED", "STATE"], alignedRight: [1, 2, 4])
                for row in rows {
                    table.add([
                        row.cluster, "\(row.backups)", Bytes.text(row.storedBytes), row.newest.formatted(.iso8601),
                        Duration.seconds(now.timeIntervalSince(row.newest)).text, row.newestVerified?.formatted(.iso8601) ?? "none",
                        row.isLate ? "late" : "in time",
                    ])
                }
                return rows.isEmpty ? "no backups" : table.text
            }
            if rows.isEmpty || rows.contains(where: \.isLate) { throw Outcome(status: .findings) }
        }
    }

    struct Drill: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Rehearse a restore, with a real etcd, and measure it.",
            discussion: """
                Fetches the backup, decrypts and checks it, restores it into a scratch folder, starts an etcd on that, on loopback, and compares keys \
                and HashKV with what they were. Everything is removed afterwards; the result is kept beside the manifest. Exit code 3: something is \
                not as it should be, and what.
                """)

        @Argument(help: "The backup, or how it begins; latest for the newest.") var backup = "latest"
        @OptionGroup var place: BackupPlace
        @OptionGroup var identity: IdentityOptions
        @Option(help: ArgumentHelp("The etcd to start. (default: the one in PATH)", valueName: "program")) var etcd: String?
        @Option(help: ArgumentHelp("Where the scratch folder is made. (default: the system's)", valueName: "folder")) var scratch: String?
        @OptionGroup(title: "Output") var output: OutputOptions

        private func program(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> FilePath? {
            let candidates = etcd.map { [$0] } ?? (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/etcd" }
            let found = candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
            if let etcd, found == nil { throw OperationError(.invalid, "\(etcd) is no program. Check --etcd.") }
            return found.map { FilePath($0) }
        }

        func run() async throws {
            let drill = BackupDrill(
                identities: try identity.identities(), etcd: try program(), scratch: FilePath(scratch ?? FileManager.default.temporaryDirectory.path),
                drydock: Version.current)
            let output = output
            let progress = ProgressBar("fetch", options: output)
            let (report, age) = try await place.store { store in
                let catalog = BackupCatalog(store)
                let found = try await catalog.find(backup)
                progress.set(done: 0, total: Int(clamping: found.manifest.parts.map(\.plainBytes).reduce(0, +)))
                let report = try await drill.run(found, in: catalog, at: Date()) { event in
                    switch event {
                    case .began(let name): if name != "fetch" { output.remark("\(name) …") }
                    case .advanced(let count): progress.advance(by: count)
                    case .ended(let phase): if phase.name == "fetch" { progress.finish() }
                    }
                }
                return (report, Date().timeIntervalSince(found.manifest.createdAt))
            }
            try output.emit(report) {
                var table = TextTable(["PHASE", "TOOK", "FOUND"], alignedRight: [1])
                for phase in report.phases { table.add([phase.name, Duration.seconds(phase.seconds).text, phase.found]) }
                var facts = FactList()
                facts.add("backup", report.backup)
                facts.add("RTO", "\(Duration.seconds(report.recoverySeconds).text), measured, without what a person needs")
                facts.add("RPO", "\(Duration.seconds(age).text): the age of this backup")
                facts.add("found", report.findings.isEmpty ? "everything as it was" : report.findings.joined(separator: "; "))
                return table.text + "\n\n" + facts.text
            }
            if !report.findings.isEmpty { throw Outcome(status: .findings) }
        }
    }

    struct Copy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy backups to a second region, as they are stored, and check every byte.",
            discussion: "No key is needed. What is there already is left. Exit code 1 when one could not be copied.")

        @Argument(help: "The backup, or how it begins; latest for the newest; all for every one.") var backup = "latest"
        @Option(help: ArgumentHelp("Where it is.", valueName: "location")) var from: String
        @OptionGroup var place: BackupPlace
        @Option(help: ArgumentHelp("Nobody may delete the copy for so long (object lock of S3).", valueName: "duration")) var retain:
            DurationArgument?
        @OptionGroup(title: "Output") var output: OutputOptions

        private struct Row: Encodable {
            var backup: String
            var location: String
            var outcome: String
            var isFailed = false
        }

        func run() async throws {
            let until = retain.map { Date().addingTimeInterval($0.duration.seconds) }
            let rows = try await BackupPlace.open([from], []) { source -> [Row] in
                let catalog = BackupCatalog(source[0])
                let wanted = backup == "all" ? try await catalog.list().backups : [try await catalog.find(backup)]
                return try await place.stores { targets in
                    var rows: [Row] = []
                    for target in targets {
                        for one in wanted {
                            let progress = ProgressBar("copy", options: output)
                            progress.set(done: 0, total: Int(clamping: one.manifest.parts.map(\.storedBytes).reduce(0, +)))
                            do {
                                let copy = BackupCopy(from: catalog, to: target, retainUntil: until)
                                let outcome = try await copy.run(one) { progress.advance(by: $0) }
                                rows.append(Row(backup: one.id, location: target.location, outcome: outcome == .copied ? "copied" : "was there"))
                            } catch let error where !(error is CancellationError) {
                                rows.append(Row(backup: one.id, location: target.location, outcome: "\(error)", isFailed: true))
                            }
                            progress.finish()
                        }
                    }
                    return rows
                }
            }
            try output.emit(rows) {
                var table = TextTable(["BACKUP", "LOCATION", "RESULT"])
                for row in rows { table.add([row.backup, row.location, row.outcome]) }
                return table.text
            }
            if rows.contains(where: \.isFailed) { throw Outcome(status: .failed) }
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
