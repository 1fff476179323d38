internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// The certificates that a server presents, as they come over the wire. The handshake is always refused, so nothing is sent, and the server is trusted with
/// nothing: whoever looks at them judges them.
package enum PresentedCertificates {
    private static let patience = TimeAmount.seconds(2)

    /// - Parameter serverName: whom to ask for (SNI); nil for an address.
    /// - Returns: DER, the leaf first; nil when there is no handshake to be had.
    package static func read(_ host: String, _ port: Int, serverName: String? = nil) async -> [[UInt8]]? {
        let box = Box()
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.applicationProtocols = ["h2"]
            let context = try NIOSSLContext(configuration: configuration)
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(patience)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: serverName) { certificates, promise in
                            box.seen.withLock { $0 = certificates.compactMap { try? $0.toDERBytes() } }
                            promise.succeed(NIOSSLVerificationResult.failed)
                        }
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .connect(host: host, port: port).get()
            let timeout: Scheduled<Void> = channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
            try? await channel.closeFuture.get()
            timeout.cancel()
        } catch {
            return nil
        }
        return box.seen.withLock { $0 }
    }

    private final class Box: Sendable {
        let seen = Mutex<[[UInt8]]?>(nil)
    }
}
