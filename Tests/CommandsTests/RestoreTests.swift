import Etcd
import Foundation
import Maintenance
import ObjectStore
import Proving
import Testing

/// `drydock backup restore` on three hosts, each with an sshd and an etcd of its own.
@Suite(.enabled(if: ControlPlaneHosts.mayRun, Comment(rawValue: ControlPlaneHosts.missing)), .timeLimit(.minutes(60)))
struct RestoreTests {
    /// The hosts, a backup of them, and what it holds.
    private struct Desk: Sendable {
        let hosts: ControlPlaneHosts
        let store: String
        let identity: AgeIdentity
        let key: String
        let state: String
        let kept: [[UInt8]: [UInt8]]

        var environment: [String: String] { ["HOME": state, "XDG_STATE_HOME": state] }

        func callAsFunction(_ words: String...) async throws -> CommandRun { try await BuiltProgram.run(words, environment: environment) }

        func restore(_ more: [String] = []) async throws -> [String] {
            [
                "backup", "restore", "--identity", key, "--manifests-dir", hosts.manifests, "--step-timeout", "60s", "--accept-cluster-id",
                try await hosts.clusterID(),
            ]
                + (more.contains("--file") ? [] : ["--location", store]) + hosts.hostFlags + more
        }

        func newestRun() async throws -> (id: String, state: String)? {
            let runs = try await self("runs", "list", "-o", "json")
            let newest = (try JSONSerialization.jsonObject(with: Data(runs.output.utf8)) as? [[String: Any]])?.first
            return newest.flatMap { run in (run["id"] as? String).map { ($0, run["state"] as? String ?? "") } }
        }

        /// Writes what no backup has.
        func write(_ name: String) async throws {
            try await EtcdClient.connected(try hosts.configuration) { _ = try await $0.put([("/later/\(name)", [1])]) }
        }
    }

    private func withDesk(_ body: (Desk) async throws -> Void) async throws {
        try await ControlPlaneHosts.running { hosts in
            try await BuiltProgram.withFolder { folder in
                var data = SampleData(seed: 5)
                let pairs = data.next(500)
                try await EtcdClient.connected(try hosts.configuration) { try await $0.putAll(pairs) }
                let identity = AgeIdentity.generate()
                let key = folder.appendingPathComponent("key")
                try Data("\(identity.secret ?? "")\n".utf8).write(to: key)
                let desk = Desk(
                    hosts: hosts, store: folder.appendingPathComponent("store").path, identity: identity, key: key.path,
                    state: folder.appendingPathComponent("state").path, kept: try await hosts.contents())
                let made = try await BuiltProgram.run(
                    ["backup", "create", "--location", desk.store, "--recipient", identity.recipient ?? "", "--files", hosts.kubernetes.path]
                        + hosts.hostFlags + hosts.flags, environment: desk.environment)
                try #require(made.status == 0, "\(made.output)\(made.errors)")
                try await body(desk)
            }
        }
    }

    @Test func `What could go wrong is refused before anything is touched, and the way is named`() async throws {
        try await withDesk { desk in
            try await desk.write("a")
            let before = try await desk.hosts.contents()
            func refused(_ more: [String], _ words: String..., status: Int32 = 4) async throws {
                let run = try await BuiltProgram.run(try await desk.restore(more), environment: desk.environment)
                #expect(run.status == status, "\(more): \(run.output)\(run.errors)")
                for word in words { #expect((run.output + run.errors).contains(word), "\(more): \(run.output)\(run.errors)") }
            }
            try await refused([], "nobody has read", "--accept-loss")
            #expect(try await desk("backup", "verify", "--deep", "--identity", desk.key, "--location", desk.store).status == 0)
            try await refused([], "etcd serves", "--accept-loss")
            let dry = try await BuiltProgram.run(try await desk.restore(["--accept-loss", "--dry-run"]), environment: desk.environment)
            #expect(dry.status == 0 && dry.output.contains("exchange the data of cp2"), "\(dry.output)\(dry.errors)")
            try await refused(["--accept-loss", "--host", "nowhere"], "nowhere cannot be reached", status: 75)
            try await refused(["--accept-loss", "--host", "cp1"], "named twice", status: 2)
            #expect(try await desk.hosts.contents() == before)
            #expect(try await desk.newestRun() == nil)
        }
    }

    @Test func `Restored from one file, with keys and manifests, after two hosts lost their disks; and taken back when it is done`() async throws {
        try await withDesk { desk in
            let file = "\(desk.state)/backup.tar.gz"
            #expect(try await desk("backup", "export", "latest", file, "--location", desk.store).status == 0)
            try await desk.write("a")
            let id = try await desk.hosts.clusterID()
            let third = try await desk.hosts.contents()
            for host in desk.hosts.hosts.prefix(2) { try desk.hosts.loseDisks(of: host) }
            let arguments = [
                "backup", "restore", "--file", file, "--identity", desk.key, "--manifests-dir", desk.hosts.manifests, "--accept-cluster-id", id,
                "--accept-unverified",
            ]
            let bare = try await BuiltProgram.run(arguments + desk.hosts.hostFlags, environment: desk.environment)
            #expect(bare.status == 2 && bare.errors.contains("etcd.yaml"), "\(bare.output)\(bare.errors)")
            let done = try await BuiltProgram.run(arguments + ["--files"] + desk.hosts.hostFlags, environment: desk.environment)
            try #require(done.status == 0, "\(done.output)\(done.errors)")
            try await desk.hosts.waitUntilServing()
            #expect(try await desk.hosts.contents() == desk.kept, "every key, and nothing that came later")
            #expect(try await desk.hosts.clusterID() != id, "members that were left out cannot come back into it")
            #expect(third.count == desk.kept.count + 1)
            let run = try #require(try await desk.newestRun())
            #expect(run.state == "done")
            #expect(!FileManager.default.fileExists(atPath: "\(desk.state)/drydock/restore-"), "nothing in plain stays here")
            let left = try FileManager.default.contentsOfDirectory(atPath: "\(desk.state)/drydock").filter { $0.hasPrefix("restore-") }
            #expect(left.isEmpty, "\(left)")
            // Two hosts had nothing: taken back they have nothing again, and the third has what it had.
            let back = try await BuiltProgram.run(["runs", "rollback", run.id], environment: desk.environment)
            #expect(back.status == 0, "\(back.output)\(back.errors)")
            #expect(!FileManager.default.fileExists(atPath: desk.hosts.hosts[0].kubernetes.appendingPathComponent("pki/etcd/ca.key").path))
            #expect(FileManager.default.fileExists(atPath: desk.hosts.hosts[2].dataFolder.appendingPathComponent("member/snap/db").path))
            for run in [bare, done, back] {
                #expect(!(run.output + run.errors).contains(desk.identity.secret ?? "-") && !(run.output + run.errors).contains("PRIVATE KEY"))
            }
        }
    }

    private static let takesAll = ProcessInfo.processInfo.environment["DRYDOCK_FAULTS"] == "all"

    @Test func `Killed at a boundary of its journal, a restore is resumed to its end, or taken back to what was`() async throws {
        try await withDesk { desk in
            #expect(try await desk("backup", "verify", "--deep", "--identity", desk.key, "--location", desk.store).status == 0)
            let list = desk.hosts.folder.appendingPathComponent("boundaries")
            try await desk.write("0")
            let whole = try await BuiltProgram.interrupted(list: list, try await desk.restore(["--accept-loss"]), environment: desk.environment)
            try #require(whole.status == 0, "\(whole.output)\(whole.errors)")
            try await desk.hosts.waitUntilServing()
            #expect(try await desk.hosts.contents() == desk.kept)
            let count = try String(contentsOf: list, encoding: .utf8).split(separator: "\n").count
            #expect(count >= 30, "\(count) boundaries")
            let seed = UInt64.random(in: 0...UInt64.max)
            var generator = SplitMix(seed: seed)
            // Some by chance; `make faults` takes them all, both ways.
            let cases = (1...count).flatMap { number in [true, false].map { (number, $0) } }
            let chosen = Self.takesAll ? cases : Array(cases.shuffled(using: &generator).prefix(6))
            print("seed \(seed): \(chosen.count) of \(count) boundaries, resumed or taken back")
            for (number, resumes) in chosen {
                try await desk.write("\(number)")
                let before = try await desk.hosts.contents()
                let killed = try await BuiltProgram.interrupted(
                    at: number, list: list, try await desk.restore(["--accept-loss"]), environment: desk.environment)
                let reached = try String(contentsOf: list, encoding: .utf8).split(separator: "\n").last.map(String.init) ?? ""
                let comment = "boundary \(number), \(reached), \(resumes ? "resumed" : "taken back")"
                try #require(killed.status == 128 + 9, "\(comment): \(killed.status) \(killed.errors)")
                guard let run = try await desk.newestRun(), !reached.hasPrefix("before begin") else { continue }
                if resumes, run.state != "done" {
                    let resumed = try await desk("runs", "resume", run.id)
                    try #require(resumed.status == 0, "\(comment): \(resumed.output)\(resumed.errors)")
                } else if !resumes {
                    let back = try await desk("runs", "rollback", run.id)
                    try #require(back.status == 0, "\(comment): \(back.output)\(back.errors)")
                }
                try await desk.hosts.waitUntilServing()
                #expect(try await desk.hosts.contents() == (resumes ? desk.kept : before), "\(comment)")
            }
        }
    }
}
