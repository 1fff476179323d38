internal import GRPCCore
internal import GRPCProtobuf
internal import SwiftProtobuf

/// A member of the cluster, as the cluster lists it.
package struct Member: Sendable, Hashable, Codable {
    package var id: UInt64
    /// Empty until the member has started for the first time.
    package var name: String
    package var peerURLs: [String]
    /// Empty until the member has started for the first time.
    package var clientURLs: [String]
    package var isLearner: Bool

    package init(id: UInt64, name: String, peerURLs: [String], clientURLs: [String], isLearner: Bool) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }

    /// Whether it has ever joined: until then it is only a place in the list.
    package var isStarted: Bool { !name.isEmpty || !clientURLs.isEmpty }

    /// The name, or the ID of a member that has none yet.
    package var title: String { name.isEmpty ? id.memberText : name }

    init(_ wire: Etcdserverpb_Member) {
        self.init(id: wire.id, name: wire.name, peerURLs: wire.peerUrls, clientURLs: wire.clientUrls, isLearner: wire.isLearner)
    }
}

extension UInt64 {
    /// A member or cluster ID as etcd prints it: hexadecimal, no padding.
    package var memberText: String { String(self, radix: 16) }
}

extension EtcdClient {
    /// The members, as the member at `endpoint` knows them, which works without a quorum.
    package func members(at endpoint: Endpoint) async throws -> [Member] {
        try await once(at: endpoint) {
            try await $0.cluster.memberList(Etcdserverpb_MemberListRequest(), metadata: $0.metadata, options: $0.brief)
        }.members.map(Member.init)
    }

    /// The members, as the cluster agrees; etcd 3.4 answers for one member alone.
    package func members() async throws -> [Member] {
        let request = Etcdserverpb_MemberListRequest.with { $0.linearizable = true }
        return try await read { try await $0.cluster.memberList(request, metadata: $0.metadata, options: $0.brief) }.members.map(Member.init)
    }

    /// Adds a member with these peer URLs, which starts later. Returns it.
    package func addMember(peerURLs: [String], isLearner: Bool) async throws -> Member {
        let request = Etcdserverpb_MemberAddRequest.with {
            $0.peerUrls = peerURLs
            $0.isLearner = isLearner
        }
        return Member(try await write { try await $0.cluster.memberAdd(request, metadata: $0.metadata, options: $0.brief) }.member)
    }

    /// Removes a member, asking the one at `endpoint`, once.
    package func removeMember(_ id: UInt64, at endpoint: Endpoint) async throws {
        let request = Etcdserverpb_MemberRemoveRequest.with { $0.id = id }
        _ = try await once(at: endpoint) { try await $0.cluster.memberRemove(request, metadata: $0.metadata, options: $0.brief) }
    }

    /// Makes a learner a voter. The leader refuses (`.learnerNotReady`) until the learner has nine tenths of its log.
    package func promoteMember(_ id: UInt64) async throws {
        let request = Etcdserverpb_MemberPromoteRequest.with { $0.id = id }
        _ = try await write { try await $0.cluster.memberPromote(request, metadata: $0.metadata, options: $0.brief) }
    }
}
