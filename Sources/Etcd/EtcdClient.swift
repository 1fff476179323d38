internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import GRPCProtobuf
internal import Logging

/// A client of etcd's v3 API over gRPC: one connection an endpoint, opened when first used.
///
/// Reads are tried again, on every endpoint in turn, while the answer is Unavailable; writes are sent once, since a lost answer
/// does not say that the write was lost.
package final class EtcdClient: Sendable {
    package let configuration: EtcdConfiguration
    private let members: [EtcdMember]
    private let backoff: Backoff
    private let log = Logger(label: "drydock.etcd")

    private init(configuration: EtcdConfiguration, backoff: Backoff) throws(EtcdError) {
        self.configuration = configuration
        self.backoff = backoff
        var members: [EtcdMember] = []
        for endpoint in configuration.endpoints { members.append(try EtcdMember(endpoint: endpoint, configuration: configuration)) }
        self.members = members
    }

    /// Runs `body` with a client, and closes its connections when it returns.
    package static func connected<Result: Sendable>(
        _ configuration: EtcdConfiguration, backoff: Backoff = Backoff(), body: (EtcdClient) async throws -> Result
    ) async throws -> Result {
        let client = try EtcdClient(configuration: configuration, backoff: backoff)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for member in client.members { group.addTask { try await member.runConnection() } }
            defer {
                for member in client.members { member.close() }
            }
            return try await body(client)
        }
    }

    /// Calls the endpoints in turn until one is available.
    func read<Answer: Sendable>(_ call: @Sendable (EtcdMember) async throws -> Answer) async throws -> Answer {
        try await read(from: members, call)
    }

    /// Calls one endpoint, again while it is unavailable.
    func read<Answer: Sendable>(
        at endpoint: Endpoint, _ call: @Sendable (EtcdMember) async throws -> Answer
    ) async throws -> Answer {
        try await read(from: [try member(at: endpoint)], call)
    }

    private func read<Answer: Sendable>(
        from members: [EtcdMember], _ call: @Sendable (EtcdMember) async throws -> Answer
    ) async throws -> Answer {
        var generator = SystemRandomNumberGenerator()
        var attempt = 0
        while true {
            var failure: EtcdError?
            for member in members {
                do { return try await member.call(call) } catch let error as EtcdError where error.isTransient { failure = error }
            }
            guard let failure, let delay = backoff.delay(after: attempt, using: &generator) else {
                throw failure ?? EtcdError(.invalid, "there is no endpoint. Use --endpoints.")
            }
            attempt += 1
            log.debug("trying again", metadata: ["attempt": "\(attempt)", "delay": "\(delay)", "reason": "\(failure)"])
            try await Task.sleep(for: delay)
        }
    }

    /// Calls the first endpoint that answers, once.
    func write<Answer: Sendable>(_ call: @Sendable (EtcdMember) async throws -> Answer) async throws -> Answer {
        let available = try await read { member in
            _ = try await member.status()
            return member
        }
        return try await available.call(call)
    }

    /// The member behind `endpoint`, which must be one of the configuration's.
    func member(at endpoint: Endpoint) throws(EtcdError) -> EtcdMember {
        guard let member = members.first(where: { $0.endpoint == endpoint }) else {
            throw EtcdError(.invalid, "\(endpoint) is not among the endpoints of this client.")
        }
        return member
    }
}
