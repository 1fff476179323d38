import Foundation
import Maintenance
import Testing

struct CronScheduleTests {
    private func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    private func fires(_ schedule: String, from start: String, _ count: Int, zone: String = "UTC") throws -> [String] {
        let schedule = try CronSchedule(schedule)
        let zone = try #require(TimeZone(identifier: zone))
        var time = try date(start)
        var found: [String] = []
        while found.count < count, let next = schedule.next(after: time, in: zone) {
            found.append(next.formatted(.iso8601))
            time = next
        }
        return found
    }

    @Test func `The scenarios' schedules fire when they should`() throws {
        #expect(
            try fires("0 */6 * * *", from: "2026-11-25T05:59:59Z", 5) == [
                "2026-11-25T06:00:00Z", "2026-11-25T12:00:00Z", "2026-11-25T18:00:00Z", "2026-11-26T00:00:00Z", "2026-11-26T06:00:00Z",
            ])
        #expect(try fires("0 2 * * *", from: "2026-12-31T02:00:00Z", 1) == ["2027-01-01T02:00:00Z"])
        #expect(try fires("0 0 * * 6", from: "2026-11-25T00:00:00Z", 2) == ["2026-11-28T00:00:00Z", "2026-12-05T00:00:00Z"])
        #expect(try fires("0 2 * * SAT", from: "2026-11-25T00:00:00Z", 1) == ["2026-11-28T02:00:00Z"])
        #expect(try fires("@weekly", from: "2026-11-25T00:00:00Z", 1) == ["2026-11-29T00:00:00Z"])
        #expect(try fires("@every 1h30m", from: "2026-11-25T00:00:10Z", 2) == ["2026-11-25T01:30:10Z", "2026-11-25T03:00:10Z"])
        #expect(
            try fires("5/20 8 29 feb ?", from: "2026-01-01T00:00:00Z", 3) == ["2028-02-29T08:05:00Z", "2028-02-29T08:25:00Z", "2028-02-29T08:45:00Z"])
        #expect(try fires("0 0 30 2 *", from: "2026-01-01T00:00:00Z", 1) == [], "never")
    }

    @Test func `Of two restricted days either is enough; with a star both must match`() throws {
        #expect(
            try fires("0 0 1 * MON", from: "2026-11-25T00:00:00Z", 3) == ["2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-07T00:00:00Z"])
        #expect(try fires("0 0 * * MON", from: "2026-11-25T00:00:00Z", 1) == ["2026-11-30T00:00:00Z"])
        // A step is a restriction since Kubernetes 1.21: odd days, and Mondays.
        #expect(
            try fires("0 0 */2 * MON", from: "2026-11-25T00:00:00Z", 3) == ["2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"])
    }

    @Test func `What a spring night skips does not come, and what an autumn night repeats comes twice`() throws {
        // Berlin: 2026-03-29 has no 02:30, 2026-10-25 has two.
        #expect(
            try fires("30 2 * * *", from: "2026-03-28T00:00:00Z", 3, zone: "Europe/Berlin") == [
                "2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z",
            ])
        #expect(
            try fires("30 2 * * *", from: "2026-10-24T12:00:00Z", 3, zone: "Europe/Berlin") == [
                "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z",
            ])
        // The Monday after, which begins 23 hours after the Sunday.
        #expect(
            try fires("0 0 * * 1", from: "2026-03-28T12:00:00Z", 2, zone: "Europe/Berlin") == ["2026-03-29T22:00:00Z", "2026-04-05T22:00:00Z"])
        // Half an hour, at Lord Howe: 2026-04-05 shows 01:30 to 02:00 twice.
        #expect(
            try fires("45 1 * * *", from: "2026-04-04T00:00:00Z", 2, zone: "Australia/Lord_Howe") == ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"])
        // A day that begins at one o'clock: Beirut, 2026-03-29.
        #expect(try fires("0 1 29 3 *", from: "2026-03-01T00:00:00Z", 1, zone: "Asia/Beirut") == ["2026-03-28T22:00:00Z"])
        #expect(try fires("0 12 * * *", from: "2026-03-28T12:00:00Z", 1, zone: "Asia/Beirut") == ["2026-03-29T09:00:00Z"])
    }

    @Test(arguments: [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "* * * * SAT-SUN", "* * * * FRI-MON",
        "*/0 * * * *",
        "1-2-3 * * * *", "a * * * *", "-1 * * * *", "1, * * * *", "@never", "@every", "@every 5", "@every 0s", "TZ=UTC 0 0 * * *",
        "CRON_TZ=UTC 0 0 * * *",
        "0 0 L * *", "0 0 * * 1#2", "*/99999999999999999999 * * * *", "1/2/3 * * * *",
    ]) func `What a CronJob refuses is refused`(_ text: String) {
        #expect(throws: MaintenanceError.self) { try CronSchedule(text) }
    }

    @Test func `A search by the minute finds the same times`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SplitMix(seed: seed)
        print("seed \(seed)")
        let zones = try ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"].map {
            try #require(TimeZone(identifier: $0))
        }
        for _ in 0..<60 {
            let minutes = (0..<2).map { _ in Int.random(in: 0...59, using: &generator) }.sorted()
            let hour = Int.random(in: 0...4, using: &generator)
            let weekday = Int.random(in: 0...6, using: &generator)
            let schedule = try CronSchedule("\(minutes[0])-\(minutes[1])/7 \(hour),\(hour + 12) * * \(weekday)")
            let zone = zones[Int.random(in: zones.indices, using: &generator)]
            // Around the changes of the clocks of a year.
            let start = try date(
                ["2026-03-08T00:00:00Z", "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2026-04-04T08:00:00Z"].randomElement(using: &generator)
                    ?? ""
            )
            .addingTimeInterval(Double(Int.random(in: 0...7200, using: &generator)))
            var expected: [Date] = []
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = zone
            var minute = Date(timeIntervalSince1970: (start.timeIntervalSince1970 / 60).rounded(.down) * 60 + 60)
            while expected.count < 6 {
                let parts = calendar.dateComponents([.hour, .minute, .weekday], from: minute)
                if let found = parts.minute, parts.weekday == weekday + 1, [hour, hour + 12].contains(parts.hour), found >= minutes[0],
                    found <= minutes[1],
                    (found - minutes[0]) % 7 == 0
                {
                    expected.append(minute)
                }
                minute += 60
            }
            var (found, time): ([Date], Date) = ([], start)
            while found.count < 6 {
                time = try #require(schedule.next(after: time, in: zone))
                found.append(time)
            }
            #expect(found == expected, "\(schedule) in \(zone.identifier) from \(start)")
        }
    }
}
