internal import ArgumentParser
internal import Etcd
internal import EtcdStorage
internal import Operations
internal import SystemPackage

struct SnapshotSaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract: "Save a snapshot of etcd, and prove it.",
        discussion: """
            Of several endpoints the most up-to-date healthy follower is taken, so that the leader is spared. FILE appears only \
            when the whole database has arrived with the SHA-256 that the server sent, and has been verified.
            """
    )

    @Argument(help: "Where the snapshot goes. A file that is there is replaced when the new one is whole.")
    var file: String

    @Flag(inversion: .prefixedNo, help: "Verify the file before it gets its name, or do not.")
    var afterVerify = true

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let configuration = try etcd.configuration()
        let save = SnapshotSave(
            target: FilePath(file), verifiesAfterwards: afterVerify, timeout: etcd.boundsCommand ? configuration.commandTimeout : nil)
        if configuration.credentials != nil, configuration.sendsPasswordInClear {
            output.remark("warning: the password goes over the network unencrypted. Use https:// endpoints and --cacert.")
        }
        let saving = ProgressBar("save", options: output)
        let verifying = ProgressBar("verify", options: output)
        let output = output
        let clock = ContinuousClock()
        let started = clock.now
        let outcome = try await EtcdClient.connected(configuration) { client in
            try await save.run(client: client) { event in
                switch event {
                case .chosen(let choice): output.remark(choice)
                case .received(let done, let total): saving.set(done: done, total: total)
                case .verifying(let total):
                    saving.finish()
                    verifying.set(done: 0, total: total)
                case .verified(let count): verifying.advance(by: count)
                }
            }
        }
        saving.finish()
        verifying.finish()
        try output.emit(SaveReport(outcome)) { table(outcome, took: clock.now - started) }
        if outcome.report?.isSound == false {
            output.remark(
                "the member's own database is damaged: the copy is kept as \(outcome.file), and is no backup. Look at the member, and save from another."
            )
            throw Outcome(status: .findings)
        }
    }

    private func table(_ outcome: SnapshotSave.Outcome, took: Duration) -> String {
        var facts = FactList()
        facts.add("saved", outcome.file.string)
        facts.add(
            "from",
            "\(outcome.member.status.endpoint), member \(String(outcome.member.status.memberID, radix: 16)), etcd \(outcome.member.status.version)")
        facts.add("size", "\(Bytes.text(outcome.sizeBytes)) in \(took.text)")
        facts.add("sha256", outcome.sha256)
        if let report = outcome.report {
            facts.add("revision", "\(report.revision)")
            facts.add("keys", "\(report.liveKeys) live, \(report.totalKey) entries")
            facts.add("verdict", SnapshotVerifyCommand.verdict(report))
        } else {
            facts.add("verdict", Terminal.paint("not verified", .yellow))
        }
        return facts.text
    }
}

/// What `snapshot save` reports to programs.
private struct SaveReport: Encodable {
    let file: String
    let sizeBytes: UInt64
    let sha256: String
    let endpoint: String
    let memberID: String
    let etcdVersion: String
    let reason: String
    let verified: Bool
    let report: SnapshotReport?

    init(_ outcome: SnapshotSave.Outcome) {
        file = outcome.file.string
        sizeBytes = outcome.sizeBytes
        sha256 = outcome.sha256
        endpoint = outcome.member.status.endpoint.description
        memberID = String(outcome.member.status.memberID, radix: 16)
        etcdVersion = outcome.member.status.version
        reason = outcome.member.reason.rawValue
        verified = outcome.report?.isSound == true
        report = outcome.report
    }
}

extension OutputOptions {
    /// Says from which member a snapshot is taken, and why.
    func remark(_ choice: MemberChoice) {
        for (endpoint, error) in choice.unavailable { remark("warning: \(endpoint) was left out: \(error)") }
        remark("saving from \(choice.status.endpoint): \(choice.reason.rawValue)")
    }
}
