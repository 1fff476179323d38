internal import ArgumentParser
internal import EtcdStorage
internal import Foundation

struct SnapshotInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look into a snapshot: what is in it, and what takes the room.",
        discussion: "The facts of `snapshot verify`, drawn for reading. The exit codes are the same."
    )

    @OptionGroup var input: SnapshotInput
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let report = try await input.verified(output)
        try output.emit(report) { Self.page(report, now: Date()) }
        if !report.isSound { throw Outcome(status: .findings) }
    }

    static func page(_ report: SnapshotReport, now: Date) -> String {
        var header = FactList()
        header.add("verdict", SnapshotVerifyCommand.verdict(report))
        header.add("etcd", report.etcdVersion ?? "older than 3.5, or unknown")
        let modified = Date(timeIntervalSince1970: Double(report.modified))
        header.add("written", "\(modified.formatted(.iso8601)), \(Duration.seconds(max(0, now.timeIntervalSince(modified))).text) ago")
        header.add(
            "size", "\(Bytes.text(report.sizeBytes)), \(String(format: "%.0f", report.fragmentation * 100))% of the pages hold nothing")
        header.add("raft", "index \(report.consistentIndex.map(String.init) ?? "unknown"), term \(report.raftTerm.map(String.init) ?? "unknown")")
        header.add("authentication", report.authEnabled ? "enabled" : "disabled")
        header.add("leases, alarms", "\(report.leases), \(report.alarms)")
        var sections = [Terminal.paint(report.file, .bold), header.text]

        var revisions = FactList()
        revisions.add("newest", "\(report.revision)")
        revisions.add("oldest kept", "\(report.firstRevision)")
        revisions.add("compacted at", report.compactRevision.map(String.init) ?? "never")
        revisions.add("live keys", "\(report.liveKeys)")
        revisions.add("tombstones", "\(report.tombstones)")
        sections.append(Terminal.paint("REVISIONS", .bold) + "\n" + revisions.text)

        if !report.members.isEmpty {
            var members = TextTable(["ID", "NAME", "PEER URLS", "CLIENT URLS", "LEARNER"])
            for member in report.members {
                members.add([
                    member.hexID, member.name, member.peerURLs.joined(separator: ","), member.clientURLs.joined(separator: ","),
                    member.isLearner ? "yes" : "no",
                ])
            }
            sections.append(Terminal.paint("MEMBERS", .bold) + "\n" + members.text)
        }
        if !report.resources.isEmpty {
            let bars = report.resources.map {
                BarChart.Bar(label: $0.resource, value: Double($0.bytes), note: "\(Bytes.text($0.bytes)), \($0.revisions) revisions")
            }
            sections.append(Terminal.paint("BIGGEST KINDS", .bold) + "\n" + BarChart(bars: bars).text(width: Terminal.width))
        }
        for finding in report.findings { sections.append("\(finding.severity.rawValue): \(finding.message)") }
        return sections.joined(separator: "\n\n")
    }
}
