internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import Operations

struct EtcdHealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Say whether the cluster serves, and what is wrong.",
        discussion: "Exit code 0: healthy. 1: it does not serve reads, or takes no writes. 3: it serves, and something needs a person."
    )

    @Flag(help: "Judge every member that the cluster lists, not only those at --endpoints.")
    var cluster = false

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let configuration = try etcd.configuration()
        let health: ClusterHealth
        do {
            let view = try await EtcdClient.connected(configuration) { try await ClusterView.read($0, [.reads, .metrics]) }
            health = ClusterHealth(view, isWholeCluster: cluster)
        } catch let error as EtcdError where error.isTransient || error.code == .deadline {
            health = ClusterHealth(unreachable: error.description)
        }
        try output.emit(health) {
            let verdict = Terminal.paint(health.verdict.rawValue, health.verdict == .healthy ? .green : health.verdict == .degraded ? .yellow : .red)
            let lines = health.findings.map { "  \($0.member.map { "\($0): " } ?? "")\($0.message)" }
            return (["\(verdict) (\(health.quorum))"] + lines).joined(separator: "\n")
        }
        switch health.verdict {
        case .healthy: break
        case .degraded: throw Outcome(status: .findings)
        case .unhealthy: throw Outcome(status: .failed)
        }
    }
}
