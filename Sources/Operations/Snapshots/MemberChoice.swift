package import Etcd

/// The member that a snapshot is taken from, and why.
package struct MemberChoice: Sendable {
    package enum Reason: String, Sendable, Codable {
        case onlyEndpoint = "the only endpoint"
        case mostUpToDateFollower = "the most up-to-date healthy follower, so that the leader is spared"
        case onlyHealthy = "no healthy follower answered, so the leader, or a learner where there is nothing else"
        case unhealthy = "no endpoint reports itself healthy; this one answered"
    }

    package var status: MemberStatus
    package var reason: Reason
    /// Endpoints that did not answer, and why.
    package var unavailable: [(endpoint: Endpoint, error: String)]

    /// Chooses among what the endpoints said. A healthy follower comes before the leader, the one with the most applied raft
    /// entries first; a learner may lag and comes last; a member that reports an alarm still has its data.
    /// - Throws: the first endpoint's error when none answered.
    package static func choose(among answers: [EtcdClient.StatusAnswer]) throws -> MemberChoice {
        var reachable: [MemberStatus] = []
        var unavailable: [(endpoint: Endpoint, error: String)] = []
        var firstError: (any Error)?
        for answer in answers {
            switch answer.status {
            case .success(let status): reachable.append(status)
            case .failure(let error):
                firstError = firstError ?? error
                unavailable.append((answer.endpoint, "\(error)"))
            }
        }
        func rank(_ status: MemberStatus) -> (Int, UInt64) {
            let standing = status.isCorrupt ? 0 : !status.isHealthy ? 1 : status.isLearner ? 2 : status.isLeader ? 3 : 4
            return (standing, status.raftAppliedIndex)
        }
        // The first of equals wins, so that the order of the endpoints decides.
        guard let best = reachable.max(by: { rank($0) < rank($1) }) else {
            throw firstError ?? EtcdError(.invalid, "there is no endpoint. Use --endpoints.")
        }
        if best.isCorrupt {
            throw EtcdError(
                .refused, "\(best.endpoint) is under a CORRUPT alarm, and no other endpoint answered. Name a healthy member with --endpoints.")
        }
        let reason: Reason =
            answers.count == 1
            ? .onlyEndpoint
            : !best.isHealthy ? .unhealthy : best.isLeader || best.isLearner ? .onlyHealthy : .mostUpToDateFollower
        return MemberChoice(status: best, reason: reason, unavailable: unavailable)
    }
}
