package import Foundation
package import Maintenance

/// Does something when a schedule says so: late by a little chance, so that many clusters do not come at once; a time that passed meanwhile is made
/// up for, once; never twice at the same time. What fails is tried again until the next time comes.
package struct BackupSchedule: Sendable {
    package let cron: CronSchedule
    package let zone: TimeZone
    /// The longest delay, seconds.
    package let jitter: Double
    package let time: RunTime

    /// The pauses before what failed is tried again, seconds.
    private static let retryPauses = [30.0, 60, 120, 300, 600, 900]

    package init(cron: CronSchedule, zone: TimeZone, jitter: Double, time: RunTime = .system) {
        self.cron = cron
        self.zone = zone
        self.jitter = jitter
        self.time = time
    }

    package enum Event: Sendable, Equatable {
        case waiting(until: Date)
        /// It comes late: at this time it was due.
        case catchingUp(Date)
        case failed(String, again: Date)
    }

    /// Runs until it is cancelled, or the schedule has no more times.
    /// - Parameters:
    ///   - last: when it was last done; nil when it never was, which is time enough.
    ///   - chance: 0 to 1, for the delay.
    package func run(
        last: Date?, chance: @Sendable () -> Double = { .random(in: 0...1) }, notify: (Event) -> Void = { _ in }, _ body: (Date) async throws -> Void
    ) async throws {
        var due: Date
        var isLater = false
        if let last {
            guard let next = cron.next(after: last, in: zone) else { return }
            due = next
        } else {
            due = time.now()
        }
        while true {
            if due > time.now() {
                let moment = due.addingTimeInterval(jitter * chance())
                notify(.waiting(until: moment))
                try await wait(until: moment)
            } else if last != nil || isLater {
                notify(.catchingUp(due))
            }
            let began = time.now()
            var attempt = 0
            while true {
                do {
                    try await body(time.now())
                    break
                } catch let error as CancellationError { throw error } catch {
                    try Task.checkCancellation()
                    let again = time.now().addingTimeInterval(Self.retryPauses[min(attempt, Self.retryPauses.count - 1)])
                    // The next time comes first: it is due, and this one is given up.
                    if let next = cron.next(after: began, in: zone), next <= again {
                        notify(.failed("\(error)", again: next))
                        break
                    }
                    notify(.failed("\(error)", again: again))
                    attempt += 1
                    try await wait(until: again)
                }
            }
            // However many times passed while it worked, it was done once.
            guard let next = cron.next(after: began, in: zone) else { return }
            due = next
            isLater = true
        }
    }

    /// Sleeps in pieces: a clock that is set, or a machine that was suspended, is noticed.
    private func wait(until moment: Date) async throws {
        while true {
            let left = moment.timeIntervalSince(time.now())
            guard left > 0 else { return }
            try await time.sleep(.seconds(min(left, 30)))
        }
    }
}
