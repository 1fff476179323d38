/// The arithmetic of a raft cluster: how many members may still fail.
///
/// Learners do not vote and do not count. A voter counts as healthy when it is started, follows a leader and keeps up.
package struct Quorum: Codable, Sendable, Equatable, CustomStringConvertible {
    package var voters: Int
    package var healthyVoters: Int

    package init(voters: Int, healthyVoters: Int) {
        self.voters = voters
        self.healthyVoters = healthyVoters
    }

    /// How many voters have to agree.
    package var size: Int { voters / 2 + 1 }

    /// How many healthy voters may fail before the cluster stops; negative when it has stopped already.
    package var spare: Int { healthyVoters - size }

    package var description: String {
        let standing = spare < 0 ? "no quorum" : spare == 0 ? "one failure away from losing quorum" : "can lose \(spare)"
        return "\(healthyVoters) of \(voters) voters healthy, quorum \(size): \(standing)"
    }

    /// Why going from this state to `after` is forbidden, or nil when it may be done.
    ///
    /// Forbidden is what leaves the cluster without quorum, and what brings it one failure away from losing it. A cluster that is there already
    /// (a member is dead, or there are only one or two) may be changed as long as it does not get worse: that is how it is repaired and grown.
    package func refusal(of change: String, leadingTo after: Quorum) -> String? {
        if after.spare < 0 {
            return "\(change) would leave the cluster without quorum (\(after))"
        }
        if after.spare == 0, spare > 0 {
            return "\(change) would leave the cluster one failure away from losing quorum (now: \(self); then: \(after))"
        }
        return nil
    }
}
