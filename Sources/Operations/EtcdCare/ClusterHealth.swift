internal import Etcd
internal import Foundation
package import Maintenance

/// Whether a cluster serves, and what is wrong with it.
package struct ClusterHealth: Sendable, Codable {
    package enum Verdict: String, Sendable, Codable {
        case healthy
        /// It serves, and something needs a person.
        case degraded
        /// It does not serve reads, or takes no writes.
        case unhealthy
    }

    package struct Finding: Sendable, Codable, Equatable {
        /// Whether clients are without the cluster for it.
        package var isFatal: Bool
        /// The member's name, or nil for the cluster.
        package var member: String?
        package var message: String
    }

    package var verdict: Verdict
    package var quorum: Quorum
    package var findings: [Finding]

    /// Judges a view that was read with reads and, if possible, metrics.
    /// - Parameter isWholeCluster: false judges only the members and endpoints that the caller named.
    package init(_ view: ClusterView, isWholeCluster: Bool = true, limits: CareLimits = CareLimits()) {
        var findings: [Finding] = []
        quorum = view.quorum
        if view.leader == nil { findings.append(Finding(isFatal: true, member: nil, message: "no member leads")) }
        if quorum.spare < 0 { findings.append(Finding(isFatal: true, member: nil, message: "there is no quorum: \(quorum)")) }
        for alarm in view.alarms {
            let name = view.member(alarm.memberID)?.member.title ?? alarm.memberID.memberText
            switch alarm.kind {
            case .noSpace:
                findings.append(
                    Finding(isFatal: true, member: name, message: "alarm NOSPACE: the cluster takes no writes; run `drydock etcd recover-space`"))
            case .corrupt:
                findings.append(
                    Finding(isFatal: true, member: name, message: "alarm CORRUPT: its data is not that of the others; run `drydock etcd consistency`")
                )
            case .unknown: findings.append(Finding(isFatal: false, member: name, message: "an alarm that this program does not know"))
            }
        }
        if !isWholeCluster {
            for (endpoint, error) in view.silent.sorted(by: { $0.key.description < $1.key.description }) {
                findings.append(Finding(isFatal: false, member: endpoint.description, message: error.description))
            }
        }
        for member in view.members where isWholeCluster || view.named.contains(member.member.id) {
            findings += Self.findings(member, view, limits)
        }
        if quorum.spare == 0, quorum.voters > 2 {
            findings.append(Finding(isFatal: false, member: nil, message: "the cluster is one failure away from losing quorum: \(quorum)"))
        }
        self.findings = findings
        verdict = findings.contains(where: \.isFatal) ? .unhealthy : findings.isEmpty ? .healthy : .degraded
    }

    private static func findings(_ member: ClusterView.MemberView, _ view: ClusterView, _ limits: CareLimits) -> [Finding] {
        let name = member.member.title
        func finding(_ message: String) -> Finding { Finding(isFatal: false, member: name, message: message) }
        if let complaint = member.complaint { return [finding(complaint)] }
        var findings: [Finding] = []
        if let lag = view.lag(of: member), lag > limits.lag { findings.append(finding("it has \(lag) raft entries to apply")) }
        if case .success(let took) = member.read, took.seconds > limits.readSeconds { findings.append(finding("a read took \(took.text)")) }
        if let sizes = member.sizes, let quota = sizes.dbQuota, quota > 0, Double(sizes.dbSize) > 0.8 * Double(quota) {
            findings.append(
                finding("its database uses \(Int(Double(sizes.dbSize) / Double(quota) * 100)) % of its quota; run `drydock etcd defrag --compact`"))
        }
        return findings
    }
}

extension ClusterHealth {
    /// Of a cluster that nobody answers for.
    package init(unreachable reason: String) {
        verdict = .unhealthy
        quorum = Quorum(voters: 0, healthyVoters: 0)
        findings = [Finding(isFatal: true, member: nil, message: reason)]
    }
}
