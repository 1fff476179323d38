package import Foundation

/// What a simulated cluster is like.
package struct TwinOptions: Sendable {
    /// The minor release whose API it serves: 20 or newer.
    package var minor = 30
    package var seed: UInt64 = 1
    /// The time at its begin.
    package var start = Date(timeIntervalSince1970: 1_767_225_600)
    /// How long the controllers take to see a change, seconds; the same twice as long at most.
    package var controllerSeconds = 0.02
    /// How long a pod takes from its node to running, seconds: the median, and the spread as a factor.
    package var startSeconds = 1.5
    package var spread = 1.5
    /// From running to ready.
    package var readySeconds = 1.0
    /// From the request to end until the end, seconds; never longer than the pod's grace period.
    package var stopSeconds = 1.0
    /// How long a Job's pod works.
    package var jobSeconds = 30.0
    /// How often a kubelet renews its lease, seconds.
    package var leaseSeconds = 10.0
    /// Whether kubelets write their leases as time passes. Thousands of nodes write thousands of them, and weeks of a few write as many: where they do
    /// not, a lease is renewed when somebody reads it, and time goes by without anything to do.
    package var writesLeases = true
    /// Between two bookmarks of a watch, seconds.
    package var bookmarkSeconds = 60.0
    /// How long a watch lasts, seconds; nil for as long as its client asks.
    package var watchSeconds: Double?
    /// A node that was not heard for so long is not ready (node-monitor-grace-period).
    package var nodeGraceSeconds = 40.0
    /// How often the node controller looks (node-monitor-period).
    package var nodeMonitorSeconds = 5.0
    /// Events of each kind that a watch can go on from.
    package var historyLength = 20_000
    package var faults = TwinFaults()

    package init() {}
}

/// What goes wrong in a simulated cluster. Shares are 0 to 1, drawn from the cluster's seed.
package struct TwinFaults: Sendable, Equatable {
    /// Of requests that are answered with 429 and Retry-After 1.
    package var throttled = 0.0
    /// Of requests that are answered with 500 before anything is done.
    package var failed = 0.0
    /// Of events after which a watch is cut.
    package var cutWatches = 0.0
    /// Of watches that are told that their place is forgotten (410).
    package var expired = 0.0
    /// How long each answer takes, seconds.
    package var latency = 0.0
    /// Nodes whose kubelets never live.
    package var lostNodes: Set<String> = []

    package init() {}
}
