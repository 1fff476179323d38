import Foundation
import Proving
import Testing

/// One part at a time, beside everything else: it would have all processors otherwise.
@Suite(.serialized)
struct RandomMaintenanceTests {
    /// Five hundred worlds, four weeks each, in ten parts.
    @Test(arguments: 0..<10)
    func `In random worlds nothing is disturbed outside of windows and budgets, and every node is current or explained`(_ part: UInt64) async throws {
        let first = UInt64.random(in: 0..<UInt64.max / 2)
        print("part \(part), seed \(first)")
        let reports = try await onOwnThread {
            try (first..<first + 50).map { seed in
                var world = RandomMaintenance(seed: seed, nodes: 2...6)
                return (seed, try world.run())
            }
        }
        for (seed, report) in reports { #expect(report.broken.isEmpty, "seed \(seed): \(report.broken)") }
        // A world in which nothing happens proves nothing.
        #expect(reports.map(\.1.reboots).reduce(0, +) > 100 && reports.map(\.1.kills).reduce(0, +) > 10)
    }
}
