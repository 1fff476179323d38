import Etcd
import EtcdStorage
import Foundation
import Proving
import SystemPackage
import Testing

/// A case of saving with one etcd and serving what was restored with another.
struct RoundTrip: Sendable, CustomTestStringConvertible {
    var saved: EtcdRelease
    var served: EtcdRelease
    var members: Int
    var flags: [String] = []

    var testDescription: String { "\(saved) -> \(served), \(members) members \(flags.joined(separator: " "))" }
}

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct RoundTripTests {
    @Test(arguments: [
        RoundTrip(saved: .v3_4, served: .v3_4, members: 1), RoundTrip(saved: .v3_4, served: .v3_4, members: 3),
        RoundTrip(saved: .v3_5, served: .v3_5, members: 1), RoundTrip(saved: .v3_5, served: .v3_5, members: 3),
        RoundTrip(saved: .v3_4, served: .v3_5, members: 3), RoundTrip(saved: .v3_5, served: .v3_5, members: 3, flags: ["--compact"]),
        RoundTrip(saved: .v3_4, served: .v3_4, members: 1, flags: ["--compact"]),
        RoundTrip(saved: .v3_5, served: .v3_5, members: 1, flags: ["--bump-revision", "1000000", "--mark-compacted"]),
    ])
    func `What was saved is restored, boots, and holds every key and value`(_ trip: RoundTrip) async throws {
        try await BuiltProgram.withFolder { folder in
            let snapshot = folder.appendingPathComponent("saved.db").path
            let (before, revision) = try await LocalEtcdCluster.running(.init(release: trip.saved, members: trip.members)) { cluster in
                try await EtcdClient.connected(try cluster.configuration) { client in
                    var data = SampleData(seed: 21)
                    try await client.putAll(data.next(400))
                    _ = try await client.delete(prefix: "/registry/events/ns-2")
                }
                let save = try await BuiltProgram.run(["snapshot", "save", snapshot] + cluster.flags)
                try #require(save.status == 0, "\(save.errors)")
                let status = try await EtcdClient.connected(try cluster.configuration) { try await $0.status(at: $0.configuration.endpoints[0]) }
                return (try await cluster.contents(), status.revision)
            }
            #expect(before.count > 300)

            try await LocalEtcdCluster.running(.init(release: trip.served, members: trip.members)) { cluster in
                for member in cluster.members {
                    await cluster.stop(member)
                    try FileManager.default.removeItem(at: member.dataFolder)
                }
                let output = folder.appendingPathComponent("restored")
                let restore = try await BuiltProgram.run(
                    ["snapshot", "restore", snapshot, "--all-members", "--output-dir", output.path, "--initial-cluster", cluster.initialCluster]
                        + trip.flags)
                try #require(restore.status == 0, "\(restore.errors)")
                for member in cluster.members {
                    try FileManager.default.moveItem(at: output.appendingPathComponent(member.name), to: member.dataFolder)
                }
                for member in cluster.members { try cluster.start(member) }
                try await cluster.waitUntilServing()
                // The restored values, and that the cluster takes writes.
                let after = try await cluster.contents()
                #expect(after.map(\.key) == before.map(\.key))
                #expect(after.map(\.value) == before.map(\.value))
                let written = try await EtcdClient.connected(try cluster.configuration) { try await $0.put([("/after", [1])]) }
                #expect(written > revision + (trip.flags.contains("--bump-revision") ? 999_999 : 0))
            }
        }
    }

    @Test(arguments: [1, 3, 5])
    func `WAL and snap files are those of etcdutl, byte for byte`(members: Int) async throws {
        try await BuiltProgram.withFolder { folder in
            let snapshot = folder.appendingPathComponent("saved.db").path
            try await LocalEtcdCluster.running { cluster in
                _ = try await EtcdClient.connected(try cluster.configuration) { try await $0.put([("k", [1])]) }
                let save = try await BuiltProgram.run(["snapshot", "save", snapshot] + cluster.flags)
                try #require(save.status == 0, "\(save.errors)")
            }
            let cluster = (1...members).map { "m\($0)=https://10.1.0.\($0):2380" }.joined(separator: ",")
            let ours = folder.appendingPathComponent("ours")
            let restore = try await BuiltProgram.run([
                "snapshot", "restore", snapshot, "--all-members", "--output-dir", ours.path, "--initial-cluster", cluster,
                "--initial-cluster-token", "a-token",
            ])
            try #require(restore.status == 0, "\(restore.errors)")
            for index in 1...members {
                let theirs = folder.appendingPathComponent("theirs-\(index)")
                let run = try await CommandRun.run(
                    EtcdRelease.v3_5.snapshotTool,
                    [
                        "snapshot", "restore", snapshot, "--data-dir", theirs.path, "--name", "m\(index)", "--initial-cluster", cluster,
                        "--initial-cluster-token", "a-token", "--initial-advertise-peer-urls", "https://10.1.0.\(index):2380",
                    ])
                try #require(run.status == 0, "\(run.errors)")
                let files = ["member/wal/0000000000000000-0000000000000000.wal", "member/snap/0000000000000001-000000000000000\(members).snap"]
                for file in files {
                    let mine = try Data(contentsOf: ours.appendingPathComponent("m\(index)/\(file)"))
                    #expect(mine == (try Data(contentsOf: theirs.appendingPathComponent(file))), "\(file) of m\(index)")
                }
            }
        }
    }
}
