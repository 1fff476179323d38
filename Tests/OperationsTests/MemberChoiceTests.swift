import Operations
import Testing

@testable import Etcd

@Suite struct MemberChoiceTests {
    private func answer(_ host: String, id: UInt64, leader: UInt64 = 1, applied: UInt64, learner: Bool = false, errors: [String] = []) throws
        -> EtcdClient.StatusAnswer
    {
        let endpoint = try Endpoint("http://\(host):2379")
        return .init(
            endpoint: endpoint,
            status: .success(
                MemberStatus(
                    endpoint: endpoint, memberID: id, version: "3.5.1", leaderID: leader, isLearner: learner, databaseSize: 1, databaseSizeInUse: 1,
                    revision: 1, raftTerm: 2, raftIndex: applied, raftAppliedIndex: applied, errors: errors)))
    }

    @Test func `The follower that applied most is taken, not the leader that applied more`() throws {
        let choice = try MemberChoice.choose(among: [
            answer("leader", id: 1, applied: 90), answer("behind", id: 2, applied: 70), answer("ahead", id: 3, applied: 80),
        ])
        #expect(choice.status.memberID == 3)
        #expect(choice.reason == .mostUpToDateFollower)
    }

    @Test func `The leader is taken when the followers are ill or learners`() throws {
        let choice = try MemberChoice.choose(among: [
            answer("learner", id: 3, applied: 95, learner: true), answer("ill", id: 2, applied: 99, errors: ["etcdserver: no leader"]),
            answer("leader", id: 1, applied: 90),
        ])
        #expect(choice.status.memberID == 1)
        #expect(choice.reason == .onlyHealthy)
    }

    @Test func `A full quota does not make a follower ill`() throws {
        let choice = try MemberChoice.choose(among: [
            answer("leader", id: 1, applied: 90), answer("full", id: 2, applied: 90, errors: ["memberID:2 alarm:NOSPACE "]),
        ])
        #expect(choice.status.memberID == 2)
    }

    @Test func `A corrupt member is never taken, though every member reports its alarm`() throws {
        let alarm = ["memberID:2 alarm:CORRUPT "]
        let choice = try MemberChoice.choose(among: [
            answer("leader", id: 1, applied: 90, errors: alarm), answer("corrupt", id: 2, applied: 99, errors: alarm),
            answer("sound", id: 3, applied: 80, errors: alarm),
        ])
        #expect(choice.status.memberID == 3)
        #expect { try MemberChoice.choose(among: [answer("corrupt", id: 2, applied: 99, errors: alarm)]) } throws: {
            ($0 as? EtcdError)?.code == .refused
        }
    }

    @Test func `Endpoints that do not answer are named, and the first error is told when none does`() throws {
        let down = EtcdClient.StatusAnswer(endpoint: try Endpoint("http://down:2379"), status: .failure(EtcdError(.unavailable, "down")))
        let choice = try MemberChoice.choose(among: [down, answer("leader", id: 1, applied: 90)])
        #expect(choice.unavailable.map(\.endpoint.description) == ["http://down:2379"])
        #expect { try MemberChoice.choose(among: [down]) } throws: { ($0 as? EtcdError)?.message == "down" }
    }
}
