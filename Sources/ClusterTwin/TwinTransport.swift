package import KubernetesAPI
internal import KubernetesClient
package import Maintenance

/// Carries requests to a twin in the same process: no bytes, no sockets.
package struct TwinTransport: KubernetesTransport {
    package let twin: Twin
    private let time: RunTime

    /// - Parameter time: by which answers are late, where the twin's faults say so.
    package init(_ twin: Twin, time: RunTime) {
        self.twin = twin
        self.time = time
    }

    private func delay() async throws {
        let latency = twin.faults.latency
        if latency > 0 { try await time.sleep(.seconds(latency)) }
    }

    package func send(_ request: APIRequest) async throws -> APIResponse {
        try await delay()
        switch twin.respond(to: request, emit: { _ in }, end: {}) {
        case .value(let response): return response
        case .text(let status, let text): return APIResponse(status: status, body: .string(text))
        case .bytes(let bytes, _): return APIResponse(status: 200, body: .string(String(decoding: bytes, as: UTF8.self)))
        case .watch(let id):
            twin.endWatch(id)
            throw KubernetesError(.malformed, "a watch is no single answer")
        }
    }

    package func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws {
        try await delay()
        let (events, continuation) = AsyncStream.makeStream(of: JSON.self)
        switch twin.respond(to: request, emit: { continuation.yield($0) }, end: { continuation.finish() }) {
        case .value(let response): throw APIStatus(response)
        case .watch(let id):
            defer { twin.endWatch(id) }
            for await event in events {
                try await receive(event)
                if twin.isCut() { return }
            }
            try Task.checkCancellation()
        default: throw KubernetesError(.malformed, "the answer to \(request.path) is no stream")
        }
    }

    package func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws {
        try await delay()
        switch twin.respond(to: request, emit: { _ in }, end: {}) {
        case .text(_, let text): try await receive(Array(text.utf8))
        case .value(let response): throw APIStatus(response)
        default: throw KubernetesError(.malformed, "the answer to \(request.path) is no text")
        }
    }
}

extension Twin {
    /// Whether chance cuts a watch now.
    func isCut() -> Bool {
        guard faults.cutWatches > 0 else { return false }
        return drawsFault { $0.cutWatches }
    }
}
