internal import Foundation
package import Maintenance
internal import Synchronization

/// Keeps a client from asking more than so many times a second (a token bucket, as client-go has one).
package final class RequestPace: Sendable {
    /// Requests a second in the long run; nil for no limit.
    private let rate: Double?
    /// Requests at once.
    private let burst: Double
    private let time: RunTime
    private let state: Mutex<(tokens: Double, at: Date)>

    package init(rate: Double?, burst: Double, time: RunTime) {
        self.rate = rate
        self.burst = burst
        self.time = time
        state = Mutex((burst, time.now()))
    }

    /// Returns when the next request may go, first come first served.
    package func wait() async throws {
        guard let rate else { return }
        let delay = state.withLock { state -> Double in
            let now = time.now()
            state.tokens = min(burst, state.tokens + max(0, now.timeIntervalSince(state.at)) * rate) - 1
            state.at = now
            return state.tokens < 0 ? -state.tokens / rate : 0
        }
        if delay > 0 { try await time.sleep(.seconds(delay)) }
    }
}
