internal import ArgumentParser
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
            let changes = try await Cordoning(client: client, isRehearsal: dryRun).cordon(try await selection.nodes(client), reason: reason)
            try output.emit(changes) { changes.text }
            if changes.contains(where: \.isFailed) { throw Outcome(status: .failed) }
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
            let changes = try await Cordoning(client: client, isRehearsal: dryRun).uncordon(try await selection.nodes(client), force: force)
            try output.emit(changes) { changes.text }
            if changes.contains(where: \.isFailed) { throw Outcome(status: .failed) }
            if changes.contains(where: \.isRefused) { throw Outcome(status: .refused) }
        }
    }
}

extension [NodeChange] {
    fileprivate var text: String { map { "node/\($0.node) \($0.change)\($0.detail.map { " (\($0))" } ?? "")" }.joined(separator: "\n") }
}
