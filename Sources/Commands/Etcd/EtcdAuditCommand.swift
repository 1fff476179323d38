internal import ArgumentParser
internal import Etcd
internal import EtcdStorage
internal import Foundation
internal import Operations
internal import SystemPackage

struct EtcdAuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Say what to mend before an etcd upgrade.",
        discussion: """
            Looks at a live cluster, and with --snapshot also at a snapshot of it: health, versions with known defects, learners and remainders \
            of old members that break 3.6, data that differs, sizes and quota, certificates that end soon. Exit code 3 when there are warnings or \
            errors.
            """
    )

    @Option(help: "A snapshot file to look at, too.", completion: .file())
    var snapshot: String?

    @Flag(help: "Look at the snapshot only; ask no cluster.")
    var offline = false

    @Flag(inversion: .prefixedNo, help: "Compare the data of the members; every member reads its history once.")
    var consistency = true

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if offline, snapshot == nil { throw ValidationError("--offline needs a --snapshot.") }
    }

    func run() async throws {
        var audit = EtcdAudit()
        var members: [Etcd.Member]?
        if !offline {
            let configuration = try etcd.configuration()
            let wantsConsistency = consistency
            let (view, hashes, certificates) = try await EtcdClient.connected(configuration) { client in
                let view = try await ClusterView.read(client, [.reads, .metrics])
                let hashes = wantsConsistency && view.leader != nil ? try await Consistency.check(client) : nil
                var certificates = try configuration.certificateFiles()
                for endpoint in view.members.compactMap(\.endpoint) {
                    if let certificate = await configuration.serverCertificate(at: endpoint) { certificates.append(certificate) }
                }
                return (view, hashes, certificates)
            }
            audit.judge(view)
            if let hashes { audit.judge(hashes) }
            audit.judge(certificates, now: Date())
            members = view.members.map(\.member)
        }
        if let snapshot {
            let bar = ProgressBar("verify", options: output)
            let report = try await SnapshotVerifier(path: FilePath(snapshot)).verify { bar.advance(by: $0) }
            bar.finish()
            audit.judge(report, live: members)
        }
        let report = audit
        try output.emit(report) { Self.text(report) }
        if let worst = audit.worst, worst > .info { throw Outcome(status: .findings) }
    }

    private static func text(_ audit: EtcdAudit) -> String {
        var lines: [String] = []
        for finding in audit.findings.sorted(by: { $0.severity > $1.severity }) {
            let color: Terminal.Color = finding.severity == .error ? .red : finding.severity == .warning ? .yellow : .cyan
            lines.append("\(Terminal.paint(finding.severity.rawValue, color))  \(finding.subject): \(finding.message)")
            lines.append("         \(finding.remedy)")
        }
        if audit.findings.isEmpty { lines.append(Terminal.paint("nothing to mend", .green)) }
        return (lines + [""] + audit.notes.map { "note: \($0)" }).joined(separator: "\n")
    }
}
