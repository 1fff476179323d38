internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import Proving

/// Damages real files thousands of times: every damage must be reported, and nothing may crash or hang.
struct TortureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "torture", abstract: "Damage files of a real etcd, and see what is noticed.")

    @Option(help: "Cases a kind of file.") var cases = 10_000
    @Option(help: "Cases that etcdutl judges, too; it is started for each.") var judged = 1000
    @Option(help: "Where the random damage starts.") var seed: UInt64 = UInt64.random(in: 1...1_000_000)
    @Option(help: "Where the report goes.") var report: String?

    func run() async throws {
        print("seed \(seed)")
        var lines = ["# Torture", "", "`make torture`, seed \(seed). Every case damages one file of a real etcd 3.5.1 in one place.", ""]
        lines += ["| file | damage | cases | reported | legal¹ | slowest |", "|---|---|---:|---:|---:|---:|"]
        var missed: [String] = []
        try await BuiltProgram.withFolder { folder in
            let samples = try await Torture.samples(in: folder)
            for kind in Torture.Kind.allCases {
                guard let file = samples[kind] else { continue }
                let torture = try Torture(kind: kind, file: file, folder: folder)
                let tally = try await torture.run(cases: cases, seed: seed)
                for damage in Damage.allCases {
                    guard let counts = tally.byDamage[damage] else { continue }
                    lines.append("| \(kind.rawValue) | \(damage.rawValue) | \(counts.cases) | \(counts.reported) | | |")
                }
                lines.append(
                    "| **\(kind.rawValue)** | **all** | \(tally.cases) | \(tally.reported) | \(tally.legal) | \(Self.milliseconds(tally.slowest)) ms |"
                )
                print(
                    "\(kind.rawValue): \(tally.reported) of \(tally.cases) reported, \(tally.legal) legal, slowest \(Self.milliseconds(tally.slowest)) ms"
                )
                // What keeps its digest and breaks no rule cannot be found; the second judge says whether a rule was broken.
                if kind != .rehashedSnapshot { missed += tally.missed.map { "\(kind.rawValue): \($0)" } }
            }
            lines += ["", "¹ What is left is a legal file: a log that ends at an earlier record, as a crash leaves it.", ""]
            try await judge(samples, folder, &lines, &missed)
        }
        lines += ["0 crashes, 0 hangs: the campaign ran in one process, to its end."]
        if let report { try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: report)) }
        for line in missed { print("MISSED \(line)") }
        guard missed.isEmpty else { throw ExitCode.failure }
        print("every damage was reported")
    }

    /// etcdutl checks bbolt's own rules before it counts: whatever it complains of, or crashes on, must be reported by us.
    private func judge(_ samples: [Torture.Kind: URL], _ folder: URL, _ lines: inout [String], _ missed: inout [String]) async throws {
        guard let file = samples[.rehashedSnapshot] else { return }
        let tally = try await Torture(kind: .rehashedSnapshot, file: file, folder: folder).run(cases: judged, seed: seed &+ 1) { file in
            try await CommandRun.run(EtcdRelease.v3_5.snapshotTool, ["snapshot", "status", file.path]).status != 0
        }
        let sentence =
            "Damage under a SHA-256 that fits it, judged by `etcdutl 3.5.1 snapshot status` as well: of \(tally.cases) cases etcdutl reported "
            + "\(tally.judgeReported) (crashes counted), drydock \(tally.reported), and drydock missed \(tally.missedButJudged.count) of etcdutl's."
        lines += [sentence, ""]
        print(sentence)
        missed += tally.missedButJudged.map { "reported by etcdutl only: \($0)" }
    }

    private static func milliseconds(_ duration: Duration) -> String {
        String(format: "%.1f", duration.seconds * 1000)
    }
}
