import Foundation
import NodeAccess
import Proving
import Synchronization
import Testing

/// Commands that go on without a connection, over a real sshd.
@Suite(.enabled(if: SSHHost.mayRun, Comment(rawValue: SSHHost.missing)), .timeLimit(.minutes(5)))
struct NodeJobTests {
    private func job(_ host: SSHHost, patience: Duration = .seconds(120)) -> NodeJob {
        NodeJob(host.access, folder: host.folder.appendingPathComponent("jobs").path, patience: patience)
    }

    /// How often a script began.
    private func runs(_ host: SSHHost) -> Int {
        (try? String(contentsOf: host.folder.appendingPathComponent("began"), encoding: .utf8))?.split(separator: "\n").count ?? 0
    }

    private func counting(_ host: SSHHost, _ rest: String) -> String { "echo x >>\(host.folder.path)/began\n\(rest)" }

    @Test func `It prints what it prints, and says how it ended`() async throws {
        try await SSHHost.running { host in
            let said = try await job(host).run("good", counting(host, "echo one; echo two >&2"))
            #expect(said == "one\ntwo\n" && runs(host) == 1)
            do {
                _ = try await job(host).run("bad", "echo before; exit 7")
                Issue.record("it did not fail")
            } catch let error as NodeError {
                #expect(error.code == .failed && error.description.contains("exit code 7") && error.description.contains("before"), "\(error)")
            }
            #expect(try await job(host).exitCode("bad") == 7)
            #expect(try await job(host).exitCode("never") == nil)
            let mode =
                try FileManager.default.attributesOfItem(atPath: host.folder.appendingPathComponent("jobs/good/out").path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func `Its connection is cut again and again, and it runs once, to its end`() async throws {
        try await SSHHost.running { host in
            let (said, cuts) = try await host.cutting {
                try await job(host).run("long", counting(host, "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done"))
            }
            #expect(said == (1...8).map { "\($0)\n" }.joined())
            #expect(runs(host) == 1 && cuts > 3, "\(runs(host)) runs, \(cuts) cuts")
        }
    }

    @Test func `Whoever began it is gone: the next one waits for it, and does not begin it again`() async throws {
        try await SSHHost.running { host in
            let script = counting(host, "until [ -e \(host.folder.path)/go ]; do sleep 0.1; done; echo done")
            let first = Task { try await job(host).run("left", script) }
            _ = try await eventually(within: 60) { runs(host) == 1 ? true : nil }
            first.cancel()
            _ = await first.result
            // It ends when the next one has found it.
            let said = try await job(host).run("left", script) { _ in try? Data().write(to: host.folder.appendingPathComponent("go")) }
            #expect(said == "done\n" && runs(host) == 1)
            // One that has ended is begun anew: its end was another attempt's.
            #expect(try await job(host).run("left", script) == "done\n")
            #expect(runs(host) == 2)
        }
    }

    @Test func `One that its host ends is told from one that fails`() async throws {
        try await SSHHost.running { host in
            let running = Task { try await job(host).run("killed", counting(host, "sleep 60")) }
            let process = try await eventually(within: 60) { () -> String? in
                guard runs(host) == 1 else { return nil }
                return try? String(contentsOf: host.folder.appendingPathComponent("jobs/killed/process"), encoding: .utf8)
            }
            let id = try #require(process?.split(separator: " ").first.map(String.init))
            // Its whole session, as the end of a host ends it.
            try await CommandRun.run("pkill", ["-KILL", "-s", id])
            do {
                _ = try await running.value
                Issue.record("it did not end")
            } catch let error as NodeError { #expect(error.code == .interrupted, "\(error)") }
        }
    }

    @Test func `A host that is away for too long is told from a failure`() async throws {
        try await SSHHost.running { host in
            try FileManager.default.removeItem(at: host.folder.appendingPathComponent("host_key"))
            do {
                _ = try await job(host, patience: .seconds(2)).run("away", "true")
                Issue.record("it was reached")
            } catch let error as NodeError { #expect(error.code == .unreachable, "\(error)") }
        }
    }

    @Test func `A host whose key is another is not spoken to`() async throws {
        try await SSHHost.running { host in
            for file in ["host_key", "host_key.pub"] { try FileManager.default.removeItem(at: host.folder.appendingPathComponent(file)) }
            try await CommandRun.run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", host.folder.appendingPathComponent("host_key").path])
            do {
                _ = try await host.access.text("echo hello")
                Issue.record("it was spoken to")
            } catch let error as NodeError { #expect(error.code == .unreachable && error.description.contains("erification failed"), "\(error)") }
        }
    }

    @Test func `Everything that is run is told with its exit code and its time, and without secrets`() async throws {
        try await SSHHost.running { host in
            let told = Mutex<[RemoteCommand]>([])
            try await NodeAccess.$recorder.withValue({ command in told.withLock { $0.append(command) } }) {
                _ = try await host.access.text("cat >/dev/null", input: Array("-----BEGIN PRIVATE KEY-----".utf8))
                _ = try? await host.access.text("exit 5")
                _ = try await job(host).run(
                    "join",
                    "sleep 0.3; echo kubeadm join --token abcdef.0123456789abcdef --certificate-key 00ff00ff; echo '-----BEGIN RSA PRIVATE KEY-----'; echo MIIB; echo '-----END RSA PRIVATE KEY-----'"
                )
            }
            let commands = told.withLock { $0 }
            #expect(commands.map(\.status) == [.exited(0), .exited(5), .exited(0)], "\(commands)")
            #expect(commands[2].seconds >= 0.3 && commands.allSatisfy { $0.node == "node" })
            let text = commands.map { $0.script + $0.output }.joined()
            for secret in ["abcdef.0123456789abcdef", "00ff00ff", "MIIB", "BEGIN PRIVATE", "hunter2"] { #expect(!text.contains(secret), "\(secret)") }
            await host.cut()
        }
    }
}

/// How one ssh connection is shared, over a real sshd.
@Suite(.enabled(if: SSHHost.mayRun, Comment(rawValue: SSHHost.missing)), .timeLimit(.minutes(2)))
struct SharedConnectionTests {
    @Test func `Twenty commands, many at once, cost one connection, and a failure is the command's own`() async throws {
        try await SSHHost.running { host in
            _ = try await host.access.text("true")
            var sum = 0
            for index in 0..<20 { sum += Int(try await host.access.text("echo \(index)").trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 }
            #expect(sum == 190 && host.connections == 1, "\(host.connections) connections")
            let all = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<16 {
                    group.addTask { [access = host.access] in
                        Int(try await access.text("sleep 0.2; echo \(index)").trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(all == 120)
            do {
                _ = try await host.access.text("echo no >&2; exit 255")
                Issue.record("it did not fail")
            } catch is NodeError {}
            await host.cut()
            #expect(try await host.access.text("echo again") == "again\n")
        }
    }
}
