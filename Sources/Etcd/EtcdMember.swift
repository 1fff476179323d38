internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import GRPCProtobuf
internal import Logging
internal import NIOCore
internal import NIOHTTP2
internal import Synchronization

/// The connection to one endpoint, and the token that the member's authentication gave us.
final class EtcdMember: Sendable {
    let endpoint: Endpoint
    private let configuration: EtcdConfiguration
    private let tls: EtcdConfiguration.TLS?
    private let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let token = Mutex<String?>(nil)
    private let failed = Atomic(false)
    private let log = Logger(label: "drydock.etcd")

    init(endpoint: Endpoint, configuration: EtcdConfiguration) throws(EtcdError) {
        self.endpoint = endpoint
        self.configuration = configuration
        let usesTLS = endpoint.requiresTLS ?? (configuration.tls != nil)
        tls = usesTLS ? configuration.tls ?? EtcdConfiguration.TLS(authority: nil, certificate: nil, key: nil) : nil
        let security = try tls?.transportSecurity() ?? .plaintext
        var config = HTTP2ClientTransport.Posix.Config.defaults
        // etcd calls pings more often than every 5 s too many (--grpc-keepalive-min-time).
        config.connection.keepalive = .init(time: .seconds(6), timeout: .seconds(5), allowWithoutCalls: false)
        config.http2.maxFrameSize = 1 << 20
        // Fail the call and let our own backoff decide, rather than wait in the transport.
        config.backoff = .init(initial: .milliseconds(50), max: .seconds(1), multiplier: 1.6, jitter: 0.2)
        config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(PingAnswering(), position: .before(try pipeline.handler(type: NIOHTTP2Handler.self)))
            }
        }
        do {
            let transport = try HTTP2ClientTransport.Posix(target: endpoint.target, transportSecurity: security, config: config)
            client = GRPCClient(transport: transport)
        } catch {
            throw EtcdError(.invalid, "cannot set up the connection to \(endpoint): \(error). Check --cert and --key.")
        }
    }

    /// Whether its last call found it silent or gone.
    var isSuspect: Bool { failed.load(ordering: .relaxed) }

    func runConnection() async throws { try await client.runConnections() }

    func close() { client.beginGracefulShutdown() }

    var kv: Etcdserverpb_KV.Client<HTTP2ClientTransport.Posix> { .init(wrapping: client) }
    var maintenance: Etcdserverpb_Maintenance.Client<HTTP2ClientTransport.Posix> { .init(wrapping: client) }
    var cluster: Etcdserverpb_Cluster.Client<HTTP2ClientTransport.Posix> { .init(wrapping: client) }
    var lease: Etcdserverpb_Lease.Client<HTTP2ClientTransport.Posix> { .init(wrapping: client) }

    // MARK: Calls

    /// For calls that answer soon.
    var brief: CallOptions { options(timeout: configuration.commandTimeout) }

    /// For calls that take as long as they take; a dead connection is found by keepalive.
    var unbounded: CallOptions { options(timeout: nil) }

    /// For calls that must answer within `limit`; `brief` when there is none.
    func bounded(by limit: Duration?) -> CallOptions { options(timeout: limit ?? configuration.commandTimeout) }

    private func options(timeout: Duration?) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        options.waitForReady = false
        options.maxResponseMessageBytes = Int(Int32.max)
        return options
    }

    var metadata: Metadata {
        var metadata = Metadata()
        if let token = token.withLock({ $0 }) { metadata.addString(token, forKey: "token") }
        return metadata
    }

    /// Performs `call` with a valid token, and once more with a new one when the old one had expired.
    func call<Answer: Sendable>(_ call: @Sendable (EtcdMember) async throws -> Answer) async throws -> Answer {
        do {
            let answer = try await authenticated(call)
            failed.store(false, ordering: .relaxed)
            return answer
        } catch let error as EtcdError {
            failed.store(error.isTransient || error.code == .deadline, ordering: .relaxed)
            throw error
        }
    }

    private func authenticated<Answer: Sendable>(_ call: @Sendable (EtcdMember) async throws -> Answer) async throws -> Answer {
        do {
            if configuration.credentials != nil, token.withLock({ $0 }) == nil { try await authenticate() }
            do { return try await call(self) } catch let error as RPCError where isExpiredToken(error) {
                try await authenticate()
                return try await call(self)
            }
        } catch let error as RPCError { throw await explain(error) }
    }

    private func isExpiredToken(_ error: RPCError) -> Bool {
        configuration.credentials != nil && (error.code == .unauthenticated || error.message.contains("revision in header is old"))
    }

    private func authenticate() async throws {
        guard let credentials = configuration.credentials else { return }
        var request = Etcdserverpb_AuthenticateRequest()
        request.name = credentials.user
        request.password = credentials.password
        let client = Etcdserverpb_Auth.Client(wrapping: client)
        let answer = try await client.authenticate(request, options: brief)
        token.withLock { $0 = answer.token }
        log.debug("authenticated", metadata: ["endpoint": "\(endpoint)", "user": "\(credentials.user)"])
    }

    private func explain(_ error: RPCError) async -> EtcdError {
        if error.code == .unavailable, let tls, await looksLikeTLS(error), let reason = await TLSDiagnosis(endpoint: endpoint, tls: tls).reason() {
            return EtcdError(.tls, "\(endpoint) is not trusted: \(reason). Nothing was sent. Check --cacert, or renew the certificate.")
        }
        return EtcdError(error, endpoint: endpoint)
    }

    /// A refused or unreachable port is no matter of certificates.
    private func looksLikeTLS(_ error: RPCError) async -> Bool {
        let text = String(describing: error)
        return !text.contains("onnection refused") && !text.contains("connectTimeout")
    }

    // MARK: Calls that the client itself needs

    func status(within limit: Duration? = nil) async throws -> Etcdserverpb_StatusResponse {
        let options = options(timeout: limit ?? configuration.dialTimeout + configuration.commandTimeout)
        return try await maintenance.status(Etcdserverpb_StatusRequest(), metadata: metadata, options: options)
    }
}
