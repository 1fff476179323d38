internal import ArgumentParser
internal import EtcdStorage
internal import Foundation
internal import SystemPackage

/// What verify and inspect have in common: the file, and the reading of it.
struct SnapshotInput: ParsableArguments {
    @Argument(help: "A snapshot that was saved, or a member's snap/db.")
    var file: String

    @Flag(help: "Accept a file without SHA-256, as one copied from a data directory is, and do not compare one.")
    var skipHashCheck = false

    func verified(_ output: OutputOptions) async throws -> SnapshotReport {
        let verifier = SnapshotVerifier(path: FilePath(file), skipHashCheck: skipHashCheck)
        let size = (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int64) ?? 0
        let bar = ProgressBar("verify", total: size, options: output)
        defer { bar.finish() }
        return try await verifier.verify { bar.advance(by: $0) }
    }
}

struct SnapshotVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that a snapshot is sound, or say what is wrong with it.",
        discussion: """
            Reads the whole file, a window at a time (some 35 MiB of memory, and 10 to 21 bytes a distinct key): the SHA-256, every page of the tree, every revision and \
            every value. Exit code 0: sound. 3: damaged. 2: not a snapshot.
            """,
        aliases: ["status"]
    )

    @OptionGroup var input: SnapshotInput
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let report = try await input.verified(output)
        try output.emit(report) { Self.table(report) }
        if !report.isSound { throw Outcome(status: .findings) }
    }

    static func verdict(_ report: SnapshotReport) -> String {
        let errors = report.findings.count { $0.severity == .error }
        let warnings = report.findings.count - errors
        if !report.isSound { return Terminal.paint("DAMAGED", .red) + ": \(report.findingCount) finding\(report.findingCount == 1 ? "" : "s")" }
        return Terminal.paint("sound", .green) + (warnings > 0 ? ", \(warnings) warning\(warnings == 1 ? "" : "s")" : "")
    }

    static func table(_ report: SnapshotReport) -> String {
        var facts = FactList()
        facts.add("file", report.file)
        facts.add("verdict", verdict(report))
        facts.add("size", "\(Bytes.text(report.sizeBytes)) (\(report.sizeBytes) bytes)")
        facts.add("sha256", report.sha256.rawValue)
        facts.add("hash", report.hash.map { String(format: "%08x", $0) } ?? "none: the structure is damaged")
        facts.add("revision", "\(report.revision)")
        facts.add("total keys", "\(report.totalKey)")
        facts.add("total size", Bytes.text(report.totalSize))
        facts.add("live keys", "\(report.liveKeys), \(report.tombstones) tombstones")
        facts.add("compacted at", report.compactRevision.map(String.init) ?? "never")
        facts.add("members", report.members.map { "\($0.name) (\($0.hexID))" }.joined(separator: ", "))
        guard !report.findings.isEmpty else { return facts.text }
        var findings = TextTable(["SEVERITY", "CODE", "PAGE", "OFFSET", "MESSAGE"], alignedRight: [2, 3])
        for finding in report.findings {
            findings.add([
                finding.severity.rawValue, finding.code.rawValue, finding.page.map(String.init) ?? "-",
                finding.offset.map(String.init) ?? "-", finding.message,
            ])
        }
        let rest = report.findingCount - report.findings.count
        return facts.text + "\n\n" + findings.text + (rest > 0 ? "\n… and \(rest) more" : "")
    }
}
