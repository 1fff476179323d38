package import Etcd
internal import Foundation
internal import Maintenance
internal import Synchronization

/// Clients that write and read through all endpoints, each going on at the next one when its own does not answer, as clients of etcd do; and what
/// they had to bear.
package final class ClientLoad: Sendable {
    package struct Report: Sendable {
        package var writes = 0
        package var reads = 0
        /// Requests that no endpoint answered within the patience of a client.
        package var failed = 0
        /// Attempts that another endpoint made good.
        package var failedOver = 0
        /// The longest that one request took until it was answered, seconds.
        package var longestStall = 0.0
        package var firstError: String?
    }

    /// How long one endpoint may take before the client goes on; nil for as long as it takes.
    private let attempt: Duration?
    private let patience = Duration.seconds(30)
    private let prefix: String
    private let report = Mutex(Report())
    private let acknowledged = Mutex<[String: [UInt8]]>([:])
    private let stopped = Atomic(false)

    package init(prefix: String, attempt: Duration?) {
        self.prefix = prefix
        self.attempt = attempt
    }

    /// The keys whose writes were acknowledged, and their values.
    package var written: [String: [UInt8]] { acknowledged.withLock { $0 } }

    package var soFar: Report { report.withLock { $0 } }

    package func stop() { stopped.store(true, ordering: .relaxed) }

    /// Runs a writer and a reader an endpoint until `stop` is called.
    /// - Parameters:
    ///   - pause: between two requests of a client.
    ///   - keys: how many keys each writer writes over and over; nil for a new one each time.
    package func run(_ configuration: EtcdConfiguration, pause: Duration, valueSize: Int = 256, keys: Int? = nil) async throws {
        try await EtcdClient.connected(configuration) { client in
            let endpoints = configuration.endpoints
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in endpoints.indices {
                    group.addTask { [self] in
                        var count = 0
                        try await repeatedly(endpoints, first: index, pause: pause) { endpoint in
                            let key = "\(self.prefix)/\(index)/\(keys.map { count % $0 } ?? count)"
                            let value = Array("value \(count) ".utf8) + [UInt8](repeating: 0x2e, count: valueSize)
                            _ = try await client.put(key, value, at: endpoint, within: self.attempt ?? self.patience)
                            self.acknowledged.withLock { $0[key] = value }
                            self.report.withLock { $0.writes += 1 }
                            count += 1
                        }
                    }
                    group.addTask { [self] in
                        try await repeatedly(endpoints, first: index, pause: pause) { endpoint in
                            _ = try await client.probe(at: endpoint, isSerializable: false, within: self.attempt ?? self.patience)
                            self.report.withLock { $0.reads += 1 }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private func repeatedly(
        _ endpoints: [Endpoint], first: Int, pause: Duration, _ request: (Endpoint) async throws -> Void
    ) async throws {
        let clock = ContinuousClock()
        var current = first
        while !stopped.load(ordering: .relaxed) {
            let started = clock.now
            while true {
                do {
                    try await request(endpoints[current % endpoints.count])
                    break
                } catch {
                    current += 1
                    report.withLock {
                        $0.failedOver += 1
                        $0.firstError = $0.firstError ?? "\(error)"
                    }
                    guard clock.now - started < patience else {
                        report.withLock { $0.failed += 1 }
                        break
                    }
                    // A member that refuses at once must not be asked in a tight loop.
                    try await clock.sleep(for: .milliseconds(5))
                }
            }
            let took = clock.now - started
            report.withLock { $0.longestStall = max($0.longestStall, took.seconds) }
            try await clock.sleep(for: pause)
        }
    }
}
