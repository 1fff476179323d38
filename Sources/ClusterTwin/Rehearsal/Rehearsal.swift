internal import Foundation
package import Maintenance
internal import Synchronization

/// Runs an operation as it is, against a twin, on a virtual clock: the same code, in the time that the machine needs and not a second more.
///
/// Everything runs on one thread, one job after the other. When nothing can go on, time jumps to the next moment at which something happens, in the
/// cluster or for somebody who sleeps. The same seed gives the same run.
package final class Rehearsal: Sendable {
    package enum Outcome<Value: Sendable>: Sendable {
        case ended(Result<Value, any Error>)
        /// It was stopped dead after the number of jobs that was asked for, as kill -9 stops a process.
        case killed
        /// Nothing will ever happen again, and it has not ended.
        case stuck
    }

    package let twin: Twin
    private let executor = StepExecutor()
    private let sleepers = Mutex(Sleepers())

    private struct Sleepers {
        struct Sleeper {
            var until: Date
            var continuation: CheckedContinuation<Void, any Error>
        }
        var sleeping: [Int: Sleeper] = [:]
        var cancelled: Set<Int> = []
        var count = 0
    }

    package init(_ twin: Twin) { self.twin = twin }

    /// The time of the cluster; sleeping lets it pass.
    package var time: RunTime {
        RunTime(now: { [twin] in twin.now }, sleep: { [weak self] in try await self?.sleep($0) })
    }

    /// Returns when so much of the cluster's time has passed, which takes none of ours.
    package func letPass(seconds: Double) async throws { try await sleep(.seconds(seconds)) }

    /// Runs `body` to its end.
    /// - Parameters:
    ///   - jobs: after how many jobs it is stopped dead; nil for never.
    package func run<Value: Sendable>(killedAfter jobs: Int? = nil, _ body: @escaping @Sendable () async throws -> Value) -> Outcome<Value> {
        let result = Mutex<Result<Value, any Error>?>(nil)
        // The one task that has no parent: the driver below is what owns it.
        let task = Task(executorPreference: executor) {
            let value: Result<Value, any Error>
            do { value = .success(try await body()) } catch { value = .failure(error) }
            result.withLock { $0 = value }
        }
        var count = 0
        while true {
            if let jobs, count >= jobs {
                forget()
                return .killed
            }
            if executor.step() {
                count += 1
                continue
            }
            if let value = result.withLock({ $0 }) { return .ended(value) }
            guard let next = nextTime else {
                task.cancel()
                forget()
                return .stuck
            }
            twin.advance(to: next)
            wake(at: next)
        }
    }

    private var nextTime: Date? {
        let awake = sleepers.withLock { $0.sleeping.values.map(\.until).min() }
        return [awake, twin.nextTime].compactMap(\.self).min()
    }

    private func wake(at now: Date) {
        let due = sleepers.withLock { state -> [CheckedContinuation<Void, any Error>] in
            let ids = state.sleeping.filter { $0.value.until <= now }.sorted { ($0.value.until, $0.key) < ($1.value.until, $1.key) }.map(\.key)
            return ids.compactMap { state.sleeping.removeValue(forKey: $0)?.continuation }
        }
        for continuation in due { continuation.resume() }
    }

    private func sleep(_ duration: Duration) async throws {
        let id = sleepers.withLock { state -> Int in
            state.count += 1
            return state.count
        }
        let until = twin.now.addingTimeInterval(max(0, duration.seconds))
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isCancelled = sleepers.withLock { state -> Bool in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleeping[id] = .init(until: until, continuation: continuation)
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let continuation = sleepers.withLock { state -> CheckedContinuation<Void, any Error>? in
                if let sleeper = state.sleeping.removeValue(forKey: id) { return sleeper.continuation }
                state.cancelled.insert(id)
                return nil
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    /// Whatever was suspended stays so for ever; it is kept, so that the runtime does not take it for a mistake.
    private func forget() {
        Self.graveyard.withLock { $0.append(self) }
        twin.cutWatchesSilently()
    }

    private static let graveyard = Mutex<[Rehearsal]>([])
}
