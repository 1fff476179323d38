package import Etcd
package import EtcdStorage
package import Foundation
internal import Maintenance

/// What to know about a cluster before its etcd is upgraded: each finding with its remedy.
package struct EtcdAudit: Sendable, Codable {
    package enum Severity: String, Sendable, Codable, Comparable {
        /// Good to know.
        case info
        /// Mend it soon.
        case warning
        /// Mend it before an upgrade.
        case error

        package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

        private var rank: Int { self == .info ? 0 : self == .warning ? 1 : 2 }
    }

    package struct Finding: Sendable, Codable, Equatable {
        /// Stable, for programs.
        package var code: String
        package var severity: Severity
        /// A member, a file, or the cluster.
        package var subject: String
        package var message: String
        package var remedy: String
    }

    package var findings: [Finding] = []
    /// What was looked at, and what could not be.
    package var notes: [String] = []

    package var worst: Severity? { findings.map(\.severity).max() }

    package init() {}

    private mutating func add(_ code: String, _ severity: Severity, _ subject: String, _ message: String, _ remedy: String) {
        findings.append(Finding(code: code, severity: severity, subject: subject, message: message, remedy: remedy))
    }

    // MARK: A live cluster

    /// Judges a view that was read with reads and metrics.
    package mutating func judge(_ view: ClusterView) {
        for finding in ClusterHealth(view).findings {
            add(
                "health", finding.isFatal ? .error : .warning, finding.member ?? "cluster", finding.message,
                "Bring the cluster to `drydock etcd health` exit code 0 first.")
        }
        for member in view.members { judge(member) }
        let versions = Set(view.members.compactMap { $0.answer?.version })
        if versions.count > 1 {
            add(
                "mixed-versions", .warning, "cluster", "the members run different versions: \(versions.sorted().joined(separator: ", "))",
                "Bring all to the newest of these before the next upgrade.")
        }
        for member in view.members where member.member.isLearner {
            add(
                "learner", .error, member.member.title, "it is a learner; an upgrade to 3.6 with learners can break the membership (etcd#19557)",
                "Promote it (`drydock etcd member promote`) or remove it first.")
        }
        if view.voters.count % 2 == 0 {
            add(
                "even-members", .warning, "cluster", "\(view.voters.count) voting members survive no more failures than \(view.voters.count - 1)",
                "Add or remove one.")
        }
        notes.append("--snapshot-count cannot be seen from outside: etcd 3.6 lowers its default from 100000 to 10000; set it if you depend on it")
    }

    private mutating func judge(_ member: ClusterView.MemberView) {
        let name = member.member.title
        if !member.member.isStarted {
            add(
                "not-started", .error, name, "it is listed and has never started", "Start it, or remove it with `drydock etcd member remove \(name)`."
            )
        }
        guard let status = member.answer else { return }
        judgeVersion(status.version, of: name)
        guard let sizes = member.sizes else { return }
        if sizes.dbSize > 100 << 20, sizes.fragmentation > 0.5 {
            add(
                "fragmentation", .warning, name, "\(Int(sizes.fragmentation * 100)) % of its \(sizes.dbSize >> 20) MiB are free",
                "Run `drydock etcd defrag`; an upgrade copies and syncs less.")
        }
        switch sizes.dbQuota {
        case let quota? where quota > 8 << 30:
            add(
                "quota", .warning, name, "its quota of \(quota >> 30) GiB is above the 8 GiB that etcd is tested with", "Keep less data, or split it."
            )
        case nil: notes.append("\(name) does not tell its quota: its /metrics cannot be read")
        default: break
        }
    }

    /// Versions that are known to lose or break data.
    private mutating func judgeVersion(_ version: String, of name: String) {
        let parts = version.split(whereSeparator: { $0 == "." || $0 == "-" }).prefix(3).compactMap { Int($0) }
        guard parts.count == 3 else { return }
        if parts[0] == 3, parts[1] == 5, parts[2] <= 2 {
            add(
                "data-inconsistency", .error, name,
                "etcd \(version) can lose writes and make members differ when it is killed under load (3.5.0 to 3.5.2, etcd#13766)",
                "Upgrade to 3.5.6 or newer; run `drydock etcd consistency` before and after.")
        } else if parts[0] == 3, parts[1] == 5, parts[2] < 26 {
            add(
                "before-3.6", .info, name, "etcd \(version) is older than 3.5.26, the first 3.5 that heals memberships before 3.6 reads them",
                "Upgrade to the newest 3.5 before 3.6.")
        } else if parts[0] == 3, parts[1] < 5 {
            add("old-release", .info, name, "etcd \(version) gets no fixes any more", "Upgrade one minor version at a time: 3.4, 3.5, 3.6.")
        }
    }

    package mutating func judge(_ consistency: Consistency) {
        if consistency.isConsistent {
            notes.append(consistency.summary)
        } else if !consistency.members.contains(where: { $0.verdict == .differs || $0.verdict == .unknown && $0.problem == nil }) {
            add("not-compared", .warning, "cluster", consistency.summary, "Bring the member back, and run the audit again.")
        } else {
            add(
                "inconsistent", .error, "cluster", consistency.summary,
                "Save a snapshot of a member that agrees, replace the one that differs (`drydock etcd member replace`).")
        }
    }

    /// - Parameter within: certificates that end sooner are findings, seconds.
    package mutating func judge(_ certificates: [CertificateExpiry], now: Date, within: TimeInterval = 30 * 86400) {
        for certificate in certificates {
            let left = certificate.notAfter.timeIntervalSince(now)
            guard left < within else { continue }
            let when = certificate.notAfter.formatted(.iso8601)
            add(
                left < 0 ? "certificate-expired" : "certificate-expiring", left < 7 * 86400 ? .error : .warning, certificate.place,
                "the certificate of \(certificate.subject) \(left < 0 ? "ended" : "ends") at \(when)", "Renew it before the upgrade.")
        }
        notes.append("\(certificates.count) certificates were looked at")
    }

    // MARK: A snapshot file

    /// Judges a snapshot, by itself and, where there is one, against the live list of members.
    package mutating func judge(_ report: SnapshotReport, live: [Etcd.Member]?) {
        let file = report.file
        if !report.isSound {
            add("damaged", .error, file, "the snapshot is damaged: \(report.errorCount) errors", "Run `drydock snapshot verify`; save another.")
        }
        if let version = report.etcdVersion { notes.append("\(file) was written by a cluster of version \(version)") }
        if let voters = report.raftVoters, let learners = report.raftLearners {
            for member in report.members {
                let inRaft = voters.contains(member.hexID) ? false : learners.contains(member.hexID) ? true : nil
                if let inRaft, inRaft != member.isLearner {
                    add(
                        "learner-mismatch", .error, member.name.isEmpty ? member.hexID : member.name,
                        "the members list says \(member.isLearner ? "learner" : "voter"), raft's configuration says \(inRaft ? "learner" : "voter") (etcd#19557)",
                        "Upgrade to the newest 3.5 first, which mends it, before 3.6.")
                } else if inRaft == nil {
                    add(
                        "zombie-member", .error, member.name.isEmpty ? member.hexID : member.name,
                        "it is in the members bucket, and raft knows it not: a remainder of an old restore that 3.6 would bring back",
                        "Restore with drydock or etcdutl 3.5, which write the list anew, or upgrade to the newest 3.5 first.")
                }
            }
            let known = Set(report.members.map(\.hexID))
            for id in voters + learners where !known.contains(id) {
                add(
                    "member-missing", .error, id, "raft's configuration names it, and the members bucket does not",
                    "Look at `drydock etcd members`; do not upgrade before the two agree.")
            }
        } else {
            notes.append("\(file) has no raft configuration (etcd before 3.5): learners and remainders cannot be checked in it alone")
        }
        guard let live else { return }
        let ids = Set(live.map { $0.id.memberText })
        for member in report.members where !ids.contains(member.hexID) {
            add(
                "zombie-member", .error, member.name.isEmpty ? member.hexID : member.name,
                "the snapshot's members bucket has it, and the live cluster does not list it",
                "If the snapshot is current, the member is a remainder that 3.6 would bring back: upgrade to the newest 3.5 first.")
        }
        for id in report.removedMembers where ids.contains(id) {
            add(
                "removed-member-lives", .error, id, "the snapshot says that it was removed, and it is listed",
                "Do not upgrade; compare the members' snapshots.")
        }
    }
}
