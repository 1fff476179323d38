internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Operations

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Measure whether the API servers, and whatever else, are there: a steady stream of requests.",
        discussion: """
            Asks /readyz on new connections, reads an object on kept ones, holds a watch open, and asks the endpoints of a file, until --duration is over or \
            somebody interrupts it. A request on a kept connection that ends before the answer is sent once more on a new one, as clients do, and counted as resent. \
            Latencies count from when a request was due, so a stall shows.

            Exit code 3 when more failed than --budget allows; then it also ends early, unless --keep-going.
            """)

    @Option(help: ArgumentHelp("How long. (default: until interrupted)", valueName: "duration")) var duration: DurationArgument?
    @Option(help: ArgumentHelp("Requests a second and target.", valueName: "number")) var rate = 10.0
    @Option(help: ArgumentHelp("How long one answer may take.", valueName: "duration")) var timeout = DurationArgument(seconds: 5)
    @Option(help: ArgumentHelp("How many requests may fail: a number, or a share such as 0.1%.", valueName: "budget"))
    var budget = ErrorBudgetArgument(.failures(0))
    @Flag(help: "Go on when the budget is burnt.") var keepGoing = false
    @Option(help: ArgumentHelp("Serve /metrics there meanwhile.", valueName: "address")) var listen: String?
    @Option(help: ArgumentHelp("Ask these endpoints: a YAML list of URLs, or of url, name, expect, connection, ca, serverName.", valueName: "file"))
    var endpoints: String?
    @Flag(help: "Ask the endpoints alone, and no cluster.") var noCluster = false
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (0.1...10_000).contains(rate) else { throw ValidationError("--rate is between 0.1 and 10000 a second.") }
        if noCluster, endpoints == nil { throw ValidationError("--no-cluster needs --endpoints.") }
    }

    func run() async throws {
        var targets = noCluster ? [] : try ProbeTarget.ofCluster(kubernetes.origin)
        if let endpoints { targets += try ProbeTarget.read(try TextFile.read(endpoints), from: endpoints) }
        var options = Probe.Options()
        (options.rate, options.timeout, options.budget) = (rate, timeout.duration, budget.budget)
        let end = duration.map { ContinuousClock.now + $0.duration }
        let isDrawn = !output.quiet && Terminal.isErrorInteractive
        let address = try listen.map { try MetricsServer.Address($0) }
        let (_, report) = try await Probe.watching(targets, options) { probe in
            try await withThrowingTaskGroup(of: Void.self) { group in
                if let address { group.addTask { try await MetricsServer(address: address).run { probe.report.metrics } } }
                group.addTask { await look(probe, until: end, isDrawn: isDrawn) }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        if isDrawn { _ = Terminal.write("\r\u{1b}[K", to: STDERR_FILENO) }
        try output.emit(report) { ProbeText.table(report) }
        if report.isBudgetBurnt || report.requests == 0 { throw Outcome(status: .findings) }
    }

    /// Returns when the time is over, or too much has failed.
    private func look(_ probe: Probe, until end: ContinuousClock.Instant?, isDrawn: Bool) async {
        while !Task.isCancelled, end.map({ ContinuousClock.now < $0 }) ?? true {
            let next = ContinuousClock.now + .milliseconds(500)
            // Whoever watches ends it by an interruption: that is no failure.
            try? await Task.sleep(until: end.map { min($0, next) } ?? next, clock: .continuous)
            let seen = probe.report
            if isDrawn { _ = Terminal.write("\r\u{1b}[K\(ProbeText.line(seen))", to: STDERR_FILENO) }
            if seen.isBudgetBurnt, !keepGoing { return }
        }
    }
}

/// What a probe saw, for people.
enum ProbeText {
    static func line(_ report: ProbeReport) -> String {
        String(
            format: "%.0f s: %d requests, %d failed, longest gap %.2f s", report.seconds, report.requests, report.failed, report.longestGapSeconds)
    }

    static func table(_ report: ProbeReport) -> String {
        var table = TextTable(
            ["TARGET", "CONNECTION", "REQUESTS", "FAILED", "RESENT", "CUT", "P50", "P90", "P99", "P99.9", "LONGEST", "GAP"],
            alignedRight: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
        for target in report.targets {
            table.add([
                target.name, target.connection, "\(target.requests)",
                target.failed == 0 ? "0" : Terminal.paint("\(target.failed)", .red), "\(target.resent)", "\(target.interruptions)",
                milliseconds(target.p50), milliseconds(target.p90), milliseconds(target.p99), milliseconds(target.p999), milliseconds(target.longest),
                String(format: "%.2fs", target.longestGapSeconds),
            ])
        }
        let percent = String(format: "%.4f%%", (report.availability * 1_000_000).rounded(.down) / 10_000)
        var lines = [
            table.text, "",
            "\(percent) of \(report.requests) requests in \(String(format: "%.1f", report.seconds)) s were answered well"
                + (report.requests == 0 ? Terminal.paint(": nobody was asked to the end", .red) : "")
                + (report.isBudgetBurnt ? Terminal.paint(": the error budget is burnt", .red) : ""),
        ]
        let failures = report.targets.flatMap { target in target.failures.map { (target.name, $0) } }.sorted { $0.1.time < $1.1.time }
        for (name, failure) in failures.prefix(10) {
            let time = failure.time.formatted(.iso8601.time(includingFractionalSeconds: true))
            lines.append("\(time)  \(name)  after \(milliseconds(failure.seconds)): \(failure.error)")
        }
        if failures.count > 10 { lines.append("… and \(report.failed - 10) more") }
        return lines.joined(separator: "\n")
    }

    private static func milliseconds(_ seconds: Double?) -> String { seconds.map { String(format: "%.1fms", $0 * 1000) } ?? "-" }
}
