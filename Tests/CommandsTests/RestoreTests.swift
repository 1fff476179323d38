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
            let two = try await BuiltProgram.run(
                try await desk.restore(["--accept-loss"]).filter { $0 != "cp3" }.joined(separator: "\n").replacingOccurrences(
                    of: "--host\n--ssh", with: "--ssh"
                )
                .split(separator: "\n").map(String.init), environment: desk.environment)
            #expect(two.status == 4 && two.output.contains("cp3 is a member too"), "\(two.output)\(two.errors)")
            let other = desk.key + "-other"
            try Data("\(AgeIdentity.generate().secret ?? "")\n".utf8).write(to: URL(fileURLWithPath: other))
            let wrong = try await BuiltProgram.run(
                try await desk.restore(["--accept-loss", "--dry-run"]).map { $0 == desk.key ? other : $0 }, environment: desk.environment)
            #expect(wrong.status == 2, "an identity that cannot read it: \(wrong.output)\(wrong.errors)")
            try await refused(["--accept-loss", "--host", "nowhere"], "nowhere cannot be reached", status: 75)
            try await refused(["--accept-loss", "--host", "cp1"], "named twice", status: 2)
            #expect(try await desk.hosts.contents() == before)
            #expect(try await desk.newestRun() == nil)
        }
    }

    @Test func `Restored from one file, with keys and manifests, after two hosts lost their disks; and taken back when it is done`() async throws {
        try await withDesk { desk in
            let file = "\(desk.state)/backup.tar.gz"
            #expect(try await desk("backup", "verify", "--deep", "--identity", desk.key, "--location", desk.store).status == 0)
            #expect(try await desk("backup", "export", "latest", file, "--location", desk.store).status == 0)
            try await desk.write("a")
            let id = try await desk.hosts.clusterID()
            let third = try await desk.hosts.contents()
            for host in desk.hosts.hosts.prefix(2) { try await desk.hosts.loseDisks(of: host) }
            let arguments = [
                "backup", "restore", "--file", file, "--identity", desk.key, "--manifests-dir", desk.hosts.manifests, "--accept-cluster-id", id,
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

    @Test func `When putting files back fails half way, taking it back leaves every file as it was, and a work folder is not emptied`() async throws {
        try await withDesk { desk in
            #expect(try await desk("backup", "verify", "--deep", "--identity", desk.key, "--location", desk.store).status == 0)
            // The hosts' own files have changed since; on one of them a folder is in the way.
            func files(_ host: ControlPlaneHosts.Host) throws -> [String: Data] {
                var found: [String: Data] = [:]
                for case let name as String in try #require(FileManager.default.enumerator(atPath: host.kubernetes.path))
                where !name.hasPrefix("drydock-") {
                    found[name] = FileManager.default.contents(atPath: host.kubernetes.appendingPathComponent(name).path)
                }
                return found
            }
            for host in desk.hosts.hosts {
                let manifest = host.kubernetes.appendingPathComponent("manifests/etcd.yaml")
                try Data((try String(contentsOf: manifest, encoding: .utf8) + "# the host's own\n").utf8).write(to: manifest)
                try Data("own".utf8).write(to: host.kubernetes.appendingPathComponent("pki/apiserver-etcd-client.crt"))
                try FileManager.default.removeItem(at: host.kubernetes.appendingPathComponent("pki/apiserver-etcd-client.key"))
            }
            let blocked = desk.hosts.hosts[1].kubernetes.appendingPathComponent("pki/etcd/healthcheck-client.crt")
            try FileManager.default.removeItem(at: blocked)
            try FileManager.default.createDirectory(at: blocked, withIntermediateDirectories: false)
            let before = try desk.hosts.hosts.map(files)
            let contents = try await desk.hosts.contents()
            let work = desk.state + "/work"
            try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
            try Data("precious".utf8).write(to: URL(fileURLWithPath: work + "/precious"))
            let run = try await BuiltProgram.run(
                try await desk.restore(["--accept-loss", "--files", "--work-dir", work]), environment: desk.environment)
            #expect(run.status == 1 && run.errors.contains("is a folder"), "\(run.status) \(run.output)\(run.errors)")
            let id = try #require(try await desk.newestRun()).id
            let back = try await desk("runs", "rollback", id)
            #expect(back.status == 0, "\(back.output)\(back.errors)")
            try await desk.hosts.waitUntilServing()
            #expect(try desk.hosts.hosts.map(files) == before)
            #expect(try await desk.hosts.contents() == contents)
            #expect(try FileManager.default.contentsOfDirectory(atPath: work) == ["precious"])
        }
    }

    @Test func `On the host itself, as a Job does it, one host becomes a cluster of its own, and the others are left alone`() async throws {
        try await withDesk { desk in
            try await desk.write("a")
            let id = try await desk.hosts.clusterID()
            let host = desk.hosts.hosts[0]
            let words =
                ["env", "XDG_STATE_HOME=\(desk.state)", "HOME=\(desk.state)", "BACKUP_LOCATION=\(desk.store)", BuiltProgram.path]
                + ["backup", "restore", "--host", "local", "--identity", desk.key, "--manifests-dir", desk.hosts.manifests, "--accept-loss"]
                + ["--accept-unverified", "--accept-left-out", "--work-dir", "\(desk.state)/work"]
            let run = try await CommandRun.run("ssh", ["-F", desk.hosts.sshConfig, host.name, words.joined(separator: " ")])
            #expect(run.status == 0 && run.errors.contains("not restored: cp2, cp3"), "\(run.output)\(run.errors)")
            var configuration = try desk.hosts.configuration
            configuration.endpoints = [try Endpoint(host.clientURL)]
            let one = try await EtcdClient.connected(configuration) { client in
                var found: [[UInt8]: [UInt8]] = [:]
                try await client.forEachPage { for pair in $0 { found[pair.key] = pair.value } }
                return (found, try await client.members().map(\.name))
            }
            #expect(one.0 == desk.kept && one.1 == ["cp1"])
            // The other two have a quorum, and do not know that one.
            configuration.endpoints = try desk.hosts.hosts.dropFirst().map { try Endpoint($0.clientURL) }
            let others = try await EtcdClient.connected(configuration) { client in
                (try await client.countKeys(), String(try await client.status(at: client.configuration.endpoints[0]).clusterID, radix: 16))
            }
            #expect(others.0 == Int64(desk.kept.count + 1) && others.1 == id)
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
