import Foundation
import Maintenance
import Operations
import Synchronization
import Testing

struct BackupScheduleTests {
    /// A clock that only waiting moves on, and what happened on it.
    private final class Day: Sendable {
        private let state: Mutex<(now: Date, log: [String])>

        init(_ start: String) throws { state = Mutex((try Date(start, strategy: .iso8601), [])) }

        var now: Date { state.withLock { $0.now } }
        var log: [String] { state.withLock { $0.log } }

        func note(_ text: String) { state.withLock { $0.log.append("\($0.now.formatted(.iso8601).suffix(9)) \(text)") } }
        func pass(_ seconds: Double) { state.withLock { $0.now += seconds } }

        var time: RunTime {
            RunTime(now: { self.now }) { duration in
                try Task.checkCancellation()
                self.pass(duration.seconds)
            }
        }
    }

    private struct Enough: Error {}

    /// Runs until the work was begun `count` times, each of which takes `seconds`, and fails where it is said.
    private func run(
        _ cron: String, from start: String, last: String?, _ count: Int, seconds: Double = 60, failing: Set<Int> = [], jitter: Double = 0
    ) async throws -> [String] {
        let day = try Day(start)
        let schedule = BackupSchedule(cron: try CronSchedule(cron), zone: .gmt, jitter: jitter, time: day.time)
        var begun = 0
        await #expect(throws: CancellationError.self) {
            try await schedule.run(
                last: try last.map { try Date($0, strategy: .iso8601) }, chance: { 0.5 },
                notify: { if case .catchingUp = $0 { day.note("missed") } }
            ) { _ in
                begun += 1
                if begun > count { throw CancellationError() }
                day.note("begins")
                day.pass(seconds)
                if failing.contains(begun) { throw Enough() }
            }
        }
        return day.log
    }

    @Test func `Backups come when they are due, by chance a little later`() async throws {
        #expect(
            try await run("0 */6 * * *", from: "2026-11-25T05:00:00Z", last: "2026-11-25T00:00:10Z", 3, jitter: 600) == [
                "06:05:00Z begins", "12:05:00Z begins", "18:05:00Z begins",
            ])
    }

    @Test func `The first is made at once, and what was missed is made up for once`() async throws {
        #expect(try await run("0 */6 * * *", from: "2026-11-25T05:00:00Z", last: nil, 2) == ["05:00:00Z begins", "06:00:00Z begins"])
        #expect(
            try await run("0 */6 * * *", from: "2026-11-25T17:00:00Z", last: "2026-11-24T06:00:10Z", 2) == [
                "17:00:00Z missed", "17:00:00Z begins", "18:00:00Z begins",
            ])
    }

    @Test func `They never overlap, however long one takes`() async throws {
        #expect(
            try await run("*/10 * * * *", from: "2026-11-25T00:00:00Z", last: "2026-11-25T00:00:00Z", 3, seconds: 1500) == [
                "00:10:00Z begins", "00:35:00Z missed", "00:35:00Z begins", "01:00:00Z missed", "01:00:00Z begins",
                // A fourth is due at once.
                "01:25:00Z missed",
            ])
    }

    @Test func `What fails is tried again after longer and longer pauses, until the next is due`() async throws {
        #expect(
            try await run("0 * * * *", from: "2026-11-25T00:59:00Z", last: "2026-11-25T00:00:00Z", 4, seconds: 0, failing: [1, 2, 3]) == [
                "01:00:00Z begins", "01:00:30Z begins", "01:01:30Z begins", "01:03:30Z begins",
            ])
        #expect(
            try await run("* * * * *", from: "2026-11-25T00:00:00Z", last: "2026-11-25T00:00:00Z", 4, seconds: 0, failing: [1, 2, 3]) == [
                "00:01:00Z begins", "00:01:30Z begins", "00:02:00Z begins", "00:02:30Z begins",
            ])
    }
}
