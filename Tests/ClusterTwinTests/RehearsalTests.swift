import Foundation
import Proving
import Testing

struct RehearsalTests {
    /// A slice of `make rehearse`, which takes 2,000.
    @Test func `Random drains with faults and kills break no rule, and end in done, resumable or explained`() async throws {
        let first = UInt64.random(in: 0..<UInt64.max / 2)
        print("seed \(first)")
        try await BuiltProgram.withFolder { folder in
            for seed in first..<first + 60 {
                var drain = RandomDrain(seed: seed)
                let report = try await drain.run(in: folder.path)
                #expect(report.broken.isEmpty, "seed \(seed): \(report.broken)")
                #expect(report.end == .done || !report.message.isEmpty, "seed \(seed)")
            }
        }
    }

    @Test func `The same seed gives the same rehearsal`() async throws {
        try await BuiltProgram.withFolder { folder in
            var reports: [String] = []
            for index in 0..<2 {
                var drain = RandomDrain(seed: 42)
                let own = folder.appendingPathComponent("\(index)")
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                let report = try await drain.run(in: own.path)
                reports.append("\(report.end) \(report.evictions) \(report.kills)")
            }
            #expect(reports[0] == reports[1])
        }
    }
}
