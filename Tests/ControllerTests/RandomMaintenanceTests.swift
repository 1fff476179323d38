import Foundation
import Proving
import Testing

struct RandomMaintenanceTests {
    /// Five hundred worlds, four weeks each, in ten parts that go side by side.
    @Test(arguments: 0..<10)
    func `In random worlds nothing is disturbed outside of windows and budgets, and every node is current or explained`(_ part: UInt64) throws {
        let first = UInt64.random(in: 0..<UInt64.max / 2)
        print("part \(part), seed \(first)")
        var (reboots, kills) = (0, 0)
        for seed in first..<first + 50 {
            var world = RandomMaintenance(seed: seed, nodes: 2...6)
            let report = try world.run()
            #expect(report.broken.isEmpty, "seed \(seed): \(report.broken)")
            reboots += report.reboots
            kills += report.kills
        }
        // A world in which nothing happens proves nothing.
        #expect(reboots > 100 && kills > 10)
    }
}
