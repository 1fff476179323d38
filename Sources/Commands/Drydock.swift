internal import ArgumentParser

/// The root of the command tree.
struct Drydock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drydock",
        abstract: "Maintenance of Kubernetes clusters that one can trust.",
        discussion: """
            Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 done but with findings, 4 refused by a safety rule, \
            75 try again later.
            """,
        version: Version.current,
        subcommands: [
            SnapshotCommand.self, BackupCommand.self, EtcdCommand.self, LoadBalancerCommand.self, CertificatesCommand.self, ComponentsCommand.self,
            NodeCommand.self, UpgradeCommand.self, MaintenanceCommand.self, ControllerCommand.self, AgentCommand.self, TwinCommand.self,
            RehearseCommand.self, ProbeCommand.self, RunsCommand.self, RunbookCommand.self, ManifestsCommand.self, MonitoringCommand.self,
            CompletionsCommand.self, ManCommand.self,
            // For this program itself.
            ChrootCommand.self, HostShellCommand.self, NodeExecCommand.self,
        ]
    )
}

enum Version {
    /// The version of this build; `CHANGELOG.md` says what it holds.
    static let current = "0.2.0"
}
