internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import NIOCore
internal import NIOPosix
internal import NodeAccess
internal import Subprocess
internal import SystemPackage

/// What the pod of a node shell runs: it waits, and with `--once` does one order that it reads.
///
/// Standard input is framed. The first piece is the order: `{"words": […]}` to run in the host's root, which reads the pieces that follow, or
/// `{"connect": "HOST:PORT"}`, `{"connect": "/socket"}`, to which they are sent.
struct HostShellCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host-shell", abstract: "Wait for commands on the host.", shouldDisplay: false)

    @Flag(help: "Do what standard input says.") var once = false
    @Option(help: "Where the host's file system is.") var root = "/host"

    func run() async throws {
        guard once else {
            while true { pause() }
        }
        signal(SIGPIPE, SIG_IGN)
        guard let first = FramedInput.next(from: 0), let order = try? JSON(parsing: first) else { throw ValidationError("There is no order.") }
        if let target = order["connect"].string { return try await HostRelay(target: target, root: root).run() }
        let words = order["words"].elements.compactMap(\.string)
        guard !words.isEmpty else { throw ValidationError("The order has neither words nor connect.") }
        var options = PlatformOptions()
        // With all that it begins.
        options.processGroupID = 0
        let outcome = try await Subprocess.run(
            .path("/proc/self/exe"), arguments: Arguments(["chroot", root] + words), platformOptions: options, input: .inputWriter,
            output: .fileDescriptor(.standardOutput, closeAfterSpawningProcess: false),
            error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false)
        ) { execution in
            while let piece = FramedInput.next(from: 0) {
                if piece.isEmpty { return try await execution.standardInputWriter.finish() }
                // One that reads no further has ended, or will.
                _ = try? await execution.standardInputWriter.write(piece)
            }
            // Cut off: what has read only half must not take it for the whole.
            try? execution.send(signal: .kill, toProcessGroup: true)
        }
        // The command's own, past what exit codes mean here.
        switch outcome.terminationStatus {
        case .exited(let code): Foundation.exit(Int32(code))
        case .signaled(let signal): Foundation.exit(128 + Int32(signal))
        }
    }
}

/// Bytes between standard input and output and a port or socket of the host.
private struct HostRelay {
    let target: String
    let root: String

    /// Works until the far side has ended, or the near one is gone.
    func run() async throws {
        // Who has said all that he has to say waits for the answer.
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).channelOption(.allowRemoteHalfClosure, value: true)
        let initializer: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            if target.hasPrefix("/") {
                channel = try await bootstrap.connect(unixDomainSocketPath: root + target, channelInitializer: initializer)
            } else {
                guard let colon = target.lastIndex(of: ":"), let port = Int(target[target.index(after: colon)...]) else {
                    throw ValidationError("\(target) is no HOST:PORT.")
                }
                channel = try await bootstrap.connect(
                    host: target[..<colon].trimmingCharacters(in: ["[", "]"]), port: port, channelInitializer: initializer)
            }
        } catch let error where !(error is ValidationError) { throw ValidationError("Nobody answers at \(target): \(error).") }
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (pieces, feed) = AsyncStream<[UInt8]>.makeStream()
                Thread.detachNewThread {
                    // The near side is gone: nobody waits for an answer.
                    while true {
                        guard let piece = FramedInput.next(from: 0) else { Foundation.exit(1) }
                        if piece.isEmpty { return feed.finish() }
                        feed.yield(piece)
                    }
                }
                group.addTask {
                    for await piece in pieces { try await outbound.write(ByteBuffer(bytes: piece)) }
                    outbound.finish()
                }
                for try await bytes in inbound { try FileHandle.standardOutput.write(contentsOf: Array(bytes.readableBytesView)) }
                group.cancelAll()
            }
        }
    }
}
