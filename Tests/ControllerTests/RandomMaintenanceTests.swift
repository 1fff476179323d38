import Foundation
import Proving
import Testing

struct RandomMaintenanceTests {
    @Test func `One world`() throws {
        let clock = ContinuousClock()
        for seed in UInt64(1)...20 {
            let begun = clock.now
            var world = RandomMaintenance(seed: seed)
            let report = try world.run()
            print("seed \(seed): \(report) \(clock.now - begun)")
            #expect(report.broken.isEmpty, "seed \(seed): \(report.broken)")
        }
    }
}
