internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Operations

struct NodeCordonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon", abstract: "Let no new pods come to nodes.", discussion: "Undo: `drydock node uncordon`.")

    @OptionGroup var selection: NodeSelection
    @Flag(help: "Print what would be done, and do nothing.") var dryRun = false
    @Option(help: ArgumentHelp("Why; it is written on the node.", valueName: "text")) var reason: String?
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await KubernetesClient.connected(try kubernetes.access) { client in
            let mark = CordonMark(mark: UUID().uuidString, by: CordonMark.currentUser, at: Date(), reason: reason)
            var rows: [NodeChange] = []
            for node in try await selection.nodes(client) {
                if node.isUnschedulable {
                    rows.append(NodeChange(node: node.name, change: "already cordoned", detail: CordonMark(node)?.text))
                } else {
                    if !dryRun { try await client.cordon(node, mark) }
                    rows.append(NodeChange(node: node.name, change: dryRun ? "would be cordoned" : "cordoned"))
                }
            }
            try output.emit(rows) { NodeChange.text(rows) }
        }
    }
}

struct NodeUncordonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uncordon", abstract: "Let pods come to nodes again that drydock cordoned.",
        discussion: "Refuses (exit code 4) what somebody else cordoned, unless --force. Undo: `drydock node cordon`.")

    @OptionGroup var selection: NodeSelection
    @Flag(help: "Print what would be done, and do nothing.") var dryRun = false
    @Flag(help: "Also what drydock did not cordon.") var force = false
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await KubernetesClient.connected(try kubernetes.access) { client in
            var rows: [NodeChange] = []
            var refused = false
            for node in try await selection.nodes(client) {
                guard node.isUnschedulable else {
                    rows.append(NodeChange(node: node.name, change: "takes pods already"))
                    continue
                }
                guard force || CordonMark(node) != nil else {
                    refused = true
                    rows.append(NodeChange(node: node.name, change: "refused", detail: "drydock did not cordon it; --force opens it all the same"))
                    continue
                }
                if !dryRun { try await client.uncordon(node) }
                rows.append(NodeChange(node: node.name, change: dryRun ? "would be uncordoned" : "uncordoned", detail: CordonMark(node)?.text))
            }
            try output.emit(rows) { NodeChange.text(rows) }
            if refused { throw Outcome(status: .refused) }
        }
    }
}

/// What was done to a node.
struct NodeChange: Encodable {
    var node: String
    var change: String
    var detail: String?

    static func text(_ rows: [NodeChange]) -> String {
        rows.map { "node/\($0.node) \($0.change)\($0.detail.map { " (\($0))" } ?? "")" }.joined(separator: "\n")
    }
}
