/// Delays between tries that double and never agree, so that many clients of a member that restarts do not return at once.
package struct Backoff: Sendable {
    /// Upper bound of the first delay.
    package var initial: Duration
    /// Upper bound of every delay.
    package var limit: Duration
    /// How often a call is tried in all.
    package var attempts: Int

    package init(initial: Duration = .milliseconds(50), limit: Duration = .seconds(1), attempts: Int = 4) {
        self.initial = initial
        self.limit = limit
        self.attempts = attempts
    }

    /// The delay after failed try number `attempt` (from 0), or nil when there is to be no other: between half and all of
    /// `initial` · 2^attempt, at most `limit`.
    package func delay(after attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration? {
        guard attempt + 1 < attempts else { return nil }
        let bound = min(initial * (1 << min(attempt, 20)), limit)
        return bound * Double.random(in: 0.5...1, using: &generator)
    }
}
