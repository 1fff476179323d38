internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations

// What brings backups elsewhere, and takes them away.
extension BackupCommand {
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

private struct PruneRow: Encodable {
    var object: String
    var isKept: Bool
    var reason: String
}
