internal import ClusterPKI
internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// The certificate that a server presents, as it comes over the wire. Who looks at it judges it: nothing is sent to the server, and it is trusted with nothing.
enum ServedCertificate {
    private static let patience = TimeAmount.seconds(5)

    /// - Throws: `OperationError` `.stopped` when nobody answers there, or speaks no TLS.
    static func read(_ host: String, _ port: Int) async throws -> X509Certificate {
        let seen = Mutex<[UInt8]?>(nil)
        var configuration = TLSConfiguration.makeClientConfiguration()
        // The callback below takes the place of a verification; it always ends the handshake.
        configuration.certificateVerification = .noHostnameVerification
        let context = try NIOSSLContext(configuration: configuration)
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(patience).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = try NIOSSLClientHandler(
                    context: context, serverHostname: nil,
                    customVerificationCallback: { certificates, promise in
                        seen.withLock { $0 = try? certificates.first?.toDERBytes() }
                        promise.succeed(.failed)
                    })
                try channel.pipeline.syncOperations.addHandler(handler)
            }
        }
        do {
            let channel = try await bootstrap.connect(host: host, port: port).get()
            let limit = channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
            try? await channel.closeFuture.get()
            limit.cancel()
        } catch { throw OperationError(.stopped, "nobody answers at \(host):\(port): \(error)") }
        guard let bytes = seen.withLock({ $0 }) else { throw OperationError(.stopped, "\(host):\(port) presents no certificate.") }
        return try X509Certificate(der: bytes)
    }
}
