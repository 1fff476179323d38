package import Foundation
internal import GRPCCore
internal import GRPCProtobuf
internal import SwiftProtobuf

/// What a member says of itself.
package struct MemberStatus: Sendable, Equatable {
    package var endpoint: Endpoint
    package var clusterID: UInt64 = 0
    package var memberID: UInt64
    package var version: String
    package var leaderID: UInt64
    package var isLearner: Bool
    /// Size of the database file and of what is in use of it, bytes.
    package var databaseSize: Int64
    package var databaseSizeInUse: Int64
    package var revision: Int64
    package var raftTerm: UInt64
    /// The newest committed raft entry that it knows, and the newest that it has applied.
    package var raftIndex: UInt64
    package var raftAppliedIndex: UInt64
    /// The quota of its database, bytes; nil before etcd 3.6, which does not say (its metrics do).
    package var databaseQuota: Int64?
    /// What the member itself complains of: no leader, alarms.
    package var errors: [String]

    package var isLeader: Bool { leaderID == memberID }
    /// The alarms of the whole cluster, which every member reports among its errors (`memberID:<decimal> alarm:CORRUPT `).
    package var alarms: [Alarm] {
        errors.compactMap { error in
            let words = error.split(separator: " ")
            guard words.count == 2, words[0].hasPrefix("memberID:"), words[1].hasPrefix("alarm:"), let id = UInt64(words[0].dropFirst(9)) else {
                return nil
            }
            return Alarm(memberID: id, kind: Alarm.Kind(rawValue: String(words[1].dropFirst(6))) ?? .unknown)
        }
    }

    /// Whether an alarm says that this member's own data is corrupt.
    package var isCorrupt: Bool { alarms.contains(Alarm(memberID: memberID, kind: .corrupt)) }

    /// Whether it follows a leader and complains of nothing but alarms that do not hurt its data: a full quota, or another's corruption.
    package var isHealthy: Bool { leaderID != 0 && !isCorrupt && errors.allSatisfy { $0.contains("alarm:") } }
}

extension EtcdClient {
    /// The status of the member at `endpoint`.
    /// - Parameter limit: how long the answer may take; then the member is asked once, not again while it is unavailable.
    package func status(at endpoint: Endpoint, within limit: Duration? = nil) async throws -> MemberStatus {
        let answer =
            limit == nil
            ? try await read(at: endpoint) { try await $0.status() } : try await once(at: endpoint) { try await $0.status(within: limit) }
        return MemberStatus(
            endpoint: endpoint, clusterID: answer.header.clusterID, memberID: answer.header.memberID, version: answer.version,
            leaderID: answer.leader,
            isLearner: answer.isLearner, databaseSize: answer.dbSize, databaseSizeInUse: answer.dbSizeInUse,
            revision: answer.header.revision, raftTerm: answer.raftTerm, raftIndex: answer.raftIndex,
            raftAppliedIndex: answer.raftAppliedIndex, databaseQuota: answer.dbSizeQuota > 0 ? answer.dbSizeQuota : nil, errors: answer.errors)
    }

    /// What became of a question to one endpoint.
    package struct StatusAnswer: Sendable {
        package var endpoint: Endpoint
        package var status: Result<MemberStatus, any Error>

        package init(endpoint: Endpoint, status: Result<MemberStatus, any Error>) {
            self.endpoint = endpoint
            self.status = status
        }
    }

    /// The status of every endpoint, in the configuration's order, asked at the same time.
    package func statuses() async -> [StatusAnswer] {
        await withTaskGroup(of: StatusAnswer.self) { group in
            for endpoint in configuration.endpoints { group.addTask { await self.answer(of: endpoint) } }
            var answers: [Endpoint: StatusAnswer] = [:]
            for await answer in group { answers[answer.endpoint] = answer }
            return configuration.endpoints.compactMap { answers[$0] }
        }
    }

    private func answer(of endpoint: Endpoint) async -> StatusAnswer {
        do {
            return StatusAnswer(endpoint: endpoint, status: .success(try await status(at: endpoint)))
        } catch {
            return StatusAnswer(endpoint: endpoint, status: .failure(error))
        }
    }

    /// Streams the database of the member at `endpoint`, 32 KiB or so at a time. The last bytes are the SHA-256 of the others.
    /// - Parameter receive: takes each piece and how many bytes the server says will follow.
    package func snapshot(
        from endpoint: Endpoint, receive: @escaping @Sendable (_ blob: Data, _ remaining: UInt64) async throws -> Void
    ) async throws {
        try await member(at: endpoint).call { member in
            try await member.maintenance.snapshot(
                Etcdserverpb_SnapshotRequest(), metadata: member.metadata, options: member.unbounded
            ) { response in
                for try await message in response.messages {
                    try await receive(message.blob, message.remainingBytes)
                }
            }
        }
    }

    /// Rewrites the database file of the member at `endpoint` without holes. The member does not serve meanwhile. Sent once: a lost answer
    /// does not say that the work was lost.
    package func defragment(at endpoint: Endpoint) async throws {
        _ = try await once(at: endpoint) {
            try await $0.maintenance.defragment(Etcdserverpb_DefragmentRequest(), metadata: $0.metadata, options: $0.unbounded)
        }
    }

    /// The alarms that stand.
    package func alarms() async throws -> [Alarm] {
        let answer = try await read {
            try await $0.maintenance.alarm(Etcdserverpb_AlarmRequest.with { $0.action = .get }, metadata: $0.metadata, options: $0.brief)
        }
        return answer.alarms.map { Alarm(memberID: $0.memberID, kind: Alarm.Kind($0.alarm)) }
    }

    /// Takes an alarm back. The server raises it again when its reason is still there.
    package func disarm(_ alarm: Alarm) async throws {
        let request = Etcdserverpb_AlarmRequest.with {
            $0.action = .deactivate
            $0.memberID = alarm.memberID
            $0.alarm = alarm.kind.wire
        }
        _ = try await write { try await $0.maintenance.alarm(request, metadata: $0.metadata, options: $0.brief) }
    }

    /// The hash that the member at `endpoint` computes over its key-value store at `revision`; 0 for the newest that it has. Reads the member's whole history.
    package func hashKV(at endpoint: Endpoint, revision: Int64) async throws -> KeyValueHash {
        let answer = try await read(at: endpoint) {
            try await $0.maintenance.hashKV(
                Etcdserverpb_HashKVRequest.with { $0.revision = revision }, metadata: $0.metadata, options: $0.unbounded)
        }
        return KeyValueHash(
            memberID: answer.header.memberID, revision: answer.header.revision, hash: answer.hash, compactRevision: answer.compactRevision)
    }

    /// Asks the leader, which must be the member at `endpoint`, to hand leadership over.
    package func moveLeader(at endpoint: Endpoint, to member: UInt64) async throws {
        _ = try await once(at: endpoint) {
            try await $0.maintenance.moveLeader(
                Etcdserverpb_MoveLeaderRequest.with { $0.targetID = member }, metadata: $0.metadata, options: $0.brief)
        }
    }
}

/// An alarm, and the member that it is about.
package struct Alarm: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Codable {
        /// The database reached its quota: nothing may be written.
        case noSpace = "NOSPACE"
        /// The member's data is not that of the others.
        case corrupt = "CORRUPT"
        /// One that this program does not know.
        case unknown = "UNKNOWN"

        init(_ wire: Etcdserverpb_AlarmType) {
            switch wire {
            case .nospace: self = .noSpace
            case .corrupt: self = .corrupt
            default: self = .unknown
            }
        }

        var wire: Etcdserverpb_AlarmType {
            switch self {
            case .noSpace: .nospace
            case .corrupt: .corrupt
            case .unknown: .none
            }
        }
    }

    package var memberID: UInt64
    package var kind: Kind

    package init(memberID: UInt64, kind: Kind) {
        self.memberID = memberID
        self.kind = kind
    }
}

/// The answer to HashKV.
package struct KeyValueHash: Sendable, Equatable {
    package var memberID: UInt64
    /// The revision that the member has come to; not the one that was asked for.
    package var revision: Int64
    package var hash: UInt32
    package var compactRevision: Int64
}
