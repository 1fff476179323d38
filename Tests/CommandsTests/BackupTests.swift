import Etcd
import Foundation
import ObjectStore
import Operations
import Proving
import Testing

/// `drydock backup` between a real etcd and real S3 servers.
@Suite(.timeLimit(.minutes(40)))
struct BackupTests {
    private struct Desk: Sendable {
        let cluster: LocalEtcdCluster
        let folder: URL
        let environment: [String: String]

        func callAsFunction(_ words: [String], _ more: [String: String] = [:]) async throws -> CommandRun {
            try await BuiltProgram.run(["backup"] + words, environment: environment.merging(more) { $1 })
        }
    }

    private func withDesk(_ body: @escaping @Sendable (Desk) async throws -> Void) async throws {
        try await LocalEtcdCluster.running(.init(usesTLS: true)) { cluster in
            var data = SampleData(seed: 7)
            let pairs = data.next(3000)
            try await EtcdClient.connected(try cluster.configuration) { try await $0.putAll(pairs) }
            try await BuiltProgram.withFolder { folder in
                try await body(Desk(cluster: cluster, folder: folder, environment: ["HOME": folder.path, "XDG_STATE_HOME": folder.path]))
            }
        }
    }

    @Test func `A backup goes encrypted into two stores at once, is listed, verified, fetched and restored from either`() async throws {
        try await withDesk { desk in
            try await SeaweedFS.running { server in
                try await server.store("backups") { try await $0.makeBucket(withObjectLock: false) }
                let identity = AgeIdentity.generate()
                let key = desk.folder.appendingPathComponent("key")
                try Data("\(identity.secret ?? "")\n".utf8).write(to: key)
                let disk = desk.folder.appendingPathComponent("disk").path
                let create = try await desk(
                    ["create", "--location", "s3://backups/etcd", "--location", disk, "--cluster", "prod", "--recipient", identity.recipient ?? ""]
                        + desk.cluster.flags, server.environment)
                #expect(create.status == 0, "\(create.output)\(create.errors)")
                for (location, environment) in [("s3://backups/etcd", server.environment), ("file://\(disk)", [:])] {
                    let list = try await desk(["list", "--location", location, "-o", "json"], environment)
                    let rows = try #require(try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
                    #expect(rows.count == 1 && (rows[0]["id"] as? String)?.hasPrefix("prod/") == true, "\(list.output)\(list.errors)")
                    let deep = try await desk(["verify", "--deep", "--identity", key.path, "--location", location], environment)
                    #expect(deep.status == 0, "\(deep.output)\(deep.errors)")
                    let file = desk.folder.appendingPathComponent("snapshot-\(rows[0]["plainBytes"] ?? "")-\(environment.count)").path
                    let refused = try await desk(["fetch", "latest", file, "--location", location], environment)
                    #expect(refused.status == 2 && refused.errors.contains("--identity"), "\(refused.errors)")
                    let fetch = try await desk(["fetch", "latest", file, "--identity", key.path, "--location", location], environment)
                    #expect(fetch.status == 0, "\(fetch.output)\(fetch.errors)")
                    let verify = try await BuiltProgram.run(["snapshot", "verify", file], environment: desk.environment)
                    #expect(
                        verify.status == 0 && verify.output.contains("3000") || verify.output.contains("3,000"), "\(verify.output)\(verify.errors)")
                    for run in [create, list, deep, fetch] {
                        let said = run.output + run.errors
                        #expect(!said.contains(SeaweedFS.secret) && !said.contains(identity.secret ?? "-"), "no secret is told")
                    }
                }
            }
        }
    }

    @Test func `A second region gets what the first has, byte for byte, and one region alone is enough`() async throws {
        try await withDesk { desk in
            try await SeaweedFS.running { first in
                try await SeaweedFS.running { second in
                    try await first.store("primary") { try await $0.makeBucket(withObjectLock: false) }
                    try await second.store("secondary") { try await $0.makeBucket(withObjectLock: true) }
                    let keys = first.environment.filter { $0.key != "AWS_ENDPOINT_URL_S3" }
                    let near = "s3://primary/etcd?endpoint=\(first.endpoint.absoluteString)"
                    let far = "s3://secondary?endpoint=\(second.endpoint.absoluteString)"
                    #expect(try await desk(["create", "--location", near] + desk.cluster.flags, keys).status == 0)
                    let copy = try await desk(["copy", "latest", "--from", near, "--location", far, "--retain", "1h"], keys)
                    #expect(copy.status == 0 && copy.output.contains("copied"), "\(copy.output)\(copy.errors)")
                    let again = try await desk(["copy", "all", "--from", near, "--location", far], keys)
                    #expect(again.status == 0 && again.output.contains("was there"), "\(again.output)\(again.errors)")
                    let deep = try await desk(["verify", "--deep", "--location", far], keys)
                    #expect(deep.status == 0, "\(deep.output)\(deep.errors)")
                    // Under a lock it stays, whatever the rules say.
                    let prune = try await desk(["prune", "--keep-within", "1ms", "--cluster", "kubernetes", "--location", far], keys)
                    #expect(prune.status == 0 && prune.output.contains("locked until"), "\(prune.output)\(prune.errors)")
                    let status = try await desk(["status", "--location", far, "--max-age", "1h"], keys)
                    #expect(status.status == 0 && status.output.contains("in time"), "\(status.output)\(status.errors)")
                    #expect(try await desk(["status", "--location", near, "--max-age", "1h"], keys).status == 3, "nobody has read that one back")
                    #expect(try await desk(["fetch", "latest", desk.folder.appendingPathComponent("far").path, "--location", far], keys).status == 0)
                    let drill = try await desk(["drill", "--location", near, "--etcd", desk.cluster.options.release.server], keys)
                    #expect(
                        drill.status == 0 && drill.output.contains("RTO") && drill.output.contains("3000 live keys"), "\(drill.output)\(drill.errors)"
                    )
                    #expect(try await desk(["status", "--location", near, "--max-age", "1h"], keys).status == 0, "a drill is proof enough")
                    let unstarted = try await desk(["drill", "--location", near], keys.merging(["PATH": "/nowhere"]) { $1 })
                    #expect(unstarted.status == 3 && unstarted.output.contains("no etcd was at hand"), "\(unstarted.output)\(unstarted.errors)")
                }
            }
        }
    }

    @Test func `A byte that was changed, an object that is gone and a store that is away are each found and named`() async throws {
        try await withDesk { desk in
            let disk = desk.folder.appendingPathComponent("disk").path
            let away = "s3://backups?endpoint=http://127.0.0.1:\(try FreePorts.take(1)[0])"
            let keys = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"]
            let half = try await desk(["create", "--location", disk, "--location", away] + desk.cluster.flags, keys)
            #expect(half.status == 1 && half.output.contains("NOT in"), "\(half.output)\(half.errors)")
            let show = try await desk(["show", "latest", "--location", disk])
            #expect(show.status == 0 && show.output.contains("snapshot.db.zst"))
            let object = try #require(
                FileManager.default.enumerator(atPath: disk)?.compactMap { $0 as? String }.first { $0.hasSuffix("snapshot.db.zst") })
            let path = URL(fileURLWithPath: "\(disk)/\(object)")
            let whole = try Data(contentsOf: path)
            #expect(try await desk(["verify", "--deep", "--location", disk]).status == 0)
            for position in [0, whole.count / 2, whole.count - 1] {
                var changed = whole
                changed[position] ^= 1
                try changed.write(to: path)
                let found = try await desk(["verify", "--deep", "--location", disk])
                #expect(found.status == 3 && found.errors.contains("snapshot.db.zst"), "\(found.output)\(found.errors)")
                #expect(try await desk(["fetch", "latest", "\(disk)-out", "--location", disk]).status == 3)
                #expect(!FileManager.default.fileExists(atPath: "\(disk)-out"))
            }
            try FileManager.default.removeItem(at: path)
            let gone = try await desk(["verify", "--location", disk])
            #expect(gone.status == 3 && gone.output.contains("missing"), "\(gone.output)\(gone.errors)")
            #expect(try await desk(["list", "--location", disk]).status == 3)
        }
    }

    @Test func `Pruning keeps what a rule keeps, and never the newest verified one's place empty`() async throws {
        try await withDesk { desk in
            let disk = desk.folder.appendingPathComponent("disk").path
            var seen: Set<String> = []
            while seen.count < 3 {
                // Two of one second would have one name: the second is refused.
                let made = try await desk(["create", "--location", disk] + desk.cluster.flags, ["BACKUP_LOCATION": "ignored"])
                #expect(made.status == 0 || made.status == 4 && made.errors.contains("already"), "\(made.output)\(made.errors)")
                let list = try await desk(["list", "--location", disk, "-o", "json"])
                let rows = try #require(try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
                seen.formUnion(rows.compactMap { $0["id"] as? String })
            }
            let oldest = try #require(seen.min())
            #expect(try await desk(["verify", oldest, "--deep", "--location", disk]).status == 0)
            let explained = try await desk(["prune", "--keep-last", "1", "--explain", "--location", disk])
            #expect(
                explained.status == 0 && explained.output.contains("newest verified") && explained.output.contains("keep-last 1/1"),
                "\(explained.output)")
            func count() async throws -> Int {
                let list = try await desk(["list"], ["BACKUP_LOCATION": disk])
                return list.output.split(separator: "\n").count - 1
            }
            #expect(try await count() == 3, "explaining deletes nothing")
            #expect(try await desk(["prune", "--location", disk]).status == 0)
            #expect(try await count() == 3, "nor does a prune without a rule")
            #expect(try await desk(["prune", "--keep-last", "1"], ["BACKUP_LOCATION": disk]).status == 0)
            #expect(try await count() == 2, "the newest, and the newest verified")
        }
    }

    @Test func `By the clock: at once when there is none, then as scheduled, pruned, drilled, told to Prometheus; and ended in order`() async throws {
        try await withDesk { desk in
            let disk = desk.folder.appendingPathComponent("disk").path
            let port = try FreePorts.take(1)[0]
            let running = try CommandRun.Running(
                BuiltProgram.path,
                [
                    "backup", "schedule", "@every 1s", "--location", disk, "--cluster", "clock", "--keep-last", "3", "--drill", "@every 2s", "--etcd",
                    desk.cluster.options.release.server, "--metrics-listen", "127.0.0.1:\(port)",
                ] + desk.cluster.flags, environment: desk.environment)
            defer { running.send(SIGKILL) }
            func metrics() async throws -> String {
                let curl = try await CommandRun.run(
                    "python3", ["-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:\(port)/metrics').read().decode())"])
                return curl.status == 0 ? curl.output : ""
            }
            let limit = ContinuousClock.now + .seconds(60)
            var text = ""
            while ContinuousClock.now < limit, running.isRunning,
                !text.contains("recovery_time_seconds") || !running.errorsSoFar.contains("deleted clock/")
            {
                text = try await metrics()
            }
            #expect(
                text.contains("drydock_backup_last_drill_success{cluster=\"clock\",location=\"file://\(disk)\"} 1"), "\(text)\(running.errorsSoFar)")
            #expect(text.contains("drydock_backup_failures_total{operation=\"create\"} 0"), "\(text)")
            let check = try await CommandRun.run("sh", ["-c", "printf '%s' \"$METRICS\" | promtool check metrics"], environment: ["METRICS": text])
            #expect(check.status == 0, "\(check.output)\(check.errors)")
            // Keys are in memory, so a crash must leave no core behind.
            let limits = try String(contentsOfFile: "/proc/\(running.processID)/limits", encoding: .utf8)
            #expect(limits.split(separator: "\n").contains { $0.hasPrefix("Max core file size        0 ") }, "\(limits)")
            running.send(SIGTERM)
            let ended = await running.finish()
            #expect(ended.status == 0 && ended.errors.contains("ended"), "\(ended.status) \(ended.errors)")
            let list = try await desk(["list", "--location", disk])
            #expect((3...5).contains(list.output.split(separator: "\n").count - 1), "\(list.output)")
            let once = try await desk(["metrics"], ["BACKUP_LOCATION": "\(disk),/nowhere/at/all"])
            #expect(once.status == 0 && once.output.contains("drydock_backup_recovery_point_timestamp_seconds"), "\(once.output)\(once.errors)")
        }
    }

    @Test func `The page for the worst day says what there is, and every command on it is one`() async throws {
        try await withDesk { desk in
            let disk = desk.folder.appendingPathComponent("disk").path
            let identity = AgeIdentity.generate()
            #expect(try await desk(["create", "--location", disk, "--recipient", identity.recipient ?? ""] + desk.cluster.flags).status == 0)
            let page = try await BuiltProgram.run(
                ["runbook", "--location", disk, "--location", "/nowhere", "--host", "cp1", "--host", "cp2=root@10.0.0.2"],
                environment: desk.environment)
            #expect(
                page.status == 0 && page.output.contains("NONE WAS EVER READ BACK") && page.output.contains(identity.recipient ?? "-"),
                "\(page.output)")
            #expect(page.output.contains("--host cp1 --host cp2=root@10.0.0.2") && page.output.contains("## A namespace was deleted"))
            let commands = page.output.split(separator: "\n").filter { $0.hasPrefix("    drydock ") }
            #expect(commands.count > 10)
            for command in commands {
                // With its flags: an unknown one is wrong usage before anything is looked at.
                let words = command.split(separator: "#")[0].split(separator: " ").dropFirst().map(String.init)
                let help = try await BuiltProgram.run(words + ["--help"], environment: desk.environment)
                #expect(help.status == 0 && help.output.contains("USAGE: drydock \(words[0])"), "\(command): \(help.errors)")
                for flag in words where flag.hasPrefix("--") { #expect(help.output.contains(flag), "\(command): \(flag)") }
            }
        }
    }

    @Test func `What is broken, foreign or crafted counts for nothing, and costs no good backup`() async throws {
        try await withDesk { desk in
            let disk = desk.folder.appendingPathComponent("disk").path
            var seen: Set<String> = []
            while seen.count < 3 {
                _ = try await desk(["create", "--location", disk] + desk.cluster.flags)
                let list = try await desk(["list", "--location", disk, "-o", "json"])
                let rows = try #require(try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
                seen.formUnion(rows.compactMap { $0["id"] as? String })
            }
            let ids = seen.sorted()
            // The newest lacks its snapshot.
            try FileManager.default.removeItem(atPath: "\(disk)/\(ids[2])/snapshot.db.zst")
            let kept = try await desk(["prune", "--keep-last", "1", "--location", disk])
            #expect(kept.status == 0 && kept.output.contains("--broken deletes it"), "\(kept.output)\(kept.errors)")
            let left = try await desk(["list", "--location", disk])
            #expect(
                left.output.contains(ids[1]) && left.output.contains(ids[2]) && !left.output.contains(ids[0]),
                "the newest whole one stays: \(left.output)")
            #expect(try await desk(["status", "--location", disk]).output.contains("1"))
            let metrics = try await desk(["metrics", "--location", disk])
            #expect(metrics.output.contains("location_broken{location=\"file://\(disk)\"} 1"), "\(metrics.output)")
            // A copy from elsewhere sends what is missing.
            let second = desk.folder.appendingPathComponent("second").path
            #expect(try await desk(["copy", ids[1], "--from", disk, "--location", second]).status == 0)
            try FileManager.default.removeItem(atPath: "\(second)/\(ids[1])/snapshot.db.zst")
            let mended = try await desk(["copy", ids[1], "--from", disk, "--location", second])
            #expect(mended.status == 0 && mended.output.contains("copied what was missing"), "\(mended.output)\(mended.errors)")
            #expect(try await desk(["verify", "latest", "--deep", "--location", second]).status == 0)
            #expect(try await desk(["prune", "--broken", "--location", disk]).status == 0)
            #expect(try await desk(["list", "--location", disk]).status == 0)

            // Somebody's own snapshot is no orphan of ours.
            let foreign = URL(fileURLWithPath: "\(disk)/kubernetes/manual-2024/snapshot.db")
            try FileManager.default.createDirectory(at: foreign.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data("x".utf8).write(to: foreign)
            let orphans = try await desk(["prune", "--orphans", "--orphan-age", "1ms", "--location", disk])
            #expect(orphans.status == 0 && FileManager.default.fileExists(atPath: foreign.path), "\(orphans.output)")

            // Two clusters: the newest of which?
            #expect(try await desk(["create", "--location", disk, "--cluster", "other"] + desk.cluster.flags).status == 0)
            let which = try await desk(["verify", "--location", disk])
            #expect(which.status == 2 && which.errors.contains("--cluster"), "\(which.output)\(which.errors)")
            #expect(try await desk(["verify", "--location", disk], ["CLUSTER_NAME": "other"]).output.contains("other/"))

            // Sizes that overflow, with a digest that is right.
            let path = URL(fileURLWithPath: "\(disk)/\(ids[1])/manifest.json")
            var manifest = try BackupManifest(parsing: Array(try Data(contentsOf: path)), from: "here")
            manifest.parts[0].plainBytes = .max
            manifest.parts.append(manifest.parts[0])
            manifest.parts[1].name = "other"
            try Data(try manifest.json()).write(to: path)
            for words in [["list"], ["status"], ["metrics"], ["verify", ids[1]], ["export", ids[1], "\(disk)/x.tar.gz"], ["drill", ids[1]]] {
                let run = try await desk(words + ["--location", disk])
                #expect(run.status < 128, "\(words): \(run.status) \(run.errors)")
                if ![["status"], ["metrics"]].contains(words) { #expect(run.status == 3, "\(words): \(run.status) \(run.output)\(run.errors)") }
            }
        }
    }
}
