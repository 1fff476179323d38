internal import ArgumentParser
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations

/// Which nodes a command is about.
struct NodeSelection: ParsableArguments {
    @Argument(help: "The nodes.")
    var nodes: [String] = []

    @Option(name: [.customShort("l"), .customLong("selector")], help: "Nodes with these labels, such as role=worker,zone!=a.")
    var selector: SelectorArgument?

    @Flag(help: "Every node of the cluster.")
    var all = false

    func validate() throws {
        if [!nodes.isEmpty, selector != nil, all].count(where: { $0 }) != 1 {
            throw ValidationError("Name the nodes, or choose them with --selector, or take --all: one of the three.")
        }
    }

    /// The nodes that are meant.
    func nodes(_ client: KubernetesClient) async throws -> [Node] {
        if nodes.isEmpty {
            let found = try await client.list(Node.self, ListOptions(labels: selector?.selector ?? .everything))
            guard !found.isEmpty else { throw OperationError(.invalid, "no node has the labels \(selector?.selector.text ?? "").") }
            return found.sorted { $0.name < $1.name }
        }
        var found: [Node] = []
        // kubectl also takes `node/NAME`.
        let names = nodes.map { name in
            name.contains("/") && ["node", "nodes", "no"].contains(name.prefix { $0 != "/" }) ? String(name.drop { $0 != "/" }.dropFirst()) : name
        }
        for name in names where !found.contains(where: { $0.name == name }) {
            guard let node = try await client.find(Node.self, ObjectName("", name)) else {
                throw OperationError(.invalid, "there is no node \(name). `drydock node status` shows the nodes.")
            }
            found.append(node)
        }
        return found
    }
}

/// A label selector: `app=web,tier!=db`.
struct SelectorArgument: ExpressibleByArgument {
    let selector: LabelSelector

    init?(argument: String) {
        guard let selector = try? LabelSelector(parsing: argument) else { return nil }
        self.selector = selector
    }
}

/// A number or a percentage: `2`, `20%`.
struct CountArgument: ExpressibleByArgument {
    let value: IntOrPercent

    init?(argument: String) {
        guard let value = IntOrPercent(argument) else { return nil }
        if case .count(let count) = value, count < 0 { return nil }
        self.value = value
    }
}

extension Surge: ExpressibleByArgument {}
