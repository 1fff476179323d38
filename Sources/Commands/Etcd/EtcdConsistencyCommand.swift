internal import ArgumentParser
internal import Etcd
internal import Maintenance
internal import Operations

struct EtcdConsistencyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consistency",
        abstract: "Compare the data of all members at one revision.",
        discussion: """
            Every voting member computes the hash of its whole key-value store at the same revision; the majority is the truth, as etcd itself \
            judges. Exit code 3 when a member differs or could not be compared.
            """
    )

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let report = try await EtcdClient.connected(try etcd.configuration()) { try await Consistency.check($0) }
        try output.emit(report) {
            var table = TextTable(["NAME", "ID", "HASH", "COMPACTED AT", "VERDICT"], alignedRight: [3])
            for member in report.members {
                table.add([
                    member.name, member.id, member.hash ?? "-", member.compactRevision.map { "\($0)" } ?? "-",
                    Terminal.paint(member.verdict.rawValue, member.verdict == .agrees ? .green : .red),
                ])
            }
            return "\(table.text)\n\n\(report.summary)"
        }
        if !report.isConsistent { throw Outcome(status: .findings) }
    }
}
