internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// What a member measures of itself (its /metrics), as far as maintenance looks at it.
package struct MemberMetrics: Sendable {
    /// How long the log's fsync took, seconds.
    package var walFsync: Histogram?
    /// How long commits of the database took, seconds.
    package var backendCommit: Histogram?
    /// The quota of the database, bytes.
    package var quota: Int64?
    /// When the process started, seconds since 1970.
    package var processStart: Double?
    /// How many defragmentations it has finished since it started.
    package var defragmentations: Int64?
    package var isDefragmenting: Bool

    package init(_ page: PrometheusText) {
        func whole(_ name: String) -> Int64? { page.value(name).flatMap { Int64(exactly: $0.rounded()) } }
        walFsync = page.histogram("etcd_disk_wal_fsync_duration_seconds")
        backendCommit = page.histogram("etcd_disk_backend_commit_duration_seconds")
        quota = whole("etcd_server_quota_backend_bytes")
        processStart = page.value("process_start_time_seconds")
        defragmentations = whole("etcd_disk_backend_defrag_duration_seconds_count")
        isDefragmenting = page.value("etcd_disk_defrag_inflight") == 1
    }
}

extension EtcdClient {
    /// The most of a metrics page that is read; etcd's have some 100 KiB.
    private static let longestPage = 16 << 20

    /// The metrics of the member at `endpoint`, from the port that serves clients.
    /// - Throws: `.unavailable` when they cannot be had there.
    package func metrics(at endpoint: Endpoint) async throws -> MemberMetrics {
        guard case .host(let host, let port) = endpoint.address else {
            throw EtcdError(.unavailable, "\(endpoint) is a socket and serves no metrics that can be read here.")
        }
        let tls = (endpoint.requiresTLS ?? (configuration.tls != nil)) ? configuration.tls ?? .init(authority: nil, certificate: nil, key: nil) : nil
        var settings = HTTPClient.Configuration(tlsConfiguration: try tls?.clientConfiguration())
        settings.timeout = .init(connect: .seconds(2))
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
        let result: Result<MemberMetrics, any Error>
        do {
            let name = host.contains(":") ? "[\(host)]" : host
            var request = HTTPClientRequest(url: "\(tls == nil ? "http" : "https")://\(name):\(port)/metrics")
            request.headers.add(name: "accept", value: "text/plain; version=0.0.4")
            let response = try await client.execute(request, timeout: .seconds(5))
            guard response.status == .ok else {
                throw EtcdError(.unavailable, "\(endpoint) answers \(response.status.code) when asked for /metrics.")
            }
            let body = try await response.body.collect(upTo: Self.longestPage)
            result = .success(MemberMetrics(PrometheusText(String(buffer: body))))
        } catch let error as EtcdError {
            result = .failure(error)
        } catch {
            result = .failure(EtcdError(.unavailable, "the metrics of \(endpoint) cannot be read: \(error)."))
        }
        try? await client.shutdown()
        return try result.get()
    }
}
