package import Etcd
internal import Foundation
internal import Maintenance
internal import Synchronization

/// Reads through the cluster, again and again, as a client that goes on at the next endpoint does, and remembers how long it had to wait.
package final class ReadProbe: Sendable {
    /// What it saw.
    package struct Report: Sendable, Codable, Equatable {
        /// The longest that a read took until one member answered, seconds.
        package var longestStallSeconds = 0.0
        /// Reads that were answered, and those that no member answered when the probe ended.
        package var reads = 0
        /// The longest that each member did not answer, seconds, by endpoint; those that always did are left out.
        package var longestSilenceSeconds: [String: Double] = [:]
    }

    /// How long one member may take before the next is asked.
    private static let attempt = Duration.milliseconds(500)
    private static let pause = Duration.milliseconds(50)

    private let client: EtcdClient
    private let endpoints: [Endpoint]
    private let report = Mutex(Report())

    private init(client: EtcdClient, endpoints: [Endpoint]) {
        self.client = client
        self.endpoints = endpoints
    }

    /// Runs `body` while reading through `endpoints`.
    package static func watching<Result: Sendable>(
        _ client: EtcdClient, through endpoints: [Endpoint], body: () async throws -> Result
    ) async throws -> (result: Result, report: Report) {
        let probe = ReadProbe(client: client, endpoints: endpoints)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await probe.run() }
            let result = try await body()
            group.cancelAll()
            try? await group.waitForAll()
            return (result, probe.report.withLock { $0 })
        }
    }

    private func run() async {
        let clock = ContinuousClock()
        var silentSince: [Endpoint: ContinuousClock.Instant] = [:]
        var round = 0
        while !Task.isCancelled, !endpoints.isEmpty {
            let started = clock.now
            var isAnswered = false
            while !isAnswered, !Task.isCancelled {
                let endpoint = endpoints[round % endpoints.count]
                round += 1
                let asked = clock.now
                do {
                    _ = try await client.probe(at: endpoint, isSerializable: false, within: Self.attempt)
                    isAnswered = true
                    if let since = silentSince.removeValue(forKey: endpoint) { note(silence: clock.now - since, of: endpoint) }
                } catch {
                    silentSince[endpoint] = silentSince[endpoint] ?? asked
                    // A member that refuses at once must not be asked in a tight loop.
                    try? await clock.sleep(for: .milliseconds(10))
                }
            }
            guard !Task.isCancelled else { break }
            let took = (clock.now - started).seconds
            report.withLock {
                $0.reads += 1
                $0.longestStallSeconds = max($0.longestStallSeconds, took)
            }
            try? await clock.sleep(for: Self.pause)
        }
        for (endpoint, since) in silentSince { note(silence: clock.now - since, of: endpoint) }
    }

    private func note(silence: Duration, of endpoint: Endpoint) {
        report.withLock { $0.longestSilenceSeconds[endpoint.description] = max($0.longestSilenceSeconds[endpoint.description] ?? 0, silence.seconds) }
    }
}
