internal import Foundation

/// Looks until something is found, or the time is over: what real servers do takes a while.
/// - Returns: nil when it was not found.
package func eventually<Value>(
    within seconds: Double = 30, every pause: Double = 0.1, _ look: () async throws -> Value?
) async throws -> Value? {
    let limit = ContinuousClock.now + .seconds(seconds)
    while true {
        if let value = try await look() { return value }
        guard ContinuousClock.now < limit else { return nil }
        try await Task.sleep(for: .seconds(pause))
    }
}
