internal import Synchronization

/// Lets exactly one caller through.
final class OnceFlag: Sendable {
    private let claimed = Atomic(false)

    /// True for the first call only.
    func claim() -> Bool { claimed.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged }
}
