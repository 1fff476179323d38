internal import ArgumentParser

struct NodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Take nodes out of service and give them back.",
        subcommands: [NodeStatusCommand.self, NodeDrainCommand.self, NodeCordonCommand.self, NodeUncordonCommand.self])
}
