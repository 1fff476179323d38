internal import ArgumentParser

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench", abstract: "Measure drydock against the best tools, in alternating runs.")
    func run() async throws {}
}
