package import Foundation
package import Maintenance
internal import Synchronization

/// Keys that are to be looked at: each once, however often it is asked for, one after the other; later where it failed, the later the more often it did.
///
/// Reconciliation by level: a key says that something may have changed, never what.
package final class WorkQueue<Key: Hashable & Comparable & Sendable>: Sendable {
    private struct State {
        /// When each key is due.
        var due: [Key: Date] = [:]
        var failures: [Key: Int] = [:]
        /// When each key was looked at last.
        var last: [Key: Date] = [:]
    }

    private let state = Mutex(State())
    private let bell = Bell()
    private let time: RunTime
    /// The least time between two looks at one key, seconds: what comes meanwhile is looked at together.
    private let pause: Double
    /// After the first failure, doubled with each, and the longest, seconds.
    private static var backoff: (first: Double, longest: Double) { (1, 300) }

    package init(time: RunTime, pause: Double = 1) {
        self.time = time
        self.pause = pause
    }

    /// Looks at a key soon, or at a time, whichever comes first.
    package func add(_ key: Key, at date: Date? = nil) {
        let isNew = state.withLock { state -> Bool in
            let now = time.now()
            let earliest = state.last[key].map { $0.addingTimeInterval(pause) } ?? now
            // A key that fails waits for its turn, whoever asks.
            let held = state.failures[key, default: 0] > 0 ? state.due[key] : nil
            let wanted = held ?? max(date ?? now, min(earliest, now.addingTimeInterval(pause)))
            guard wanted < state.due[key] ?? .distantFuture else { return false }
            state.due[key] = wanted
            return true
        }
        if isNew { bell.ring() }
    }

    /// Hands over what is due, until it is cancelled.
    /// - Parameters:
    ///   - look: returns when to look again by itself; nil for when something changes.
    ///   - failed: told of a failure, and when it is tried again.
    package func run(
        _ look: @escaping @Sendable (Key) async throws -> Date?, failed: @escaping @Sendable (Key, any Error, Date) -> Void
    ) async throws {
        while true {
            try Task.checkCancellation()
            let seen = bell.count()
            let now = time.now()
            let (key, next) = state.withLock { state -> (Key?, Date?) in
                guard let first = state.due.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) else { return (nil, nil) }
                guard first.value <= now else { return (nil, first.value) }
                state.due[first.key] = nil
                state.last[first.key] = now
                return (first.key, nil)
            }
            guard let key else {
                try await bell.wait(after: seen, seconds: next?.timeIntervalSince(now), time)
                continue
            }
            do {
                let again = try await look(key)
                state.withLock { $0.failures[key] = nil }
                if let again { add(key, at: again) }
            } catch let error as CancellationError { throw error } catch {
                let at = state.withLock { state -> Date in
                    let count = state.failures[key, default: 0]
                    let seconds = min(Self.backoff.longest, Self.backoff.first * Double(1 << min(count, 10)))
                    state.failures[key] = count + 1
                    let at = time.now().addingTimeInterval(seconds)
                    state.due[key] = at
                    return at
                }
                failed(key, error, at)
            }
        }
    }
}
