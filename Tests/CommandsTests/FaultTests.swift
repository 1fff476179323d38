import Etcd
import EtcdStorage
import Foundation
import Proving
import SystemPackage
import Testing
import Maintenance

/// Whether nothing stands under `path` or beside it but what a later run removes by itself.
private func nothingStands(at path: String) -> Bool { !FileManager.default.fileExists(atPath: path) }

private func port(of url: String) -> Int { Int(url.split(separator: ":").last ?? "") ?? 0 }

@Suite(.serialized, .enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct SaveFaultTests {
    /// A server with some 12 MiB of data.
    private func withServer(_ body: (LocalEtcdCluster, URL) async throws -> Void) async throws {
        try await LocalEtcdCluster.running { cluster in
            try await EtcdClient.connected(try cluster.configuration) { client in
                var data = SampleData(seed: 3)
                try await client.putAll(data.next(8000))
            }
            try await BuiltProgram.withFolder { try await body(cluster, $0) }
        }
    }

    @Test func `A stream that is cut, changed or loses its server leaves no file and says so`() async throws {
        try await withServer { cluster, folder in
            let member = cluster.members[0]
            let pid = try #require(member.processID)
            let faults: [(String, CuttingProxy.Fault)] = [("cut", .cut), ("flipped", .flip), ("killed", .call { kill(pid, SIGKILL) })]
            for (name, fault) in faults {
                let proxy = try CuttingProxy(target: port(of: member.clientURL), after: 5_000_000, fault: fault)
                let file = folder.appendingPathComponent("\(name).db").path
                let run = try await BuiltProgram.run(["snapshot", "save", file, "--endpoints", "http://127.0.0.1:\(proxy.port)"])
                #expect(run.status == 1 || run.status == 75, "\(name): \(run.errors)")
                #expect(run.errors.contains("error: "), "\(name)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [], "\(name)")
            }
        }
    }

    @Test func `A full disk leaves no file, and the error says what to do`() async throws {
        try await withServer { cluster, folder in
            let mount = folder.appendingPathComponent("small").path
            try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
            let script = """
                mount -t tmpfs -o size=4m tmpfs "$0" && "$1" snapshot save "$0/full.db" --endpoints "$2"; code=$?; ls -A "$0"; exit $code
                """
            let run = try await CommandRun.run("unshare", ["-rm", "sh", "-c", script, mount, BuiltProgram.path, cluster.members[0].clientURL])
            #expect(run.status == 1)
            #expect(run.output == "", "left behind: \(run.output)")
            #expect(run.errors.contains("No space left") && run.errors.contains("Make room"), "\(run.errors)")
        }
    }

    @Test func `Killed at random moments, save leaves nothing or a whole file under the final name`() async throws {
        let seed = UInt64.random(in: 1...1_000_000)
        print("kill seed \(seed)")
        var generator = SplitMix(seed: seed)
        try await withServer { cluster, folder in
            let file = folder.appendingPathComponent("killed.db").path
            let arguments = ["snapshot", "save", file] + cluster.flags
            let whole = try await duration { _ = try await BuiltProgram.run(arguments) }
            for round in 0..<50 {
                try? FileManager.default.removeItem(atPath: file)
                try await runAndKill(arguments, within: whole, &generator)
                if !nothingStands(at: file) {
                    let report = try await SnapshotVerifier(path: FilePath(file)).verify()
                    #expect(report.isSound, "round \(round), seed \(seed)")
                }
            }
            // What was left behind does not stand in the way.
            let last = try await BuiltProgram.run(arguments)
            #expect(last.status == 0, "\(last.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["killed.db"])
        }
    }

    @Test func `SIGTERM removes what was begun`() async throws {
        try await withServer { cluster, folder in
            let pid = try #require(cluster.members[0].processID)
            // The server stands still in the middle of the stream, so that the signal finds us there.
            let proxy = try CuttingProxy(target: port(of: cluster.members[0].clientURL), after: 3_000_000, fault: .call { kill(pid, SIGSTOP) })
            let run = try CommandRun.Running(
                BuiltProgram.path, ["snapshot", "save", folder.appendingPathComponent("t.db").path, "--endpoints", "http://127.0.0.1:\(proxy.port)"])
            let deadline = ContinuousClock.now + .seconds(20)
            func partialSize() -> Int {
                let attributes = try? FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent("t.db.part").path)
                return attributes?[.size] as? Int ?? 0
            }
            while partialSize() < 1_000_000, ContinuousClock.now < deadline { await Task.yield() }
            run.send(SIGTERM)
            let ended = await run.finish()
            kill(pid, SIGCONT)
            #expect(ended.status == 1)
            #expect(ended.errors.contains("interrupted"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }
}

@Suite(.serialized, .enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct RestoreFaultTests {
    private func withSnapshot(_ body: (String, URL) async throws -> Void) async throws {
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("saved.db").path
            try await LocalEtcdCluster.running { cluster in
                try await EtcdClient.connected(try cluster.configuration) { client in
                    var data = SampleData(seed: 4)
                    try await client.putAll(data.next(3000))
                }
                let run = try await BuiltProgram.run(["snapshot", "save", file] + cluster.flags)
                try #require(run.status == 0, "\(run.errors)")
            }
            try await body(file, folder)
        }
    }

    @Test func `Killed at random moments, restore leaves nothing or whole data directories`() async throws {
        let seed = UInt64.random(in: 1...1_000_000)
        print("kill seed \(seed)")
        var generator = SplitMix(seed: seed)
        try await withSnapshot { file, folder in
            let output = folder.appendingPathComponent("out").path
            let cluster = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3"
            let arguments = ["snapshot", "restore", file, "--all-members", "--output-dir", output, "--initial-cluster", cluster]
            let whole = try await duration { _ = try await BuiltProgram.run(arguments) }
            for round in 0..<50 {
                try? FileManager.default.removeItem(atPath: output)
                try await runAndKill(arguments, within: whole, &generator)
                guard !nothingStands(at: output) else { continue }
                for name in ["a", "b", "c"] { try await expectWhole("\(output)/\(name)", "round \(round), seed \(seed)") }
            }
            try? FileManager.default.removeItem(atPath: output)
            let last = try await BuiltProgram.run(arguments)
            #expect(last.status == 0, "\(last.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["out", "saved.db"])
        }
    }

    private func expectWhole(_ data: String, _ comment: String) async throws {
        let report = try await SnapshotVerifier(path: FilePath("\(data)/member/snap/db"), skipHashCheck: true).verify()
        #expect(report.isSound && report.members.count == 3, Comment(rawValue: comment))
        var reader = try WALReader(path: FilePath("\(data)/member/wal/0000000000000000-0000000000000000.wal"))
        let log = try reader.check()
        #expect(!log.findings.hasErrors && log.lastIndex == 3, Comment(rawValue: comment))
        #expect(try SnapFile(path: FilePath("\(data)/member/snap/0000000000000001-0000000000000003.snap")).index == 3, Comment(rawValue: comment))
    }

    @Test func `A damaged snapshot is refused with exit code 4, and with --force what can be read is restored`() async throws {
        try await withSnapshot { file, folder in
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            // A page in the middle of the data, and with it the digest.
            let page = bytes.count / 2 / 4096 * 4096
            bytes.replaceSubrange(page..<page + 4096, with: Data(repeating: 0xaa, count: 4096))
            let damaged = folder.appendingPathComponent("damaged.db").path
            try bytes.write(to: URL(fileURLWithPath: damaged))
            let data = folder.appendingPathComponent("data").path
            let refused = try await BuiltProgram.run(["snapshot", "restore", damaged, "--data-dir", data])
            #expect(refused.status == 4)
            #expect(refused.errors.contains("nothing was restored"))
            #expect(nothingStands(at: data))
            let forced = try await BuiltProgram.run(["snapshot", "restore", damaged, "--data-dir", data, "--force"])
            #expect(forced.status == 3, "\(forced.errors)")
            let report = try await SnapshotVerifier(path: FilePath("\(data)/member/snap/db"), skipHashCheck: true).verify()
            #expect(report.isSound)
            #expect(report.liveKeys > 2900)
        }
    }

    @Test func `A target that is not empty is refused and left alone; an empty one is used`() async throws {
        try await withSnapshot { file, folder in
            let data = folder.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            try Data("precious".utf8).write(to: data.appendingPathComponent("precious"))
            let refused = try await BuiltProgram.run(["snapshot", "restore", file, "--data-dir", data.path])
            #expect(refused.status == 4)
            #expect(try FileManager.default.contentsOfDirectory(atPath: data.path) == ["precious"])
            try FileManager.default.removeItem(at: data.appendingPathComponent("precious"))
            #expect(try await BuiltProgram.run(["snapshot", "restore", file, "--data-dir", data.path]).status == 0)
        }
    }

    @Test func `The log goes where --wal-dir says, and --dry-run writes nothing`() async throws {
        try await withSnapshot { file, folder in
            let data = folder.appendingPathComponent("data").path
            let wal = folder.appendingPathComponent("log").path
            let dry = try await BuiltProgram.run(["snapshot", "restore", file, "--data-dir", data, "--wal-dir", wal, "--dry-run"])
            #expect(dry.status == 0 && dry.output.contains(wal))
            #expect(nothingStands(at: data) && nothingStands(at: wal))
            #expect(try await BuiltProgram.run(["snapshot", "restore", file, "--data-dir", data, "--wal-dir", wal]).status == 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: wal) == ["0000000000000000-0000000000000000.wal"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(data)/member") == ["snap"])
        }
    }

    @Test func `A full disk leaves nothing, and the error says what to do`() async throws {
        try await withSnapshot { file, folder in
            let mount = folder.appendingPathComponent("small").path
            try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
            let data = folder.appendingPathComponent("data").path
            // There is room for the data directory, and none for the log.
            let script = """
                mount -t tmpfs -o size=8m tmpfs "$0" && "$1" snapshot restore "$2" --data-dir "$3" --wal-dir "$0/wal"; code=$?; ls -A "$0"; exit $code
                """
            let run = try await CommandRun.run("unshare", ["-rm", "sh", "-c", script, mount, BuiltProgram.path, file, data])
            #expect(run.status == 1)
            #expect(run.output == "", "left behind: \(run.output)")
            #expect(run.errors.contains("No space left") && run.errors.contains("Make room"), "\(run.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["saved.db", "small"])
        }
    }

    @Test func `A mount point is restored into, and a link is refused`() async throws {
        try await withSnapshot { file, folder in
            let mount = folder.appendingPathComponent("disk").path
            try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
            let script =
                "mount -t tmpfs -o size=200m tmpfs \"$0\" && \"$1\" snapshot restore \"$2\" --data-dir \"$0\" -q >/dev/null && ls -A \"$0\" \"$0/member\""
            let run = try await CommandRun.run("unshare", ["-rm", "sh", "-c", script, mount, BuiltProgram.path, file])
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.output.split(separator: "\n").map(String.init) == ["\(mount):", "member", "\(mount)/member:", "snap", "wal"])
            let link = folder.appendingPathComponent("link")
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: folder.appendingPathComponent("disk"))
            #expect(try await BuiltProgram.run(["snapshot", "restore", file, "--data-dir", link.path]).status == 4)
        }
    }
}

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct TrustTests {
    @Test func `A wrong authority, a wrong name and expired certificates are named for what they are`() async throws {
        try await LocalEtcdCluster.running(.init(usesTLS: true)) { cluster in
            try await BuiltProgram.withFolder { folder in
                let endpoint = cluster.members[0].clientURL
                func save(_ arguments: [String]) async throws -> CommandRun {
                    let run = try await BuiltProgram.run(["snapshot", "save", folder.appendingPathComponent("t.db").path] + arguments)
                    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
                    return run
                }
                let good = try cluster.issueClientCertificate(notAfter: Date(timeIntervalSinceNow: 3650 * 86400))
                let credentials = ["--cert", good.certificate, "--key", good.key]

                let stranger = try await save(["--endpoints", endpoint, "--cacert", good.certificate] + credentials)
                #expect(stranger.status == 1 && stranger.errors.contains("was issued by"), "\(stranger.errors)")

                let named = endpoint.replacingOccurrences(of: "127.0.0.1", with: "127.0.0.2")
                let proxied = try await save(["--endpoints", named, "--cacert", cluster.authorityFile] + credentials)
                #expect(proxied.status == 75, "nothing listens there: \(proxied.errors)")

                let expired = try cluster.issueClientCertificate(notAfter: Date(timeIntervalSinceNow: -3600))
                let old = try await save([
                    "--endpoints", endpoint, "--cacert", cluster.authorityFile, "--cert", expired.certificate, "--key", expired.key,
                ])
                #expect(old.status == 1 && old.errors.contains("client certificate") && old.errors.contains("expired"), "\(old.errors)")

                // In two years the server's certificate has expired, and ours has not.
                let later = try await CommandRun.run(
                    "faketime",
                    [
                        "+2 years", BuiltProgram.path, "snapshot", "save", folder.appendingPathComponent("t.db").path, "--endpoints", endpoint,
                        "--cacert", cluster.authorityFile,
                    ]
                        + credentials)
                #expect(later.status == 1 && later.errors.contains("server's certificate expired"), "\(later.errors)")

                let mismatched = try await save([
                    "--endpoints", endpoint, "--cacert", cluster.authorityFile, "--cert", expired.certificate, "--key", good.key,
                ])
                #expect(mismatched.status != 0)
                let without = try await save(["--endpoints", endpoint, "--cacert", cluster.authorityFile, "--cert", good.certificate])
                #expect(without.status == 2 && without.errors.contains("--cert and --key go together"))
            }
        }
    }

    @Test func `A server whose certificate bears another name is not trusted`() async throws {
        try await LocalEtcdCluster.running(.init(usesTLS: true)) { cluster in
            // The certificate is for 127.0.0.1 and localhost; at 127.0.0.2 it is somebody else's.
            let proxy = try CuttingProxy(target: port(of: cluster.members[0].clientURL), after: .max, fault: .cut, host: 2)
            let good = try cluster.issueClientCertificate(notAfter: Date(timeIntervalSinceNow: 86400))
            let file = "/tmp/drydock-never-\(UUID().uuidString).db"
            let run = try await BuiltProgram.run([
                "snapshot", "save", file, "--endpoints", "https://127.0.0.2:\(proxy.port)", "--cacert", cluster.authorityFile,
                "--cert", good.certificate, "--key", good.key,
            ])
            #expect(run.status == 1 && run.errors.contains("not for 127.0.0.2"), "\(run.errors)")
            #expect(nothingStands(at: file))
        }
    }

    @Test func `A wrong password is refused, the right one works, and no password is ever shown`() async throws {
        try await LocalEtcdCluster.running { cluster in
            try await cluster.enableAuthentication(password: "right-secret")
            try await BuiltProgram.withFolder { folder in
                let file = folder.appendingPathComponent("auth.db").path
                let arguments = ["snapshot", "save", file, "--user", "root", "--log-level", "trace"] + cluster.flags
                let wrong = try await BuiltProgram.run(arguments, environment: ["ETCDCTL_PASSWORD": "wrong-secret"])
                #expect(wrong.status == 1 && wrong.errors.contains("refuses the user or the password"), "\(wrong.errors)")
                #expect(nothingStands(at: file))
                let none = try await BuiltProgram.run(arguments, environment: ["ETCDCTL_PASSWORD": ""])
                #expect(none.status == 2 && none.errors.contains("ETCDCTL_PASSWORD"), "\(none.errors)")
                let anonymous = try await BuiltProgram.run(["snapshot", "save", file] + cluster.flags)
                #expect(anonymous.status == 1, "\(anonymous.errors)")
                let right = try await BuiltProgram.run(arguments, environment: ["ETCDCTL_PASSWORD": "right-secret"])
                #expect(right.status == 0, "\(right.errors)")
                for run in [wrong, none, right] { #expect(!(run.errors + run.output).contains("secret")) }
            }
        }
    }
}

private func duration(_ work: () async throws -> Void) async throws -> Duration {
    let start = ContinuousClock.now
    try await work()
    return ContinuousClock.now - start
}

/// Starts the program and kills it after a random part of `whole`.
private func runAndKill(_ arguments: [String], within whole: Duration, _ generator: inout SplitMix) async throws {
    let delay = whole * Double.random(in: 0...1, using: &generator)
    let run = try CommandRun.Running(BuiltProgram.path, arguments)
    let deadline = ContinuousClock.now + delay
    while ContinuousClock.now < deadline { await Task.yield() }
    run.send(SIGKILL)
    _ = await run.finish()
}
