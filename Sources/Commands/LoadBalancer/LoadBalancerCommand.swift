internal import ArgumentParser

struct LoadBalancerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lb",
        abstract: "Look after HAProxy in front of the API servers: move traffic, and change its configuration.",
        discussion: """
            Works on this machine, or on hosts over ssh (--host, which may be repeated: a pair with keepalived). What moves traffic is a run: it asks the gate, is \
            journaled, and `drydock runs rollback` takes it back.
            """,
        subcommands: [
            LoadBalancerStatusCommand.self, LoadBalancerWatchCommand.self, LoadBalancerCheckCommand.self, LoadBalancerDrainCommand.self,
            LoadBalancerReadyCommand.self, LoadBalancerMaintCommand.self, LoadBalancerWeightCommand.self, LoadBalancerAddCommand.self,
            LoadBalancerRemoveCommand.self, LoadBalancerRenderCommand.self, LoadBalancerApplyCommand.self,
        ])
}
