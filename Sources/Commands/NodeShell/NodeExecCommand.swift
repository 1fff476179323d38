internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NIOCore
internal import NIOPosix
internal import NodeAccess
internal import Operations

/// What `ssh` is for hosts that it reaches: a command on a node by the Job that is pinned there, or ports of the node. Exit code 255: it was not reached.
struct NodeExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node-exec", abstract: "Run a command on a node by a Job that is pinned there.", shouldDisplay: false)

    @Option(help: "The node.") var node: String
    @Option(help: "Where the Job is.") var namespace: String
    @Option(help: "Of the Job: one with drydock in it.") var image: String
    @Option(help: "Instead of a command: a port on 127.0.0.1, or a path for a socket, that leads to --to.") var listen: String?
    @Option(help: "HOST:PORT, or a socket, of the node.") var to: String?
    @OptionGroup var kubernetes: KubernetesOptions
    @Argument(parsing: .postTerminator, help: "The command.") var words: [String] = []

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        do {
            // Nobody waits here for what a kubelet has to say: a command may be silent for as long as it likes.
            try await HTTPTransport.connected(try kubernetes.access) { transport in
                let shell = NodeShell(KubernetesClient(transport: transport), namespace: namespace, image: image)
                let pod = try await shell.pod(on: node)
                if let listen, let to { return try await serve(transport, pod, listen, to) }
                let (input, feed) = AsyncStream<[UInt8]>.makeStream()
                feed.yield(Self.order(["words": .array(words.map { .string($0) })]))
                Thread.detachNewThread {
                    var buffer = [UInt8](repeating: 0, count: 64 << 10)
                    while case let count = read(0, &buffer, buffer.count), count > 0 { feed.yield(FramedInput.framed(Array(buffer[..<count]))) }
                    feed.yield(FramedInput.end)
                }
                let code = try await exec(transport, pod, input) { stream, bytes in
                    try (stream == .errors ? FileHandle.standardError : FileHandle.standardOutput).write(contentsOf: bytes)
                }
                Foundation.exit(Int32(code))
            }
        } catch is CancellationError {
            // Whoever asked for it wants it no more.
            Foundation.exit(128 + SIGTERM)
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            Foundation.exit(255)
        }
    }

    private static func order(_ order: JSON) -> [UInt8] { FramedInput.framed(Array(order.description.utf8)) }

    private func exec(
        _ transport: HTTPTransport, _ pod: ObjectName, _ input: AsyncStream<[UInt8]>, _ receive: (ExecStream, [UInt8]) async throws -> Void
    ) async throws -> Int {
        try await transport.exec(
            in: pod, container: NodeShell.container, ["/usr/bin/drydock", "host-shell", "--once"], input: input, receive: receive)
    }

    private func serve(_ transport: HTTPTransport, _ pod: ObjectName, _ listen: String, _ target: String) async throws {
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
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
                        // What breaks off, breaks off; who is connected sees it.
                        try? await connection.executeThenClose { inbound, outbound in
                            let (input, feed) = AsyncStream<[UInt8]>.makeStream()
                            feed.yield(Self.order(["connect": .string(target)]))
                            try await withThrowingTaskGroup(of: Void.self) { group in
                                group.addTask {
                                    for try await bytes in inbound where bytes.readableBytes > 0 {
                                        feed.yield(FramedInput.framed(Array(bytes.readableBytesView)))
                                    }
                                    feed.yield(FramedInput.end)
                                }
                                defer { group.cancelAll() }
                                _ = try await exec(transport, pod, input) { stream, bytes in
                                    if stream == .output { try await outbound.write(ByteBuffer(bytes: bytes)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
