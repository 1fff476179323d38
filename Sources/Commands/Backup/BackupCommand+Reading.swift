internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations
internal import SystemPackage

// What reads backups back, and proves that they can be.
extension BackupCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a backup against its manifest.",
            discussion: """
                Without --deep: that every object is there, with its size. With --deep every byte is read back and hashed, and, with an --identity, \
                decrypted and decompressed. Exit code 3: something is wrong, and what.
                """)

        @OptionGroup var choice: BackupChoice
        @Flag(help: "Read back every byte.") var deep = false
        @OptionGroup var place: BackupPlace
        @OptionGroup var identity: IdentityOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let identities = try identity.identities()
            let found = try await place.store { store -> StoredBackup in
                let catalog = BackupCatalog(store)
                let found = try await choice.find(in: catalog)
                if deep {
                    let total = Int(clamping: found.manifest.plainBytes)
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

    struct Drill: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Rehearse a restore, with a real etcd, and measure it.",
            discussion: """
                Fetches the backup, decrypts and checks it, restores it into a scratch folder, starts an etcd on that, on loopback, and compares keys \
                and HashKV with what they were. Everything is removed afterwards; the result is kept beside the manifest. Exit code 3: something is \
                not as it should be, and what.
                """)

        @OptionGroup var choice: BackupChoice
        @OptionGroup var place: BackupPlace
        @OptionGroup var options: DrillOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let drill = try options.drill()
            let output = output
            let progress = ProgressBar("fetch", options: output)
            let (report, age) = try await place.store { store in
                let catalog = BackupCatalog(store)
                let found = try await choice.find(in: catalog)
                progress.set(done: 0, total: Int(clamping: found.manifest.plainBytes))
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

    struct Fetch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a backup's snapshot to a file, decrypted and checked.",
            discussion: "The file appears when it is whole. `drydock snapshot verify` and `restore` take it, and etcdutl does.")

        @OptionGroup var choice: BackupChoice
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
                let found = try await choice.find(in: catalog)
                let progress = ProgressBar("fetch", options: output)
                progress.set(done: 0, total: Int(clamping: found.manifest.plainBytes))
                try await catalog.fetch(BackupManifest.snapshot, of: found, to: folder, as: target.lastPathComponent, identities: identities) {
                    progress.advance(by: $0)
                }
                progress.finish()
                return found
            }
            try output.emit(BackupRow(found)) { "\(found.id) is in \(target.path)" }
        }
    }
}
