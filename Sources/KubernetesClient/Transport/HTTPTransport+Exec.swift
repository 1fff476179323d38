internal import Foundation
internal import KubernetesAPI
package import Maintenance
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import NIOWebSocket
internal import Synchronization

/// The streams of a command in a container, numbered as in the subprotocol `v4.channel.k8s.io` (pkg/kubelet/cri/streaming/remotecommand).
package enum ExecStream: UInt8, Sendable {
    case input = 0
    case output = 1
    case errors = 2
    /// How the command ended, as a Status.
    case end = 3
}

extension HTTPTransport {
    private enum Upgraded: Sendable {
        case open(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>)
        case refused(NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>)
    }

    /// The most that one message may have, bytes; kubelets send 32 KiB at a time.
    private static let longestMessage = 1 << 24
    /// Of what is sent.
    private static let pieceSize = 16 << 10
    /// How long a server may take to go over to a WebSocket.
    private static let upgradePatience = TimeAmount.seconds(20)
    private static let openPatience = Duration.seconds(60)
    /// How often it is asked whether it is there, and after how many seconds without a word it is taken for gone: a command may be silent for as long as it
    /// likes, and a balancer between us may not know that its server is gone.
    private static let pingPause = 10
    private static let silence = 40.0

    /// Runs a command in a container of a pod, over a WebSocket, and returns its exit code, 0 to 255. The end of `input` is not told to the command: the
    /// subprotocol has no word for it.
    /// - Parameter sent: told after each piece of `input` that it has gone.
    /// - Throws: `APIStatus` when the server refuses; `KubernetesError` `.unavailable` when the connection breaks before the command has said how it ended.
    package func exec(
        in pod: ObjectName, container: String, _ command: [String], input: AsyncStream<[UInt8]>, sent: @escaping @Sendable () -> Void = {},
        receive: (ExecStream, [UInt8]) async throws -> Void
    ) async throws -> Int {
        let path = Resource.pods.path(namespace: pod.namespace, name: pod.name, subresource: "exec")
        let query =
            ["container=\(container.pathSegment)", "stdin=true", "stdout=true", "stderr=true"] + command.map { "command=\($0.pathSegment)" }
        let channel = try await opened("\(path)?\(query.joined(separator: "&"))")
        return try await reading {
            try await channel.executeThenClose { inbound, outbound in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    let lastWord = Mutex(Date())
                    group.addTask {
                        for await piece in input {
                            for start in stride(from: 0, to: piece.count, by: Self.pieceSize) {
                                let part = piece[start..<min(piece.count, start + Self.pieceSize)]
                                try await outbound.write(Self.frame(.binary, ByteBuffer(bytes: [ExecStream.input.rawValue] + part)))
                            }
                            sent()
                        }
                    }
                    group.addTask {
                        while lastWord.withLock({ Date().timeIntervalSince($0) }) < Self.silence {
                            // One that takes nothing more must not hold this up.
                            channel.channel.writeAndFlush(Self.frame(.ping, ByteBuffer()), promise: nil)
                            try await Task.sleep(for: .seconds(Self.pingPause))
                        }
                        channel.channel.close(promise: nil)
                    }
                    defer { group.cancelAll() }
                    var messages = Messages()
                    for try await frame in inbound {
                        lastWord.withLock { $0 = .distantFuture }
                        if frame.opcode == .ping { try await outbound.write(Self.frame(.pong, frame.unmaskedData)) }
                        if let (stream, bytes) = messages.take(frame) { try await passing { try await receive(stream, bytes) } }
                        // Who takes long to take it does not make the server silent.
                        lastWord.withLock { $0 = Date() }
                        if messages.isOver { break }
                    }
                    return try exitCode(messages.end)
                }
            }
        }
    }

    /// Frames as what they bring: the first byte of a message names its stream.
    private struct Messages {
        private var stream: ExecStream?
        /// What was said of how the command ended.
        private(set) var end: [UInt8] = []
        private(set) var isOver = false

        mutating func take(_ frame: WebSocketFrame) -> (ExecStream, [UInt8])? {
            var bytes = frame.unmaskedData
            switch frame.opcode {
            case .binary, .text: stream = bytes.readInteger().flatMap(ExecStream.init)
            case .continuation: break
            case .connectionClose:
                isOver = true
                return nil
            default: return nil
            }
            guard stream != .end else {
                end += Array(bytes.readableBytesView)
                isOver = frame.fin
                return nil
            }
            return bytes.readableBytes == 0 ? nil : stream.map { ($0, Array(bytes.readableBytesView)) }
        }
    }

    /// Asks again for a while where nobody answers: the command has not begun, and an API server or a kubelet that starts anew is back in a moment.
    private func opened(_ target: String) async throws -> NIOAsyncChannel<WebSocketFrame, WebSocketFrame> {
        let limit = ContinuousClock.now + Self.openPatience
        while true {
            do {
                switch try await reading({ try await upgraded(target) }) {
                case .open(let channel): return channel
                case .refused(let channel): throw try await reading { try await refusal(channel) }
                }
            } catch let error as KubernetesError where error.isTransient && ContinuousClock.now < limit {} catch let error as APIStatus
                where (error.code >= 500 || error.isTransient) && ContinuousClock.now < limit
            {}
            try await Task.sleep(for: .seconds(1))
        }
    }

    private static func frame(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)
    }

    private func exitCode(_ end: [UInt8]) throws -> Int {
        guard let status = try? JSON(parsing: end) else {
            throw KubernetesError(.unavailable, "the connection to \(access) broke before the command ended", brokeOff: true)
        }
        if status["status"] == "Success" { return 0 }
        let code = status["details"]["causes"].elements.first { $0["reason"] == "ExitCode" }?["message"].string.flatMap(Int.init)
        guard status["reason"] == "NonZeroExitCode", let code, (0...255).contains(code) else {
            throw KubernetesError(.unavailable, "\(access): \(status["message"].string ?? "\(status)")", brokeOff: true)
        }
        return code
    }

    private func upgraded(_ target: String) async throws -> Upgraded {
        guard access.proxy == nil else {
            throw KubernetesError(.configuration, "commands in pods are not run through a proxy. Reach \(access) without one.")
        }
        guard let host = access.server.host else { throw KubernetesError(.configuration, "\(access) names no host.") }
        let isSecure = access.server.scheme == "https"
        let port = access.server.port ?? (isSecure ? 443 : 80)
        var headers = HTTPHeaders([
            ("host", host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"), ("user-agent", "drydock"),
            ("sec-websocket-protocol", "v4.channel.k8s.io"),
        ])
        for (name, value) in access.headers { headers.add(name: name, value: value) }
        if let header = try await authorization() { headers.add(name: "authorization", value: header) }
        var prefix = access.server.path
        while prefix.hasSuffix("/") { prefix.removeLast() }
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: prefix + target, headers: headers)
        let context = isSecure ? try NIOSSLContext(configuration: try await tls()) : nil
        let name = access.tlsServerName ?? host
        let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(.seconds(10))
            // A peer that is gone without a word is noticed after half a minute.
            .channelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
            .channelOption(ChannelOptions.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 10)
            .channelOption(ChannelOptions.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 5)
            .channelOption(ChannelOptions.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
        let result: EventLoopFuture<Upgraded> = try await bootstrap.connect(host: host, port: port) { channel in
            let deadline = channel.eventLoop.scheduleTask(in: Self.upgradePatience) { channel.close(promise: nil) }
            return channel.eventLoop.makeCompletedFuture {
                if let context {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : name))
                }
                let upgrader = NIOTypedWebSocketClientUpgrader<Upgraded>(maxFrameSize: Self.longestMessage) { channel, _ in
                    deadline.cancel()
                    return channel.eventLoop.makeCompletedFuture { .open(try NIOAsyncChannel(wrappingChannelSynchronously: channel)) }
                }
                let configuration = NIOTypedHTTPClientUpgradeConfiguration<Upgraded>(upgradeRequestHead: head, upgraders: [upgrader]) { channel in
                    channel.eventLoop.makeCompletedFuture { .refused(try NIOAsyncChannel(wrappingChannelSynchronously: channel)) }
                }
                var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration)
                // What comes with the answer belongs to the command.
                pipeline.leftOverBytesStrategy = .forwardBytes
                return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: pipeline)
            }
        }
        return try await result.get()
    }

    /// What a server says that does not go over to a WebSocket.
    private func refusal(_ channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>) async throws -> any Error {
        try await channel.executeThenClose { inbound, _ in
            var status = 0
            var body: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let head): status = Int(head.status.code)
                case .body(let bytes): if body.count < 1 << 20 { body += Array(bytes.readableBytesView) }
                case .end:
                    return APIStatus(
                        APIResponse(status: status, headers: [:], body: (try? JSON(parsing: body)) ?? .string(String(decoding: body, as: UTF8.self))))
                }
            }
            return KubernetesError(.unavailable, "\(access) hung up", brokeOff: true)
        }
    }
}
