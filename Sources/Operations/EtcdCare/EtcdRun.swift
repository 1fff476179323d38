package import Etcd
internal import Foundation
package import Maintenance

/// Carries out the steps of etcd's plans against a live cluster. Every step looks at the cluster anew: members come, go and change their roles
/// while a run lasts.
package struct EtcdRun: RunOperation {
    package let client: EtcdClient
    package let settings: EtcdRunSettings
    let time: RunTime

    package init(client: EtcdClient, settings: EtcdRunSettings, time: RunTime = .system) {
        self.client = client
        self.settings = settings
        self.time = time
    }

    var limits: CareLimits { settings.limits }

    func view(_ detail: ClusterView.Detail = .reads) async throws -> ClusterView {
        try await ClusterView.read(client, detail, within: .seconds(max(1, limits.readSeconds * 2)))
    }

    /// Looks at the cluster until `look` returns something, as long as patience lasts.
    /// - Throws: `.stopped` with what `complaint` says of the last look.
    func wait<Result>(
        seconds: Double? = nil, _ detail: ClusterView.Detail = .reads, for look: (ClusterView) async throws -> Result?,
        complaint: (ClusterView) -> String
    ) async throws -> Result {
        let limit = time.now().addingTimeInterval(seconds ?? limits.patienceSeconds)
        while true {
            let view = try await lastingView(until: limit, detail)
            if let result = try await look(view) { return result }
            guard time.now() < limit else {
                throw OperationError(.stopped, "\(complaint(view)) after \(Int(seconds ?? limits.patienceSeconds)) s of waiting")
            }
            try await time.sleep(.milliseconds(200))
        }
    }

    /// The view, also when nobody answers for a moment.
    private func lastingView(until limit: Date, _ detail: ClusterView.Detail) async throws -> ClusterView {
        try await lasting(until: limit) { try await view(detail) }
    }

    /// What a look at the cluster says, also when nobody answers for a moment, as long as etcd needs for an election and a connection.
    func lasting<Result>(until limit: Date? = nil, _ look: () async throws -> Result) async throws -> Result {
        let limit = limit ?? time.now().addingTimeInterval(min(15, limits.patienceSeconds))
        while true {
            do { return try await look() } catch let error as EtcdError where error.isTransient || error.code == .deadline {
                guard time.now() < limit else { throw error }
                try await time.sleep(.milliseconds(200))
            }
        }
    }

    // MARK: The gate's conditions

    package func checks(before step: EtcdAction.Step) async throws -> [GateCheck] {
        let view: ClusterView
        do { view = try await self.view() } catch let error as EtcdError where error.isTransient || error.code == .deadline {
            return [GateCheck("members", .notYet, error.description)]
        }
        return Self.checks(view: view, action: step.action, settings: settings)
    }

    /// The member that an action takes away for a while, or for good.
    private static func target(of action: EtcdAction, in view: ClusterView) -> ClusterView.MemberView? {
        switch action {
        case .defragment(let id), .remove(let id, _), .moveLeader(let id): view.member(id.value)
        case .addMember(let urls, _), .awaitCaughtUp(let urls), .promote(let urls), .removeAdded(let urls): view.added(urls)
        default: nil
        }
    }

    /// Pure: what the gate is told of a cluster that looks like `view`.
    static func checks(view: ClusterView, action: EtcdAction, settings: EtcdRunSettings) -> [GateCheck] {
        let target = target(of: action, in: view)
        let others = view.voters.filter { $0.member.id != target?.member.id && !settings.absent.contains($0.member.id) }
        var checks: [GateCheck] = []
        var unhealthy = others.filter { !$0.isHealthy }
        if case .remove(_, let mustBeDead) = action {
            let isDead = target?.isHealthy == false
            // Removing a dead member repairs, also when another is dead: the quorum arithmetic alone decides.
            if isDead { unhealthy = [] }
            if mustBeDead {
                checks.append(
                    GateCheck("dead member", isDead ? .holds : .fails, "it is healthy again, so there is nothing to repair; abandon the run"))
            }
        }
        if case .defragment = action, let target, !target.isHealthy { unhealthy.append(target) }
        checks.append(
            GateCheck(
                "members", unhealthy.isEmpty ? .holds : .notYet,
                unhealthy.map { "\($0.member.title): \($0.complaint ?? "unhealthy")" }.joined(separator: "; ")))
        if let refusal = impossibility(view: view, action: action) { checks.append(GateCheck("quorum", .fails, refusal)) }
        if let refusal = quorumRefusal(view: view, action: action), !settings.acceptsRisk, !(settings.toleratesNoSpace && view.isIdleForLackOfSpace) {
            checks.append(GateCheck("quorum", unhealthy.isEmpty ? .fails : .notYet, refusal))
        }
        let late = others.filter { view.lag(of: $0).map { $0 > settings.limits.lag } ?? false }
        checks.append(
            GateCheck(
                "raft lag", late.isEmpty ? .holds : .notYet,
                late.map { "\($0.member.title) has \(view.lag(of: $0) ?? 0) entries to apply" }.joined(separator: "; ")))
        let slow = others.filter { ((try? $0.read?.get())?.seconds ?? 0) > settings.limits.readSeconds }
        checks.append(
            GateCheck(
                "read latency", slow.isEmpty ? .holds : .notYet,
                slow.map { "a read through \($0.member.title) took \((try? $0.read?.get())?.text ?? "")" }.joined(separator: "; ")))
        let alarms = view.alarms.filter { !settings.alarms.contains($0) && !(settings.toleratesNoSpace && $0.kind == .noSpace) }
        checks.append(
            GateCheck(
                "alarms", alarms.isEmpty ? .holds : .fails,
                alarms.map { "\($0.kind.rawValue) was raised for \(view.member($0.memberID)?.member.title ?? $0.memberID.memberText)" }
                    .joined(separator: "; ")))
        return checks
    }

    /// Why no risk that a person takes makes an action possible.
    static func impossibility(view: ClusterView, action: EtcdAction) -> String? {
        guard case .remove(let id, _) = action, view.voters.map(\.member.id) == [id.value] else { return nil }
        return "\(view.voters[0].member.title) is the only voting member: without it there is no cluster. Add another first, or restore a snapshot"
    }

    /// What the quorum arithmetic has against an action on the cluster as it is.
    static func quorumRefusal(view: ClusterView, action: EtcdAction) -> String? {
        guard let after = quorum(after: action, from: view.quorum, view) else { return nil }
        if case .defragment = action {
            // The member comes back: without it the others must be a quorum, no more.
            return after.spare < 0 ? "\(change(action, view)) there would be no quorum (\(after))" : nil
        }
        return view.quorum.refusal(of: change(action, view), leadingTo: after)
    }

    /// What the arithmetic has against the steps of a plan, one after the other: states in between count. A learner that the plan waits for will be
    /// healthy when it is promoted.
    static func quorumRefusals(view: ClusterView, steps: [EtcdAction.Step]) -> [String] {
        var now = view.quorum
        return steps.compactMap { step in
            guard let after = quorum(after: step.action, from: now, view, waits: true) else { return nil }
            defer { now = after }
            return now.refusal(of: change(step.action, view), leadingTo: after)
        }
    }

    /// The cluster's quorum after an action, or nil when the action does not change it.
    private static func quorum(after action: EtcdAction, from now: Quorum, _ view: ClusterView, waits: Bool = false) -> Quorum? {
        let target = target(of: action, in: view)
        let isHealthy = target?.isHealthy ?? false
        switch action {
        case .defragment: return Quorum(voters: now.voters, healthyVoters: now.healthyVoters - (isHealthy ? 1 : 0))
        case .remove, .removeAdded:
            guard let target, !target.member.isLearner else { return nil }
            return Quorum(voters: now.voters - 1, healthyVoters: now.healthyVoters - (isHealthy ? 1 : 0))
        // It has not started yet, and counts as one that is down.
        case .addMember(_, isLearner: false): return Quorum(voters: now.voters + 1, healthyVoters: now.healthyVoters)
        case .promote:
            guard target?.member.isLearner != false else { return nil }
            return Quorum(voters: now.voters + 1, healthyVoters: now.healthyVoters + (waits || isHealthy ? 1 : 0))
        default: return nil
        }
    }

    /// What an action is called in a refusal.
    private static func change(_ action: EtcdAction, _ view: ClusterView) -> String {
        let name = target(of: action, in: view)?.member.title ?? "the new member"
        switch action {
        case .defragment: return "while \(name) is defragmented"
        case .addMember: return "adding a voting member that has not started"
        case .promote: return "promoting \(name)"
        default: return "removing \(name)"
        }
    }
}

extension ClusterView {
    /// Whether the cluster cannot do without a member (it is too small, or another is dead), and takes no writes for lack of space: then little
    /// is lost by a member that does not serve for a moment.
    var isIdleForLackOfSpace: Bool { quorum.spare <= 0 && alarms.contains { $0.kind == .noSpace } }

    /// The member with these peer URLs, in any order.
    func added(_ peerURLs: [String]) -> MemberView? { members.first { Set($0.member.peerURLs) == Set(peerURLs) } }

    /// The healthy follower that has applied most, apart from `id`.
    func bestFollower(except id: UInt64) -> MemberView? {
        voters.filter { $0.isHealthy && $0.member.id != id }
            .max { ($0.answer?.raftAppliedIndex ?? 0, $1.member.id) < ($1.answer?.raftAppliedIndex ?? 0, $0.member.id) }
    }
}
