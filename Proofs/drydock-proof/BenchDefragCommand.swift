internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import Proving

/// What clients have to bear while a cluster is defragmented: by drydock, and by `etcdctl defrag --cluster`, in alternating runs.
struct BenchDefragCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-defrag", abstract: "Measure what clients bear during a defragmentation, against etcdctl.")

    @Option(help: "The drydock to measure; a release build.") var drydock: String
    @Option(help: "The size of each member's database, MiB; half of it is garbage.") var size = 320
    @Option(help: "Runs of each tool.") var runs = 3
    @Option(help: "The report whose section on defragmentation is written anew.") var report: String?

    /// One run of one tool.
    private struct Sample {
        var seconds: Double
        /// Clients that go on at the next endpoint after a second.
        var moving: ClientLoad.Report
        /// Clients that stay with their endpoint.
        var staying: ClientLoad.Report
        var freed: Int64
    }

    private static let patience = Duration.seconds(1)

    func run() async throws {
        let binary = URL(fileURLWithPath: drydock).path
        let text = try await LocalEtcdCluster.running(.init(members: 3, arguments: ["--quota-backend-bytes", "8589934592"])) { cluster in
            let tools = [
                "etcdctl defrag --cluster": [EtcdRelease.v3_5.etcdctl, "defrag", "--cluster", "--command-timeout", "300s"],
                "drydock etcd defrag": [binary, "etcd", "defrag", "-q"],
            ]
            var samples: [String: [Sample]] = [:]
            var data = SampleData(seed: 7)
            let keys = data.next(size << 19 / 1250).map(\.key)
            for round in 0..<runs {
                // Which of the two goes first changes.
                let names = tools.keys.sorted()
                for name in round % 2 == 0 ? names : names.reversed() {
                    say("round \(round + 1) of \(runs): filling")
                    try await fill(cluster, keys)
                    say("round \(round + 1) of \(runs): \(name)")
                    let sample = try await measure(cluster, tools[name, default: []] + cluster.flags)
                    say(
                        String(
                            format: "%@: %.1f s, %d failed, stall %.2f s; without failover %.2f s\n", name, sample.seconds, sample.moving.failed,
                            sample.moving.longestStall, sample.staying.longestStall))
                    samples[name, default: []].append(sample)
                }
            }
            return try await page(samples, cluster)
        }
        print(text)
        if let report { try ReportFile(path: report).replace(section: "defragmentation", with: text) }
    }

    private func say(_ text: String) { FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8)) }

    /// Writes every key twice and removes the history, so that half of each database is free.
    private func fill(_ cluster: LocalEtcdCluster, _ keys: [String]) async throws {
        var generator = SplitMix(seed: UInt64.random(in: 0...UInt64.max))
        try await EtcdClient.connected(try cluster.configuration) { client in
            for _ in 0..<2 {
                for start in stride(from: 0, to: keys.count, by: 512) {
                    let pairs = keys[start..<min(start + 512, keys.count)].map { ($0, generator.bytes(1180)) }
                    try await client.putAll(pairs)
                }
            }
            let endpoint = client.configuration.endpoints[0]
            try await client.compact(at: try await client.status(at: endpoint).revision)
            // The others compact behind the one that was asked.
            var before: [Int64] = []
            while true {
                let sizes = await client.statuses().compactMap { try? $0.status.get().databaseSizeInUse }
                if sizes == before { break }
                before = sizes
                try await Task.sleep(for: .seconds(1))
            }
        }
        try await CommandRun.run("sync", [])
    }

    private func measure(_ cluster: LocalEtcdCluster, _ command: [String]) async throws -> Sample {
        let configuration = try cluster.configuration
        let before = try await total(cluster)
        let loads = (moving: ClientLoad(prefix: "/moving", attempt: Self.patience), staying: ClientLoad(prefix: "/staying", attempt: nil))
        let clock = ContinuousClock()
        let seconds = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await loads.moving.run(configuration, pause: .milliseconds(10), keys: 100) }
            group.addTask { try await loads.staying.run(configuration, pause: .milliseconds(10), keys: 100) }
            try await Task.sleep(for: .seconds(2))
            let began = clock.now
            let run = try await CommandRun.run(
                command[0], Array(command.dropFirst()), environment: ["XDG_STATE_HOME": cluster.folder.appendingPathComponent("state").path])
            let took = clock.now - began
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "\(command[0]) failed: \(run.errors)") }
            try await Task.sleep(for: .seconds(1))
            loads.moving.stop()
            loads.staying.stop()
            try await group.waitForAll()
            return took.seconds
        }
        return Sample(seconds: seconds, moving: loads.moving.soFar, staying: loads.staying.soFar, freed: before - (try await total(cluster)))
    }

    private func total(_ cluster: LocalEtcdCluster) async throws -> Int64 {
        try await EtcdClient.connected(try cluster.configuration) { client in
            await client.statuses().compactMap { try? $0.status.get().databaseSize }.reduce(0, +)
        }
    }

    private func page(_ samples: [String: [Sample]], _ cluster: LocalEtcdCluster) async throws -> String {
        func median(_ name: String, _ value: (Sample) -> Double) -> Double {
            let values = samples[name, default: []].map(value).sorted()
            return values.isEmpty ? 0 : values[values.count / 2]
        }
        let (ours, theirs) = ("drydock etcd defrag", "etcdctl defrag --cluster")
        let rows = [theirs, ours].map { name in
            let runs = samples[name, default: []]
            return String(
                format: "| %@ | %.1f | %d | %.2f | %@ | %.2f | %d | %.0f |", name, median(name) { $0.seconds }, runs.map(\.moving.failed).max() ?? 0,
                median(name) { $0.moving.longestStall }, runs.map { String(format: "%.2f", $0.moving.longestStall) }.joined(separator: ", "),
                median(name) { $0.staying.longestStall }, runs.map(\.moving.failedOver).max() ?? 0, median(name) { Double($0.freed) / 0x1p20 })
        }
        let ratio = median(ours) { $0.moving.longestStall } / max(0.001, median(theirs) { $0.moving.longestStall })
        let staying = median(ours) { $0.staying.longestStall } / max(0.001, median(theirs) { $0.staying.longestStall })
        let failed = samples[ours, default: []].map(\.moving.failed).max() ?? 0
        let facts = try await ReportFile.machine()
        return """
            ## Defragmentation under load

            Made by `make bench-defrag`: three members of \(size) MiB each, half of it garbage, while clients write and read through all endpoints: six \
            that go on at the next endpoint when one does not answer within a second, and six that stay with theirs. \(runs) alternating runs, medians; the stall is the \
            longest that one request took. etcd 3.5.1, drydock (release). Machine: \(facts).

            | what | measured | target | |
            |---|---:|---:|---|
            | failed requests, clients with failover | \(failed) | 0 | \(failed == 0 ? "met" : "**missed**") |
            | longest stall / etcdctl's, clients with failover | \(String(format: "%.2f", ratio)) | 0.33 | \(ratio <= 1.0 / 3 ? "met" : "**missed**") |
            | longest stall / etcdctl's, clients that stay | \(String(format: "%.2f", staying)) | – | |

            | tool | s | failed | stall s | of each run | stall s, staying | attempts given up | MiB freed |
            |---|---:|---:|---:|---|---:|---:|---:|
            \(rows.joined(separator: "\n"))

            Clients with failover wait for their own patience, one second, whatever the tool: the member that copies its database answers nobody, and etcd's API offers no way to \
            send its clients elsewhere first. The leader's own defragmentation did not hold up the clients of the others in etcd 3.5.1; handing leadership over can cost one forwarded \
            write, which its client gets back after the server's 7 s.

            """
    }
}
