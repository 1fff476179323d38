internal import ArgumentParser
internal import Foundation
internal import NodeAccess
internal import Operations

/// Control-plane hosts, and how they are reached.
struct HostOptions: ParsableArguments {
    @Option(
        name: .customLong("host"),
        help: ArgumentHelp(
            "A host, by name; may be repeated. It is reached by ssh under that name, or as NAME=DESTINATION says; `local` is this machine.",
            valueName: "node"))
    var hosts: [String] = []
    @Option(help: ArgumentHelp("Of ssh. (default: the user's)", valueName: "file")) var sshConfig: String?
    @Option(help: ArgumentHelp("Hosts on the way to all of them, as ssh -J takes them.", valueName: "hosts")) var sshJump: String?
    @Flag(help: "Become root on the hosts with sudo -n.") var sudo = false

    func nodes() throws -> [NodeAccess] { try nodes(hosts) }

    /// Those that are named, or this machine.
    func nodesOrThisMachine() throws -> [NodeAccess] { try nodes(hosts.isEmpty ? ["local"] : hosts) }

    /// Others, which are reached as these are.
    func nodes(_ words: [String]) throws -> [NodeAccess] {
        let found = try words.map(node)
        if let twice = Dictionary(grouping: found, by: \.name).first(where: { $1.count > 1 }) {
            throw OperationError(.invalid, "the host \(twice.key) is named twice.")
        }
        return found
    }

    private func node(_ word: String) throws -> NodeAccess {
        let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
        guard let name = parts.first, !name.isEmpty, let destination = parts.last, !destination.isEmpty else {
            throw ValidationError("--host \"\(word)\" is neither a node's name nor NAME=DESTINATION.")
        }
        guard !destination.hasPrefix("-"), !name.contains("/"), ![".", ".."].contains(name) else {
            throw ValidationError("--host \"\(word)\" cannot be a node.")
        }
        if destination == "local" {
            return NodeAccess(
                name: parts.count == 1 ? ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? "local" : name,
                way: .local, usesSudo: sudo)
        }
        // The run may be resumed from another folder.
        let configuration = sshConfig.map { URL(fileURLWithPath: $0).path }
        return NodeAccess(name: name, way: .ssh(destination: destination, configuration: configuration, jump: sshJump), usesSudo: sudo)
    }
}
