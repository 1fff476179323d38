internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import Proving

/// Lets the controller maintain random clusters for weeks of their time, and counts what was broken.
struct RehearseMaintenanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse-maintenance", abstract: "Rehearse the controller for weeks of random clusters.")

    @Option(help: "How many clusters.") var clusters = 500
    @Option(help: "How many nodes the largest has.") var nodes = 8
    @Option(help: "How many the smallest has.") var leastNodes = 2
    @Option(help: "How long each is looked at, days.") var days = 28.0
    @Option(help: "The first seed; the others follow.") var seed: UInt64?
    @Flag(help: "Print how each one ended.") var verbose = false

    func run() async throws {
        let first = seed ?? UInt64.random(in: 0..<UInt64.max / 2)
        print("seed \(first)")
        var broken: [String] = []
        var (reboots, kills, explained, total) = (0, 0, 0, 0)
        let began = ContinuousClock.now
        for index in 0..<clusters {
            let own = first + UInt64(index)
            let start = ContinuousClock.now
            var world = RandomMaintenance(seed: own, days: days, nodes: leastNodes...nodes)
            let report = try world.run()
            reboots += report.reboots
            kills += report.kills
            explained += report.explained
            total += report.nodes
            broken += report.broken.map { "seed \(own): \($0)" }
            if verbose {
                print(
                    "seed \(own): \(report.nodes) nodes, \(report.reboots) reboots, \(report.kills) kills, \(report.explained) explained, \((ContinuousClock.now - start).seconds) s"
                )
                for reason in report.reasons.sorted() { print("    \(reason)") }
                fflush(nil)
            }
        }
        for text in broken { print(text) }
        print(
            "\(clusters) clusters, \(total) nodes, \(days) days each: \(reboots) reboots, \(kills) kills, \(explained) nodes explained, \(broken.count) rules broken, \(Int((ContinuousClock.now - began).seconds)) s"
        )
        if !broken.isEmpty { throw ExitCode(1) }
    }
}
