internal import ArgumentParser

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Save, prove, look into and restore etcd snapshots.",
        subcommands: [SnapshotSaveCommand.self, SnapshotVerifyCommand.self, SnapshotInspectCommand.self, SnapshotRestoreCommand.self]
    )
}
