package import Etcd
internal import Foundation
package import Journal
internal import Maintenance
internal import Synchronization

/// Whether the members' disks can carry etcd: four numbers from a load that is bounded in time and keys, with thresholds and a verdict.
package struct DiskBenchmark: Sendable {
    /// How long the whole load lasts.
    package var duration = Duration.seconds(20)
    /// The most keys that are written, over and over.
    package var keys = 10_000
    package var valueSize = 1024
    package var clients = 16
    /// The put rate that the load is bounded to, a second.
    package var rate = 500

    package init() {}

    /// One of the numbers.
    package struct Number: Sendable, Codable, Equatable {
        package var name: String
        package var unit: String
        /// nil when it could not be measured.
        package var value: Double?
        /// Up to here (for rates: from here on) it is good, and beyond the second bound it is bad.
        package var good: Double
        package var bad: Double
        package var isRate: Bool
        /// `good`, `marginal`, `bad` or `unknown`.
        package var verdict: String

        init(_ name: String, _ unit: String, _ value: Double?, good: Double, bad: Double, isRate: Bool = false) {
            self.name = name
            self.unit = unit
            self.value = value
            self.good = good
            self.bad = bad
            self.isRate = isRate
            guard let value else {
                verdict = "unknown"
                return
            }
            let isGood = isRate ? value >= good : value <= good
            let isBad = isRate ? value < bad : value > bad
            verdict = isGood ? "good" : isBad ? "bad" : "marginal"
        }
    }

    package struct Report: Sendable, Codable {
        package struct MemberNumbers: Sendable, Codable {
            package var name: String
            package var walFsyncP99Milliseconds: Double?
            package var backendCommitP99Milliseconds: Double?
        }

        package var numbers: [Number]
        package var members: [MemberNumbers]
        package var puts: Int
        package var failedPuts: Int
        package var seconds: Double
        /// The worst of the numbers' verdicts.
        package var verdict: String
    }

    /// Runs the load and measures. The keys belong to a lease, so that they go even when this process is killed.
    /// - Throws: `OperationError.refused` when the cluster has no room or is not healthy.
    package func run(_ client: EtcdClient, journal: Journal, progress: @escaping @Sendable (Double) -> Void) async throws -> Report {
        let before = try await ClusterView.read(client, [.reads, .metrics])
        // A load would disturb a run that is at work or is to go on.
        try journal.checkFree(before.subject)
        let health = ClusterHealth(before)
        guard health.verdict == .healthy else {
            throw OperationError(
                .refused,
                "the cluster is \(health.verdict.rawValue) (\(health.findings.map(\.message).joined(separator: "; "))): a load does not make it better."
            )
        }
        let endpoints = before.voters.compactMap(\.endpoint)
        // Every put stays in the history until a compaction: the load must not fill the quota.
        let room = before.voters.compactMap { $0.sizes.map { ($0.dbQuota ?? 2 << 30) - $0.dbSize } }.min() ?? 0
        let puts = Int(room / 4) / (valueSize + Self.overhead)
        guard puts >= Self.fewestPuts else {
            throw OperationError(
                .refused,
                "there is no room for a load: \(room >> 20) MiB are left of the quota. Run `drydock etcd defrag --compact`, or write smaller values.")
        }
        let lease = try await client.grantLease(seconds: Int64(duration.seconds) + 60)
        let sequential = duration * 0.4
        let clock = ContinuousClock()
        let began = clock.now
        let timer = { @Sendable in progress(min(1, (clock.now - began).seconds / duration.seconds)) }
        let load = Load(client: client, lease: lease, keys: keys, puts: puts, value: [UInt8](repeating: 0x64, count: valueSize))
        let result: Result<(one: Load.Tally, many: Load.Tally), any Error>
        do {
            // One client first: the latency of a write that waits for nobody but the disks.
            let one = try await load.run(clients: 1, rate: nil, through: endpoints, for: sequential, timer)
            let many = try await load.run(clients: clients, rate: rate, through: endpoints, for: duration - sequential, timer)
            result = .success((one, many))
        } catch {
            result = .failure(error)
        }
        try await revoke(lease, client)
        let (one, many) = try result.get()
        let after = try await ClusterView.read(client, [.reads, .metrics])
        return report(one, many, before, after)
    }

    /// Bytes that a put takes besides its value, generously; and the fewest puts that say something.
    private static let overhead = 512
    private static let fewestPuts = 200

    /// Deletes the keys, also when this task is cancelled: then its connections are gone, and another task makes one of its own.
    private func revoke(_ lease: Int64, _ client: EtcdClient) async throws {
        guard Task.isCancelled else { return try await client.revokeLease(lease) }
        let configuration = client.configuration
        try? await Task { try await EtcdClient.connected(configuration) { try await $0.revokeLease(lease) } }.value
    }

    private func report(_ one: Load.Tally, _ many: Load.Tally, _ before: ClusterView, _ after: ClusterView) -> Report {
        let members = after.voters.map { member in
            let old = before.member(member.member.id)?.metrics
            func p99(_ histogram: KeyPath<MemberMetrics, Histogram?>) -> Double? {
                guard let new = member.metrics?[keyPath: histogram] else { return nil }
                return (old?[keyPath: histogram].map { new.since($0) } ?? new).quantile(0.99).map { $0 * 1000 }
            }
            return Report.MemberNumbers(
                name: member.member.title, walFsyncP99Milliseconds: p99(\.walFsync), backendCommitP99Milliseconds: p99(\.backendCommit))
        }
        // etcd's documentation on hardware asks for fsyncs below 10 ms and commits below 25 ms (99th percentile).
        let numbers = [
            Number("WAL fsync p99", "ms", members.compactMap(\.walFsyncP99Milliseconds).max(), good: 10, bad: 100),
            Number("backend commit p99", "ms", members.compactMap(\.backendCommitP99Milliseconds).max(), good: 25, bad: 250),
            Number("sequential write p99", "ms", one.quantile(0.99).map { $0 * 1000 }, good: 30, bad: 150),
            Number("puts at a bounded load", "1/s", many.rate, good: Double(rate) * 0.95, bad: Double(rate) * 0.5, isRate: true),
        ]
        let order = ["good", "unknown", "marginal", "bad"]
        return Report(
            numbers: numbers, members: members, puts: one.seconds.count + many.seconds.count, failedPuts: one.failures + many.failures,
            seconds: one.elapsed + many.elapsed,
            verdict: numbers.map(\.verdict).max { order.firstIndex(of: $0)! < order.firstIndex(of: $1)! } ?? "unknown")
    }
}

/// Clients that put keys, and how long each put took.
private final class Load: Sendable {
    struct Tally: Sendable {
        /// Latencies of the puts that succeeded.
        var seconds: [Double] = []
        var failures = 0
        var elapsed = 0.0

        var rate: Double? { elapsed > 0 ? Double(seconds.count) / elapsed : nil }

        func quantile(_ share: Double) -> Double? {
            seconds.isEmpty ? nil : seconds.sorted()[min(seconds.count - 1, Int(Double(seconds.count) * share))]
        }
    }

    private final class Recorder: Sendable {
        let tally = Mutex(Tally())
    }

    private let client: EtcdClient
    private let lease: Int64
    private let keys: Int
    /// Puts that may still be made.
    private let left: Atomic<Int>
    private let value: [UInt8]

    init(client: EtcdClient, lease: Int64, keys: Int, puts: Int, value: [UInt8]) {
        self.client = client
        self.lease = lease
        self.keys = keys
        left = Atomic(puts)
        self.value = value
    }

    func run(
        clients: Int, rate: Int?, through endpoints: [Endpoint], for duration: Duration, _ timer: @escaping @Sendable () -> Void
    ) async throws -> Tally {
        let recorder = Recorder()
        let clock = ContinuousClock()
        let began = clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<clients {
                group.addTask { [self] in
                    // Each client keeps its own beat, so that a slow put delays its next ones and not those of others.
                    let beat = rate.map { Duration.seconds(Double(clients) / Double($0)) }
                    var next = clock.now
                    var count = index
                    while clock.now - began < duration, left.wrappingSubtract(1, ordering: .relaxed).newValue >= 0 {
                        if let beat {
                            try await clock.sleep(until: next)
                            next += beat
                        }
                        let started = clock.now
                        let key = "drydock/benchmark/\(lease)/\(count % keys)"
                        count += clients
                        do {
                            _ = try await client.put(key, value, lease: lease, at: endpoints[count % endpoints.count])
                            let took = (clock.now - started).seconds
                            recorder.tally.withLock { $0.seconds.append(took) }
                        } catch let error as EtcdError where error.code != .noSpace { recorder.tally.withLock { $0.failures += 1 } }
                        if index == 0 { timer() }
                    }
                }
            }
            try await group.waitForAll()
        }
        return recorder.tally.withLock {
            $0.elapsed = (clock.now - began).seconds
            return $0
        }
    }
}
