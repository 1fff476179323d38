internal import AsyncHTTPClient
internal import Foundation
package import KubernetesAPI
internal import NIOCore
internal import NIOHTTP1

/// Asks servers beside the cluster's API: Prometheus, Alertmanager, health endpoints, webhooks. A value, so that rehearsals bring their own.
package struct WebClient: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        package var body: [UInt8]

        package init(status: Int, body: [UInt8] = []) {
            self.status = status
            self.body = body
        }

        package var isWell: Bool { (200..<400).contains(status) }

        /// - Throws: `OperationError` when it is no JSON.
        package var json: JSON {
            get throws {
                do { return try JSON(parsing: body) } catch { throw OperationError(.stopped, "the answer is no JSON") }
            }
        }
    }

    /// Method, URL, body, seconds until it gives up.
    package var send: @Sendable (String, String, JSON?, Double) async throws -> Answer

    package init(send: @escaping @Sendable (String, String, JSON?, Double) async throws -> Answer) { self.send = send }

    /// More is not read of an answer.
    private static let longestAnswer = 8 << 20

    /// Over the network. Certificates are verified, and redirects are not followed.
    package static func connected<Result>(body: (WebClient) async throws -> Result) async throws -> Result {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5))
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let client = WebClient { method, url, json, seconds in
            var request = HTTPClientRequest(url: url)
            request.method = .RAW(value: method)
            request.headers.add(name: "accept", value: "application/json, */*")
            if let json {
                request.headers.add(name: "content-type", value: "application/json")
                request.body = .bytes(ByteBuffer(bytes: json.bytes()))
            }
            do {
                let response = try await http.execute(request, timeout: .milliseconds(Int64(max(0.1, seconds) * 1000)))
                let body = try await response.body.collect(upTo: longestAnswer)
                return Answer(status: Int(response.status.code), body: Array(body.readableBytesView))
            } catch let error as CancellationError {
                throw error
            } catch {
                // Without the path: webhooks have their secret in it.
                throw OperationError(.stopped, "\(WebClient.host(of: url)) does not answer: \(reason(error))")
            }
        }
        do {
            let result = try await body(client)
            try await http.shutdown()
            return result
        } catch {
            try? await http.shutdown()
            throw error
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? HTTPClientError else { return "\(error)" }
        return error.shortDescription
    }

    /// `https://hooks.example.com`, for people.
    static func host(of url: String) -> String {
        guard let parts = URLComponents(string: url), let host = parts.host else { return "the server" }
        return "\(parts.scheme ?? "http")://\(host)\(parts.port.map { ":\($0)" } ?? "")"
    }
}
