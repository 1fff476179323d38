internal import Foundation
internal import GRPCCore
internal import GRPCProtobuf

/// What a member says of itself.
package struct MemberStatus: Sendable, Equatable {
    package var endpoint: Endpoint
    package var memberID: UInt64
    package var version: String
    package var leaderID: UInt64
    package var isLearner: Bool
    /// Size of the database file and of what is in use of it, bytes.
    package var databaseSize: Int64
    package var databaseSizeInUse: Int64
    package var revision: Int64
    package var raftTerm: UInt64
    package var raftAppliedIndex: UInt64
    /// What the member itself complains of: no leader, alarms.
    package var errors: [String]

    package var isLeader: Bool { leaderID == memberID }
    /// Whether an alarm says that this member's own data is corrupt. Every member reports the alarms of all
    /// (`memberID:<decimal> alarm:CORRUPT`).
    package var isCorrupt: Bool { errors.contains { $0.contains("alarm:CORRUPT") && $0.contains("memberID:\(memberID) ") } }

    /// Whether it follows a leader and complains of nothing but alarms that do not hurt its data: a full quota, or another's corruption.
    package var isHealthy: Bool { leaderID != 0 && !isCorrupt && errors.allSatisfy { $0.contains("alarm:") } }
}

extension EtcdClient {
    /// The status of the member at `endpoint`.
    package func status(at endpoint: Endpoint) async throws -> MemberStatus {
        let answer = try await read(at: endpoint) { try await $0.status() }
        return MemberStatus(
            endpoint: endpoint, memberID: answer.header.memberID, version: answer.version, leaderID: answer.leader,
            isLearner: answer.isLearner, databaseSize: answer.dbSize, databaseSizeInUse: answer.dbSizeInUse,
            revision: answer.header.revision, raftTerm: answer.raftTerm, raftAppliedIndex: answer.raftAppliedIndex,
            errors: answer.errors)
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
        from endpoint: Endpoint, receive: @escaping @Sendable (_ blob: UnsafeRawBufferPointer, _ remaining: UInt64) throws -> Void
    ) async throws {
        try await member(at: endpoint).call { member in
            try await member.maintenance.snapshot(
                Etcdserverpb_SnapshotRequest(), metadata: member.metadata, options: member.unbounded
            ) { response in
                for try await message in response.messages {
                    try message.blob.withUnsafeBytes { try receive($0, message.remainingBytes) }
                }
            }
        }
    }

    /// Rewrites the database file of the member at `endpoint` without holes. The member does not serve meanwhile.
    package func defragment(at endpoint: Endpoint) async throws {
        _ = try await read(at: endpoint) {
            try await $0.maintenance.defragment(Etcdserverpb_DefragmentRequest(), metadata: $0.metadata, options: $0.unbounded)
        }
    }
}
