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
        let target = member(of: step.action, in: view)
        return Self.checks(view: view, action: step.action, target: target?.member.id, settings: settings)
    }

    /// The member that an action takes away for a while, or for good.
    private func member(of action: EtcdAction, in view: ClusterView) -> ClusterView.MemberView? {
        switch action {
        case .defragment(let id), .remove(let id), .removeDead(let id), .moveLeader(let id): view.member(id.value)
        case .addMember(let urls, _), .awaitCaughtUp(let urls), .promote(let urls), .removeAdded(let urls): view.added(urls)
        default: nil
        }
    }

    /// Pure: what the gate is told of a cluster that looks like `view`.
    static func checks(view: ClusterView, action: EtcdAction, target: UInt64?, settings: EtcdRunSettings) -> [GateCheck] {
        let others = view.voters.filter { $0.member.id != target && !settings.absent.contains($0.member.id) }
        var checks: [GateCheck] = []
        var unhealthy = others.filter { !$0.isHealthy }
        // Removing a dead member repairs, also when another is dead: the quorum arithmetic alone decides.
        if case .remove = action, let member = target.flatMap(view.member), !member.isHealthy { unhealthy = [] }
        if case .removeDead(let id) = action {
            unhealthy = []
            let isBack = view.member(id.value)?.isHealthy == true
            checks.append(
                GateCheck(
                    "dead member", isBack ? .fails : .holds, isBack ? "it is healthy again, so there is nothing to repair; abandon the run" : ""))
        }
        if case .defragment = action, let member = target.flatMap(view.member), !member.isHealthy { unhealthy.append(member) }
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
        let id: UInt64
        switch action {
        case .remove(let member), .removeDead(let member): id = member.value
        default: return nil
        }
        guard view.voters.map(\.member.id) == [id] else { return nil }
        return "\(view.voters[0].member.title) is the only voting member: without it there is no cluster. Add another first, or restore a snapshot"
    }

    /// What the quorum arithmetic has against an action.
    static func quorumRefusal(view: ClusterView, action: EtcdAction) -> String? {
        let now = view.quorum
        var after = now
        switch action {
        case .defragment(let id):
            // The member does not serve meanwhile: without it the others must be a quorum.
            if view.member(id.value)?.isHealthy == true { after.healthyVoters -= 1 }
            return after.spare < 0 ? "while \(view.member(id.value)?.member.title ?? "it") is defragmented there would be no quorum (\(after))" : nil
        case .remove(let id), .removeDead(let id):
            guard let member = view.member(id.value), !member.member.isLearner else { return nil }
            after.voters -= 1
            if member.isHealthy { after.healthyVoters -= 1 }
            return now.refusal(of: "removing \(member.member.title)", leadingTo: after)
        case .removeAdded(let urls): return view.added(urls).flatMap { quorumRefusal(view: view, action: .remove(member: MemberID($0.member.id))) }
        case .addMember(_, isLearner: false):
            after.voters += 1  // It has not started yet, and counts as one that is down.
            return now.refusal(of: "adding a voting member that has not started", leadingTo: after)
        case .promote(let urls):
            guard let member = view.added(urls), member.member.isLearner else { return nil }
            after.voters += 1
            if member.isHealthy { after.healthyVoters += 1 }
            return now.refusal(of: "promoting \(member.member.title)", leadingTo: after)
        default: return nil
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
