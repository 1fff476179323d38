internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import Operations

struct EtcdStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show every member: sizes, raft, latencies, alarms.",
        discussion: """
            The members are those that the cluster itself lists. READ is one linearizable read through the member now; FSYNC and COMMIT are the \
            99th percentiles since it started, from its /metrics.
            """
    )

    @Flag(help: "Draw the table again every two seconds, until interrupted.")
    var watch = false

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let configuration = try etcd.configuration()
        try await EtcdClient.connected(configuration) { client in
            repeat {
                let view = try await ClusterView.read(client, [.reads, .metrics])
                let report = StatusReport(view)
                if watch, output.format == .table { _ = Terminal.write(Terminal.clearScreen, to: STDOUT_FILENO) }
                try output.emit(report) { report.table }
                // Whoever watches ends it by an interruption: that is no failure.
                if watch { try? await Task.sleep(for: .seconds(2)) }
            } while watch && !Task.isCancelled
        }
    }
}

/// What `etcd status` reports.
private struct StatusReport: Encodable {
    struct Row: Encodable {
        var name: String
        var id: String
        var endpoint: String?
        var version: String?
        var role: String
        var dbSize: Int64?
        var dbSizeInUse: Int64?
        var fragmentation: Double?
        var dbQuota: Int64?
        var revision: Int64?
        var raftIndex: UInt64?
        var raftAppliedIndex: UInt64?
        var lag: UInt64?
        var raftTerm: UInt64?
        var readSeconds: Double?
        var walFsyncP99Seconds: Double?
        var backendCommitP99Seconds: Double?
        var alarms: [String]
        var problem: String?
    }

    let clusterID: String
    let quorum: String
    let members: [Row]

    init(_ view: ClusterView) {
        clusterID = view.clusterID.memberText
        quorum = view.quorum.description
        members = view.members.map { member in
            let status = member.answer
            return Row(
                name: member.member.title, id: member.member.id.memberText, endpoint: member.endpoint?.description, version: status?.version,
                role: member.member.isLearner ? "learner" : status == nil ? "unknown" : member.isLeader ? "leader" : "follower",
                dbSize: status?.databaseSize, dbSizeInUse: status?.databaseSizeInUse, fragmentation: member.sizes?.fragmentation,
                dbQuota: member.quota,
                revision: status?.revision, raftIndex: status?.raftIndex, raftAppliedIndex: status?.raftAppliedIndex, lag: view.lag(of: member),
                raftTerm: status?.raftTerm, readSeconds: (try? member.read?.get())?.seconds,
                walFsyncP99Seconds: member.metrics?.walFsync?.quantile(0.99),
                backendCommitP99Seconds: member.metrics?.backendCommit?.quantile(0.99),
                alarms: view.alarms.filter { $0.memberID == member.member.id }.map(\.kind.rawValue), problem: member.complaint)
        }
    }

    var table: String {
        var table = TextTable(
            [
                "NAME", "ROLE", "VERSION", "SIZE", "IN USE", "FREE", "QUOTA", "REVISION", "RAFT INDEX", "LAG", "TERM", "READ", "FSYNC", "COMMIT",
                "ALARMS",
            ],
            alignedRight: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
        for row in members {
            let quota = row.dbQuota.flatMap { quota in row.dbSize.map { quota > 0 ? percent(Double($0) / Double(quota)) : "-" } }
            table.add([
                row.name, row.role, row.version ?? "-", row.dbSize.map { Bytes.text($0) } ?? "-", row.dbSizeInUse.map { Bytes.text($0) } ?? "-",
                row.fragmentation.map(percent) ?? "-", quota ?? "-", row.revision.map { "\($0)" } ?? "-", row.raftIndex.map { "\($0)" } ?? "-",
                row.lag.map { "\($0)" } ?? "-", row.raftTerm.map { "\($0)" } ?? "-", milliseconds(row.readSeconds),
                milliseconds(row.walFsyncP99Seconds), milliseconds(row.backendCommitP99Seconds), row.alarms.joined(separator: ","),
            ])
        }
        let problems = members.compactMap { row in row.problem.map { "\(Terminal.paint("!", .red)) \(row.name): \($0)" } }
        return ([table.text, "", "cluster \(clusterID): \(quorum)"] + problems).joined(separator: "\n")
    }

    private func percent(_ share: Double) -> String { String(format: "%.0f%%", share * 100) }

    private func milliseconds(_ seconds: Double?) -> String { seconds.map { String(format: "%.1fms", $0 * 1000) } ?? "-" }
}
