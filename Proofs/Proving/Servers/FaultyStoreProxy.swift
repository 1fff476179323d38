internal import AsyncHTTPClient
package import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import Maintenance
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// Stands before an S3 server and does to its clients what networks and services do.
package final class FaultyStoreProxy: Sendable {
    package enum Fault: String, Sendable, CaseIterable {
        /// 500 InternalError, 503 SlowDown.
        case error500, slowDown
        /// No answer, until the client gives up.
        case silence
        /// The connection breaks before the request arrives, after it was carried out, or in the middle of the answer's body.
        case cutBefore, cutAfter, cutBody
        /// A bit of the answer's body is another.
        case flip
        /// The server says that the request's time is wrong, or its credentials have ended, or its body is not what was signed.
        case skew, expired, badDigest
    }

    package let port: Int
    private let target: URL
    private let faults: [Fault]
    /// How often a request is disturbed, 0 to 1.
    private let share: Double
    private let state: Mutex<(random: SplitMix, counts: [Fault: Int], requests: Int, parts: [Int], refused: Set<String>)>

    private init(_ target: URL, port: Int, faults: [Fault], share: Double, seed: UInt64) {
        self.target = target
        self.port = port
        self.faults = faults
        self.share = share
        state = Mutex((SplitMix(seed: seed), [:], 0, [], []))
    }

    package var endpoint: URL { URL(string: "http://127.0.0.1:\(port)") ?? target }

    /// How often each fault struck.
    package var counts: [Fault: Int] { state.withLock { $0.counts } }
    package var requests: Int { state.withLock { $0.requests } }
    /// The numbers of the parts of uploads that were sent, in order.
    package var uploadedParts: [Int] { state.withLock { $0.parts.sorted() } }

    package static func running<Result: Sendable>(
        before target: URL, faults: [Fault], share: Double, seed: UInt64, body: @escaping @Sendable (FaultyStoreProxy) async throws -> Result
    ) async throws -> Result {
        let proxy = FaultyStoreProxy(target, port: try FreePorts.take(1)[0], faults: faults, share: share, seed: seed)
        let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                try? await proxy.serve { isReady.finish() }
                return nil
            }
            group.addTask {
                for await _ in ready {}
                return try await body(proxy)
            }
            while let next = try await group.next() {
                guard let next else { continue }
                group.cancelAll()
                return next
            }
            throw LocalEtcdCluster.Failure(description: "the proxy did not serve")
        }
    }

    private func serve(ready: @escaping @Sendable () -> Void) async throws {
        var configuration = ApplicationConfiguration(address: .hostname("127.0.0.1", port: port))
        configuration.serverName = nil
        var logger = Logger(label: "proxy")
        logger.logLevel = .critical
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in try await self.respond(to: request) }, configuration: configuration,
            onServerRunning: { _ in ready() }, logger: logger)
        try await application.run()
    }

    private struct Cut: Error {}

    private func choose(_ request: Request) -> Fault? {
        state.withLock { state in
            state.requests += 1
            if request.method == .put, let number = request.uri.queryParameters.get("partNumber", as: Int.self) { state.parts.append(number) }
            guard Double.random(in: 0..<1, using: &state.random) < share, let fault = faults.randomElement(using: &state.random) else { return nil }
            // Some make sense for some requests only.
            switch fault {
            case .cutBody, .flip: if request.method != .get { return nil }
            case .badDigest: if request.method != .put { return nil }
            // An answer without a body cannot break in the middle, and says nothing of its reason.
            case .cutBefore, .cutAfter: if request.method == .head { return nil }
            // Whoever asks for the same again is let through, as after a real complaint that was heeded.
            case .skew, .expired:
                guard request.method != .head, state.refused.insert("\(request.method) \(request.uri.string)").inserted else { return nil }
            default: break
            }
            state.counts[fault, default: 0] += 1
            return fault
        }
    }

    private func refusal(_ status: Int, _ code: String) -> Response {
        let body = "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>as the test wants it</Message></Error>"
        return Response(
            status: .init(code: status), headers: [.contentType: "application/xml", .connection: "close"],
            body: .init(byteBuffer: ByteBuffer(string: body)))
    }

    private func respond(to request: Request) async throws -> Response {
        let fault = choose(request)
        // Also a request that is refused is read to its end first.
        let body = try await request.body.collect(upTo: 64 << 20)
        switch fault {
        case .error500: return refusal(500, "InternalError")
        case .slowDown: return refusal(503, "SlowDown")
        case .skew: return refusal(403, "RequestTimeTooSkewed")
        case .expired: return refusal(400, "ExpiredToken")
        case .badDigest: return refusal(400, "BadDigest")
        case .silence:
            try await Task.sleep(for: .seconds(5))
            throw Cut()
        case .cutBefore: return broken([])
        default: break
        }
        var message = HTTPClientRequest(url: target.absoluteString + request.uri.string)
        message.method = .RAW(value: request.method.rawValue)
        for field in request.headers where ![.contentLength, .transferEncoding, .connection].contains(field.name) {
            message.headers.add(name: field.name.rawName, value: field.value)
        }
        // It was signed so.
        if let host = request.head.authority { message.headers.replaceOrAdd(name: "Host", value: host) }
        if ["PUT", "POST"].contains(request.method.rawValue) { message.body = .bytes(body) }
        let answer = try await HTTPClient.shared.execute(message, timeout: .seconds(60))
        var bytes = Array(try await answer.body.collect(upTo: 64 << 20).readableBytesView)
        switch fault {
        case .cutAfter: return broken([])
        case .cutBody where !bytes.isEmpty: return broken(Array(bytes.prefix(bytes.count / 2)), length: bytes.count, status: Int(answer.status.code))
        case .flip where !bytes.isEmpty && (200..<300).contains(answer.status.code):
            bytes[bytes.count / 2] ^= 1
        default: break
        }
        var headers = HTTPFields()
        for (name, value) in answer.headers where !["content-length", "transfer-encoding", "connection"].contains(name.lowercased()) {
            if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
        }
        if request.method == .head {
            // The length of what is not sent.
            headers[.contentLength] = answer.headers.first(name: "content-length")
            return Response(status: .init(code: Int(answer.status.code)), headers: headers)
        }
        return Response(status: .init(code: Int(answer.status.code)), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// An answer that breaks off after these bytes.
    private func broken(_ bytes: [UInt8], length: Int = 1000, status: Int = 200) -> Response {
        Response(
            status: .init(code: status), headers: [.contentLength: "\(length)"],
            body: ResponseBody(contentLength: length) { writer in
                try await writer.write(ByteBuffer(bytes: bytes))
                throw Cut()
            })
    }
}
