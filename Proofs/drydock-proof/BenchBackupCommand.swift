internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Proving

/// A backup to S3, encrypted, against the pipeline of tools that people build for it, in alternating runs on the same cluster and the same server.
struct BenchBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-backup", abstract: "Measure backups to S3 against etcdctl, zstd, age and rclone.")

    @Option(help: "The drydock to measure; a release build.") var drydock: String
    @Option(help: "The least size of the snapshot, MiB.") var size = 1024
    @Option(help: "Runs of each.") var runs = 3
    @Option(help: "The report whose section on backups is written anew.") var report: String?

    private struct Sample {
        var seconds: Double
        /// The most memory of one process, MiB.
        var memory: Double
        /// What was written to disk, MiB.
        var written: Double
    }

    func run() async throws {
        let binary = URL(fileURLWithPath: drydock).path
        let text = try await LocalEtcdCluster.running(.init(arguments: ["--quota-backend-bytes", "8589934592"])) { cluster in
            try await SeaweedFS.running { server in
                try await BuiltProgram.withFolder { folder in
                    let bytes = try await fill(cluster)
                    try await server.store("bench") { try await $0.makeBucket(withObjectLock: false) }
                    let recipient = AgeIdentity.generate().recipient ?? ""
                    let endpoint = cluster.members[0].clientURL
                    let rclone = EtcdRelease.checkout.appendingPathComponent(".tools/rclone-1.75.2/rclone").path
                    let file = folder.appendingPathComponent("snapshot.db").path
                    var samples: [String: [Sample]] = [:]
                    for round in 0..<runs {
                        let tools: [(String, [String])] = [
                            (
                                "etcdctl, zstd, age, rclone",
                                [
                                    "sh", "-ec",
                                    """
                                    rm -f '\(file)'*
                                    '\(EtcdRelease.v3_5.etcdctl)' snapshot save '\(file)' --endpoints '\(endpoint)' >/dev/null 2>&1
                                    zstd -q -3 '\(file)' -o '\(file).zst'
                                    age -r '\(recipient)' -o '\(file).zst.age' '\(file).zst'
                                    '\(rclone)' copyto '\(file).zst.age' ':s3:bench/tools/\(round)' --s3-provider SeaweedFS --s3-env-auth --s3-endpoint '\(server.endpoint.absoluteString)'
                                    """,
                                ]
                            ),
                            (
                                "drydock backup create",
                                [
                                    binary, "backup", "create", "--location", "s3://bench/drydock", "--cluster", "bench-\(round)", "--recipient",
                                    recipient,
                                    "--endpoints", endpoint, "-q",
                                ]
                            ),
                        ]
                        for (name, command) in round % 2 == 0 ? tools : tools.reversed() {
                            let sample = try await measure(command, server.environment.merging(["RCLONE_CONFIG": "/dev/null"]) { $1 })
                            FileHandle.standardError.write(Data(String(format: "%@: %.1f s, %.0f MiB\n", name, sample.seconds, sample.memory).utf8))
                            samples[name, default: []].append(sample)
                        }
                    }
                    return try await page(bytes, samples)
                }
            }
        }
        print(text)
        if let report { try ReportFile(path: report).replace(section: "backups", with: text) }
    }

    private func fill(_ cluster: LocalEtcdCluster) async throws -> Int {
        var data = SampleData(seed: 99)
        let size = size
        return try await EtcdClient.connected(try cluster.configuration) { client in
            var written = 0
            while written < size << 20 {
                let batch = data.next(2000)
                try await client.putAll(batch)
                written += batch.reduce(0) { $0 + $1.value.count + $1.key.utf8.count }
            }
            return written
        }
    }

    private func measure(_ command: [String], _ environment: [String: String]) async throws -> Sample {
        let began = ContinuousClock.now
        let run = try await CommandRun.run("/usr/bin/time", ["-f", "%M %O"] + command, environment: environment)
        let seconds = (ContinuousClock.now - began).seconds
        let figures = run.errors.split(separator: "\n").last?.split(separator: " ").compactMap { Double($0) } ?? []
        guard run.status == 0, figures.count == 2 else {
            throw LocalEtcdCluster.Failure(description: "\(command.prefix(3)): \(run.errors.suffix(500))")
        }
        // Blocks of 512 bytes.
        return Sample(seconds: seconds, memory: figures[0] / 1024, written: figures[1] / 2048)
    }

    private func page(_ bytes: Int, _ samples: [String: [Sample]]) async throws -> String {
        func median(_ name: String, _ value: (Sample) -> Double) -> Double {
            let values = samples[name, default: []].map(value).sorted()
            return values.isEmpty ? 0 : values[values.count / 2]
        }
        let (ours, theirs) = ("drydock backup create", "etcdctl, zstd, age, rclone")
        let share = median(ours, \.seconds) / max(0.001, median(theirs, \.seconds))
        let memory = samples[ours, default: []].map(\.memory).max() ?? 0
        let written = samples[ours, default: []].map(\.written).max() ?? 0
        func verdict(_ holds: Bool) -> String { holds ? "met" : "**missed**" }
        func row(_ name: String) -> String {
            let own = samples[name, default: []]
            return
                "| \(name) | \(own.map { String(format: "%.1f", $0.seconds) }.joined(separator: ", ")) | \(String(format: "%.0f", Double(bytes) / 1_048_576 / max(0.001, median(name, \.seconds)))) | \(String(format: "%.0f", own.map(\.memory).max() ?? 0)) | \(String(format: "%.0f", own.map(\.written).max() ?? 0)) |"
        }
        let machine = try await ReportFile.machine()
        return """
            ## Backups to S3

            Made by `make bench-backup`: etcd 3.5.1 with \(bytes >> 20) MiB of keys and values, compressed (zstd 3) and encrypted (age) to SeaweedFS on the same machine, \(runs) alternating runs, \
            medians, etcd and the S3 server taking their share of two cores. Machine: \(machine).

            | what | measured | target | |
            |---|---:|---:|---|
            | wall time / etcdctl snapshot save, zstd, age, rclone copyto one after the other | \(String(format: "%.2f", share)) | 0.70 | \(verdict(share < 0.7)) |
            | most memory | \(String(format: "%.0f", memory)) MiB | 128 MiB | \(verdict(memory < 128)) |
            | written to this host's disk | \(String(format: "%.1f", written)) MiB | 0 | \(verdict(written < 1)) |

            | | seconds | MiB/s | most memory of one process, MiB | written to disk, MiB |
            |---|---|---:|---:|---:|
            \(row(theirs))
            \(row(ours))

            """
    }
}
