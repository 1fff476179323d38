import Etcd
import Foundation
import Proving
import Testing

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)), .timeLimit(.minutes(30)))
struct EtcdCareTests {
    private func rows(_ report: [String: Any], _ key: String) throws -> [[String: Any]] { try #require(report[key] as? [[String: Any]]) }

    @Test(arguments: EtcdRelease.allCases)
    func `Every command looks after three members with TLS`(_ release: EtcdRelease) async throws {
        try await withDesk(.init(release: release, members: 3, usesTLS: true, spares: 1)) { desk in
            try await desk.makeGarbage()
            let status = try rows(try await desk.report("etcd status"), "members")
            #expect(status.count == 3 && status.filter { $0["role"] as? String == "leader" }.count == 1)
            for row in status {
                #expect(row["version"] as? String == (release == .v3_5 ? "3.5.1" : "3.4.23") && (row["dbSize"] as? Int ?? 0) > 2 << 20)
                #expect((row["walFsyncP99Seconds"] as? Double ?? 0) > 0 && (row["backendCommitP99Seconds"] as? Double ?? 0) > 0)
                #expect((row["readSeconds"] as? Double ?? 0) > 0 && row["problem"] == nil && row["dbQuota"] as? Int == 2 << 30)
            }
            #expect(try await desk.report("etcd health --cluster")["verdict"] as? String == "healthy")
            #expect(try await desk.report("etcd consistency")["isConsistent"] as? Bool == true)

            let plan = try await desk.drydock("etcd defrag --compact --keep-revisions 0 --dry-run")
            #expect(plan.status == 0 && plan.output.contains("4. hand leadership") && plan.output.contains("undo"))
            #expect(try await desk.newestRun() == nil, "a rehearsal leaves no run")
            let oldLeader = try await desk.leader().name
            let defrag = try await desk.report("etcd defrag --compact --keep-revisions 0")
            #expect(try rows(defrag, "steps").map { $0["state"] as? String } == Array(repeating: "done", count: 5))
            #expect(try rows(defrag, "steps").last?["title"] as? String == "defragment \(oldLeader)", "the leader goes last")
            #expect(try await desk.leader().name != oldLeader)
            for row in try rows(try await desk.report("etcd status"), "members") { #expect((row["dbSize"] as? Int ?? .max) < 2 << 20) }
            #expect(try await desk.drydock("etcd defrag --min-size 100MiB").output.contains("nothing to do"))
            #expect(try await desk.drydock("etcd defrag --rule", ["dbSize > "]).status == 2)
            #expect(try await desk.drydock("etcd defrag --rule", ["dbQuotaUsage > 0.9"]).output.contains("the rule does not hold"))

            let audit = try await desk.report("etcd audit", status: release == .v3_5 ? 3 : 0)
            #expect(try rows(audit, "findings").contains { $0["code"] as? String == (release == .v3_5 ? "data-inconsistency" : "old-release") })
            let benchmark = try await desk.drydock("etcd benchmark --duration 2s --rate 50", ["-o", "json"])
            #expect([0, 3].contains(benchmark.status), "\(benchmark.errors)")
            #expect(try await desk.connected { try await $0.delete(prefix: "drydock/") } == 0, "it cleans up its keys")

            try await self.changeMembership(desk)
        }
    }

    private func changeMembership(_ desk: EtcdDesk) async throws {
        let spare = desk.cluster.spares[0]
        let refused = try await desk.drydock("etcd member remove \(desk.cluster.members[0].name)")
        #expect(refused.status == 4 && refused.output.contains("one failure away"))
        #expect(try await desk.drydock("etcd member add --peer-url \(spare.peerURL)").status == 4)
        #expect(try await desk.drydock("etcd member add --learner --peer-url nowhere").status == 2)
        #expect(try await desk.drydock("etcd member remove nobody").status == 2)
        #expect(try await desk.members().count == 3, "refusals send nothing")

        let add = try await desk.drydock("etcd member add --learner --peer-url \(spare.peerURL)")
        #expect(add.status == 0 && add.output.contains("--initial-cluster-state existing"), "\(add.errors)")
        let promote = try await desk.drydock("etcd member promote", [try #require(try await desk.members().first(where: \.isLearner)).id.memberText])
        #expect(promote.status == 0, "\(promote.output)\(promote.errors)")
        #expect(try await desk.members().allSatisfy { !$0.isLearner && $0.isStarted })
        let remove = try await desk.drydock("etcd member remove \(desk.leader().name)")
        #expect(remove.status == 0, "\(remove.output)\(remove.errors)")
        let list = try await desk.report("etcd members")
        #expect(try rows(list, "members").count == 3 && list["spare"] as? Int == 1)
    }

    @Test(arguments: EtcdRelease.allCases)
    func `A member is replaced under load, even the leader, and no acknowledged write is lost`(_ release: EtcdRelease) async throws {
        try await withDesk(.init(release: release, members: 3, usesTLS: true, spares: 1)) { desk in
            try await desk.makeGarbage()
            let load = ClientLoad(prefix: "/load", attempt: .seconds(2))
            let old = try await desk.leader()
            var configuration = try desk.cluster.configuration
            configuration.endpoints = try (desk.cluster.members + desk.cluster.spares).map { try Endpoint($0.clientURL) }
            let run = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [configuration] in try await load.run(configuration, pause: .milliseconds(2)) }
                defer { load.stop() }
                return try await desk.drydock(
                    "etcd member replace \(old.name) --peer-url \(desk.cluster.spares[0].peerURL)", ["--join-timeout", "60s"])
            }
            try #require(run.status == 0, "\(run.errors)")
            let names = try await desk.members().map(\.name)
            #expect(!names.contains(old.name) && names.contains(desk.cluster.spares[0].name) && names.count == 3)
            let written = load.written
            #expect(written.count > 50 && load.soFar.failed == 0, "\(load.soFar)")
            var found: [String: [UInt8]] = [:]
            for pair in try await desk.cluster.contents() { found[String(decoding: pair.key, as: UTF8.self)] = pair.value }
            let lost = written.filter { found[$0.key] != $0.value }
            #expect(lost.isEmpty, "\(lost.count) of \(written.count) acknowledged writes are lost")
        }
    }

    @Test(arguments: EtcdRelease.allCases)
    func `A dead member is removed first, and replaced by one on the same address`(_ release: EtcdRelease) async throws {
        try await withDesk(.init(release: release, members: 3, usesTLS: true, spares: 1)) { desk in
            let name = try await desk.follower().name
            let dead = try #require(desk.cluster.members.first { $0.name == name })
            try await desk.cluster.wipe(dead)
            let health = try await desk.report("etcd health --cluster", status: 3)
            #expect("\(health)".contains(name) && "\(health)".contains("one failure away"))
            let careful = try await desk.drydock("etcd member replace \(name) --peer-url \(dead.peerURL)")
            #expect(careful.status == 4 && careful.output.contains("--remove-first"), "only a person knows that it is dead for good")
            let run = try await desk.drydock("etcd member replace \(name) --remove-first --peer-url \(dead.peerURL)", ["--join-timeout", "60s"])
            try #require(run.status == 0, "\(run.errors)")
            #expect(try await desk.members().allSatisfy { !$0.isLearner && $0.isStarted })
            #expect(try await desk.report("etcd health --cluster")["verdict"] as? String == "healthy")
        }
    }

    @Test(arguments: EtcdRelease.allCases)
    func `A cluster that ran full is led out of NOSPACE, and writes work again`(_ release: EtcdRelease) async throws {
        let quota = 8 << 20
        try await withDesk(.init(release: release, members: 3, usesTLS: true, arguments: ["--quota-backend-bytes", "\(quota)"])) { desk in
            let value = [UInt8](repeating: 1, count: 64 << 10)
            let filled = await #expect(throws: EtcdError.self) {
                try await desk.connected { client in
                    for count in 0..<1000 { _ = try await client.put([("/same/\(count % 4)", value)]) }
                }
            }
            #expect(filled?.code == .noSpace)
            let health = try await desk.report("etcd health", status: 1)
            #expect("\(health)".contains("NOSPACE"))
            let run = try await desk.report("etcd recover-space")
            #expect((run["steps"] as? [[String: Any]])?.last?["result"] as? String == "a key was written, read back and deleted")
            #expect(try await desk.connected { try await $0.put([("/after", [1])]) } > 0)
            #expect(try await desk.report("etcd health")["verdict"] as? String == "healthy")
        }
    }

    @Test func `A cluster that is full of data stays read-only, and the run says what to do and can be resumed`() async throws {
        try await withDesk(.init(members: 1, arguments: ["--quota-backend-bytes", "\(2 << 20)"])) { desk in
            let value = [UInt8](repeating: 1, count: 64 << 10)
            _ = try? await desk.connected { client in
                for count in 0..<100 { _ = try await client.put([("/different/\(count)", value)]) }
            }
            let run = try await desk.drydock("etcd recover-space --threshold 30%")
            #expect(run.status == 1 && run.errors.contains("the data itself fills it"), "\(run.errors)")
            let alarms = try await desk.connected { try await $0.alarms() }
            #expect(alarms.map(\.kind) == [.noSpace], "the alarm is not taken back while there is no room")
            _ = try await desk.connected { try await $0.delete(prefix: "/different/") }
            // What the run had done before is done; only the new history is in the way, so it is abandoned and begun anew.
            let id = try #require(try await desk.newestRun()?["id"] as? String)
            #expect(try await desk.drydock("runs resume \(id)").status == 1)
            #expect(try await desk.drydock("etcd recover-space").status == 4, "an unfinished run holds the cluster")
            #expect(try await BuiltProgram.run(["runs", "abandon", id], environment: desk.environment).status == 0)
            let again = try await desk.drydock("etcd recover-space")
            #expect(again.status == 0, "\(again.errors)")
        }
    }

    @Test func `The audit finds the members that a restore with etcd 3.4 leaves behind`() async throws {
        try await BuiltProgram.withFolder { folder in
            let (old, new) = (folder.appendingPathComponent("old.db").path, folder.appendingPathComponent("new.db").path)
            try await withDesk(.init(release: .v3_4, members: 3)) { (desk: EtcdDesk) async throws -> Void in
                #expect(try await desk.drydock("snapshot save", [old]).status == 0)
                #expect(try await desk.drydock("etcd audit --snapshot", [old]).status == 0, "the live members are those of the snapshot")
            }
            try await withDesk(.init(release: .v3_4, members: 1)) { (desk: EtcdDesk) async throws -> Void in
                let member = desk.cluster.members[0]
                try await desk.cluster.wipe(member)
                try await CommandRun.run(
                    EtcdRelease.v3_4.etcdctl,
                    [
                        "snapshot", "restore", old, "--name", member.name, "--data-dir", member.dataFolder.path, "--initial-cluster",
                        desk.cluster.initialCluster, "--initial-advertise-peer-urls", member.peerURL,
                    ], environment: ["ETCDCTL_API": "3"])
                try desk.cluster.start(member)
                try await desk.cluster.waitUntilServing()
                #expect(try await desk.drydock("snapshot save", [new]).status == 0)
                let audit = try await desk.report("etcd audit --snapshot", [new], status: 3)
                let zombies = try rows(audit, "findings").filter { $0["code"] as? String == "zombie-member" }
                #expect(zombies.count == 3 && zombies.allSatisfy { ($0["remedy"] as? String)?.isEmpty == false })
            }
            #expect(try await BuiltProgram.run(["etcd", "audit", "--offline", "--snapshot", old]).status == 0)
            #expect(try await BuiltProgram.run(["etcd", "audit", "--offline"]).status == 2)
        }
    }

    @Test func `A member that stands still holds no command up`() async throws {
        try await withDesk(.init(members: 3, usesTLS: true)) { desk in
            let name = try await desk.follower().name
            let member = try #require(desk.cluster.members.first { $0.name == name })
            desk.cluster.signal(member, SIGSTOP)
            let began = ContinuousClock.now
            #expect("\(try await desk.report("etcd health --cluster", status: 3))".contains(name))
            #expect(try await desk.drydock("etcd members").output.contains("unhealthy"))
            #expect(try await desk.drydock("etcd consistency").status == 3)
            #expect(try await desk.drydock("etcd defrag").status == 4)
            #expect(ContinuousClock.now - began < .seconds(60))
            desk.cluster.signal(member, SIGCONT)
        }
    }

    @Test func `Without a quorum nothing disruptive begins, and health says why`() async throws {
        try await withDesk(.init(members: 3)) { desk in
            let name = try await desk.follower().name
            await desk.cluster.stop(try #require(desk.cluster.members.first { $0.name == name }))
            #expect(try await desk.report("etcd health --cluster", status: 3)["verdict"] as? String == "degraded")
            let defrag = try await desk.drydock("etcd defrag")
            #expect(defrag.status == 4 && defrag.output.contains("\(name) does not answer"), "\(defrag.output)\(defrag.errors)")
            await desk.cluster.stop(try #require(desk.cluster.members.first { $0.name != name }))
            let health = try await desk.report("etcd health --cluster", status: 1)
            #expect("\(health)".contains("no quorum"))
            for command in [
                "etcd defrag", "etcd member remove \(name)", "etcd member add --learner --peer-url http://127.0.0.1:9", "etcd recover-space",
            ] {
                let run = try await desk.drydock(command)
                #expect(run.status == 4, "\(command): \(run.status) \(run.errors)")
            }
            #expect(try await desk.newestRun() == nil)
        }
    }

    @Test func `A closed window lets nothing begin, and leaves nothing behind that would hold the next run up`() async throws {
        try await withDesk(.init(members: 3)) { desk in
            let hour = Calendar(identifier: .gregorian).dateComponents(in: .gmt, from: Date()).hour ?? 0
            let closed = String(format: "%02d:00-%02d:30", (hour + 12) % 24, (hour + 12) % 24)
            let run = try await desk.drydock("etcd defrag --window", [closed])
            #expect(run.status == 4 && run.errors.contains("is closed; it opens at") && run.errors.contains("before it changed anything"))
            #expect(try await desk.drydock("etcd defrag --window", ["next tuesday"]).status == 2)
            #expect(try await desk.drydock("etcd defrag --max-duration 1s").status == 4)
            let named = try await BuiltProgram.run(["etcd", "health", "--endpoints", "127.0.0.1:9,\(desk.cluster.members[0].clientURL)"])
            #expect(named.status == 3 && named.output.contains("127.0.0.1:9"), "an endpoint that was named and does not answer is a finding")
            let open = String(format: "%02d:00-%02d:00", (hour + 23) % 24, (hour + 2) % 24)
            #expect(try await desk.drydock("etcd defrag --window", [open]).status == 0)
        }
    }

    @Test func `Two runs never work on one cluster at once`() async throws {
        try await withDesk(.init(members: 3)) { desk in
            let (first, reached) = try await BuiltProgram.pausing(
                at: "after started defragment-\(desk.follower().id.memberText)", desk.arguments("etcd defrag"), environment: desk.environment
            ) { _ in
                let second = try await desk.drydock("etcd defrag")
                #expect(second.status == 4 && second.errors.contains("is at work"), "\(second.errors)")
                let id = try #require(try await desk.newestRun()?["id"] as? String)
                #expect(try await desk.drydock("runs resume \(id)").status == 4)
            }
            #expect(reached && first.status == 0, "\(first.errors)")
        }
    }

    @Test func `A run that is interrupted in a step stays unfinished, keeps the cluster, and goes on where it was`() async throws {
        try await withDesk(.init(members: 3)) { desk in
            try await desk.makeGarbage()
            let step = "defragment-\(try await desk.follower().id.memberText)"
            let (run, reached) = try await BuiltProgram.pausing(
                at: "after started \(step)", desk.arguments("etcd defrag"), environment: desk.environment
            ) { $0.send(SIGTERM) }
            #expect(reached && run.status == 1 && run.errors.contains("it was interrupted"), "\(run.errors)")
            let newest = try #require(try await desk.newestRun())
            #expect(newest["state"] as? String == "stopped", "what was asked of the member may be under way")
            #expect(try await desk.drydock("etcd defrag").status == 4)
            #expect(try await desk.drydock("runs resume \(try #require(newest["id"] as? String))").status == 0)
        }
    }

    @Test func `An interrupted benchmark leaves no keys, and one that would fill the quota does not begin`() async throws {
        try await withDesk(.init(members: 1, arguments: ["--quota-backend-bytes", "\(64 << 20)"])) { desk in
            let full = try await desk.drydock("etcd benchmark --value-size 64KiB --duration 10s --rate 20000")
            #expect([0, 3].contains(full.status), "\(full.errors)")
            #expect(try await desk.drydock("etcd health").status != 1, "no load raises the alarm")
            let running = try CommandRun.Running(
                BuiltProgram.path, desk.arguments("etcd benchmark --duration 60s"), environment: desk.environment)
            try await desk.connected { client in
                var keys = 0
                while keys == 0, running.isRunning {
                    keys = 0
                    try await client.forEachPage { keys += $0.count { $0.key.starts(with: Array("drydock/benchmark".utf8)) } }
                }
                running.send(SIGTERM)
                #expect(await running.finish().status == 1)
                #expect(try await client.delete(prefix: "drydock/") == 0)
            }
        }
    }

    @Test func `Of five members with two dead, the dead are removed and one is replaced`() async throws {
        try await withDesk(.init(members: 5, spares: 1)) { desk in
            let leader = try await desk.leader().name
            let dead = desk.cluster.members.filter { $0.name != leader }.prefix(2)
            for member in dead { try await desk.cluster.wipe(member) }
            #expect(try await desk.drydock("etcd defrag").status == 4)
            let living = try #require(desk.cluster.members.first { member in member.name != leader && !dead.contains { $0.name == member.name } })
            #expect(try await desk.drydock("etcd member remove \(living.name)").status == 4, "that would end the quorum")
            let remove = try await desk.drydock("etcd member remove \(dead[dead.startIndex].name)")
            #expect(remove.status == 0, "\(remove.output)\(remove.errors)")
            let replace = try await desk.drydock(
                "etcd member replace \(dead[dead.startIndex + 1].name) --remove-first --peer-url \(desk.cluster.spares[0].peerURL) --join-timeout 60s"
            )
            #expect(replace.status == 0, "\(replace.output)\(replace.errors)")
            #expect(try await desk.report("etcd health --cluster")["verdict"] as? String == "healthy")
            #expect(try await desk.members().count == 4)
        }
    }

    @Test func `Space is recovered without a member that is dead`() async throws {
        try await withDesk(.init(members: 3, arguments: ["--quota-backend-bytes", "\(8 << 20)"])) { desk in
            let value = [UInt8](repeating: 1, count: 64 << 10)
            _ = try? await desk.connected { client in
                for count in 0..<1000 { _ = try await client.put([("/same/\(count % 4)", value)]) }
            }
            let name = try await desk.follower().name
            await desk.cluster.stop(try #require(desk.cluster.members.first { $0.name == name }))
            let run = try await desk.drydock("etcd recover-space")
            #expect(run.status == 0 && run.errors.contains("\(name) is left out"), "\(run.output)\(run.errors)")
            #expect(try await desk.connected { try await $0.put([("/after", [1])]) } > 0)
        }
    }

    @Test func `A replacement that nobody starts is rolled back, and the cluster is as it was`() async throws {
        try await LocalEtcdCluster.running(.init(members: 3)) { cluster in
            let desk = EtcdDesk(cluster: cluster)
            let before = try await desk.members()
            let run = try await desk.drydock("etcd member replace etcd-1 --peer-url http://127.0.0.1:9", ["--join-timeout", "1s"])
            #expect(run.status == 1 && run.errors.contains("it has not started yet"), "\(run.errors)")
            #expect(try await desk.members().count == 4)
            let id = try #require(try await desk.newestRun()?["id"] as? String)
            let back = try await desk.drydock("runs rollback \(id)")
            #expect(back.status == 0, "\(back.errors)")
            #expect(try await Set(desk.members().map(\.id)) == Set(before.map(\.id)))
            #expect(try await desk.newestRun()?["state"] as? String == "rolledBack")
        }
    }
}

extension EtcdDesk {
    /// The follower whose name comes first, which a defragmentation takes first.
    func follower() async throws -> Member {
        let leader = try await leader().name
        return try #require(try await members().filter { $0.name != leader }.min { $0.name < $1.name })
    }
}
