internal import Etcd
internal import Foundation
internal import Maintenance

/// Plans of changes to the membership, with the quorum arithmetic done before anything is sent.
package struct MembershipPlan: Sendable {
    package enum Change: Sendable, Equatable {
        case add(peerURLs: [String], isLearner: Bool)
        /// By name or ID.
        case remove(String)
        case promote(String)
        /// The new member's peer URLs.
        /// - removesFirst: the old member is dead for good, and a person says so.
        case replace(String, peerURLs: [String], removesFirst: Bool = false)
    }

    package var change: Change
    package var acceptsRisk: Bool

    package init(_ change: Change, acceptsRisk: Bool = false) {
        self.change = change
        self.acceptsRisk = acceptsRisk
    }

    /// - Throws: `OperationError.invalid` when the change makes no sense for this cluster.
    package func make(_ view: ClusterView) throws -> EtcdAction.Plan {
        var plan = EtcdAction.Plan(operation: "etcd member \(verb)", subject: view.subject, steps: [])
        switch change {
        case .add(let urls, let isLearner):
            try checkPeerURLs(urls, view)
            plan.steps = [add(urls, isLearner: isLearner)]
        case .remove(let name):
            let member = try find(name, view)
            plan.steps = leaderMove(from: member, view) + [remove(member)]
        case .promote(let name):
            let member = try find(name, view)
            guard member.member.isLearner else { throw OperationError(.invalid, "\(name) votes already.") }
            plan.steps = [awaitCaughtUp(member.member.peerURLs), promote(member.member.peerURLs, title: member.member.title)]
        case .replace(let name, let urls, let removesFirst):
            let old = try find(name, view)
            guard !old.member.isLearner else { throw OperationError(.invalid, "\(name) is a learner: remove it and add another.") }
            plan.steps = try replace(old, by: urls, view, removesFirst: removesFirst, &plan)
        }
        judge(&plan, view)
        return plan
    }

    private var verb: String {
        switch change {
        case .add: "add"
        case .remove: "remove"
        case .promote: "promote"
        case .replace: "replace"
        }
    }

    /// Adds what speaks against the plan.
    private func judge(_ plan: inout EtcdAction.Plan, _ view: ClusterView) {
        var refusals = EtcdRun.quorumRefusals(view: view, steps: plan.steps)
        let adds = plan.steps.contains { if case .addMember(_, isLearner: true) = $0.action { true } else { false } }
        if adds, let learner = view.members.first(where: \.member.isLearner) {
            refusals.append("\(learner.member.title) is a learner already, and etcd takes one at a time (--max-learners): promote or remove it")
        }
        // What no risk makes possible.
        var impossible = plan.steps.prefix(1).compactMap { EtcdRun.impossibility(view: view, action: $0.action) }
        if view.leader == nil { impossible.append("no member leads: there is no quorum, and nothing can be changed") }
        plan.refusals += impossible.map { "\($0)." }
        guard impossible.isEmpty else { return }
        if acceptsRisk {
            plan.remarks += refusals.map { "risk accepted: \($0)" }
        } else {
            plan.refusals += refusals.map { "\($0). \(remedy)" }
        }
        if plan.refusals.isEmpty, view.quorum.spare <= 0 {
            plan.remarks.append("the cluster is one failure away from losing quorum (\(view.quorum))")
        }
    }

    private var remedy: String {
        switch change {
        case .add(_, isLearner: false): "Add it with --learner, start it, and promote it when it has caught up; or add --accept-risk."
        case .remove, .replace: "Add a member first, or add --accept-risk."
        default: "Bring the other members back first, or add --accept-risk."
        }
    }

    private func find(_ name: String, _ view: ClusterView) throws -> ClusterView.MemberView {
        let found = view.members.filter { $0.matches(name) }
        guard found.count <= 1 else { throw OperationError(.invalid, "\(found.count) members are called \(name): use the ID.") }
        guard let member = found.first else {
            throw OperationError(.invalid, "there is no member \(name). `drydock etcd members` lists them.")
        }
        return member
    }

    private func checkPeerURLs(_ urls: [String], _ view: ClusterView, except old: UInt64? = nil) throws {
        guard !urls.isEmpty else { throw OperationError(.invalid, "a new member needs its --peer-url.") }
        for url in urls {
            guard let parts = URLComponents(string: url), let scheme = parts.scheme, ["http", "https"].contains(scheme), parts.port != nil,
                parts.host?.isEmpty == false, parts.path.isEmpty
            else { throw OperationError(.invalid, "\(url) is no peer URL. Write it like https://10.0.0.4:2380.") }
            if let taken = view.members.first(where: { $0.member.id != old && $0.member.peerURLs.contains(url) }) {
                throw OperationError(.invalid, "\(url) is the peer URL of \(taken.member.title) already.")
            }
        }
    }

    private func replace(
        _ old: ClusterView.MemberView, by urls: [String], _ view: ClusterView, removesFirst: Bool, _ plan: inout EtcdAction.Plan
    ) throws -> [EtcdAction.Step] {
        let join = [add(urls, isLearner: true), awaitCaughtUp(urls), promote(urls, title: "the new member")]
        let consistency = EtcdAction.Step(
            id: "consistency", title: "compare the data of all members", target: "all members",
            reason: "the new member must hold what the others hold", effect: "every member reads its history once",
            undo: .nothing(because: "it only looks"), expectedSeconds: 10, isDisruptive: false, action: .checkConsistency)
        if old.isHealthy {
            try checkPeerURLs(urls, view)
            return join + leaderMove(from: old, view) + [remove(old), consistency]
        }
        try checkPeerURLs(urls, view, except: old.member.id)
        let why = "\(old.member.title) is not healthy (\(old.complaint ?? "no reason")), and etcd adds no member while a voter is not connected"
        if removesFirst {
            plan.remarks.append("\(why): it is removed first")
        } else {
            plan.refusals.append(
                "\(why). If it is dead for good, add --remove-first; a member that was removed never comes back. If it is not, bring it back.")
        }
        return [remove(old, mustBeDead: true)] + join + [consistency]
    }

    // MARK: Steps

    private func add(_ urls: [String], isLearner: Bool) -> EtcdAction.Step {
        EtcdAction.Step(
            id: "add", title: "add a \(isLearner ? "learner" : "voting member") at \(urls.joined(separator: ","))",
            target: urls.joined(separator: ","),
            reason: isLearner ? "a learner gets the data without counting for the quorum" : "it was asked for",
            effect: isLearner ? "the leader sends it a snapshot when it starts" : "it counts for the quorum at once, though it has not started",
            undo: .by(.removeAdded(peerURLs: urls), title: "remove the new member"), isDisruptive: true,
            action: .addMember(peerURLs: urls, isLearner: isLearner))
    }

    private func awaitCaughtUp(_ urls: [String]) -> EtcdAction.Step {
        EtcdAction.Step(
            id: "catch-up", title: "wait until the new member has caught up", target: urls.joined(separator: ","),
            reason: "a voter that lags is no help to the quorum", effect: "none", undo: .nothing(because: "it only waits"), expectedSeconds: 30,
            isDisruptive: false, action: .awaitCaughtUp(peerURLs: urls))
    }

    private func promote(_ urls: [String], title: String) -> EtcdAction.Step {
        EtcdAction.Step(
            id: "promote", title: "promote \(title)", target: title, reason: "it has caught up", effect: "it votes",
            undo: .by(.removeAdded(peerURLs: urls), title: "remove the new member (a voter cannot become a learner again)"), isDisruptive: true,
            action: .promote(peerURLs: urls))
    }

    private func leaderMove(from member: ClusterView.MemberView, _ view: ClusterView) -> [EtcdAction.Step] {
        guard member.isLeader, view.voters.count > 1 else { return [] }
        let name = member.member.title
        return [
            EtcdAction.Step(
                id: "move-leader", title: "hand leadership from \(name) to the follower that is most up to date", target: name,
                reason: "it is going", effect: "a short election",
                undo: .by(.makeLeader(member: MemberID(member.member.id)), title: "hand leadership back to \(name)"),
                isDisruptive: true, action: .moveLeader(from: MemberID(member.member.id)))
        ]
    }

    private func remove(_ member: ClusterView.MemberView, mustBeDead: Bool = false) -> EtcdAction.Step {
        EtcdAction.Step(
            id: "remove", title: "remove \(member.member.title) (\(member.member.id.memberText))", target: member.member.title,
            reason: member.complaint ?? "it was asked for", effect: "its server ends; its data directory can never join again",
            undo: .impossible(because: "a member that was removed never comes back: add a new one on an empty data directory"), isDisruptive: true,
            action: .remove(member: MemberID(member.member.id), mustBeDead: mustBeDead))
    }
}
