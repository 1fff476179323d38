internal import ArgumentParser
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct NodeStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the nodes: ready or not, cordoned by whom, how many pods, how many of them a budget holds now.",
        discussion: "Exit code 3: a node is not ready.")

    @Option(name: [.customShort("l"), .customLong("selector")], help: "Only nodes with these labels.") var selector: SelectorArgument?
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await KubernetesClient.connected(try kubernetes.access) { client in
            let rows = try await ClusterFacts.read(client).nodeStatuses(selector?.selector ?? .everything)
            try output.emit(rows) {
                var table = TextTable(["NODE", "READY", "TAKES PODS", "ROLES", "ZONE", "VERSION", "PODS", "HELD", "CORDONED"], alignedRight: [6, 7])
                for row in rows {
                    table.add([
                        row.node, row.isReady ? Terminal.paint("yes", .green) : Terminal.paint("no", .red), row.isSchedulable ? "yes" : "no",
                        row.roles.isEmpty ? "-" : row.roles.joined(separator: ","), row.zone.isEmpty ? "-" : row.zone, row.version, "\(row.pods)",
                        "\(row.held)", row.cordoned ?? "-",
                    ])
                }
                return rows.isEmpty ? "no nodes" : table.text
            }
            if rows.contains(where: { !$0.isReady }) { throw Outcome(status: .findings) }
        }
    }
}
