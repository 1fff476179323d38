internal import Etcd
package import Foundation

extension Torture {
    /// A snapshot, a WAL segment and a .snap file of a server that has lived a little.
    package static func samples(in folder: URL) async throws -> [Kind: URL] {
        try await LocalEtcdCluster.running(LocalEtcdCluster.Options(arguments: ["--snapshot-count", "20"])) { cluster in
            let snapshot = folder.appendingPathComponent("sample.db")
            try await EtcdClient.connected(try cluster.configuration) { client in
                var data = SampleData(seed: 7)
                try await client.putAll(data.next(300))
                let lease = try await client.grantLease(seconds: 3600)
                for pair in data.next(60) { try await client.putAll([pair], lease: lease) }
                _ = try await client.delete(prefix: "/registry/events/ns-1")
            }
            let run = try await BuiltProgram.run(["snapshot", "save", snapshot.path] + cluster.flags)
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: run.errors) }
            await cluster.stop(cluster.members[0], signal: SIGTERM)
            let member = cluster.members[0].dataFolder.appendingPathComponent("member")
            let wal = folder.appendingPathComponent("0000000000000000-0000000000000000.wal")
            try FileManager.default.copyItem(at: member.appendingPathComponent("wal/\(wal.lastPathComponent)"), to: wal)
            let snaps = try FileManager.default.contentsOfDirectory(atPath: member.appendingPathComponent("snap").path).filter {
                $0.hasSuffix(".snap")
            }
            guard let newest = snaps.max() else { throw LocalEtcdCluster.Failure(description: "the server wrote no .snap file") }
            let snap = folder.appendingPathComponent(newest)
            try FileManager.default.copyItem(at: member.appendingPathComponent("snap/\(newest)"), to: snap)
            return [.snapshot: snapshot, .rehashedSnapshot: snapshot, .wal: wal, .snap: snap]
        }
    }
}
