internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import Operations

/// The options of every command that can hurt a cluster.
struct RunOptions: ParsableArguments {
    @Flag(help: "Print the plan, and do nothing.")
    var dryRun = false

    @OptionGroup var gate: GateOptions

    @Flag(help: "Do what the quorum arithmetic refuses.")
    var acceptRisk = false

    @Option(help: ArgumentHelp("How long a step may wait for the cluster to settle. (default: 2m)", valueName: "duration"))
    var settleTimeout: DurationArgument?

    @Option(help: ArgumentHelp("The longest that a read through any other member may take before a step. (default: 500ms)", valueName: "duration"))
    var maxLatency: DurationArgument?

    @Option(help: ArgumentHelp("The most raft entries that any other member may have to apply before a step. (default: 500)", valueName: "entries"))
    var maxLag: UInt64?

    var limits: CareLimits {
        var limits = CareLimits()
        if let settleTimeout { limits.patienceSeconds = settleTimeout.duration.seconds }
        if let maxLatency { limits.readSeconds = maxLatency.duration.seconds }
        if let maxLag { limits.lag = maxLag }
        return limits
    }
}
