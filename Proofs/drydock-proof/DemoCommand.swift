internal import ArgumentParser
internal import Etcd
internal import EtcdStorage
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Proving
internal import Synchronization
internal import SystemPackage

/// The whole life of a backup in two minutes: a real cluster, a snapshot under load, a disaster, and everything back.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "demo", abstract: "Save, damage, lose and restore a real cluster.")

    @Option(help: "How many keys the cluster holds.") var keys = 20_000

    func run() async throws {
        var story = Story()
        let options = LocalEtcdCluster.Options(members: 3, usesTLS: true)
        story.tell("Starting three etcd 3.5.1 members with TLS on 127.0.0.1, with certificates of our own in kubeadm's layout")
        try await LocalEtcdCluster.running(options) { cluster in
            story.done("serving: \(cluster.members.map(\.clientURL).joined(separator: ", "))")

            story.tell("Writing \(keys) keys like those of Kubernetes")
            var data = SampleData(seed: 1)
            let written = data.next(keys)
            try await EtcdClient.connected(try cluster.configuration) { try await $0.putAll(written) }
            story.done("\(written.reduce(0) { $0 + $1.value.count } >> 20) MiB of values")

            let snapshot = cluster.folder.appendingPathComponent("snapshot.db").path
            try await saveUnderLoad(cluster, to: snapshot, &story)
            try await show(verifying: snapshot, &story)
            try await showDamage(snapshot, in: cluster.folder, &story)
            try await loseAndRestore(cluster, snapshot, &story)
            try await compare(cluster, with: written, &story)
        }
        guard ControlPlaneHosts.mayRun else {
            story.end("Every key and value is back. The second act was left out: \(ControlPlaneHosts.missing).")
            return
        }
        try await secondAct(&story)
        story.end("Every key and value is back, twice. The servers are stopped and their folders removed.")
    }

    private func saveUnderLoad(_ cluster: LocalEtcdCluster, to snapshot: String, _ story: inout Story) async throws {
        story.tell("Saving a snapshot while other keys are being written", command: "drydock snapshot save snapshot.db --endpoints …")
        let load = Load()
        let configuration = try cluster.configuration
        let run = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await load.write(to: configuration) }
            defer { load.stop() }
            // The snapshot begins when the load is there.
            while load.count < 10 { await Task.yield() }
            return try await BuiltProgram.run(["snapshot", "save", snapshot] + cluster.flags)
        }
        guard run.status == 0 else { throw Failure("save failed: \(run.errors)") }
        story.quote(run.errors + run.output)
        story.done("\(load.count) writes went through meanwhile")
    }

    private func show(verifying snapshot: String, _ story: inout Story) async throws {
        story.tell("Looking into it", command: "drydock snapshot inspect snapshot.db")
        let run = try await BuiltProgram.run(["snapshot", "inspect", snapshot, "-q"])
        guard run.status == 0 else { throw Failure("inspect found damage: \(run.output)") }
        story.quote(run.output)
        story.done("sound")
    }

    private func showDamage(_ snapshot: String, in folder: URL, _ story: inout Story) async throws {
        story.tell("Flipping one bit of a copy", command: "drydock snapshot verify damaged.db")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: snapshot))
        bytes[bytes.count / 2] ^= 0x10
        let damaged = folder.appendingPathComponent("damaged.db")
        try bytes.write(to: damaged)
        let run = try await BuiltProgram.run(["snapshot", "verify", damaged.path, "-q"])
        guard run.status == 3 else { throw Failure("the flipped bit was not found: \(run.output)") }
        story.quote(run.output)
        let theirs = try await CommandRun.run(EtcdRelease.v3_5.snapshotTool, ["snapshot", "status", damaged.path])
        story.done("found, exit code 3 (etcdutl snapshot status on the same file: exit code \(theirs.status))")
    }

    private func loseAndRestore(_ cluster: LocalEtcdCluster, _ snapshot: String, _ story: inout Story) async throws {
        story.tell("Killing all three members and deleting two data directories")
        for member in cluster.members { await cluster.stop(member, signal: SIGKILL) }
        for member in cluster.members.dropFirst() { try FileManager.default.removeItem(at: member.dataFolder) }
        story.done("the cluster is lost")

        story.tell("Restoring all three members in one pass", command: "drydock snapshot restore snapshot.db --all-members --output-dir restored …")
        let restored = cluster.folder.appendingPathComponent("restored")
        let run = try await BuiltProgram.run([
            "snapshot", "restore", snapshot, "--all-members", "--output-dir", restored.path, "--initial-cluster", cluster.initialCluster, "-q",
        ])
        guard run.status == 0 else { throw Failure("restore failed: \(run.errors)") }
        story.quote(run.output.components(separatedBy: "\n\n")[0])
        for member in cluster.members {
            try? FileManager.default.removeItem(at: member.dataFolder)
            try FileManager.default.moveItem(at: restored.appendingPathComponent(member.name), to: member.dataFolder)
        }
        story.done("three data directories")

        story.tell("Starting the three members on them")
        for member in cluster.members { try cluster.start(member) }
        try await cluster.waitUntilServing()
        story.done("serving, with a leader")
    }

    private func compare(_ cluster: LocalEtcdCluster, with written: [(key: String, value: [UInt8])], _ story: inout Story) async throws {
        story.tell("Comparing every key and value with what was written")
        let found = Dictionary(uniqueKeysWithValues: try await cluster.contents().map { ($0.key, $0.value) })
        let different = written.filter { found[Array($0.key.utf8)] != $0.value }
        guard different.isEmpty else { throw Failure("\(different.count) keys differ, the first is \(different[0].key)") }
        let extra = found.count - written.count
        story.done("\(written.count) of \(written.count) are equal; \(extra) more were written while the snapshot was taken")
    }

    // MARK: The second act

    /// Two regions and three hosts: one region and the disks of two hosts are lost.
    private func secondAct(_ story: inout Story) async throws {
        story.title("Second act: a region is lost, and two control-plane hosts with it")
        var telling = story
        try await ControlPlaneHosts.running { hosts in
            try await SeaweedFS.running { near in
                try await SeaweedFS.running { far in
                    try await BuiltProgram.withFolder { folder in
                        try await loseRegion(Stage(hosts: hosts, near: near, far: far, folder: folder), &telling)
                    }
                }
            }
        }
        story = telling
    }

    private struct Stage {
        let hosts: ControlPlaneHosts
        let near: SeaweedFS
        let far: SeaweedFS
        let folder: URL

        func drydock(_ words: [String]) async throws -> CommandRun {
            let environment = near.environment.filter { $0.key != "AWS_ENDPOINT_URL_S3" }
            let run = try await BuiltProgram.run(
                words, environment: environment.merging(["XDG_STATE_HOME": folder.path, "HOME": folder.path]) { $1 })
            guard run.status == 0 else { throw Failure("\(words.prefix(2).joined(separator: " ")) failed: \(run.output)\(run.errors)") }
            return run
        }
    }

    private func loseRegion(_ stage: Stage, _ story: inout Story) async throws {
        let hosts = stage.hosts
        story.tell("Three hosts with sshd and etcd of their own, and two S3 servers: the regions near and far")
        for server in [stage.near, stage.far] { try await server.store("backups") { try await $0.makeBucket(withObjectLock: false) } }
        var data = SampleData(seed: 2)
        try await EtcdClient.connected(try hosts.configuration) { try await $0.putAll(data.next(keys)) }
        let kept = try await hosts.contents()
        story.done("\(kept.count) keys")

        let identity = AgeIdentity.generate()
        let key = stage.folder.appendingPathComponent("identity").path
        try Data("\(identity.secret ?? "")\n".utf8).write(to: URL(fileURLWithPath: key))
        let locations = [stage.near, stage.far].map { "s3://backups?endpoint=\($0.endpoint.absoluteString)" }
        story.tell(
            "Backing up, encrypted, to both at once: etcd, and the keys and manifests of every host",
            command: "drydock backup create --location NEAR --location FAR --recipient age1… --host cp1 --host cp2 --host cp3")
        let made = try await stage.drydock(
            [
                "backup", "create", "--location", locations[0], "--location", locations[1], "--recipient", identity.recipient ?? "", "--files",
                hosts.kubernetes.path,
            ]
                + hosts.hostFlags + hosts.flags)
        let backedUp = Date()
        story.quote(made.output)
        story.done("the hosts hold a public key only")

        story.tell("Rehearsing a restore from the far region", command: "drydock backup drill latest --location FAR --identity identity")
        let drill = try await stage.drydock(
            ["backup", "drill", "latest", "--location", locations[1], "--identity", key, "--etcd", EtcdRelease.v3_5.server, "-q"])
        story.quote(drill.output)
        story.done("the backup is known to restore")

        story.tell("Losing the near region, and the disks of two hosts; what was written since the backup goes with them")
        try await EtcdClient.connected(try hosts.configuration) { _ = try await $0.put([("/since/the/backup", [1])]) }
        try await stage.near.lose()
        for host in hosts.hosts.prefix(2) { try await hosts.loseDisks(of: host) }
        let lost = Date()
        story.done("one region, no quorum")

        story.tell(
            "Restoring the control plane from the far region, over ssh",
            command: "drydock backup restore latest --location FAR --identity identity --files --host cp1 --host cp2 --host cp3")
        let began = ContinuousClock.now
        let restored = try await stage.drydock(
            ["backup", "restore", "latest", "--location", locations[1], "--identity", key, "--files", "--manifests-dir", hosts.manifests, "-q"]
                + hosts.hostFlags)
        try await hosts.waitUntilServing()
        let recovery = ContinuousClock.now - began
        story.quote(restored.output)
        story.done("serving")

        story.tell("Comparing every key and value with what was backed up")
        let found = try await hosts.contents()
        guard found == kept else { throw Failure("\(found.count) keys are there, and \(kept.count) were backed up") }
        story.done("\(found.count) of \(kept.count) are equal")
        print("   RTO, measured: \(Story.seconds(recovery)) from the decision until etcd served")
        print("   RPO, measured: \(Story.seconds(.seconds(lost.timeIntervalSince(backedUp)))), the time between the backup and the loss")
    }

    /// Writes keys of its own until it is stopped, so that what was written before can be compared to the last byte.
    private final class Load: Sendable {
        private let written = Atomic(0)
        private let stopped = Atomic(false)

        var count: Int { written.load(ordering: .relaxed) }

        func stop() { stopped.store(true, ordering: .relaxed) }

        func write(to configuration: EtcdConfiguration) async throws {
            try await EtcdClient.connected(configuration) { client in
                while !self.stopped.load(ordering: .relaxed) {
                    _ = try await client.put([("/load/\(self.count)", Array("written during the snapshot".utf8))])
                    self.written.wrappingAdd(1, ordering: .relaxed)
                }
            }
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// Tells what happens, step by step, with the time that each took.
struct Story {
    private let began = ContinuousClock.now
    private var step = 0
    private var stepBegan = ContinuousClock.now

    mutating func tell(_ what: String, command: String? = nil) {
        step += 1
        stepBegan = .now
        print("\n\(step). \(what)")
        if let command { print("   $ \(command)") }
    }

    func title(_ text: String) { print("\n--- \(text) ---") }

    func quote(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) where !line.isEmpty { print("   | \(line)") }
    }

    func done(_ what: String) { print("   ✓ \(what)  [\(Self.seconds(ContinuousClock.now - stepBegan))]") }

    func end(_ what: String) { print("\n\(what) [\(Self.seconds(ContinuousClock.now - began)) in all]") }

    static func seconds(_ duration: Duration) -> String {
        String(format: "%.2f s", duration.seconds)
    }
}
