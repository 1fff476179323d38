internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Proving

/// Measures drydock against the best tools of the field: alternating runs on the same input, medians.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench", abstract: "Measure drydock against the best tools, in alternating runs.")

    @Option(help: "The drydock to measure; a release build.") var drydock: String
    @Option(help: "The least size of the snapshot, MiB.") var size = 1100
    @Option(help: "Runs of each command.") var runs = 7
    @Option(help: "Where the report goes.") var report: String?

    /// One command's runs: wall time in seconds, and the most memory in KiB.
    struct Samples {
        var seconds: [Double] = []
        var memory: [Int] = []

        static func median<T: Comparable>(_ values: [T]) -> T? { values.isEmpty ? nil : values.sorted()[values.count / 2] }
        var time: Double { Self.median(seconds) ?? 0 }
        var peak: Double { Double(Self.median(memory) ?? 0) / 1024 }
        var spread: String { String(format: "%.2f–%.2f", seconds.min() ?? 0, seconds.max() ?? 0) }
    }

    func run() async throws {
        let binary = URL(fileURLWithPath: drydock).path
        let (tool, ctl) = (EtcdRelease.v3_5.snapshotTool, EtcdRelease.v3_5.etcdctl)
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("bench.db").path
            let scratch = folder.appendingPathComponent("scratch").path
            let saves = try await LocalEtcdCluster.running(.init(arguments: ["--quota-backend-bytes", "8589934592"])) { cluster in
                try await fill(cluster)
                let flags = ["--endpoints", cluster.members[0].clientURL]
                _ = try await measure(["etcdctl": [ctl, "snapshot", "save", file] + flags], times: 1)
                return try await measure(
                    [
                        "etcdctl snapshot save": [ctl, "snapshot", "save", scratch] + flags,
                        "drydock snapshot save --no-after-verify": [binary, "snapshot", "save", scratch, "--no-after-verify", "-q"] + flags,
                        "drydock snapshot save": [binary, "snapshot", "save", scratch, "-q"] + flags,
                    ], clean: scratch, times: min(5, runs))
            }
            let verifies = try await measure(
                [
                    "openssl dgst -sha256": ["openssl", "dgst", "-sha256", file], "etcdutl snapshot status": [tool, "snapshot", "status", file],
                    "drydock snapshot verify": [binary, "snapshot", "verify", file, "-q"],
                ], times: runs)
            let restores = try await measure(
                [
                    "etcdutl snapshot restore": [tool, "snapshot", "restore", file, "--data-dir", scratch],
                    "drydock snapshot restore": [binary, "snapshot", "restore", file, "--data-dir", scratch, "-q"],
                    "drydock snapshot restore --compact": [binary, "snapshot", "restore", file, "--data-dir", scratch, "--compact", "-q"],
                    "copy with fsync (dd)": ["dd", "if=\(file)", "of=\(scratch)", "bs=1M", "conv=fsync", "status=none"],
                ], clean: scratch, times: runs)
            let starts = try await measure(
                ["drydock --version": ["sh", "-c", loop(binary, "--version")], "etcdctl version": ["sh", "-c", loop(ctl, "version")]], times: runs)
            let bytes = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
            let text = try await page(bytes, saves, verifies, restores, starts)
            print(text)
            if let report { try ReportFile(path: report).replace(section: "snapshots", with: text) }
        }
    }

    private func loop(_ command: String, _ argument: String) -> String {
        "i=0; while [ $i -lt 50 ]; do '\(command)' \(argument) >/dev/null; i=$((i+1)); done"
    }

    private func fill(_ cluster: LocalEtcdCluster) async throws {
        var data = SampleData(seed: 99)
        try await EtcdClient.connected(try cluster.configuration) { client in
            var written = 0
            while written < size << 20 {
                let batch = data.next(2000)
                try await client.putAll(batch)
                written += batch.reduce(0) { $0 + $1.value.count + $1.key.utf8.count }
                FileHandle.standardError.write(Data("\rwriting \(written >> 20) of \(size) MiB".utf8))
            }
            FileHandle.standardError.write(Data("\n".utf8))
        }
    }

    /// Runs the commands in turn, `times` rounds, after everything pending has reached the disk.
    private func measure(_ commands: [String: [String]], clean: String? = nil, times: Int) async throws -> [String: Samples] {
        var samples: [String: Samples] = [:]
        for round in 0..<times {
            for (name, command) in commands.sorted(by: { $0.key < $1.key }) {
                if let clean { try? FileManager.default.removeItem(atPath: clean) }
                try await CommandRun.run("sync", [])
                FileHandle.standardError.write(Data("\r\u{1b}[Kround \(round + 1) of \(times): \(name)".utf8))
                let run = try await CommandRun.run("/usr/bin/time", ["-f", "%e %M"] + command)
                let figures = run.errors.split(separator: "\n").last?.split(separator: " ") ?? []
                guard run.status == 0, figures.count == 2, let seconds = Double(figures[0]), let memory = Int(figures[1]) else {
                    throw LocalEtcdCluster.Failure(description: "\(name) failed: \(run.errors)")
                }
                samples[name, default: Samples()].seconds.append(seconds)
                samples[name, default: Samples()].memory.append(memory)
            }
        }
        if let clean { try? FileManager.default.removeItem(atPath: clean) }
        FileHandle.standardError.write(Data("\n".utf8))
        return samples
    }

    private func page(
        _ bytes: Int, _ saves: [String: Samples], _ verifies: [String: Samples], _ restores: [String: Samples], _ starts: [String: Samples]
    ) async throws -> String {
        func value(_ table: [String: Samples], _ name: String) -> Samples { table[name] ?? Samples() }
        func rows(_ table: [String: Samples]) -> String {
            table.sorted { $0.value.time < $1.value.time }.map {
                String(format: "| %@ | %.2f | %@ | %.0f |", $0.key, $0.value.time, $0.value.spread, $0.value.peak)
            }.joined(separator: "\n")
        }
        let header = "| command | median s | range s | peak MiB |\n|---|---:|---:|---:|\n"
        let verify = value(verifies, "drydock snapshot verify")
        let hash = value(verifies, "openssl dgst -sha256")
        let both = hash.time + value(verifies, "etcdutl snapshot status").time
        let restore = value(restores, "drydock snapshot restore").time / max(value(restores, "etcdutl snapshot restore").time, 0.001)
        let copy = value(restores, "drydock snapshot restore").time / max(value(restores, "copy with fsync (dd)").time, 0.001)
        let save = value(saves, "drydock snapshot save --no-after-verify").time / max(value(saves, "etcdctl snapshot save").time, 0.001)
        let saveAndVerify = value(saves, "drydock snapshot save").time / max(value(saves, "etcdctl snapshot save").time, 0.001)
        let start = value(starts, "drydock --version").time / 50 * 1000
        func verdict(_ value: Double, _ target: Double) -> String { value <= target ? "met" : "**missed**" }
        let openssl = try await CommandRun.run("openssl", ["version"])
        let version = try await CommandRun.run(drydock, ["--version"])
        return """
            # Benchmarks

            Made by `make bench`: one snapshot of \(bytes >> 20) MiB with keys and values like those of Kubernetes, \(runs) rounds of alternating runs \
            (save: \(min(5, runs))), medians, everything pending written to disk before each run, the snapshot in the page cache.

            Machine: \(try await ReportFile.machine()). drydock \(version.output.trimmingCharacters(in: .whitespacesAndNewlines)) \
            (release), etcd 3.5.1, \(openssl.output.trimmingCharacters(in: .whitespacesAndNewlines)).

            | what | measured | target | |
            |---|---:|---:|---|
            | verify / `openssl dgst -sha256` | \(String(format: "%.2f", verify.time / max(hash.time, 0.001))) | 1.15 | \(verdict(verify.time / max(hash.time, 0.001), 1.15)) |
            | verify / (`etcdutl snapshot status` + that hash) | \(String(format: "%.2f", verify.time / max(both, 0.001))) | 0.60 | \(verdict(verify.time / max(both, 0.001), 0.6)) |
            | verify, memory in MiB | \(String(format: "%.0f", verify.peak)) | 64 | \(verdict(verify.peak, 64)) |
            | restore / `etcdutl snapshot restore` | \(String(format: "%.2f", restore)) | 0.40 | \(verdict(restore, 0.4)) |
            | restore / a plain copy with fsync | \(String(format: "%.2f", copy)) | – | |
            | save / `etcdctl snapshot save` | \(String(format: "%.2f", save)) | 1.00 | \(verdict(save, 1)) |
            | save and verify / `etcdctl snapshot save` | \(String(format: "%.2f", saveAndVerify)) | – | |
            | save and verify, memory in MiB | \(String(format: "%.0f", value(saves, "drydock snapshot save").peak)) | 64 | \(verdict(value(saves, "drydock snapshot save").peak, 64)) |
            | process start in ms | \(String(format: "%.1f", start)) | 20 | \(verdict(start, 20)) |

            ## Verify

            \(header)\(rows(verifies))

            ## Restore

            \(header)\(rows(restores))

            ## Save

            \(header)\(rows(saves))

            ## Process start, 50 times

            \(header)\(rows(starts))

            """
    }
}
