import Foundation
import HAProxy
import Proving
import Testing

/// `drydock lb` on a real HAProxy of two releases, with real servers behind it.
@Suite(.enabled(if: HAProxyRelease.mayRun, Comment(rawValue: HAProxyRelease.missing)), .timeLimit(.minutes(40)))
struct LoadBalancerTests {
    /// A load balancer, and drydock with a journal of its own.
    private struct Desk: Sendable {
        let all: BalancedServers
        let state: URL

        static func with(_ release: HAProxyRelease, _ body: @Sendable (Desk) async throws -> Void) async throws {
            try await BuiltProgram.withFolder { state in
                try await BalancedServers.running(release) { try await body(Desk(all: $0, state: state)) }
            }
        }

        var environment: [String: String] { ["XDG_STATE_HOME": state.path] }

        func drydock(_ words: String...) async throws -> CommandRun { try await BuiltProgram.run(words + flags(words), environment: environment) }

        func flags(_ words: [String]) -> [String] { words.first == "lb" ? all.flags : [] }

        func states() async throws -> [String: String] {
            let run = try await drydock("lb", "status", "-o", "json")
            let views = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]], "\(run.errors)")
            let servers = (views[0]["backends"] as? [[String: Any]] ?? []).flatMap { $0["servers"] as? [[String: Any]] ?? [] }
            return Dictionary(
                uniqueKeysWithValues: servers.compactMap { server in
                    guard let name = server["name"] as? String, let status = server["statusText"] as? String else { return nil }
                    return (name, status)
                })
        }

        func answer() async throws -> String {
            let run = try await CommandRun.run("curl", ["-s", "--max-time", "5", "--cacert", all.authority.path, all.url])
            return run.output
        }

        func newestRun() async throws -> (id: String, state: String) {
            let run = try await drydock("runs", "list", "-o", "json")
            let runs = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])
            return (try #require(runs.first?["id"] as? String), try #require(runs.first?["state"] as? String))
        }

        func worker() async throws -> Int? { try await RuntimeClient(.unix(path: all.master.path)).processes().workers.first?.processID }

        /// Files that a run left beside the configuration.
        var leftovers: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: all.folder.path)) ?? []).filter { $0.contains("drydock-") }.sorted()
        }
    }

    @Test(arguments: HAProxyRelease.allCases)
    func `Servers are drained, weighted, put into maintenance and opened, never the last one, and runs are taken back`(_ release: HAProxyRelease)
        async throws
    {
        try await Desk.with(release) { desk in
            #expect(try await desk.states() == ["cp1": "UP", "cp2": "UP", "cp3": "UP"])
            let rehearsed = try await desk.drydock("lb", "drain", "cp1", "--dry-run")
            #expect(rehearsed.status == 0 && rehearsed.output.contains("open it again"), "\(rehearsed.output)")
            #expect(try await desk.states()["cp1"] == "UP", "a rehearsal does nothing")
            let drained = try await desk.drydock("lb", "drain", "cp1", "--wait")
            #expect(drained.status == 0, "\(drained.errors)")
            #expect(try await desk.states()["cp1"] == "DRAIN")
            #expect(try await desk.drydock("lb", "maint", "kubernetes-masters/cp2").status == 0)
            let last = try await desk.drydock("lb", "drain", "cp3")
            #expect(last.status == 4 && last.output.contains("cp1 is DRAIN, cp2 is MAINT"), "\(last.output)")
            #expect(try await desk.drydock("lb", "weight", "cp3", "0").status == 4, "no weight is a drain")
            #expect(try await desk.answer() == "cp3")
            let found = try await desk.drydock("lb", "check")
            #expect(
                found.status == 3 && found.output.contains("cp3 alone takes traffic") && found.output.contains("it is in drain"), "\(found.output)")
            let maintenance = try await desk.newestRun()
            let back = try await desk.drydock("runs", "rollback", maintenance.id)
            #expect(back.status == 0, "\(back.errors)")
            #expect(try await desk.drydock("lb", "ready", "cp1").status == 0)
            #expect(try await desk.states() == ["cp1": "UP", "cp2": "UP", "cp3": "UP"])
            let none = try await desk.drydock("lb", "weight", "cp1", "50%")
            #expect(none.status == 2 && none.errors.contains("which drains it"), "\(none.errors)")
            #expect(try await desk.drydock("lb", "weight", "cp1", "30").status == 0)
            #expect(try await desk.drydock("lb", "check").output.contains("its weight is 30"))
            #expect(try await desk.drydock("lb", "drain", "nobody").status == 2)
        }
    }

    @Test func `Whoever watches is told of each change, and of a load balancer that is gone`() async throws {
        try await Desk.with(.v2_6) { desk in
            let watching = try CommandRun.Running(
                BuiltProgram.path, ["lb", "watch", "--interval", "100ms", "-o", "json"] + desk.all.flags, environment: desk.environment)
            func told(_ words: String...) async throws {
                let line = try await eventually(within: 60) { () -> Bool? in
                    watching.outputSoFar.split(separator: "\n").contains { line in words.allSatisfy { line.contains($0) } } ? true : nil
                }
                #expect(line == true, "\(words): \(watching.outputSoFar)\(watching.errorsSoFar)")
            }
            try await told(#""server":"kubernetes-masters/cp1""#, #""to":"UP"#)
            #expect(try await desk.drydock("lb", "drain", "cp1").status == 0)
            try await told(#""from":"UP"#, #""server":"kubernetes-masters/cp1""#, #""to":"DRAIN"#)
            try await desk.all.kill()
            try await told(#""server":"haproxy""#, #""to":"does not answer""#)
            watching.send(SIGTERM)
            _ = await watching.finish()
        }
    }

    @Test(arguments: HAProxyRelease.allCases)
    func `A server is added like the others, and removed`(_ release: HAProxyRelease) async throws {
        try await Desk.with(release) { desk in
            let port = desk.all.servers[0].port
            let added = try await desk.drydock("lb", "add", "kubernetes-masters/cp4", "127.0.0.1:\(port)")
            #expect(added.status == 0, "\(added.errors)")
            #expect(try await desk.states()["cp4"] == "UP")
            // Like the others, it is checked over TLS.
            let found = try await desk.drydock("lb", "check")
            #expect(found.status == 3 && found.output.contains("the next reload forgets it"), "\(found.output)")
            let refused = try await desk.drydock("lb", "apply", desk.all.configuration.path, "--force")
            #expect(refused.status == 4 && refused.output.contains("cp4 was added at run time"), "\(refused.output)\(refused.errors)")
            let removed = try await desk.drydock("lb", "remove", "cp4", "--deadline", "1s")
            #expect(removed.status == 0, "\(removed.errors)")
            #expect(try await desk.states()["cp4"] == nil)
            #expect(try await desk.drydock("lb", "check").status == 0)
        }
    }

    @Test(arguments: HAProxyRelease.allCases)
    func `A new configuration is checked, shown, loaded, and what was asked at run time is asked again; and taken back`(_ release: HAProxyRelease)
        async throws
    {
        try await Desk.with(release) { desk in
            let old = try String(contentsOf: desk.all.configuration, encoding: .utf8)
            let new = desk.state.appendingPathComponent("new.cfg")
            try Data(try desk.all.rendered { $0.mostConnections = 1500 }.utf8).write(to: new)
            #expect(try await desk.drydock("lb", "drain", "cp1").status == 0)
            let rehearsed = try await desk.drydock("lb", "apply", new.path, "--dry-run")
            #expect(rehearsed.status == 0 && rehearsed.output.contains("+    maxconn 1500"), "\(rehearsed.output)")
            #expect(try String(contentsOf: desk.all.configuration, encoding: .utf8) == old)
            let worker = try await desk.worker()
            let applied = try await desk.drydock("lb", "apply", new.path)
            #expect(applied.status == 0 && applied.errors.contains("-    maxconn 2000"), "\(applied.output)\(applied.errors)")
            #expect(try await desk.worker() != worker, "another worker serves")
            #expect(try await desk.states()["cp1"] == "DRAIN", "a reload forgets it, and drydock does not")
            #expect(try String(contentsOf: desk.all.configuration, encoding: .utf8).contains("maxconn 1500"))
            #expect(try await desk.drydock("lb", "apply", new.path).output.contains("has this configuration already"))
            let back = try await desk.drydock("runs", "rollback", try await desk.newestRun().id)
            #expect(back.status == 0, "\(back.errors)")
            #expect(try String(contentsOf: desk.all.configuration, encoding: .utf8) == old)
            #expect(try await desk.states()["cp1"] == "DRAIN" && desk.leftovers.isEmpty)
        }
    }

    @Test(arguments: HAProxyRelease.allCases)
    func `A configuration that is broken, does not load, or reaches nobody leaves the old one serving`(_ release: HAProxyRelease) async throws {
        try await Desk.with(release) { desk in
            let old = try String(contentsOf: desk.all.configuration, encoding: .utf8)
            let new = desk.state.appendingPathComponent("new.cfg")
            // What the first three cases are is known before anything is touched; the others only HAProxy itself finds out.
            let closed = try FreePorts.take(1)[0]
            let cases: [(name: String, text: String, status: Int32, says: String)] = [
                ("it is broken", old + "    nonsense here\n", 2, "unknown keyword 'nonsense'"),
                (
                    "nobody could command it", old.split(separator: "\n").filter { !$0.contains("stats socket") }.joined(separator: "\n") + "\n", 4,
                    "no `stats socket"
                ),
                (
                    "its backend would be empty", old.split(separator: "\n").filter { !$0.hasPrefix("    server ") }.joined(separator: "\n") + "\n",
                    4,
                    "would have no server"
                ),
                (
                    "a server does not come up", old.replacingOccurrences(of: "127.0.0.1:\(desk.all.servers[1].port)", with: "127.0.0.1:\(closed)"),
                    1,
                    "cp2 is DOWN"
                ),
                ("it has more connections than files", old.replacingOccurrences(of: "maxconn 2000", with: "maxconn 100000000"), 4, "fs.nr_open"),
                (
                    "it passes the check, and does not load",
                    old + "frontend second\n    bind 203.0.113.1:443\n    default_backend kubernetes-masters\n", 1, "taken back"
                ),
                (
                    "its authority is another's",
                    old.replacingOccurrences(of: "verifyhost kubernetes", with: "verifyhost other")
                        .replacingOccurrences(of: "check-sni kubernetes", with: "check-sni other"), 1, "different from the expected one"
                ),
            ]
            for (name, text, status, says) in cases {
                try Data(text.utf8).write(to: new)
                let run = try await desk.drydock("lb", "apply", new.path, "--settle-timeout", "4s")
                #expect(run.status == status && (run.output + run.errors).contains(says), "\(name): \(run.status) \(run.output)\(run.errors)")
                #expect(try String(contentsOf: desk.all.configuration, encoding: .utf8) == old, "\(name)")
                #expect(try await desk.states() == ["cp1": "UP", "cp2": "UP", "cp3": "UP"], "\(name)")
                #expect(try await desk.answer().hasPrefix("cp"), "\(name)")
                #expect(desk.leftovers.isEmpty, "\(name): \(desk.leftovers)")
            }
        }
    }

    @Test func `Killed at every boundary of its journal, an apply is resumed to its end or taken back, and it serves all the while`() async throws {
        try await Desk.with(.v2_6) { desk in
            let texts = [try desk.all.rendered { $0.mostConnections = 1500 }, try desk.all.rendered { $0.mostConnections = 1400 }]
            let new = desk.state.appendingPathComponent("new.cfg")
            let list = desk.state.appendingPathComponent("boundaries")
            func apply(at number: Int) async throws -> CommandRun {
                try await BuiltProgram.interrupted(at: number, list: list, ["lb", "apply", new.path] + desk.all.flags, environment: desk.environment)
            }
            #expect(try await desk.drydock("lb", "drain", "cp1").status == 0)
            try Data(texts[0].utf8).write(to: new)
            #expect(try await apply(at: 0).status == 0)
            let boundaries = try String(contentsOf: list, encoding: .utf8).split(separator: "\n")
            let count = boundaries.count
            #expect(count >= 11, "\(count) boundaries")
            let endpoints = desk.state.appendingPathComponent("endpoints.yaml")
            let asked = ["new", "kept"].map {
                "- {name: \($0), url: '\(desk.all.url)', ca: \(desk.all.authority.path), connection: \($0)}\n"
            }
            try Data(asked.joined().utf8).write(to: endpoints)
            let probe = try CommandRun.Running(
                BuiltProgram.path,
                ["probe", "--no-cluster", "--endpoints", endpoints.path, "--rate", "10", "--timeout", "60s", "--keep-going", "-o", "json"])
            for number in 1...count {
                for goesOn in [true, false] {
                    let before = try String(contentsOf: desk.all.configuration, encoding: .utf8)
                    let text = before == texts[0] ? texts[1] : texts[0]
                    try Data(text.utf8).write(to: new)
                    let killed = try await apply(at: number)
                    #expect(killed.status == 137, "boundary \(number): \(killed.status) \(killed.errors)")
                    #expect(try await desk.answer().hasPrefix("cp"), "it serves, killed at \(number)")
                    let run = try await desk.newestRun()
                    if !["done", "rolledBack", "cancelled"].contains(run.state) {
                        let end = try await desk.drydock("runs", goesOn ? "resume" : "rollback", run.id)
                        #expect(end.status == 0, "boundary \(number): \(end.errors)")
                    } else {
                        // The first boundary is before the run is written down, and the last after its end.
                        #expect(number == 1 || number == count, "\(number) of \(count)")
                        continue
                    }
                    #expect(
                        try String(contentsOf: desk.all.configuration, encoding: .utf8) == (goesOn ? text : before),
                        "boundary \(number), \(goesOn ? "resumed" : "taken back") after \(boundaries[number - 1]): \(run)")
                    #expect(try await desk.states()["cp1"] == "DRAIN", "boundary \(number)")
                }
            }
            probe.send(SIGTERM)
            let seen = await probe.finish()
            let report = try #require(try JSONSerialization.jsonObject(with: Data(seen.output.utf8)) as? [String: Any], "\(seen.errors)")
            let targets = try #require(report["targets"] as? [[String: Any]])
            for target in targets {
                #expect(target["failed"] as? Int == 0 && (target["requests"] as? Int ?? 0) > 50, "\(target)")
            }
            #expect(seen.status == 0)
            print("\(count) boundaries, twice; \(targets.compactMap { $0["requests"] as? Int }) requests, 0 failed")
        }
    }

    @Test func `A socket that says anything, nothing, or too little gets an error in time`() async throws {
        let replies: [(String, (Int32) -> Void)] = [
            ("closes at once", { _ in }),
            ("garbage", { _ = write($0, Array(repeating: UInt8(0xff), count: 5000), 5000) }),
            ("half a header", { _ = write($0, "# pxname,svna", 13) }),
            ("a header and half a row", { _ = write($0, "# pxname,svname,type,\nkube,cp1", 30) }),
            ("another program", { _ = write($0, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) }),
            ("permission", { _ = write($0, "Permission denied\n\n", 19) }),
            ("silence", { _ in usleep(12_000_000) }),
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, reply) in replies.map({ ($0.0, UncheckedReply(body: $0.1)) }) {
                group.addTask {
                    try await BuiltProgram.withFolder { _ in
                        let path = "/tmp/drydock-fuzz-\(UUID().uuidString.prefix(8))"
                        defer { unlink(path) }
                        let listener = try FuzzedSocket(path: path, reply: reply.body)
                        defer { listener.close() }
                        let began = ContinuousClock.now
                        let run = try await BuiltProgram.run(["lb", "status", "--socket", path])
                        #expect([1, 75].contains(run.status) && run.errors.hasPrefix("error: "), "\(name): \(run.status) \(run.errors)")
                        #expect(ContinuousClock.now - began < .seconds(30), "\(name)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// A function that only one thread calls.
private struct UncheckedReply: @unchecked Sendable { let body: (Int32) -> Void }

/// Answers whoever connects as nobody should.
private final class FuzzedSocket: @unchecked Sendable {
    private let descriptor: Int32

    init(path: String, reply: @escaping (Int32) -> Void) throws {
        descriptor = try UnixSocket.bound(at: path)
        guard listen(descriptor, 10) == 0 else { throw LocalEtcdCluster.Failure(description: "cannot listen at \(path)") }
        let (listener, answer) = (descriptor, UncheckedReply(body: reply))
        Thread.detachNewThread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                answer.body(client)
                Foundation.close(client)
            }
        }
    }

    func close() { shutdown(descriptor, Int32(SHUT_RDWR)); Foundation.close(descriptor) }
}
