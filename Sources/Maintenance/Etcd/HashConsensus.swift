/// Which members hold the same data, judged as etcd judges it (server/etcdserver/corrupt.go): hashes of the key-value store at one revision are
/// compared among members that are compacted to the same revision, and the majority of all members is the truth.
package struct HashConsensus: Codable, Sendable, Equatable {
    /// What one member answered to HashKV.
    package struct Answer: Codable, Sendable, Equatable {
        package var memberID: UInt64
        package var hash: UInt32
        /// The revision it is compacted to; hashes of members with different ones cannot be compared.
        package var compactRevision: Int64

        package init(memberID: UInt64, hash: UInt32, compactRevision: Int64) {
            self.memberID = memberID
            self.hash = hash
            self.compactRevision = compactRevision
        }
    }

    package enum Verdict: String, Codable, Sendable {
        /// It holds what the majority holds.
        case agrees
        /// A majority holds something else.
        case differs
        /// Hashes differ and no hash has a majority, or this member could not be compared.
        case unknown
    }

    /// The verdict on each member that answered, by member ID.
    package var verdicts: [UInt64: Verdict]
    /// Whether all members that answered could be compared, and agree.
    package var isConsistent: Bool { verdicts.values.allSatisfy { $0 == .agrees } }

    /// - Parameters:
    ///   - answers: those of the members that answered.
    ///   - members: how many members the cluster has, learners left out.
    package init(_ answers: [Answer], members: Int) {
        // The compaction most members are at; the others are compared another time.
        let compactions = Dictionary(grouping: answers, by: \.compactRevision)
        let common = compactions.max { ($0.value.count, $0.key) < ($1.value.count, $1.key) }?.value ?? []
        let groups = Dictionary(grouping: common, by: \.hash)
        let truth = groups.count == 1 ? groups.keys.first : groups.first { $0.value.count >= members / 2 + 1 }?.key
        var verdicts: [UInt64: Verdict] = [:]
        for answer in answers { verdicts[answer.memberID] = .unknown }
        for answer in common { verdicts[answer.memberID] = truth.map { $0 == answer.hash ? .agrees : .differs } ?? .unknown }
        self.verdicts = verdicts
    }
}
