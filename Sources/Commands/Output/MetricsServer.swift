internal import ArgumentParser
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore

/// Serves /metrics, /healthz and /readyz until it is cancelled.
struct MetricsServer: Sendable {
    struct Address: Sendable {
        var host: String
        var port: Int

        /// `127.0.0.1:9109`, `[::1]:9109`, or `:9109` for every address.
        init(_ text: String) throws {
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port) else {
                throw ValidationError("\"\(text)\" is no address like 127.0.0.1:9109.")
            }
            let host = text[..<colon]
            self.host = host.isEmpty ? "0.0.0.0" : host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : String(host)
            self.port = port
        }
    }

    let address: Address

    /// - Parameters:
    ///   - isReady: whether it can do its work.
    ///   - metrics: what to answer, Prometheus' text format.
    func run(isReady: @escaping @Sendable () -> Bool = { true }, _ metrics: @escaping @Sendable () async -> String) async throws {
        var configuration = ApplicationConfiguration(address: .hostname(address.host, port: address.port))
        configuration.serverName = nil
        var logger = Logger(label: "metrics")
        logger.logLevel = .critical
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in
                func answer(_ status: HTTPResponse.Status, _ text: String, _ type: String = "text/plain; charset=utf-8") -> Response {
                    Response(status: status, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(string: text)))
                }
                guard request.method == .get else { return answer(.methodNotAllowed, "only GET\n") }
                switch request.uri.path {
                case "/metrics": return answer(.ok, await metrics(), "text/plain; version=0.0.4; charset=utf-8")
                case "/healthz": return answer(.ok, "ok\n")
                case "/readyz": return isReady() ? answer(.ok, "ok\n") : answer(.serviceUnavailable, "it does not know the cluster yet\n")
                default: return answer(.notFound, "there are /metrics, /healthz and /readyz\n")
                }
            }, configuration: configuration, logger: logger)
        try await application.run()
    }
}
