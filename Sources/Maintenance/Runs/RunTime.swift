package import Foundation

/// Time, as a run needs it: what it says and how to wait. Tests bring their own.
package struct RunTime: Sendable {
    package var now: @Sendable () -> Date
    package var sleep: @Sendable (Duration) async throws -> Void

    package init(now: @escaping @Sendable () -> Date, sleep: @escaping @Sendable (Duration) async throws -> Void) {
        self.now = now
        self.sleep = sleep
    }

    /// The machine's.
    package static let system = RunTime(now: { Date() }, sleep: { try await Task.sleep(for: $0) })
}
