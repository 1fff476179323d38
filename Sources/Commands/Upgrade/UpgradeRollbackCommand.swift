internal import ArgumentParser
internal import Foundation
internal import Journal
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct UpgradeRollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Take an upgrade back, also one that is done.",
        discussion: """
            --keep-data goes back node by node, with no downtime, and leaves etcd's data alone.
            """)

    @OptionGroup var reference: UpgradeReference
    @Flag(help: "Node by node; etcd's data stays as it is.") var keepData = false
    @Flag(help: "Also when the run's owner is on another host, so that nobody here can tell whether it lives.") var takeLock = false
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Probe") var probe: ProbeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let journal = try Journal.ofThisUser()
        let run = try reference.find(in: journal)
        let session = UpgradeSession(session: RunSession(output: output, probe: probe))
        guard keepData else {
            let report = try UpgradeRunReport(run, journal, at: Date())
            try output.emit(report) { UpgradeStatusText(report).text }
            throw OperationError(.refused, "say how to go back: see above.")
        }
        try await session.goOn(run, .rollBack, kubernetes, takingLock: takeLock)
    }
}
