internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Keep backups of etcd in stores, and know that they can be read.",
        subcommands: [
            Create.self, List.self, Show.self, Status.self, Verify.self, Drill.self, Copy.self, Fetch.self, Export.self, Restore.self,
            Prune.self, Schedule.self, Metrics.self,
        ])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stream a snapshot of etcd into one or more stores.",
            discussion: """
                Hashed, compressed and encrypted on the way; nothing is written to this host's disk. A manifest is written last: what has none is no \
                backup. Encryption is age's: give the public keys with --recipient, and keep the identities elsewhere. Exit code 1 when a store did \
                not get it.
                """)

        @OptionGroup var place: BackupPlace
        @OptionGroup var options: CreateOptions
        @Flag(help: "Afterwards delete what no rule keeps, in every location that has the new backup; RETENTION_DAYS alone is a rule.") var prune =
            false
        @OptionGroup(title: "Rules, with --prune") var rules: RetentionOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let retention = try rules.retention()
            let outcome = try await place.stores { stores in
                let outcome = try await options.run(into: stores, output)
                if prune {
                    for store in stores where outcome.stored.contains(store.location) {
                        let decisions = try await BackupPrune(BackupCatalog(store), cluster: options.cluster.name, isRehearsal: false)
                            .backups(retention, at: Date())
                        for gone in decisions where !gone.isKept { output.remark("deleted \(gone.object): \(gone.reason)") }
                    }
                }
                return outcome
            }
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
            let listing = try await place.store { try await BackupCatalog($0).list(cluster: cluster) }
            let (strays, unreadable) = (listing.strays, listing.unreadable)
            let rows = listing.backups.reversed().map { BackupRow($0) }
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
            for problem in unreadable { output.remark("warning: \(problem.error)") }
            if !unreadable.isEmpty || rows.contains(where: { !$0.faults.isEmpty }) { throw Outcome(status: .findings) }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what a backup holds.")

        @OptionGroup var choice: BackupChoice
        @OptionGroup var place: BackupPlace
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let found = try await place.store { try await choice.find(in: BackupCatalog($0)) }
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

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say how much would be lost now: the newest backup of each cluster, and the newest that is known to be readable.",
            discussion: "Exit code 3 when a cluster's newest backup, or newest verified one, is older than --max-age.")

        @OptionGroup var place: BackupPlace
        @Option(help: "Only of this cluster.") var cluster: String?
        @Option(help: ArgumentHelp("How old the newest may be.", valueName: "duration")) var maxAge: DurationArgument?
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let all = try await place.store { try await BackupCatalog($0).list(cluster: cluster).backups }
            let now = Date()
            let rows = BackupStatus.of(all, maxAge: maxAge?.duration.seconds, at: now)
            let leftOut = all.count - rows.map(\.backups).reduce(0, +)
            if leftOut > 0 { output.remark("warning: \(leftOut) backups are left out: they lack objects, or are from the future") }
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
}

// MARK: Reports

/// A backup as lists show it.
struct BackupRow: Encodable {
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
        plainBytes = backup.manifest.plainBytes
        storedBytes = backup.manifest.storedBytes
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
