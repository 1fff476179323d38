internal import KubernetesAPI

/// When a request that failed is sent again.
package struct RetryPolicy: Sendable {
    /// Sendings altogether.
    package var attempts = 5
    /// The first pause, seconds; it doubles.
    package var firstPause = 0.2
    /// The longest pause, seconds; also of what a server may ask for.
    package var longestPause = 30.0

    package init() {}

    package static let never: RetryPolicy = {
        var policy = RetryPolicy()
        policy.attempts = 1
        return policy
    }()

    /// How long to wait before another sending, seconds; nil when there is to be none.
    /// - Parameters:
    ///   - attempt: how many there were, from 1.
    ///   - mayRepeat: whether it does no harm if a request that got no answer was carried out.
    ///   - jitter: 0 to 1, by chance.
    package func pause(after error: any Error, attempt: Int, mayRepeat: Bool, jitter: Double) -> Double? {
        guard attempt < attempts else { return nil }
        var asked: Double?
        switch error {
        case let error as APIStatus:
            guard error.isTransient else { return nil }
            // 429 and 503 say that nothing was done; of a time-out nobody knows.
            guard mayRepeat || error.code == 429 || error.code == 503 else { return nil }
            asked = error.retryAfterSeconds.map(Double.init)
        case let error as KubernetesError:
            guard error.isTransient, mayRepeat else { return nil }
        default: return nil
        }
        var pause = firstPause
        for _ in 1..<attempt { pause = min(longestPause, pause * 2) }
        // Between half and all of it, so that many clients do not come back at once.
        pause = pause * (0.5 + jitter / 2)
        return min(longestPause, max(pause, asked ?? 0))
    }
}
