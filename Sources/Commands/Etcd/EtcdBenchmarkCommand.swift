internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

struct EtcdBenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Say whether the members' disks can carry etcd.",
        discussion: """
            Writes for --duration: first one client, as fast as it goes, then --clients at no more than --rate. The keys belong to a lease and \
            are deleted at the end. Exit code 3 when one of the four numbers is marginal or bad.
            """
    )

    @Option(help: ArgumentHelp("How long to write.", valueName: "duration")) var duration = DurationArgument(seconds: 20)
    @Option(help: "The most puts a second of the second half.") var rate = 500
    @Option(help: "How many clients write in the second half.") var clients = 16
    @Option(help: ArgumentHelp("The size of each value.", valueName: "size")) var valueSize = SizeArgument(bytes: 1024)

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (1...600).contains(duration.duration.seconds) else { throw ValidationError("--duration lies between 1s and 10m.") }
        guard (1...20_000).contains(rate) else { throw ValidationError("--rate lies between 1 and 20000.") }
        guard (1...256).contains(clients) else { throw ValidationError("--clients lies between 1 and 256.") }
        guard (1...65_536).contains(valueSize.bytes) else { throw ValidationError("--value-size lies between 1 and 64KiB.") }
    }

    func run() async throws {
        var benchmark = DiskBenchmark()
        benchmark.duration = duration.duration
        benchmark.rate = rate
        benchmark.clients = clients
        benchmark.valueSize = Int(valueSize.bytes)
        let bar = ProgressBar("benchmark", options: output)
        let journal = try Journal.ofThisUser()
        let report = try await EtcdClient.connected(try etcd.configuration()) { [benchmark] client in
            try await benchmark.run(client, journal: journal) { bar.set(done: Int($0 * 1000), total: 1000) }
        }
        bar.finish()
        try output.emit(report) {
            var table = TextTable(["NUMBER", "MEASURED", "GOOD", "BAD", "VERDICT"], alignedRight: [1, 2, 3])
            for number in report.numbers {
                let sign = number.isRate ? ("≥", "<") : ("≤", ">")
                table.add([
                    number.name, number.value.map { String(format: "%.1f %@", $0, number.unit) } ?? "-",
                    String(format: "%@ %.0f", sign.0, number.good),
                    String(format: "%@ %.0f", sign.1, number.bad), Terminal.paint(number.verdict, Self.color(number.verdict)),
                ])
            }
            let puts = "\(report.puts) puts in \(String(format: "%.1f", report.seconds)) s, \(report.failedPuts) failed"
            return "\(table.text)\n\nverdict: \(Terminal.paint(report.verdict, Self.color(report.verdict))) (\(puts))"
        }
        if report.verdict != "good" { throw Outcome(status: .findings) }
    }

    private static func color(_ verdict: String) -> Terminal.Color {
        ["good": .green, "bad": .red, "marginal": .yellow][verdict] ?? .cyan
    }
}
