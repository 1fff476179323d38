package import Etcd
package import Maintenance

/// A cluster as it says it is: every member that it lists, asked at the same time.
package struct ClusterView: Sendable {
    /// One member, and what it answered.
    package struct MemberView: Sendable {
        package var member: Member
        /// Where it was asked: the caller's own endpoint where one leads to it, otherwise the first that it advertises.
        package var endpoint: Endpoint?
        package var status: Result<MemberStatus, EtcdError>
        /// How long a linearizable read through it took; nil when it was not asked, as learners cannot be.
        package var read: Result<Duration, EtcdError>?
        /// nil when they were not asked for, or cannot be had.
        package var metrics: MemberMetrics?

        /// What it says, if it says anything.
        package var answer: MemberStatus? { try? status.get() }
        package var isLeader: Bool { answer?.isLeader ?? false }
        /// The quota of its database, bytes, where it is known.
        package var quota: Int64? { answer?.databaseQuota ?? metrics?.quota }

        package var sizes: DefragRule.Sizes? {
            answer.map { DefragRule.Sizes(dbSize: $0.databaseSize, dbSizeInUse: $0.databaseSizeInUse, dbQuota: quota) }
        }

        /// Whether it takes part: it answers, follows a leader, has no corrupt data, and, if it was asked, reads through it work. A full quota
        /// does not make it unhealthy: what empties it must not wait for it.
        package var isHealthy: Bool {
            guard let answer, answer.isHealthy else { return false }
            if case .failure = read { return false }
            return true
        }

        /// Why it is not healthy, for people; nil when it is.
        package var complaint: String? {
            switch status {
            case .failure(let error): return error.description
            case .success(let answer):
                if answer.leaderID == 0 { return "it follows no leader" }
                if answer.isCorrupt { return "its data is corrupt (alarm CORRUPT)" }
                if let other = answer.errors.first(where: { !$0.contains("alarm:") }) { return "it says: \(other)" }
                if case .failure(let error) = read { return "reads through it fail: \(error)" }
                return nil
            }
        }
    }

    package var clusterID: UInt64
    package var members: [MemberView]
    package var alarms: [Alarm]
    /// The endpoints that the caller named and that did not answer, and why.
    package var silent: [Endpoint: EtcdError] = [:]
    /// The members that answered at an endpoint that the caller named.
    package var named: Set<UInt64> = []

    /// What to look at besides each member's status.
    package struct Detail: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let reads = Detail(rawValue: 1)
        package static let metrics = Detail(rawValue: 2)
    }

    package var voters: [MemberView] { members.filter { !$0.member.isLearner } }
    /// The one that leads: of two that say so, the one of the newer term.
    package var leader: MemberView? { voters.filter(\.isLeader).max { ($0.answer?.raftTerm ?? 0) < ($1.answer?.raftTerm ?? 0) } }
    package var quorum: Quorum { Quorum(voters: voters.count, healthyVoters: voters.count(where: \.isHealthy)) }
    /// The newest committed raft entry that any member knows.
    package var raftIndex: UInt64 { members.compactMap { $0.answer?.raftIndex }.max() ?? 0 }
    package var revision: Int64 { members.compactMap { $0.answer?.revision }.max() ?? 0 }
    package var subject: String { "etcd cluster \(clusterID.memberText)" }

    package func member(_ id: UInt64) -> MemberView? { members.first { $0.member.id == id } }

    /// How many entries a member has still to apply.
    package func lag(of member: MemberView) -> UInt64? {
        member.answer.map { raftIndex > $0.raftAppliedIndex ? raftIndex - $0.raftAppliedIndex : 0 }
    }

    // MARK: Reading

    /// Asks the cluster.
    /// - Parameter limit: how long each answer may take.
    /// - Throws: the first endpoint's error when none answers; `.invalid` when the endpoints belong to different clusters.
    package static func read(_ client: EtcdClient, _ detail: Detail = .reads, within limit: Duration = .seconds(3)) async throws -> ClusterView {
        let known = await statuses(of: client.configuration.endpoints, client, within: limit)
        let answers = known.compactMap { try? $0.status.get() }
        guard let first = answers.first else {
            throw known.lazy.compactMap { $0.status.failure }.first ?? EtcdError(.invalid, "there is no endpoint. Use --endpoints.")
        }
        if let other = answers.first(where: { $0.clusterID != first.clusterID }) {
            throw EtcdError(
                .invalid,
                "\(first.endpoint) and \(other.endpoint) belong to different clusters (\(first.clusterID.memberText), \(other.clusterID.memberText)). Name the members of one."
            )
        }
        // The leader knows best who belongs to the cluster; without one anybody is asked, but a learner answers for nobody else.
        let tellers = answers.sorted {
            ($0.isLeader ? 1 : 0, $0.raftTerm, $0.raftAppliedIndex) > ($1.isLeader ? 1 : 0, $1.raftTerm, $1.raftAppliedIndex)
        }
        guard let teller = tellers.first(where: { !$0.isLearner }) else {
            throw EtcdError(
                .invalid, "\(first.endpoint) is a learner, which does not know the cluster's members. Name a voting member with --endpoints.")
        }
        let list = try await client.members(at: teller.endpoint)
        let places = list.map { member in
            Place(
                member: member,
                endpoint: answers.first { $0.memberID == member.id }?.endpoint ?? member.clientURLs.lazy.compactMap { try? Endpoint($0) }.first)
        }
        let byEndpoint = Dictionary(known.map { ($0.endpoint, $0.status) }, uniquingKeysWith: { first, _ in first })
        let views = await withTaskGroup(of: MemberView.self) { group in
            for place in places {
                group.addTask { await view(of: place, known: byEndpoint, client, detail, within: limit) }
            }
            var views: [UInt64: MemberView] = [:]
            for await view in group { views[view.member.id] = view }
            return list.compactMap { views[$0.id] }.sorted { ($0.member.title, $0.member.id) < ($1.member.title, $1.member.id) }
        }
        var cluster = ClusterView(clusterID: first.clusterID, members: views, alarms: [])
        cluster.named = Set(answers.map(\.memberID))
        for answer in known { cluster.silent[answer.endpoint] = answer.status.failure }
        // What members say of alarms needs no quorum; the leader has applied what the others may still have to.
        let witnesses: [MemberView] = cluster.leader.map { [$0] } ?? views
        let alarms = Set(witnesses.flatMap { $0.answer?.alarms ?? [] })
        cluster.alarms = alarms.sorted { $0.memberID < $1.memberID }
        return cluster
    }

    private struct Place: Sendable {
        var member: Member
        var endpoint: Endpoint?
    }

    private static func view(
        of place: Place, known: [Endpoint: Result<MemberStatus, EtcdError>], _ client: EtcdClient, _ detail: Detail, within limit: Duration
    ) async -> MemberView {
        guard let endpoint = place.endpoint else {
            let reason = place.member.isStarted ? "it advertises no client URL" : "it has not started yet"
            return MemberView(member: place.member, endpoint: nil, status: .failure(EtcdError(.unavailable, reason)))
        }
        var view = MemberView(member: place.member, endpoint: endpoint, status: .failure(EtcdError(.unavailable, "")))
        if let status = known[endpoint] { view.status = status } else { view.status = await status(at: endpoint, client, within: limit) }
        guard let answer = view.answer else { return view }
        if answer.memberID != place.member.id {
            view.status = .failure(
                EtcdError(.invalid, "another member, \(answer.memberID.memberText), answers at \(endpoint), which this one advertises"))
            return view
        }
        if detail.contains(.reads), !place.member.isLearner {
            do { view.read = .success(try await client.probe(at: endpoint, isSerializable: false, within: limit)) } catch {
                view.read = .failure(error as? EtcdError ?? EtcdError(.unavailable, "\(error)"))
            }
        }
        if detail.contains(.metrics) { view.metrics = try? await client.metrics(at: endpoint) }
        return view
    }

    private struct Answer: Sendable {
        var endpoint: Endpoint
        var status: Result<MemberStatus, EtcdError>
    }

    private static func statuses(of endpoints: [Endpoint], _ client: EtcdClient, within limit: Duration) async -> [Answer] {
        await withTaskGroup(of: Answer.self) { group in
            for endpoint in Set(endpoints) {
                group.addTask { Answer(endpoint: endpoint, status: await status(at: endpoint, client, within: limit)) }
            }
            var answers: [Answer] = []
            for await answer in group { answers.append(answer) }
            return endpoints.compactMap { endpoint in answers.first { $0.endpoint == endpoint } }
        }
    }

    private static func status(at endpoint: Endpoint, _ client: EtcdClient, within limit: Duration) async -> Result<MemberStatus, EtcdError> {
        do { return .success(try await client.status(at: endpoint, within: limit)) } catch {
            return .failure(error as? EtcdError ?? EtcdError(.unavailable, "\(error)"))
        }
    }
}

extension Result {
    var failure: Failure? {
        if case .failure(let error) = self { return error }
        return nil
    }
}
