internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import KubernetesAPI
internal import KubernetesClient
internal import Logging
internal import Maintenance
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Serves a twin over HTTP on the loopback interface, and drives its clock by the machine's.
package struct TwinServer: Sendable {
    package let twin: Twin
    private let drive: TwinDrive
    /// 0 for a port that is free.
    private let port: Int

    /// - Parameters:
    ///   - speed: how many seconds pass in the cluster while one passes here.
    package init(options: TwinOptions, port: Int, speed: Double) {
        let drive = TwinDrive(start: options.start, speed: speed)
        twin = Twin(options: options) { drive.wake() }
        self.drive = drive
        self.port = port
    }

    /// Serves until it is cancelled.
    /// - Parameter ready: told the port when it listens.
    package func run(ready: @escaping @Sendable (Int) async -> Void) async throws {
        var configuration = ApplicationConfiguration(address: .hostname("127.0.0.1", port: port))
        configuration.serverName = nil
        var logger = Logger(label: "twin")
        // What a server says when its connections are cut at its end is no news.
        logger.logLevel = .critical
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in try await respond(to: request) }, configuration: configuration,
            services: [TwinClockService(drive: drive, twin: twin)],
            onServerRunning: { channel in await ready(channel.localAddress?.port ?? 0) }, logger: logger)
        let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
        // Whoever runs this ends it by cancellation, and means an orderly end: open watches are closed.
        try await withTaskCancellationHandler {
            try await group.run()
        } onCancel: {
            twin.cutWatches()
        }
    }

    // MARK: One request

    /// The largest body that is read, bytes (the API server's own limit is 3 MiB).
    private static let longestBody = 3 << 20

    private func respond(to request: Request) async throws -> Response {
        let apiRequest: APIRequest
        do { apiRequest = try await read(request) } catch let status as APIStatus {
            return response(APIResponse(status: status.code, body: status.json))
        }
        if twin.faults.latency > 0 { try await Task.sleep(for: .seconds(twin.faults.latency)) }
        drive.catchUp(twin)
        let (events, continuation) = AsyncStream.makeStream(of: JSON.self)
        switch twin.respond(to: apiRequest, emit: { continuation.yield($0) }, end: { continuation.finish() }) {
        case .value(let value): return response(value)
        case .text(let status, let text):
            return Response(
                status: .init(code: status), headers: [.contentType: "text/plain; charset=utf-8"], body: .init(byteBuffer: ByteBuffer(string: text)))
        case .bytes(let bytes, let type):
            return Response(status: .ok, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
        case .watch(let id):
            let twin = twin
            let body = ResponseBody { writer in
                defer { twin.endWatch(id) }
                // The client waits for the head of the answer, which goes with the first bytes.
                try await writer.write(ByteBuffer())
                for await event in events {
                    var bytes = event.bytes()
                    bytes.append(UInt8(ascii: "\n"))
                    try await writer.write(ByteBuffer(bytes: bytes))
                    // As a broken connection ends: in the middle, without the last chunk.
                    if twin.isCut() { throw Cut() }
                }
                try await writer.finish(nil)
            }
            return Response(status: .ok, headers: [.contentType: "application/json"], body: body)
        }
    }

    private struct Cut: Error {}

    private func response(_ value: APIResponse) -> Response {
        var headers: HTTPFields = [.contentType: value.headers["content-type"] ?? "application/json"]
        if let seconds = value.headers["retry-after"] { headers[.retryAfter] = seconds }
        return Response(status: .init(code: value.status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: value.body.bytes())))
    }

    private func read(_ request: Request) async throws -> APIRequest {
        guard let method = APIRequest.Method(rawValue: request.method.rawValue) else { throw APIStatus.methodNotAllowed }
        var query: [String: String] = [:]
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let name = parts[0].percentDecoded(plusIsSpace: true),
                let value = (parts.count > 1 ? parts[1] : "").percentDecoded(plusIsSpace: true)
            else {
                throw APIStatus.badRequest("the query is not percent-encoded")
            }
            query[name] = value
        }
        // Who does not say who he is goes by the name of his program.
        if method != .get, query["fieldManager"] == nil, let program = request.headers[.userAgent]?.split(separator: "/").first {
            query["fieldManager"] = String(program)
        }
        let bytes: [UInt8]
        do { bytes = Array(try await request.body.collect(upTo: Self.longestBody).readableBytesView) } catch is NIOTooManyBytesError {
            throw APIStatus(code: 413, reason: "RequestEntityTooLarge", message: "Request entity too large: limit is \(Self.longestBody)")
        }
        let type = request.headers[.contentType] ?? "application/json"
        let body = bytes.isEmpty ? nil : try Self.parse(bytes, type)
        return APIRequest(
            method, request.uri.path, query: query, body: body, contentType: type, accept: request.headers[values: .accept].joined(separator: ","))
    }

    private static func parse(_ bytes: [UInt8], _ type: String) throws -> JSON {
        guard !type.contains("protobuf"), !type.contains("cbor") else {
            throw APIStatus(
                code: 415, reason: "UnsupportedMediaType",
                message: "the twin reads JSON and YAML, and no \(type). kubectl apply sends JSON; kubectl create of 1.31 and newer does not.")
        }
        do { return try JSON(parsing: bytes) } catch {
            guard type.contains("yaml") else { throw APIStatus.badRequest("the body of the request is \(error)") }
            do { return try YAMLText.documents(String(decoding: bytes, as: UTF8.self)).first ?? .null } catch {
                throw APIStatus.badRequest("the body of the request is no YAML: \(error)")
            }
        }
    }

    /// A kubeconfig for the served twin.
    package static func kubeconfig(port: Int) -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: twin
        clusters:
        - name: twin
          cluster:
            server: http://127.0.0.1:\(port)
        contexts:
        - name: twin
          context:
            cluster: twin
            user: twin
        users:
        - name: twin
          user: {}

        """
    }
}

/// How the machine's time becomes a cluster's.
final class TwinDrive: Sendable {
    private let began = ContinuousClock.now
    private let start: Date
    private let speed: Double
    /// How far the cluster is behind because this machine did not keep up, seconds of its time.
    private let lag = Mutex(0.0)
    private let wakeups: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    init(start: Date, speed: Double) {
        self.start = start
        self.speed = max(0.001, speed)
        (wakeups, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The time in the cluster.
    private var now: Date {
        start.addingTimeInterval((ContinuousClock.now - began).seconds * speed - lag.withLock { $0 })
    }

    /// How long requests may have to wait for time to pass, seconds.
    private static let patience = 0.05

    func catchUp(_ twin: Twin) {
        let target = now
        let behind = target.timeIntervalSince(twin.advance(to: target, within: Self.patience))
        if behind > 0 { lag.withLock { $0 += behind } }
    }

    func wake() { waker.yield() }

    /// Lets the cluster's time pass until it is cancelled.
    func run(_ twin: Twin) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    self.catchUp(twin)
                    let left = twin.nextTime.map { $0.timeIntervalSince(self.now) / self.speed } ?? 1
                    try await Task.sleep(for: .seconds(min(0.05, max(0.001, left))))
                }
            }
            group.addTask {
                // What a request changed may be due before the sleeper wakes.
                for await _ in self.wakeups { self.catchUp(twin) }
            }
            try await group.next()
            group.cancelAll()
        }
    }
}

private struct TwinClockService: Service {
    let drive: TwinDrive
    let twin: Twin

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await drive.run(twin) }
    }
}
