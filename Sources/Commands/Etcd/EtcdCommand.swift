internal import ArgumentParser

struct EtcdCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "etcd",
        abstract: "Look after a live etcd cluster.",
        subcommands: [
            EtcdStatusCommand.self, EtcdHealthCommand.self, EtcdConsistencyCommand.self, EtcdDefragCommand.self, EtcdRecoverSpaceCommand.self,
            EtcdMembersCommand.self, EtcdMemberCommand.self, EtcdAuditCommand.self, EtcdBenchmarkCommand.self,
        ]
    )
}
