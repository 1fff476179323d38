package import Maintenance
internal import Synchronization

/// Wakes who waits for something of a name to change; where there is only one thing, it needs no name.
package final class Bell: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var waiting: [String: [Int: CheckedContinuation<Void, Never>]] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// How often it rang for a name; asked before one looks, so that what changes meanwhile is not missed.
    package func count(_ name: String = "") -> Int { state.withLock { $0.counts[name] ?? 0 } }

    package func ring(_ name: String = "") {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.counts[name, default: 0] += 1
            return (state.waiting.removeValue(forKey: name) ?? [:]).sorted { $0.key < $1.key }.map(\.value)
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns at the next change after `count`, or when the time is over; nil for no limit.
    package func wait(_ name: String = "", after count: Int, seconds: Double?, _ time: RunTime) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let seconds { group.addTask { try await time.sleep(.seconds(seconds)) } }
            group.addTask { await self.next(name, after: count) }
            defer { group.cancelAll() }
            try await group.next()
            try Task.checkCancellation()
        }
    }

    private func next(_ name: String, after count: Int) async {
        let id = state.withLock { state -> Int in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isNow = state.withLock { state -> Bool in
                    guard state.counts[name, default: 0] == count, !Task.isCancelled else { return true }
                    state.waiting[name, default: [:]][id] = continuation
                    return false
                }
                if isNow { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting[name]?.removeValue(forKey: id) }?.resume()
        }
    }
}
