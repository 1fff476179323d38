import Foundation
import Proving
import Testing

/// A slice of `make torture`: files of a real server, damaged at random.
@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct TortureTests {
    @Test func `Every damage of a snapshot, a WAL segment and a snap file is reported`() async throws {
        let seed = UInt64.random(in: 1...1_000_000)
        print("torture seed \(seed)")
        try await BuiltProgram.withFolder { folder in
            let samples = try await Torture.samples(in: folder)
            for (kind, cases) in [(Torture.Kind.snapshot, 1000), (.wal, 300), (.snap, 300)] {
                let file = try #require(samples[kind])
                let tally = try await Torture(kind: kind, file: file, folder: folder).run(cases: cases, seed: seed)
                #expect(tally.missed == [], "\(kind.rawValue), seed \(seed)")
                #expect(tally.reported + tally.legal == cases)
                #expect(tally.slowest < .seconds(20))
            }
        }
    }

    @Test func `What etcdutl complains of is reported, also under a digest that fits the damage`() async throws {
        let seed = UInt64.random(in: 1...1_000_000)
        print("judged torture seed \(seed)")
        try await BuiltProgram.withFolder { folder in
            let file = try #require(try await Torture.samples(in: folder)[.rehashedSnapshot])
            let tally = try await Torture(kind: .rehashedSnapshot, file: file, folder: folder).run(cases: 90, seed: seed) { file in
                try await CommandRun.run(EtcdRelease.v3_5.snapshotTool, ["snapshot", "status", file.path]).status != 0
            }
            #expect(tally.judgeReported > 0, "seed \(seed)")
            #expect(tally.missedButJudged == [], "seed \(seed)")
        }
    }
}
