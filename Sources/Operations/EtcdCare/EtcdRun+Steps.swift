internal import Etcd
internal import Foundation
internal import Maintenance

extension EtcdRun {
    package func evidence(before step: EtcdAction.Step) async throws -> [String: String] {
        guard case .defragment(let id) = step.action else { return [:] }
        let member = try await reachable(id.value, .metrics)
        guard let status = member.answer else { return [:] }
        var evidence = ["dbSize": "\(status.databaseSize)", "dbSizeInUse": "\(status.databaseSizeInUse)"]
        if let metrics = member.metrics, let count = metrics.defragmentations, let start = metrics.processStart {
            evidence["defragmentations"] = "\(count)"
            evidence["processStart"] = "\(start)"
        }
        return evidence
    }

    package func isAlreadySo(_ step: EtcdAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .compact(let revision): return try await lasting { try await client.isCompacted(at: revision) } ? "compacted at \(revision)" : nil
        case .defragment(let id): return try await evidence.asyncFlatMap { try await defragmented(id.value, since: $0) }
        case .moveLeader(let from):
            guard let leader = try await leader(), leader.member.id != from.value else { return nil }
            return "\(leader.member.title) leads"
        case .makeLeader(let id): return try await leader()?.member.id == id.value ? "it leads" : nil
        case .requireSpace, .proveWrite, .checkConsistency: return nil
        case .disarmNoSpace: return try await hasNoSpaceAlarm() ? nil : "no alarm stands"
        case .addMember(let urls, _):
            return try await listed(urls).map { "it is member \($0.id.memberText)" }
        case .awaitCaughtUp(let urls): return Self.caughtUp(urls, in: try await lasting { try await view() }, limits)
        case .promote(let urls):
            guard let member = try await listed(urls) else {
                throw OperationError(.stopped, "the member with the peer URL \(urls.joined(separator: ",")) is no longer in the list")
            }
            return member.isLearner ? nil : "it votes"
        case .remove(let id, _): return try await members().contains { $0.id == id.value } ? nil : "it is not in the list"
        case .removeAdded(let urls): return try await listed(urls) != nil ? nil : "it is not in the list"
        }
    }

    package func act(_ step: EtcdAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .compact(let revision):
            do { try await client.compact(at: revision) } catch let error as EtcdError where error.code == .compacted {}
            return "compacted at \(revision)"
        case .defragment(let id): return try await defragment(id.value, notify: notify)
        case .moveLeader(let from): return try await moveLeader(from: from.value)
        case .makeLeader(let id):
            guard let leader = try await leader(), let endpoint = leader.endpoint else { throw OperationError(.stopped, "there is no leader") }
            if leader.member.id != id.value { try await client.moveLeader(at: endpoint, to: id.value) }
            return nil
        case .requireSpace(let share): return try await requireSpace(share)
        case .disarmNoSpace:
            for alarm in try await lasting({ try await client.alarms() }) where alarm.kind == .noSpace { try await client.disarm(alarm) }
            return nil
        case .proveWrite: return try await proveWrite()
        case .addMember(let urls, let isLearner):
            let member = try await onceConnected { try await client.addMember(peerURLs: urls, isLearner: isLearner) }
            return "it is member \(member.id.memberText); start it with \(try await startFlags(urls))"
        case .awaitCaughtUp(let urls): return try await awaitCaughtUp(urls, notify: notify)
        case .promote(let urls): return try await promote(urls)
        case .remove(let id, _): return try await remove(id.value)
        case .removeAdded(let urls):
            guard let member = try await listed(urls) else { return "it is not in the list" }
            return try await remove(member.id)
        case .checkConsistency: return try await checkConsistency()
        }
    }

    package func changedNothing(_ error: any Error) -> Bool {
        (error as? EtcdError)?.isRefusal ?? false
    }

    package func verify(_ step: EtcdAction.Step) async throws {
        switch step.action {
        case .compact: try await awaitCompaction()
        case .defragment(let id):
            // It has to serve again before the next one goes.
            _ = try await wait(for: { $0.member(id.value)?.isHealthy == true ? true : nil }) {
                "\($0.member(id.value)?.member.title ?? id.value.memberText) does not come back: \($0.member(id.value)?.complaint ?? "unknown")"
            }
        case .moveLeader(let from):
            try await awaitLeader { $0 != from.value }
        case .makeLeader(let id):
            try await awaitLeader { $0 == id.value }
        case .disarmNoSpace:
            guard try await !hasNoSpaceAlarm() else {
                throw OperationError(.stopped, "the alarm NOSPACE was raised again at once: something still fills the database")
            }
        case .addMember(let urls, _):
            guard try await listed(urls) != nil else {
                throw OperationError(.stopped, "the new member is not in the list")
            }
        case .promote(let urls):
            _ = try await wait(for: { $0.added(urls).map { !$0.member.isLearner && $0.isHealthy } == true ? true : nil }) {
                "the new member does not vote, or is not healthy: \($0.added(urls)?.complaint ?? "still a learner")"
            }
        case .remove(let id, _):
            _ = try await wait(for: { $0.member(id.value) == nil && $0.leader != nil ? true : nil }) { _ in
                "the member is still in the list, or nobody leads"
            }
        case .removeAdded(let urls):
            _ = try await wait(for: { $0.added(urls) == nil && $0.leader != nil ? true : nil }) { _ in "the member is still in the list" }
        case .requireSpace, .proveWrite, .awaitCaughtUp, .checkConsistency: break
        }
    }

    private func members() async throws -> [Member] { try await lasting { try await client.members() } }

    /// The member with these peer URLs, as the cluster lists it now.
    private func listed(_ peerURLs: [String]) async throws -> Member? { try await members().first { Set($0.peerURLs) == Set(peerURLs) } }

    private func leader() async throws -> ClusterView.MemberView? { try await lasting { try await view([]) }.leader }

    private func hasNoSpaceAlarm() async throws -> Bool {
        try await lasting { try await client.alarms() }.contains { $0.kind == .noSpace }
    }

    // MARK: Compaction and defragmentation

    /// The answer to a compaction says that the member that was asked is through with it; the others are when what they use no longer shrinks.
    private func awaitCompaction() async throws {
        var before: [UInt64: Int64] = [:]
        var quiet = 0
        let limit = time.now().addingTimeInterval(limits.patienceSeconds)
        while quiet < 3, time.now() < limit {
            let sizes = try await lasting { try await view([]) }.members.compactMap { member in
                member.answer.map { (member.member.id, $0.databaseSizeInUse) }
            }
            let shrinks = sizes.contains { id, size in before[id].map { size < $0 } ?? true }
            quiet = shrinks ? 0 : quiet + 1
            before = Dictionary(sizes, uniquingKeysWith: { first, _ in first })
            try await time.sleep(.milliseconds(200))
        }
    }

    private func defragment(_ id: UInt64, notify: @Sendable (String) -> Void) async throws -> String {
        // An election may have made it the leader since the plan was made.
        let view = try await lasting { try await self.view() }
        if view.leader?.member.id == id, view.bestFollower(except: id) != nil {
            notify("it leads by now: leadership moves first")
            try await relinquish(id)
        }
        let before = try await reachable(id, [])
        guard let endpoint = before.endpoint, let old = before.answer else { throw OperationError(.stopped, "the member cannot be reached") }
        let clock = ContinuousClock()
        let started = clock.now
        try await client.defragment(at: endpoint)
        let took = clock.now - started
        let new = try await reachable(id, []).answer
        return Self.freed(from: old.databaseSize, to: new?.databaseSize ?? old.databaseSize, took: took)
    }

    static func freed(from before: Int64, to after: Int64, took: Duration?) -> String {
        func mebibytes(_ bytes: Int64) -> String { String(format: "%.1f MiB", Double(bytes) / 0x1p20) }
        return "\(mebibytes(before)) → \(mebibytes(after)), \(mebibytes(before - after)) freed" + (took.map { " in \($0.text)" } ?? "")
    }

    /// Whether the defragmentation that an earlier attempt asked for took place. It goes on in the member when its caller is gone, so first it
    /// must have ended.
    private func defragmented(_ id: UInt64, since evidence: [String: String]) async throws -> String? {
        let member = try await wait([.reads, .metrics]) { view in
            view.member(id).flatMap { $0.isHealthy && $0.metrics?.isDefragmenting != true ? $0 : nil }
        } complaint: {
            "\($0.member(id)?.member.title ?? id.memberText) does not serve: \($0.member(id)?.complaint ?? "it is not in the list")"
        }
        let before = evidence["dbSize"].flatMap { Int64($0) }
        guard let size = member.answer?.databaseSize, let before else { return nil }
        if let metrics = member.metrics, let count = metrics.defragmentations, let start = metrics.processStart,
            evidence["processStart"] == "\(start)", let old = evidence["defragmentations"].flatMap({ Int64($0) })
        {
            return count > old ? Self.freed(from: before, to: size, took: nil) : nil
        }
        return size < before ? Self.freed(from: before, to: size, took: nil) : nil
    }

    /// The member, once it answers.
    private func reachable(_ id: UInt64, _ detail: ClusterView.Detail) async throws -> ClusterView.MemberView {
        try await wait(seconds: min(10, limits.patienceSeconds), detail) { view in
            view.member(id).flatMap { $0.answer == nil ? nil : $0 }
        } complaint: {
            "\($0.member(id)?.member.title ?? id.memberText) cannot be reached: \($0.member(id)?.complaint ?? "it is not in the list")"
        }
    }

    private func awaitLeader(_ isAsWanted: (UInt64) -> Bool) async throws {
        _ = try await wait(for: { view in view.leader.flatMap { isAsWanted($0.member.id) ? true : nil } }) { _ in "leadership did not move" }
    }

    /// Makes another member lead, and waits until it does.
    private func relinquish(_ id: UInt64) async throws {
        _ = try await moveLeader(from: id)
        try await awaitLeader { $0 != id }
    }

    private func moveLeader(from id: UInt64) async throws -> String {
        let view = try await lasting { try await self.view() }
        guard let leader = view.leader, leader.member.id == id, let endpoint = leader.endpoint else { return "it does not lead any more" }
        guard let heir = view.bestFollower(except: id) else { throw OperationError(.stopped, "no healthy follower can take the lead") }
        do { try await client.moveLeader(at: endpoint, to: heir.member.id) } catch let error as EtcdError where error.code == .notLeader {}
        return "\(heir.member.title) is to lead"
    }

    // MARK: Space

    private func requireSpace(_ share: Double) async throws -> String {
        let view = try await lasting { try await self.view(.metrics) }
        var lines: [String] = []
        for member in view.voters where !settings.absent.contains(member.member.id) {
            guard let sizes = member.sizes else {
                throw OperationError(.stopped, "\(member.member.title) cannot be asked for its size: \(member.complaint ?? "no answer")")
            }
            guard let quota = settings.quota ?? sizes.dbQuota, quota > 0 else {
                throw OperationError(
                    .stopped, "\(member.member.title) does not tell its quota. Add --etcd-storage-quota-bytes, or make its /metrics reachable")
            }
            let used = Double(sizes.dbSize) / Double(quota)
            guard used < share else {
                throw OperationError(
                    .stopped,
                    "\(member.member.title) still uses \(Int(used * 100)) % of its quota, and \(Int(share * 100)) % is the bound: the data itself fills it. Delete what is not needed or raise --quota-backend-bytes on every member; then abandon this run and begin another, which compacts again"
                )
            }
            lines.append("\(member.member.title) \(Int(used * 100)) %")
        }
        return "of the quota: " + lines.joined(separator: ", ")
    }

    private func proveWrite() async throws -> String {
        let key = "drydock/write-proof/\(UUID().uuidString)"
        let value = Array("written by drydock to prove that writes work".utf8)
        var failure: (any Error)?
        // Writing the same again does no harm.
        for _ in 0..<3 {
            do {
                _ = try await client.put([(key, value)])
                guard try await client.get(key) == value else { throw OperationError(.stopped, "what was written was not read back") }
                try await client.delete(key: key)
                return "a key was written, read back and deleted"
            } catch let error as EtcdError where error.isTransient {
                failure = error
            }
        }
        throw failure ?? OperationError(.stopped, "nothing could be written")
    }

    // MARK: Members

    private func startFlags(_ peerURLs: [String]) async throws -> String {
        let started = try await members().filter(\.isStarted).flatMap { member in member.peerURLs.map { "\(member.name)=\($0)" } }
        let cluster = (started + peerURLs.map { "NAME=\($0)" }).joined(separator: ",")
        return
            "--name NAME --initial-cluster \(cluster) --initial-cluster-state existing --initial-advertise-peer-urls \(peerURLs.joined(separator: ","))"
    }

    private func awaitCaughtUp(_ urls: [String], notify: @Sendable (String) -> Void) async throws -> String {
        if let member = try await listed(urls), !member.isStarted {
            notify("waiting for the new member; start it on an empty data directory with \(try await startFlags(urls))")
        }
        return try await wait(seconds: limits.joinSeconds) {
            Self.caughtUp(urls, in: $0, limits)
        } complaint: {
            guard let member = $0.added(urls) else { return "the new member is not in the list" }
            return "the new member has not caught up: \(member.complaint ?? "it has \($0.lag(of: member) ?? 0) entries to apply")"
        }
    }

    static func caughtUp(_ urls: [String], in view: ClusterView, _ limits: CareLimits) -> String? {
        guard let member = view.added(urls), let answer = member.answer, answer.isHealthy, let lag = view.lag(of: member), lag <= limits.lag else {
            return nil
        }
        return "\(member.member.title) has applied all but \(lag) of \(view.raftIndex) raft entries"
    }

    private func promote(_ urls: [String]) async throws -> String? {
        guard let member = try await listed(urls) else {
            throw OperationError(.stopped, "the new member is not in the list any more")
        }
        try await onceConnected { try await client.promoteMember(member.id) }
        return nil
    }

    /// Changes the membership, and asks again while etcd says that it is too early: then nothing was proposed.
    private func onceConnected<Result>(_ change: () async throws -> Result) async throws -> Result {
        let limit = time.now().addingTimeInterval(limits.patienceSeconds)
        while true {
            do { return try await change() } catch let error as EtcdError
                where (error.code == .learnerNotReady || error.code == .unhealthyCluster) && time.now() < limit
            {
                try await time.sleep(.milliseconds(500))
            }
        }
    }

    private func remove(_ id: UInt64) async throws -> String? {
        if try await leader()?.member.id == id {
            try await relinquish(id)
        }
        // Not through the one that goes: it may end before it answers.
        let view = try await lasting { try await self.view() }
        guard let endpoint = (view.leader ?? view.voters.first { $0.isHealthy && $0.member.id != id })?.endpoint else {
            throw OperationError(.stopped, "there is no leader to ask")
        }
        do { try await onceConnected { try await client.removeMember(id, at: endpoint) } } catch let error as EtcdError
            where error.code == .memberNotFound
        {}
        return nil
    }

    private func checkConsistency() async throws -> String {
        let report = try await Consistency.check(client, time: time)
        guard report.isConsistent else { throw OperationError(.stopped, report.summary) }
        return report.summary
    }
}

extension Optional {
    /// `flatMap` for work that waits.
    fileprivate func asyncFlatMap<Result>(_ transform: (Wrapped) async throws -> Result?) async rethrows -> Result? {
        guard let self else { return nil }
        return try await transform(self)
    }
}
