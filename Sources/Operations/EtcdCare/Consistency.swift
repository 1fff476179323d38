package import Etcd
internal import Foundation
package import Maintenance

/// Whether all members hold the same data: their hashes of the key-value store at one revision, judged by majority.
package struct Consistency: Sendable, Codable {
    package struct MemberResult: Sendable, Codable {
        package var name: String
        /// Hexadecimal.
        package var id: String
        package var verdict: HashConsensus.Verdict
        /// Hexadecimal; nil when it did not answer.
        package var hash: String?
        package var compactRevision: Int64?
        /// Why it could not be compared.
        package var problem: String?
    }

    /// The revision that was compared.
    package var revision: Int64
    package var members: [MemberResult]
    /// Whether every voting member answered and agrees.
    package var isConsistent: Bool

    /// One line for people.
    package var summary: String {
        let different = members.filter { $0.verdict == .differs }.map(\.name)
        if !different.isEmpty {
            return
                "\(different.joined(separator: ", ")) differs from the majority at revision \(revision): take it out and let it join anew (`drydock etcd member replace`)"
        }
        if members.contains(where: { $0.hash != nil && $0.verdict == .unknown && $0.problem == nil }) {
            return "the members differ at revision \(revision), and no hash has a majority: compare their snapshots before anything else"
        }
        let silent = members.filter { $0.problem != nil }
        if !silent.isEmpty { return "not all members could be compared: \(silent.map { "\($0.name): \($0.problem ?? "")" }.joined(separator: "; "))" }
        return "all \(members.count) members hold the same data at revision \(revision)"
    }

    /// Asks every voting member. A member that lags is waited for, and the question is asked again when a compaction came between.
    /// - Parameter patience: how long to wait for the members to have the revision.
    package static func check(_ client: EtcdClient, patience: Duration = .seconds(10), time: RunTime = .system) async throws -> Consistency {
        let limit = time.now().addingTimeInterval(patience.seconds)
        var target: Int64?
        while true {
            let view = try await ClusterView.read(client, .reads)
            let wanted = target ?? view.revision
            target = wanted
            // A member that lags is waited for: at an older revision all would agree.
            let late = view.voters.filter { ($0.answer?.revision ?? wanted) < wanted }
            if !late.isEmpty, time.now() < limit {
                try await time.sleep(.milliseconds(200))
                continue
            }
            let report = await compare(view, at: wanted, client)
            let settled = report.members.allSatisfy { $0.verdict != .unknown || $0.problem != nil }
            let compactions = Set(report.members.compactMap(\.compactRevision))
            if settled && compactions.count <= 1 || time.now() >= limit { return report }
            // A compaction came between: what it left is newer.
            target = nil
            try await time.sleep(.milliseconds(300))
        }
    }

    private static func compare(_ view: ClusterView, at revision: Int64, _ client: EtcdClient) async -> Consistency {
        let results = await withTaskGroup(of: HashAnswer.self) { group in
            for member in view.voters { group.addTask { await hash(of: member, at: revision, client) } }
            var results: [UInt64: Result<KeyValueHash, EtcdError>] = [:]
            for await answer in group { results[answer.member] = answer.result }
            return results
        }
        let answers = results.values.compactMap { try? $0.get() }
        let consensus = HashConsensus(
            answers.map { .init(memberID: $0.memberID, hash: $0.hash, compactRevision: $0.compactRevision) }, members: view.voters.count)
        let members = view.voters.map { member in
            let hash = try? results[member.member.id]?.get()
            return MemberResult(
                name: member.member.title, id: member.member.id.memberText, verdict: consensus.verdicts[member.member.id] ?? .unknown,
                hash: hash.map { String(format: "%08x", $0.hash) }, compactRevision: hash?.compactRevision,
                problem: results[member.member.id]?.failure?.description)
        }
        return Consistency(revision: revision, members: members, isConsistent: answers.count == view.voters.count && consensus.isConsistent)
    }

    private struct HashAnswer: Sendable {
        var member: UInt64
        var result: Result<KeyValueHash, EtcdError>
    }

    private static func hash(of member: ClusterView.MemberView, at revision: Int64, _ client: EtcdClient) async -> HashAnswer {
        guard let endpoint = member.endpoint, member.answer != nil else {
            return HashAnswer(member: member.member.id, result: .failure(EtcdError(.unavailable, member.complaint ?? "it does not answer")))
        }
        do {
            do { return HashAnswer(member: member.member.id, result: .success(try await client.hashKV(at: endpoint, revision: revision))) } catch let
                error as EtcdError where error.code == .compacted
            {
                // etcd 3.4 hashes the revision that it is compacted to only when it is not asked for by number.
                let hash = try await client.hashKV(at: endpoint, revision: 0)
                guard hash.revision == revision else { throw error }
                return HashAnswer(member: member.member.id, result: .success(hash))
            }
        } catch {
            return HashAnswer(member: member.member.id, result: .failure(error as? EtcdError ?? EtcdError(.unavailable, "\(error)")))
        }
    }
}
