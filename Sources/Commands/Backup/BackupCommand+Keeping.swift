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
            discussion: "The backup `all` means every one. No key is needed. What is there already is left. Exit code 1 when one could not be copied."
        )

        @OptionGroup var choice: BackupChoice
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
                let wanted = choice.backup == "all" ? try await catalog.list(cluster: choice.cluster).backups : [try await choice.find(in: catalog)]
                return try await place.stores { targets in
                    var rows: [Row] = []
                    for target in targets {
                        for one in wanted {
                            let progress = ProgressBar("copy", options: output)
                            progress.set(done: 0, total: Int(clamping: one.manifest.storedBytes))
                            do {
                                let copy = BackupCopy(from: catalog, to: target, retainUntil: until)
                                let outcome = try await copy.run(one) { progress.advance(by: $0) }
                                rows.append(Row(backup: one.id, location: target.location, outcome: outcome.text))
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
        @OptionGroup(title: "Rules") var rules: RetentionOptions
        @Flag(name: [.customLong("explain"), .customLong("dry-run")], help: "Say what would be deleted and why, and delete nothing.") var explain =
            false
        @Flag(help: "Also what belongs to no backup and is older than a day: uploads that were broken off, objects without a manifest.") var orphans =
            false
        @OptionGroup(title: "Output") var output: OutputOptions

        @Flag(help: "Also backups that lack objects, which no rule counts, and which are kept otherwise.") var broken = false
        @Option(help: ArgumentHelp("How old orphans must be. (default: 24h)", valueName: "duration")) var orphanAge: DurationArgument?

        func run() async throws {
            let retention = try rules.retention()
            let decisions = try await place.store { store -> [BackupPrune.Decision] in
                let prune = BackupPrune(BackupCatalog(store), cluster: cluster.name, isRehearsal: explain)
                return try await prune.backups(retention, deletingBroken: broken, at: Date())
                    + (orphans ? try await prune.orphans(at: Date(), olderThan: orphanAge?.duration.seconds) : [])
            }
            try output.emit(decisions) {
                var table = TextTable(["BACKUP", explain ? "WOULD BE" : "IS", "WHY"])
                for row in decisions { table.add([row.object, row.isKept ? "kept" : "deleted", row.reason]) }
                return decisions.isEmpty ? "no backups" : table.text
            }
        }
    }
}
