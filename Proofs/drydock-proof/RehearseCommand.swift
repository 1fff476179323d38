internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import Proving

/// Drains thousands of clusters by chance, with faults and kills, and counts what was broken.
struct RehearseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse", abstract: "Rehearse random drains on random clusters with faults and kills.")

    @Option(help: "How many clusters.") var clusters = 2000
    @Option(help: "The first seed; the others follow.") var seed: UInt64?
    @Option(help: "The report whose section on rehearsals is written anew.") var report: String?
    @Flag(help: "Print how each one ended.") var verbose = false

    func run() async throws {
        let first = seed ?? UInt64.random(in: 0..<UInt64.max / 2)
        print("seed \(first)")
        let text = try await BuiltProgram.withFolder { folder in
            var ends: [RandomDrain.Report.End: Int] = [:]
            var resumed: [RandomDrain.Report.End: Int] = [:]
            var (evictions, kills) = (0, 0)
            var broken: [String] = []
            let began = ContinuousClock.now
            for index in 0..<clusters {
                let own = first + UInt64(index)
                var drain = RandomDrain(seed: own)
                let report = try await drain.run(in: folder.path)
                ends[report.end, default: 0] += 1
                if let end = report.resumed { resumed[end, default: 0] += 1 }
                if verbose {
                    print(
                        "seed \(own): \(report.end.rawValue), \(report.evictions) evictions, \(report.kills) kills\(report.message.isEmpty ? "" : ": \(report.message)")"
                    )
                }
                evictions += report.evictions
                kills += report.kills
                broken += report.broken.map { "seed \(own): \($0)" }
                for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: "\(folder.path)/\(own).sqlite\(suffix)") }
                if index % 100 == 99 { FileHandle.standardError.write(Data("\(index + 1) of \(clusters), \(broken.count) broken\n".utf8)) }
            }
            let seconds = (ContinuousClock.now - began).seconds
            for text in broken { print(text) }
            return """
                ## Rehearsed drains

                Made by `make rehearse` (seed \(first)): \(clusters) random clusters with random workloads, budgets and drains, 40 % of them with throttling, server errors, cut \
                watches and forgotten histories, some with a dead node, the process killed \(kills) times at random moments and resumed. The program's own run, journal and client on \
                a virtual clock: \(Int(seconds)) s.

                | what | count |
                |---|---:|
                | ended done | \(ends[.done] ?? 0) |
                | stopped, resumable, with the reason | \(ends[.stopped] ?? 0) |
                | of all that left a run to go on with, once nothing failed any more: resumed to the end | \(resumed[.done] ?? 0) |
                | stopped again, with what still stands in the way | \((resumed[.stopped] ?? 0) + (resumed[.refused] ?? 0)) |
                | refused by a rule, with the reason | \(ends[.refused] ?? 0) |
                | evictions | \(evictions) |
                | budgets, maxUnavailable or quorum rules broken | \(broken.count) |

                """
        }
        print(text)
        if let report { try ReportFile(path: report).replace(section: "rehearsals", with: text) }
    }
}
