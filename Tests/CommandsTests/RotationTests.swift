import Foundation
import Maintenance
import Proving
import Testing

/// `drydock certs rotate-ca` on a running control plane of three real etcd members and two real API servers behind a real HAProxy that verifies them.
@Suite(
    .enabled(if: RealKubernetes.mayRun && ControlPlaneHosts.mayRun && HAProxyRelease.mayRun, "root, a real Kubernetes and HAProxy are needed"),
    .serialized, .timeLimit(.minutes(40)))
struct RotationTests {
    /// A client that asks all the while, in a process of its own.
    private struct Client {
        let name: String
        let process: CommandRun.Running

        init(_ name: String, kubeconfig: String, _ desk: ControlPlaneDesk) throws {
            self.name = name
            process = try CommandRun.Running(
                BuiltProgram.path,
                ["probe", "--kubeconfig", kubeconfig, "--rate", "10", "--timeout", "30s", "--keep-going", "-o", "json"], environment: desk.environment
            )
        }

        /// Ends it: nothing that it asked has failed.
        func prove() async throws {
            process.send(SIGINT)
            let ended = await process.finish()
            let report = try #require(try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any], "\(ended.errors)")
            let targets = try #require(report["targets"] as? [[String: Any]])
            let counts = targets.map { "\($0["name"] ?? "") \($0["requests"] ?? 0), gap \($0["longestGapSeconds"] ?? 0)" }
            print("\(name): \(counts) in \(report["seconds"] ?? 0) s")
            for target in targets {
                #expect(target["failed"] as? Int == 0, "\(name): \(target)")
                if target["name"] as? String != "watch" { #expect(target["requests"] as? Int ?? 0 > 50, "\(name)") }
            }
        }
    }

    private static func words(_ desk: ControlPlaneDesk) -> [String] {
        ["certs", "rotate-ca", "--lb-drain", "1s", "--lb-hold"] + desk.hosts.hostFlags + desk.folders + desk.front
    }

    private static func plan(_ desk: ControlPlaneDesk) async throws -> [String] {
        let run = try await BuiltProgram.run(words(desk) + ["--dry-run", "-o", "json"], environment: desk.environment)
        try #require(run.status == 0, "\(run.output)\(run.errors)")
        let plan = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        return try #require(plan["steps"] as? [[String: Any]]).compactMap { $0["id"] as? String }
    }

    private static func authorities(_ desk: ControlPlaneDesk) throws -> [String] {
        try desk.hosts.hosts.flatMap { host in
            try ["ca", "etcd/ca", "front-proxy-ca"].map {
                try String(contentsOf: host.kubernetes.appendingPathComponent("pki/\($0).crt"), encoding: .utf8)
            }
        }
    }

    @Test
    func `All authorities are replaced, killed and resumed in every phase, and neither the probe nor clients of the old and the new ones notice`()
        async throws
    {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        try await ControlPlaneDesk.with { desk in
            var random = SplitMix(seed: seed)
            let before = try Self.authorities(desk)
            let admin = desk.hosts.hosts[0].kubernetes.appendingPathComponent("admin.conf")
            let (old, new) = (desk.state.appendingPathComponent("old.conf"), desk.state.appendingPathComponent("new.conf"))
            try FileManager.default.copyItem(at: admin, to: old)
            let oldAdmin = try Data(contentsOf: old)
            let steps = try await Self.plan(desk)
            // Somewhere in each phase, and while the authorities are made.
            var kills = [0]
            for phase in ["trust", "reissue", "switch", "drop"] {
                let own = steps.indices.filter { steps[$0].hasPrefix("\(phase): ") }
                kills.append(try #require(own.randomElement(using: &random), "\(phase)"))
            }
            let firstDrop = try #require(steps.firstIndex { $0.hasPrefix("drop: ") })
            let probe = try Client("the probe", kubeconfig: admin.path, desk)
            var ofOld: Client? = try Client("a client of the old authority", kubeconfig: old.path, desk)
            var ofNew: Client?
            var run = try CommandRun.Running(BuiltProgram.path, Self.words(desk), environment: desk.environment)
            var position = 0
            while true {
                let goal = kills.first ?? steps.count
                let reached = try await eventually(within: 900, every: Double.random(in: 0.02...0.4, using: &random)) { () -> Bool? in
                    let told = run.errorsSoFar.split(separator: "\n").filter { $0.hasPrefix("[") }
                    position = max(position, told.compactMap { Int($0.dropFirst().prefix { $0 != "/" }) }.max() ?? 0)
                    // Before anybody may turn it away, the client of the old one has worked with both.
                    if position > firstDrop - 1, let client = ofOld {
                        ofOld = nil
                        try await client.prove()
                    }
                    if ofNew == nil, try Self.isReissued(admin, since: oldAdmin) {
                        try FileManager.default.copyItem(at: admin, to: new)
                        ofNew = try Client("a client of the new authority", kubeconfig: new.path, desk)
                    }
                    return position > goal || !run.isRunning ? true : nil
                }
                try #require(reached == true)
                guard !kills.isEmpty, run.isRunning else { break }
                run.send(SIGKILL)
                _ = await run.finish()
                print("killed in \(steps[kills.removeFirst()])")
                run = try CommandRun.Running(BuiltProgram.path, ["runs", "resume", try await desk.newestRun().id], environment: desk.environment)
            }
            let ended = await run.finish()
            try #require(ended.status == 0, "\(ended.output)\(ended.errors)")
            try await probe.prove()
            try await ofNew?.prove()
            #expect(ofNew != nil && ofOld == nil)

            let after = try Self.authorities(desk)
            #expect(Set(before).isDisjoint(with: after) && Set(after).count == 3, "three new ones, the same on all nodes")
            let status = try await BuiltProgram.run(
                ["certs", "rotate-ca", "--status"] + desk.hosts.hostFlags + desk.folders, environment: desk.environment)
            #expect(status.status == 0 && !status.output.contains("old"), "\(status.output)")
            let checked = try await desk.certs("check")
            #expect(checked.status == 0, "\(checked.output)")
            let turnedAway = try await CommandRun.run(
                try #require(RealKubernetes.assets).appendingPathComponent("kubectl").path, ["--kubeconfig", old.path, "get", "namespaces"])
            #expect(turnedAway.status != 0, "the old authority is trusted no more")
            for host in desk.hosts.hosts {
                let pki = host.kubernetes.appendingPathComponent("pki").path
                for (leaf, authority) in [("apiserver", "ca"), ("etcd/peer", "etcd/ca"), ("front-proxy-client", "front-proxy-ca")] {
                    let verified = try await CommandRun.run("openssl", ["verify", "-CAfile", "\(pki)/\(authority).crt", "\(pki)/\(leaf).crt"])
                    #expect(verified.status == 0, "\(verified.errors)")
                }
            }
            let healthy = try await BuiltProgram.run(
                ["lb", "status", "--socket", desk.balancer.socket.path, "--config", desk.balancer.configuration.path], environment: desk.environment)
            #expect(healthy.output.contains("2 of 2 take traffic"), "\(healthy.output)")
        }
    }

    @Test func `Killed in the middle, or done, and taken back, a rotation leaves what was there, to the byte`() async throws {
        try await ControlPlaneDesk.with { desk in
            func contents() throws -> [String: Data] {
                var found: [String: Data] = [:]
                for host in desk.hosts.hosts {
                    for case let file as String in try #require(FileManager.default.enumerator(atPath: host.kubernetes.path)) {
                        guard !file.hasPrefix("drydock-"), let data = FileManager.default.contents(atPath: "\(host.kubernetes.path)/\(file)") else {
                            continue
                        }
                        found["\(host.name) \(file)"] = data
                    }
                }
                return found
            }
            let before = try contents()
            let words = Self.words(desk) + ["ca", "front-proxy-ca"]
            let run = try CommandRun.Running(BuiltProgram.path, words, environment: desk.environment)
            // Trust is over, the leaves are new, and one API server of two has them.
            let isThere = try await eventually(within: 600, every: 0.05) { () -> Bool? in
                let told = run.errorsSoFar
                guard let reissued = told.range(of: "cp3: certificates by the new authorities") else { return run.isRunning ? nil : true }
                return told[reissued.upperBound...].contains("restart kube-apiserver on cp2") ? true : nil
            }
            run.send(SIGKILL)
            let killed = await run.finish()
            try #require(isThere == true && killed.status == 137, "\(killed.status) \(killed.errors)")
            #expect(try contents() != before)
            let status = try await BuiltProgram.run(
                ["certs", "rotate-ca", "--status"] + desk.hosts.hostFlags + desk.folders, environment: desk.environment)
            #expect(status.status == 3 && status.output.contains("old"), "\(status.output)\(status.errors)")
            let again = try await BuiltProgram.run(words, environment: desk.environment)
            #expect(again.status == 4 && again.output.contains("a rotation was begun"), "\(again.output)\(again.errors)")
            let rolledBack = try await BuiltProgram.run(["runs", "rollback", try await desk.newestRun().id], environment: desk.environment)
            try #require(rolledBack.status == 0, "\(rolledBack.output)\(rolledBack.errors)")
            #expect(try contents() == before)

            // One that is done is taken back as well.
            let done = try await BuiltProgram.run(Self.words(desk) + ["front-proxy-ca"], environment: desk.environment)
            try #require(done.status == 0, "\(done.output)\(done.errors)")
            #expect(try contents() != before)
            let undone = try await BuiltProgram.run(["runs", "rollback", try await desk.newestRun().id], environment: desk.environment)
            try #require(undone.status == 0, "\(undone.output)\(undone.errors)")
            #expect(try contents() == before)
            #expect(try await desk.kubectl("get", "namespaces").status == 0)
            let healthy = try await BuiltProgram.run(
                ["lb", "status", "--socket", desk.balancer.socket.path, "--config", desk.balancer.configuration.path], environment: desk.environment)
            #expect(healthy.output.contains("2 of 2 take traffic"), "\(healthy.output)")
        }
    }

    /// Whether an administrator's kubeconfig has a new certificate, and not only another authority beside the old one.
    private static func isReissued(_ admin: URL, since old: Data) throws -> Bool {
        func certificate(_ data: Data) -> Substring? {
            String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.contains("client-certificate-data") }
        }
        return certificate(try Data(contentsOf: admin)) != certificate(old)
    }
}
