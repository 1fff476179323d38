internal import ArgumentParser
internal import EtcdStorage
internal import Foundation
internal import NodeAccess
internal import Operations
internal import SystemPackage

struct SnapshotRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Restore a snapshot into the data directories of a new cluster.",
        discussion: """
            The flags and defaults are etcdutl's. The snapshot is verified while it is restored, and a damaged one is refused \
            (exit code 4). The result appears under its name whole or not at all, and serves etcd 3.4 to 3.7. With --all-members one \
            pass over the snapshot makes DIR/NAME for every member of --initial-cluster.
            """
    )

    @Argument(help: "The snapshot.")
    var file: String

    @Option(help: "The member to restore.") var name = "default"
    @Option(help: "Every member of the new cluster, as NAME=PEERURL,…") var initialCluster = "default=http://localhost:2380"
    @Option(help: "What makes this cluster's ids different from another's.") var initialClusterToken = "etcd-cluster"
    @Option(help: "The peer URLs of the member, separated by commas.") var initialAdvertisePeerUrls: String?
    @Option(help: "The data directory; it must not exist, or be empty. (default: NAME.etcd)") var dataDir: String?
    @Option(help: "The folder of the write-ahead log, when it is not in the data directory.") var walDir: String?
    @Flag(help: "Accept a file without SHA-256, as one copied from a data directory is, and do not compare one.") var skipHashCheck = false
    @Option(help: "Raise the revision by this much, so that clients that watch the old cluster notice. Goes with --mark-compacted.")
    var bumpRevision: Int64?
    @Flag(help: "Count everything before the raised revision as compacted. Goes with --bump-revision.") var markCompacted = false

    @Flag(help: "Restore every member of --initial-cluster.") var allMembers = false
    @Option(help: "With --all-members: the folder in which each member gets its own.") var outputDir: String?
    @Flag(help: "Write the databases anew and without holes, instead of copying their pages.") var compact = false
    @Flag(help: "Restore what can be read of a damaged snapshot, and leave out the rest. Implies --compact.") var force = false
    @Flag(help: "Say what would be written where, and write nothing.") var dryRun = false

    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if allMembers != (outputDir != nil) { throw ValidationError("--all-members and --output-dir go together.") }
        if allMembers, dataDir != nil || walDir != nil {
            throw ValidationError("With --all-members the folders are DIR/NAME: leave out --data-dir and --wal-dir.")
        }
        if (bumpRevision != nil) != markCompacted {
            throw ValidationError("--bump-revision and --mark-compacted go together: without both, old watches would go on and miss what changed.")
        }
    }

    func run() async throws {
        let plan = try makePlan()
        if dryRun {
            try SnapshotRestore(plan: plan).check()
            try output.emit(RestoreReport(plan: plan, outcome: nil)) { describe(plan) }
            return
        }
        let size = (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int64) ?? 0
        let bar = ProgressBar("restore", total: size, options: output)
        defer { bar.finish() }
        let started = ContinuousClock.now
        do {
            let outcome = try await SnapshotRestore(plan: plan).run { bar.advance(by: $0) }
            bar.finish()
            try output.emit(RestoreReport(plan: plan, outcome: outcome)) { table(plan, outcome, took: ContinuousClock.now - started) }
            if outcome.report.alarms > 0 {
                output.remark("warning: the snapshot bears an alarm, and so does the new cluster: disarm it when the members run.")
            }
            if !outcome.report.isSound { throw Outcome(status: .findings) }
        } catch let refusal as SnapshotRestore.Refusal {
            bar.finish()
            try output.emit(RestoreReport(plan: plan, outcome: nil, refused: refusal.report)) { SnapshotVerifyCommand.table(refusal.report) }
            Terminal.complain("error: the snapshot is damaged, and nothing was restored. Use another one; with --force what can be read is restored.")
            throw Outcome(status: .refused)
        }
    }

    private func makePlan() throws -> SnapshotRestore.Plan {
        let identity = try ClusterIdentity(initialCluster: initialCluster, token: initialClusterToken)
        var plan = SnapshotRestore.Plan(
            source: FilePath(file), identity: identity, token: initialClusterToken, targets: [],
            bump: try bumpRevision.map { try RevisionBump(by: $0) }, rewrites: compact, skipHashCheck: skipHashCheck, force: force)
        if let outputDir {
            let folder = FilePath(outputDir).lexicallyNormalized()
            plan.commonFolder = folder
            plan.targets = identity.members.sorted { $0.name < $1.name }.map { .init(member: $0, dataDirectory: folder.appending($0.name)) }
            return plan
        }
        let member = try identity.member(named: name)
        let advertised = initialAdvertisePeerUrls?.split(separator: ",").map(String.init) ?? member.peerURLs
        for url in advertised { try ClusterIdentity.check(url, option: "--initial-advertise-peer-urls") }
        guard advertised.sorted() == member.peerURLs.sorted() else {
            throw StorageError(
                .invalid,
                "--initial-cluster has \(member.peerURLs.joined(separator: ",")) for \(name), and --initial-advertise-peer-urls says \(advertised.joined(separator: ",")). Make them equal."
            )
        }
        if let walDir, FilePath(walDir).lexicallyNormalized().starts(with: FilePath(dataDir ?? "\(name).etcd").lexicallyNormalized()) {
            throw StorageError(.invalid, "--wal-dir \(walDir) is inside the data directory. Leave it out: the log goes there by itself.")
        }
        plan.targets = [
            .init(member: member, dataDirectory: FilePath(dataDir ?? "\(name).etcd"), walDirectory: walDir.map { FilePath($0) })
        ]
        return plan
    }

    private func describe(_ plan: SnapshotRestore.Plan) -> String {
        var lines = ["would restore \(plan.source) into a new cluster \(String(plan.identity.clusterID, radix: 16)):"]
        for target in plan.targets {
            lines.append(
                "  \(target.member.name) (\(target.member.hexID)) in \(target.dataDirectory)"
                    + (target.walDirectory.map { ", its log in \($0)" } ?? ""))
        }
        return lines.joined(separator: "\n")
    }

    private func table(_ plan: SnapshotRestore.Plan, _ outcome: SnapshotRestore.Outcome, took: Duration) -> String {
        var facts = FactList()
        facts.add(
            "restored",
            "\(file), revision \((outcome.restored ?? outcome.report).revision), \((outcome.restored ?? outcome.report).liveKeys) live keys, in \(took.text)"
        )
        facts.add("snapshot", SnapshotVerifyCommand.verdict(outcome.report))
        if outcome.restored != nil, !outcome.report.isSound {
            facts.add("left out", "\(outcome.omittedEntries) damaged entries, and whatever stood on pages that cannot be read")
        }
        facts.add("cluster", String(plan.identity.clusterID, radix: 16))
        for target in plan.targets { facts.add("member", "\(target.member.name) (\(target.member.hexID)) in \(target.dataDirectory)") }
        let commands = plan.targets.map { "etcd " + plan.flags(for: $0).map(NodeAccess.quoted).joined(separator: " \\\n     ") }
        return facts.text + "\n\nStart each member, on its host, with these flags and its own listen-client, advertise-client and TLS flags:\n\n"
            + commands.joined(separator: "\n\n")
    }
}

/// What `snapshot restore` reports to programs.
private struct RestoreReport: Encodable {
    struct MemberReport: Encodable {
        let name: String
        let id: String
        let dataDirectory: String
        let walDirectory: String
        let flags: [String]
    }

    let snapshot: String
    /// False for a dry run, and when the snapshot was refused.
    let restored: Bool
    let clusterID: String
    let members: [MemberReport]
    let omittedEntries: Int64
    let report: SnapshotReport?

    init(plan: SnapshotRestore.Plan, outcome: SnapshotRestore.Outcome?, refused: SnapshotReport? = nil) {
        snapshot = plan.source.string
        restored = outcome != nil
        clusterID = String(plan.identity.clusterID, radix: 16)
        members = plan.targets.map { target in
            MemberReport(
                name: target.member.name, id: target.member.hexID, dataDirectory: target.dataDirectory.string,
                walDirectory: (target.walDirectory ?? target.dataDirectory.appending("member").appending("wal")).string,
                flags: plan.flags(for: target))
        }
        omittedEntries = outcome?.omittedEntries ?? 0
        report = outcome?.report ?? refused
    }
}
