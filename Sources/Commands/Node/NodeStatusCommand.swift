internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
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

    private struct Row: Encodable {
        var node: String
        var isReady: Bool
        var isSchedulable: Bool
        var cordoned: String?
        var roles: [String]
        var zone: String
        var version: String
        var pods: Int
        /// Pods whose budget has no room now.
        var held: Int
    }

    func run() async throws {
        try await KubernetesClient.connected(try kubernetes.access) { client in
            let facts = try await ClusterFacts.read(client)
            let pods = Dictionary(grouping: facts.pods.filter { !$0.isFinished }) { $0.node ?? "" }
            let labels = selector?.selector ?? .everything
            let rows = facts.nodes.filter { labels.matches($0.labels) }.sorted { $0.name < $1.name }.map { node in
                let own = pods[node.name] ?? []
                let held = own.count { pod in facts.budgets.contains { $0.covers(pod) && $0.answer(to: pod) == .exhausted } }
                return Row(
                    node: node.name, isReady: node.isReady, isSchedulable: !node.isUnschedulable,
                    cordoned: node.isUnschedulable ? CordonMark(node)?.text ?? "by others" : nil, roles: node.roles, zone: node.zone,
                    version: node.kubeletVersion, pods: own.count, held: held)
            }
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
