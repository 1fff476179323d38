internal import AsyncHTTPClient
internal import Foundation
package import KubernetesAPI
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// The Kubernetes API over HTTP/1.1 and TLS.
///
/// HTTP/1.1 and a connection for each watch: HTTP/2 would put every watch and call on one connection, which one lost packet holds up.
package struct HTTPTransport: KubernetesTransport {
    package let access: ClusterAccess
    private let client: HTTPClient
    private let credentials: CredentialSource
    private let root: String

    /// The most that one answer may have, bytes; a list of the largest page has some 10 MiB.
    private static let longestBody = 1 << 30
    /// The most that one event of a watch may have, bytes; etcd's largest value is 1.5 MiB.
    private static let longestLine = 64 << 20
    /// How long one answer may take that is no stream.
    private let patience: TimeAmount
    /// How long a stream may bring nothing. Servers send watches a bookmark each minute; one that is silent for longer may be dead, and whoever
    /// watches begins again from where it stood.
    private static let silence = TimeAmount.seconds(90)

    /// Connects for as long as `body` runs.
    /// - Parameters:
    ///   - patience: how long one answer may take that is no stream. The API server itself gives up after 60 s.
    ///   - usesPerConnection: how many requests a connection carries; nil for as many as it will.
    package static func connected<Result>(
        _ access: ClusterAccess, patience: Duration = .seconds(90), usesPerConnection: Int? = nil, body: (HTTPTransport) async throws -> Result
    ) async throws -> Result {
        let credentials = CredentialSource(access.bearer)
        let transport = try HTTPTransport(access, credentials, identity: try await credentials.identity(), patience, usesPerConnection)
        do {
            let result = try await body(transport)
            try? await transport.client.shutdown()
            return result
        } catch {
            try? await transport.client.shutdown()
            throw error
        }
    }

    private init(
        _ access: ClusterAccess, _ credentials: CredentialSource, identity: Identity?, _ patience: Duration, _ usesPerConnection: Int?
    ) throws {
        self.access = access
        self.credentials = credentials
        self.patience = TimeAmount(patience)
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.timeout = .init(connect: .seconds(5), read: Self.silence)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.redirectConfiguration = .disallow
        if let usesPerConnection { configuration.maximumUsesPerConnection = max(1, usesPerConnection) }
        var url = access.server.absoluteString
        while url.hasSuffix("/") { url.removeLast() }
        if access.server.scheme == "https" {
            configuration.tlsConfiguration = try Self.tls(access, identity)
            if let name = access.tlsServerName, let host = access.server.host {
                // The certificate must have this name, whatever the host is called.
                configuration.dnsOverride[name] = host
                url = "https://\(name)\(access.server.port.map { ":\($0)" } ?? "")\(access.server.path)"
            }
        }
        if let proxy = access.proxy, let host = proxy.host {
            if proxy.scheme == "socks5" {
                configuration.proxy = .socksServer(host: host, port: proxy.port ?? 1080)
            } else if let user = proxy.user {
                configuration.proxy = .server(
                    host: host, port: proxy.port ?? 3128, authorization: .basic(username: user, password: proxy.password ?? ""))
            } else {
                configuration.proxy = .server(host: host, port: proxy.port ?? 3128)
            }
        }
        root = url
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// For connections beside the client's.
    func tls() async throws -> TLSConfiguration { try Self.tls(access, try await credentials.identity()) }

    private static func tls(_ access: ClusterAccess, _ identity: Identity?) throws(KubernetesError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if access.skipsVerification { tls.certificateVerification = .none }
        do {
            if let authority = access.authority { tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(try authority.read())) }
            var identity = identity
            if let certificate = access.certificate, let key = access.key {
                identity = Identity(certificate: try certificate.read(), key: try key.read())
            }
            if let identity {
                tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(identity.certificate).map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: identity.key, format: .pem))
            }
        } catch let error as KubernetesError { throw error } catch {
            throw KubernetesError(.configuration, "the certificates or the key of \(access) are no PEM that can be used: \(error)")
        }
        return tls
    }

    // MARK: Requests

    package func send(_ request: APIRequest) async throws -> APIResponse {
        let response = try await execute(request, deadline: .now() + patience)
        let body = try await collect(response.body)
        return APIResponse(status: Int(response.status.code), headers: Self.headers(response), body: try json(body, of: response, request))
    }

    package func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws {
        let response = try await execute(request, deadline: .distantFuture)
        try await check(response, request)
        var line: [UInt8] = []
        try await reading { () async throws -> Void in
            for try await chunk in response.body {
                for piece in chunk.readableBytesView.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
                    // Whatever stands before a piece that is not the first ended with a line break.
                    if piece.offset > 0 {
                        if !line.isEmpty { try await passing { () async throws -> Void in try await receive(try parse(line, request)) } }
                        line.removeAll(keepingCapacity: true)
                    }
                    guard line.count + piece.element.count <= Self.longestLine else {
                        throw KubernetesError(.malformed, "\(request.path) at \(access): an event of more than \(Self.longestLine) bytes")
                    }
                    line.append(contentsOf: piece.element)
                }
            }
            guard !line.isEmpty else { return }
            // A stream that breaks off may do so in the middle of an event.
            guard let last = try? JSON(parsing: line) else {
                throw KubernetesError(.unavailable, "the connection to \(access) broke within an event")
            }
            try await passing { () async throws -> Void in try await receive(last) }
        }
    }

    package func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws {
        let response = try await execute(request, deadline: .distantFuture)
        try await check(response, request)
        try await reading { () async throws -> Void in
            for try await chunk in response.body {
                try await passing { () async throws -> Void in try await receive(Array(chunk.readableBytesView)) }
            }
        }
    }

    private func check(_ response: HTTPClientResponse, _ request: APIRequest) async throws {
        guard !(200..<300).contains(response.status.code) else { return }
        let body = try json(try await collect(response.body), of: response, request)
        throw APIStatus(APIResponse(status: Int(response.status.code), headers: Self.headers(response), body: body))
    }

    private func execute(_ request: APIRequest, deadline: NIODeadline) async throws -> HTTPClientResponse {
        var response = try await once(request, deadline)
        // A token may have come to its end early.
        if response.status == .unauthorized, await credentials.invalidate() {
            _ = try await collect(response.body)
            response = try await once(request, deadline)
        }
        return response
    }

    private func once(_ request: APIRequest, _ deadline: NIODeadline) async throws -> HTTPClientResponse {
        var message = HTTPClientRequest(url: root + request.target)
        message.method = .RAW(value: request.method.rawValue)
        message.headers.add(name: "accept", value: request.accept)
        message.headers.add(name: "user-agent", value: "drydock")
        for (name, value) in access.headers { message.headers.add(name: name, value: value) }
        if let header = try await authorization() { message.headers.add(name: "authorization", value: header) }
        if let body = request.body {
            message.headers.add(name: "content-type", value: request.contentType)
            message.body = .bytes(ByteBuffer(bytes: body.bytes()))
        }
        return try await reading { () async throws -> HTTPClientResponse in try await client.execute(message, deadline: deadline) }
    }

    /// The header's value; nil for who has none to send.
    func authorization() async throws -> String? {
        guard let header = try await credentials.header() else { return nil }
        // A token is for the server alone; over plain HTTP everybody on the way reads it.
        guard access.server.scheme == "https" || ["127.0.0.1", "localhost", "::1"].contains(access.server.host ?? "") else {
            throw KubernetesError(
                .configuration, "\(access) is plain HTTP, and the user has a credential, which is not sent in the clear. Use https.")
        }
        return header
    }

    /// Says in our words what goes wrong on the way.
    func reading<Result>(_ body: () async throws -> Result) async throws -> Result {
        do { return try await body() } catch let passed as Passed { throw passed.error } catch { throw explain(error) }
    }

    /// What a receiver throws is his own, and none of the connection's.
    private struct Passed: Error { let error: any Error }

    func passing(_ body: () async throws -> Void) async throws {
        do { try await body() } catch { throw Passed(error: error) }
    }

    private func explain(_ error: any Error) -> any Error {
        switch error {
        case is KubernetesError, is APIStatus, is CancellationError: error
        // Who accepts and hangs up is a balancer without a server behind it.
        case NIOSSLError.handshakeFailed(.sslError(let stack)) where stack.contains(.eofDuringHandshake):
            KubernetesError(.unavailable, "\(access) hung up before it was secure")
        case NIOSSLError.handshakeFailed(.syscallError), NIOSSLError.uncleanShutdown:
            KubernetesError(.unavailable, "\(access) hung up: \(error)", brokeOff: true)
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            KubernetesError(.tls, "\(access) cannot be trusted: \(error). Check certificate-authority and the server's name in the kubeconfig.")
        case let error as HTTPClientError:
            error == .cancelled || Task.isCancelled
                ? CancellationError()
                : KubernetesError(
                    .unavailable, "\(access) does not answer: \(error.shortDescription)",
                    brokeOff: error == .remoteConnectionClosed || error == .uncleanShutdown)
        case let error as NIOConnectionError:
            KubernetesError(.unavailable, "\(access) does not answer: \(error.connectionErrors.first.map { "\($0.error)" } ?? "no address")")
        case let error as ChannelError where [.ioOnClosedChannel, .alreadyClosed, .inputClosed, .outputClosed, .eof].contains(error):
            KubernetesError(.unavailable, "the connection to \(access) broke: \(error)", brokeOff: true)
        // The reset of a connection that was there; one that is refused comes as NIO's own error.
        case let error as IOError:
            KubernetesError(.unavailable, "the connection to \(access) broke: \(error)", brokeOff: error.errnoCode != ECONNREFUSED)
        default: KubernetesError(.unavailable, "the connection to \(access) broke: \(error)")
        }
    }

    private func collect(_ body: HTTPClientResponse.Body) async throws -> [UInt8] {
        try await reading { () async throws -> [UInt8] in
            do { return Array(try await body.collect(upTo: Self.longestBody).readableBytesView) } catch is NIOTooManyBytesError {
                throw KubernetesError(.malformed, "\(access): an answer of more than \(Self.longestBody) bytes")
            }
        }
    }

    private func json(_ body: [UInt8], of response: HTTPClientResponse, _ request: APIRequest) throws -> JSON {
        guard response.headers.first(name: "content-type")?.contains("json") == true else {
            return .string(String(decoding: body.prefix(1 << 20), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        }
        return try parse(body, request)
    }

    private func parse(_ bytes: [UInt8], _ request: APIRequest) throws -> JSON {
        do { return try JSON(parsing: bytes) } catch {
            throw KubernetesError(.malformed, "the answer of \(access) to \(request.method.rawValue) \(request.path) is \(error)")
        }
    }

    private static func headers(_ response: HTTPClientResponse) -> [String: String] {
        Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, second in "\(first), \(second)" })
    }
}
