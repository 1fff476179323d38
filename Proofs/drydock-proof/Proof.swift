internal import ArgumentParser

/// What shows, on this machine and against real servers, that drydock keeps its promises: `make demo`, `make torture`, `make bench`.
@main
struct Proof: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drydock-proof", abstract: "Show that drydock keeps its promises.",
        subcommands: [
            DemoCommand.self, TortureCommand.self, BenchCommand.self, BenchDefragCommand.self, BenchBackupCommand.self, BenchDrainCommand.self,
            BenchTwinCommand.self, BenchLoadBalancerCommand.self,
            RehearseCommand.self, RehearseMaintenanceCommand.self, BenchMaintenanceCommand.self,
            InterruptCommand.self,
        ])
}
