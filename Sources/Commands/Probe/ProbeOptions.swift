internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Maintenance
internal import Operations

/// How much may fail: `3` requests, or a share such as `0.1%`.
struct ErrorBudgetArgument: ExpressibleByArgument {
    let budget: ErrorBudget

    init?(argument: String) {
        if let failures = Int(argument), failures >= 0 {
            budget = .failures(failures)
        } else if argument.hasSuffix("%"), let share = ShareArgument(argument: argument) {
            budget = .share(share.share)
        } else {
            return nil
        }
    }

    init(_ budget: ErrorBudget) { self.budget = budget }

    var defaultValueDescription: String { "0" }
}

/// A probe that a run carries along: it measures whether the cluster is there meanwhile.
struct ProbeOptions: ParsableArguments {
    @Flag(help: "Ask the cluster's API all the while, stop before the next step when too much fails, and put the proof into the report.")
    var probe = false
    @Option(help: ArgumentHelp("The cluster to ask; its server should be the load balancer. (default: as kubectl finds it)", valueName: "kubeconfig"))
    var probeKubeconfig: String?
    @Option(help: ArgumentHelp("Also ask these endpoints: a YAML list.", valueName: "file")) var probeEndpoints: String?
    @Option(help: ArgumentHelp("Requests a second and target.", valueName: "number")) var probeRate = 10.0
    @Option(help: ArgumentHelp("How long one answer may take.", valueName: "duration")) var probeTimeout = DurationArgument(seconds: 5)
    @Option(help: ArgumentHelp("How many requests may fail: a number, or a share such as 0.1%.", valueName: "budget"))
    var probeBudget = ErrorBudgetArgument(.failures(0))

    func validate() throws {
        guard (0.1...10_000).contains(probeRate) else { throw ValidationError("--probe-rate is between 0.1 and 10000 a second.") }
    }

    private func targets() throws -> [ProbeTarget] {
        guard probe || probeEndpoints != nil || probeKubeconfig != nil else { return [] }
        var targets: [ProbeTarget] = []
        if probe || probeKubeconfig != nil {
            targets += try ProbeTarget.ofCluster(KubernetesOptions(kubeconfig: probeKubeconfig).origin)
        }
        if let probeEndpoints { targets += try ProbeTarget.read(try TextFile.read(probeEndpoints), from: probeEndpoints) }
        return targets
    }

    /// Probes while `body` works, if somebody asked for it.
    /// - Parameter body: is handed what the gate is to ask.
    func watching<Result: Sendable>(
        _ body: (_ watchdog: @escaping @Sendable () -> [GateCheck]) async throws -> Result
    ) async throws -> (result: Result, report: ProbeReport?) {
        let targets = try targets()
        guard !targets.isEmpty else { return (try await body({ [] }), nil) }
        var options = Probe.Options()
        (options.rate, options.timeout, options.budget) = (probeRate, probeTimeout.duration, probeBudget.budget)
        let (result, report) = try await Probe.watching(targets, options) { probe in try await body({ [probe.gateCheck] }) }
        return (result, report)
    }
}
