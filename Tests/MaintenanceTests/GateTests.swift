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

    @Test(arguments: [
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
