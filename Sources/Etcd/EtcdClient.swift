internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import GRPCProtobuf
internal import Logging
internal import Synchronization

/// A client of etcd's v3 API over gRPC: one connection an endpoint, opened when first used.
///
/// Reads are tried again, on every endpoint in turn, while the answer is Unavailable; an endpoint that does not answer in time is passed over,
/// and asked last from then on. Writes are sent once, since a lost answer does not say that the write was lost.
package final class EtcdClient: Sendable {
    package let configuration: EtcdConfiguration
    private let members: Mutex<[EtcdMember]>
    private let connections: AsyncStream<EtcdMember>.Continuation
    private let backoff: Backoff
    private let log = Logger(label: "drydock.etcd")

    private init(
        configuration: EtcdConfiguration, backoff: Backoff, connections: AsyncStream<EtcdMember>.Continuation
    ) throws(EtcdError) {
        self.configuration = configuration
        self.backoff = backoff
        self.connections = connections
        var members: [EtcdMember] = []
        for endpoint in configuration.endpoints { members.append(try EtcdMember(endpoint: endpoint, configuration: configuration)) }
        self.members = Mutex(members)
        for member in members { connections.yield(member) }
    }

    /// Runs `body` with a client, and closes its connections when it returns.
    package static func connected<Result: Sendable>(
        _ configuration: EtcdConfiguration, backoff: Backoff = Backoff(), body: (EtcdClient) async throws -> Result
    ) async throws -> Result {
        let (stream, connections) = AsyncStream.makeStream(of: EtcdMember.self)
        let client = try EtcdClient(configuration: configuration, backoff: backoff, connections: connections)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { running in
                    for await member in stream { running.addTask { try await member.runConnection() } }
                }
            }
            defer {
                connections.finish()
                for member in client.members.withLock({ $0 }) { member.close() }
                // No call is in flight any more. A server that stands still would keep a graceful end waiting for ever.
                group.cancelAll()
            }
            return try await body(client)
        }
    }

    /// Calls the endpoints in turn until one is available.
    func read<Answer: Sendable>(_ call: @Sendable (EtcdMember) async throws -> Answer) async throws -> Answer {
        try await read(from: members.withLock { $0.filter { configuration.endpoints.contains($0.endpoint) } }, call)
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
            for member in members.filter({ !$0.isSuspect }) + members.filter(\.isSuspect) {
                do { return try await member.call(call) } catch let error as EtcdError where error.isTransient || error.code == .deadline {
                    failure = error
                }
            }
            guard let failure, failure.isTransient, let delay = backoff.delay(after: attempt, using: &generator) else {
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

    /// Calls one endpoint, once.
    func once<Answer: Sendable>(
        at endpoint: Endpoint, _ call: @Sendable (EtcdMember) async throws -> Answer
    ) async throws -> Answer {
        try await member(at: endpoint).call(call)
    }

    /// The member behind `endpoint`. A new one is connected to: members come and go while a client lives.
    func member(at endpoint: Endpoint) throws(EtcdError) -> EtcdMember {
        try members.withLock { members throws(EtcdError) in
            if let member = members.first(where: { $0.endpoint == endpoint }) { return member }
            guard !configuration.usesTLS || endpoint.requiresTLS != false else {
                throw EtcdError(
                    .tls,
                    "\(endpoint), which the cluster lists, is not encrypted, and the endpoints that were given are. Nothing was sent there. Check the member's --advertise-client-urls."
                )
            }
            let member = try EtcdMember(endpoint: endpoint, configuration: configuration)
            members.append(member)
            connections.yield(member)
            return member
        }
    }
}
