internal import Etcd
internal import Foundation
package import Maintenance

/// The plan of a defragmentation: followers one at a time, the leader last, after leadership has moved.
package struct DefragPlan: Sendable {
    /// Which members are worth it; nil for every member.
    package var rule: DefragRule?
    /// Members below these are left out: bytes, and a fraction.
    package var minSize: Int64?
    package var minFragmentation: Double?
    /// Names or IDs of the members to look at; empty for all.
    package var only: [String] = []
    /// Revisions of history to keep, when history is to be removed first.
    package var keepRevisions: Int64?
    /// A quota to use in the rule where members do not tell theirs, bytes.
    package var quota: Int64?
    package var acceptsRisk = false
    /// Whether members that are down are left out rather than brought back first.
    var leavesOutDead = false

    package init() {}

    /// The plan for a cluster that looks like `view`.
    /// - Throws: `OperationError.invalid` when the rule cannot be applied.
    package func make(_ view: ClusterView) throws -> EtcdAction.Plan {
        var plan = EtcdAction.Plan(operation: "etcd defrag", subject: view.subject, steps: [])
        let chosen = try choose(view, &plan)
        plan.refusals += refusals(view, chosen: chosen)
        guard !chosen.isEmpty else { return plan }
        if let keepRevisions, view.revision - keepRevisions > 1 { plan.steps.append(Self.compaction(at: view.revision - keepRevisions)) }
        plan.steps += Self.defragmentations(of: chosen, view)
        return plan
    }

    static func compaction(at revision: Int64) -> EtcdAction.Step {
        EtcdAction.Step(
            id: "compact", title: "remove the history before revision \(revision)", target: "all members",
            reason: "only space that history has given back can be reclaimed",
            effect: "reads and watches at older revisions end with ErrCompacted; clients list anew",
            undo: .impossible(because: "history that is removed is gone; a snapshot from before has it"), expectedSeconds: 10, isDisruptive: true,
            action: .compact(revision: revision))
    }

    /// One step a member, and one for leadership before the leader's.
    static func defragmentations(of members: [ClusterView.MemberView], _ view: ClusterView) -> [EtcdAction.Step] {
        var steps: [EtcdAction.Step] = []
        let ordered = members.sorted { (($0.isLeader ? 1 : 0), $0.member.title) < (($1.isLeader ? 1 : 0), $1.member.title) }
        for member in ordered {
            let name = member.member.title
            if member.isLeader, let heir = view.bestFollower(except: member.member.id) {
                steps.append(
                    EtcdAction.Step(
                        id: "move-leader", title: "hand leadership from \(name) to the follower that is most up to date", target: name,
                        reason: "a leader that is defragmented holds everybody up; \(heir.member.title) could take over now",
                        effect: "a short election; calls in flight may be repeated by their clients",
                        undo: .by(.makeLeader(member: MemberID(member.member.id)), title: "hand leadership back to \(name)"), expectedSeconds: 3,
                        isDisruptive: true, action: .moveLeader(from: MemberID(member.member.id))))
            }
            let inUse = member.answer?.databaseSizeInUse ?? 0
            steps.append(
                EtcdAction.Step(
                    id: "defragment-\(member.member.id.memberText)", title: "defragment \(name)", target: name, reason: reason(member),
                    effect: "\(name) answers nobody meanwhile; clients with other endpoints go there",
                    undo: .nothing(because: "the contents are the same, only the file is smaller"),
                    // etcd copies what is in use, key by key, and syncs it.
                    expectedSeconds: 2 + Double(inUse) / Double(40 << 20), isDisruptive: true, action: .defragment(member: MemberID(member.member.id))
                ))
        }
        return steps
    }

    private static func reason(_ member: ClusterView.MemberView) -> String {
        guard let sizes = member.sizes else { return "its size is unknown" }
        return String(
            format: "%.1f MiB of %.1f MiB are free (%.0f %%)", Double(sizes.dbSizeFree) / 0x1p20, Double(sizes.dbSize) / 0x1p20,
            sizes.fragmentation * 100)
    }

    private func choose(_ view: ClusterView, _ plan: inout EtcdAction.Plan) throws -> [ClusterView.MemberView] {
        for name in only where !view.members.contains(where: { $0.matches(name) }) {
            throw OperationError(.invalid, "there is no member \(name). `drydock etcd members` lists them.")
        }
        var chosen: [ClusterView.MemberView] = []
        for member in view.members where only.isEmpty || only.contains(where: member.matches) {
            let name = member.member.title
            if member.member.isLearner {
                plan.remarks.append("\(name) is left out: a learner cannot be defragmented while it runs")
                continue
            }
            if leavesOutDead, !member.isHealthy {
                plan.remarks.append("\(name) is left out: \(member.complaint ?? "it is down"). Defragment it when it is back")
                continue
            }
            // One that does not answer is refused below, chosen or not.
            guard var sizes = member.sizes else { continue }
            if let quota { sizes.dbQuota = quota }
            if let rule, rule.needsQuota, sizes.dbQuota == nil {
                throw OperationError(
                    .invalid,
                    "the rule asks for the quota, and \(name) does not tell it. Add --etcd-storage-quota-bytes, or make its /metrics reachable.")
            }
            if let minSize, sizes.dbSize < minSize {
                plan.remarks.append("\(name) is left out: it has \(sizes.dbSize) bytes, less than --min-size")
            } else if let minFragmentation, sizes.fragmentation < minFragmentation {
                plan.remarks.append("\(name) is left out: \(Int(sizes.fragmentation * 100)) % of it are free, less than --min-fragmentation")
            } else if let rule, !rule.matches(sizes) {
                plan.remarks.append("\(name) is left out: the rule does not hold for it")
            } else {
                chosen.append(member)
            }
        }
        return chosen
    }

    /// What speaks against defragmenting any of `chosen`. The gate asks again before each step.
    private func refusals(_ view: ClusterView, chosen: [ClusterView.MemberView]) -> [String] {
        var refusals: [String] = []
        for member in view.voters where !leavesOutDead && !member.isHealthy && member.answer != nil {
            refusals.append("\(member.member.title) is not healthy: \(member.complaint ?? "no reason"). Bring it back first.")
        }
        for member in view.voters where !leavesOutDead && member.answer == nil && !chosen.contains(where: { $0.member.id == member.member.id }) {
            refusals.append("\(member.member.title) does not answer: \(member.complaint ?? "no reason"). Bring it back first.")
        }
        if refusals.isEmpty, !acceptsRisk, let first = chosen.first,
            let refusal = EtcdRun.quorumRefusal(view: view, action: .defragment(member: MemberID(first.member.id)))
        {
            refusals.append("\(refusal). Add --accept-risk if clients can do without the cluster for that time.")
        }
        return refusals
    }
}

extension ClusterView.MemberView {
    /// Whether a person means this member by `text`: its name, or its ID in hexadecimal.
    package func matches(_ text: String) -> Bool { member.name == text || member.id.memberText == text.lowercased() }
}
