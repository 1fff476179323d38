internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NIOCore
internal import NIOPosix
internal import NodeAccess
internal import Operations

/// What `ssh` is for hosts that it reaches: a command on a node by the Job that is pinned there, or ports of the node. Exit code 255: it was not reached; 254:
/// nor will it be.
struct NodeExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node-exec", abstract: "Run a command on a node by a Job that is pinned there.", shouldDisplay: false)

    @Option(help: "The node.") var node: String
    @Option(help: "Where the Job is.") var namespace: String
    @Option(help: "Of the Job: one with drydock in it.") var image: String
    @Option(help: "Of the run whose Job it is.") var tag: String
    @Option(help: "Instead of a command: a port on 127.0.0.1, or a path for a socket, that leads to --to.") var listen: String?
    @Option(help: "HOST:PORT, or a socket, of the node.") var to: String?
    @OptionGroup var kubernetes: KubernetesOptions
    @Argument(parsing: .postTerminator, help: "The command.") var words: [String] = []

    func validate() throws {
        guard (listen == nil) == (to == nil), (listen == nil) != words.isEmpty else { throw ValidationError("Give a command, or --listen and --to.") }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        do {
            try await HTTPTransport.connected(try kubernetes.access) { transport in
                let shell = NodeShell(KubernetesClient(transport: transport), NodeAccess.PinnedJob(namespace: namespace, image: image, tag: tag))
                let pod = try await shell.pod(on: node)
                if let listen, let to { return try await serve(transport, pod, listen, to) }
                let (input, feed) = AsyncStream<[UInt8]>.makeStream()
                feed.yield(Self.order(["words": .array(words.map { .string($0) })]))
                // What is read and not sent yet is bounded.
                let room = DispatchSemaphore(value: Self.piecesUnderWay)
                Thread.detachNewThread {
                    var buffer = [UInt8](repeating: 0, count: 64 << 10)
                    while true {
                        let count = read(0, &buffer, buffer.count)
                        if count < 0, errno == EINTR { continue }
                        // What cannot be read is not at its end.
                        guard count >= 0 else { Foundation.exit(255) }
                        feed.yield(count == 0 ? FramedInput.end : FramedInput.framed(Array(buffer[..<count])))
                        if count == 0 { break }
                        room.wait()
                    }
                }
                let code = try await exec(transport, pod, input, sent: { room.signal() }) { stream, bytes in
                    try (stream == .errors ? FileHandle.standardError : FileHandle.standardOutput).write(contentsOf: bytes)
                }
                Foundation.exit(Int32(code))
            }
        } catch is CancellationError {
            // Whoever asked for it wants it no more.
            Foundation.exit(128 + SIGTERM)
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            Foundation.exit(Self.isFinal(error) ? 254 : 255)
        }
    }

    private static let piecesUnderWay = 16

    /// Whether asking again does not help.
    private static func isFinal(_ error: any Error) -> Bool {
        switch error {
        case let error as KubernetesError: error.code == .configuration
        // A pod that has gone meanwhile is made anew.
        case let error as APIStatus: [400, 401, 403, 422].contains(error.code) || error.code == 404 && error.description.contains("namespaces")
        default: false
        }
    }

    private static func order(_ order: JSON) -> [UInt8] { FramedInput.framed(Array(order.description.utf8)) }

    private func exec(
        _ transport: HTTPTransport, _ pod: ObjectName, _ input: AsyncStream<[UInt8]>, sent: @escaping @Sendable () -> Void = {},
        _ receive: (ExecStream, [UInt8]) async throws -> Void
    ) async throws -> Int {
        try await transport.exec(
            in: pod, container: NodeShell.container, ["/usr/bin/drydock", "host-shell", "--once"], input: input, sent: sent, receive: receive)
    }

    private func serve(_ transport: HTTPTransport, _ pod: ObjectName, _ listen: String, _ target: String) async throws {
        // Who has said all that he has to say waits for the answer.
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).childChannelOption(.allowRemoteHalfClosure, value: true)
        let initializer: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> = { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
        }
        let server =
            if let port = Int(listen) {
                try await bootstrap.bind(host: "127.0.0.1", port: port, childChannelInitializer: initializer)
            } else { try await bootstrap.bind(unixDomainSocketPath: listen, childChannelInitializer: initializer) }
        try await server.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask {
                        // What breaks off, breaks off; who is connected sees it by a reset, and people by a word.
                        do { try await relay(connection, transport, pod, target) } catch {
                            FileHandle.standardError.write(Data("\(error)\n".utf8))
                            try? await (connection.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
                            try? await connection.channel.close()
                        }
                    }
                }
            }
        }
    }

    private func relay(
        _ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ transport: HTTPTransport, _ pod: ObjectName, _ target: String
    ) async throws {
        try await connection.executeThenClose { inbound, outbound in
            let (input, feed) = AsyncStream<[UInt8]>.makeStream()
            feed.yield(Self.order(["connect": .string(target)]))
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    for try await bytes in inbound where bytes.readableBytes > 0 {
                        feed.yield(FramedInput.framed(Array(bytes.readableBytesView)))
                    }
                    feed.yield(FramedInput.end)
                    return false
                }
                group.addTask {
                    let code = try await exec(transport, pod, input) { stream, bytes in
                        if stream == .output {
                            try await outbound.write(ByteBuffer(bytes: bytes))
                        } else {
                            FileHandle.standardError.write(Data(bytes))
                        }
                    }
                    guard code == 0 else { throw OperationError(.stopped, "the connection to \(target) on \(node) broke") }
                    return true
                }
                defer { group.cancelAll() }
                // Either side may fail; the far side alone is at its end.
                while try await group.next() == false {}
            }
        }
    }
}
