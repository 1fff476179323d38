import Foundation
import Testing

@testable import Maintenance

private func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

@Suite struct WindowTests {
    /// window, moment, seconds left (nil: closed). 2026-11-21 is a Saturday.
    @Test(
        arguments: [
            ("22:00-06:00", "2026-11-23T23:00:00Z", 25200.0), ("22:00-06:00", "2026-11-23T05:59:00Z", 60),
            ("22:00-06:00", "2026-11-23T06:00:00Z", nil),
            ("22:00-06:00", "2026-11-23T12:00:00Z", nil), ("Sat,Sun 01:00-05:00", "2026-11-21T01:00:00Z", 14400),
            ("Sat,Sun 01:00-05:00", "2026-11-23T02:00:00Z", nil), ("Fri 22:00-02:00", "2026-11-21T01:00:00Z", 3600),
            ("Fri 22:00-02:00", "2026-11-20T01:00:00Z", nil), ("Fri-Mon 10:00-11:00", "2026-11-23T10:30:00Z", 1800),
            ("Fri-Mon 10:00-11:00", "2026-11-24T10:30:00Z", nil), ("sat 02:00-04:00 Europe/Berlin", "2026-11-21T01:30:00Z", 5400),
            ("02:00-04:00 America/New_York", "2026-07-01T06:30:00Z", 5400),
            // What kured and system-upgrade-controller get wrong: a Saturday's window holds Sunday 01:00, and not Saturday 01:00.
            ("Sat 22:00-04:00", "2026-11-22T01:00:00Z", 10800), ("Sat 22:00-04:00", "2026-11-21T01:00:00Z", nil),
            ("0 22 * * SAT 6h", "2026-11-22T01:00:00Z", 10800), ("0 22 * * SAT 6h", "2026-11-21T01:00:00Z", nil),
            ("0 2 * * SAT 4h", "2026-11-21T02:00:00Z", 14400), ("@weekly 90m Europe/Berlin", "2026-11-21T23:30:00Z", 3600),
            // Two that touch are one, and a day that lasts for ever is cut somewhere.
            ("Sat 22:00-00:00; Sun 00:00-02:00", "2026-11-21T23:00:00Z", 10800),
            // A blackout closes it, also from within.
            ("22:00-06:00; not 2026-12-24..2026-12-26", "2026-12-25T23:00:00Z", nil),
            ("22:00-06:00; not 2026-12-24..2026-12-26", "2026-12-23T23:00:00Z", 3600),
            ("22:00-06:00; not 2026-12-24..2026-12-26", "2026-12-27T00:00:00Z", 21600),
            ("22:00-06:00 Europe/Berlin; not 2026-12-24..2026-12-26 Europe/Berlin", "2026-12-26T23:30:00Z", 19800),
        ] as [(String, String, Double?)])
    func `A window knows how long it is open`(window: String, moment: String, left: Double?) throws {
        #expect(try Window(window).remaining(at: date(moment)) == left)
    }

    @Test func `Clocks that are put forward or back neither close a window for good nor break it`() throws {
        let window = try Window("02:00-04:00 Europe/Berlin")
        // 2026-03-29: 02:00 does not exist. 2026-10-25: 02:00 exists twice.
        #expect(try window.remaining(at: date("2026-03-29T01:30:00Z")) == 1800)
        #expect(try window.remaining(at: date("2026-10-25T00:30:00Z")) != nil)
        #expect(try window.nextOpening(after: date("2026-10-25T12:00:00Z")) == date("2026-10-26T01:00:00Z"))
    }

    @Test func `Over a change of clocks a window opens once, at a time that there is`() throws {
        let window = try Window("30 2 * * * 1h Europe/Berlin")
        func openings(_ from: String, _ count: Int) throws -> [String] {
            var time = try date(from)
            return (0..<count).compactMap { _ in
                window.nextOpening(after: time).map {
                    time = $0
                    return $0.formatted(.iso8601)
                }
            }
        }
        // 02:30 is skipped on 2026-03-29, and comes twice on 2026-10-25.
        #expect(try openings("2026-03-28T12:00:00Z", 2) == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"])
        #expect(try openings("2026-10-24T12:00:00Z", 2) == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])
        #expect(try window.remaining(at: date("2026-10-25T01:45:00Z")) == nil, "the second 02:45 is after it")
        // A length is time that passes; an hour on the wall is what it shows.
        #expect(try Window("0 22 * * SAT 8h Europe/Berlin").interval(endingAfter: date("2026-03-28T22:00:00Z"))?.end == date("2026-03-29T05:00:00Z"))
        #expect(try Window("Sat 22:00-06:00 Europe/Berlin").interval(endingAfter: date("2026-03-28T22:00:00Z"))?.end == date("2026-03-29T04:00:00Z"))
    }

    @Test func `A search by the minute finds the same openings`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var chance = SplitMix(seed: seed)
        for _ in 0..<60 {
            let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"].randomElement(using: &chance) ?? ""
            let (minute, hour, length) = (
                Int.random(in: 0...59, using: &chance), Int.random(in: 0...23, using: &chance), Int.random(in: 1...30, using: &chance)
            )
            let first = Int.random(in: 1...27, using: &chance)
            let month = ["03", "04", "10", "11"].randomElement(using: &chance) ?? ""
            let text = "\(minute) \(hour) * * * \(length * 20)m \(zone); not 2026-\(month)-\(first < 10 ? "0" : "")\(first)..2026-\(month)-28 \(zone)"
            let window = try Window(text)
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = try #require(TimeZone(identifier: zone))
            let start = try date("2026-\(month)-01T00:00:00Z").addingTimeInterval(Double(Int.random(in: 0..<40000, using: &chance)) * 60)
            // The starts: every day, at the first moment that shows this time or a later one.
            let starts = try (-3...2).map { offset -> Date in
                let day = try #require(calendar.date(byAdding: .day, value: offset, to: calendar.startOfDay(for: start)))
                let end = try #require(calendar.date(byAdding: .day, value: 1, to: day))
                var moment = day
                while moment < end {
                    let shown = calendar.dateComponents([.hour, .minute], from: moment)
                    if (shown.hour ?? 0, shown.minute ?? 0) >= (hour, minute) { break }
                    moment += 60
                }
                return moment
            }
            for minutes in 0..<600 {
                let moment = start.addingTimeInterval(Double(minutes * 60))
                let day = calendar.dateComponents([.month, .day], from: moment)
                let isDark = day.month == Int(month) && (first...28).contains(day.day ?? 0)
                let isOpen = !isDark && starts.contains { $0 <= moment && moment < $0.addingTimeInterval(Double(length) * 1200) }
                #expect((window.remaining(at: moment) != nil) == isOpen, "\(text) at \(moment.formatted(.iso8601))")
            }
        }
    }

    @Test(arguments: [
        "not 2026-12-24..2026-12-26", "22:00-06:00; not 2026-12-26..2026-12-24", "22:00-06:00; not 2026-13-24..2026-12-26", "22:00-06:00; not x", ";",
        "0 2 * * SAT", "0 2 * * SAT 4", "0 2 * * SAT 0h", "0 2 * * SAT 200h", "0 2 * * SAT 4h Mars/Base", "0 2 * * SAT 4h UTC x", "@every 6h 1h",
        "", "always", "25:00-26:00", "1:00-2:00", "10:00", "10:00-10:00", "Xyz 10:00-11:00", "Mon- 10:00-11:00", "10:00-11:00 Mars/Base",
        "Mon 10:00-11:00 UTC x",
    ])
    func `What is no window is refused with an example`(_ text: String) {
        #expect { try Window(text) } throws: { "\($0)".contains("Write it like") }
    }

    @Test func `A window survives the journal`() throws {
        let window = try Window("Mon-Fri 22:00-02:00 Europe/Berlin")
        #expect(try JSONDecoder().decode(Window.self, from: JSONEncoder().encode(window)) == window)
    }
}

@Suite struct GateTests {
    private let night = "22:00-06:00"

    @Test func `The gate opens when everything holds`() throws {
        let gate = Gate(window: try Window(night), deadline: try date("2026-11-24T01:00:00Z"))
        let checks = [GateCheck("members", .holds), GateCheck("quorum", .holds)]
        #expect(gate.decide(expectedSeconds: 10, now: try date("2026-11-23T23:00:00Z"), checks: checks) == .go)
    }

    @Test func `A step that does not fit into what is left of the window does not begin`() throws {
        let gate = Gate(window: try Window(night))
        guard case .stop(let reasons) = gate.decide(expectedSeconds: 90, now: try date("2026-11-24T05:59:00Z"), checks: []) else {
            Issue.record("it opened")
            return
        }
        #expect(reasons.count == 1 && reasons[0].contains("closes in 60 s"))
        #expect(gate.windowComplaint(expectedSeconds: 90, now: try date("2026-11-24T05:59:00Z")) == reasons[0])
        #expect(gate.windowComplaint(expectedSeconds: 50, now: try date("2026-11-24T05:59:00Z")) == nil)
        #expect(Gate(deadline: .distantPast).windowComplaint(expectedSeconds: 1, now: Date()) == nil, "no window has no complaint")
        #expect(gate.decide(expectedSeconds: 50, now: try date("2026-11-24T05:59:00Z"), checks: []) == .go)
    }

    @Test func `A closed window and a passed deadline stop, and say when`() throws {
        let noon = try date("2026-11-23T12:00:00Z")
        guard case .stop(let reasons) = Gate(window: try Window(night), deadline: noon).decide(expectedSeconds: 1, now: noon, checks: []) else {
            Issue.record("it opened")
            return
        }
        #expect(reasons.count == 2 && reasons[0].contains("opens at 2026-11-23T22:00:00Z"))
    }

    @Test func `What may pass makes the gate wait, what may not makes it stop, and stopping wins`() {
        let late = GateCheck("raft lag", .notYet, "b has 900 entries to apply")
        let alarm = GateCheck("alarms", .fails, "CORRUPT was raised")
        let gate = Gate()
        #expect(gate.decide(expectedSeconds: 1, now: Date(), checks: [late]) == .wait(["raft lag: b has 900 entries to apply"]))
        #expect(gate.decide(expectedSeconds: 1, now: Date(), checks: [late, alarm]) == .stop(["alarms: CORRUPT was raised"]))
    }
}
