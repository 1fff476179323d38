import Etcd
import EtcdStorage
import Foundation
import Proving
import SystemPackage
import Testing

/// Databases of different shapes, each made by a real server.
enum DatabaseShape: String, CaseIterable, Sendable {
    case empty, oneKey, deletedKeys, leases, largeValues, authentication, compactedAndDefragmented

    func make(_ cluster: LocalEtcdCluster) async throws {
        try await EtcdClient.connected(try cluster.configuration) { client in
            var data = SampleData(seed: 5)
            switch self {
            case .empty: break
            case .oneKey: _ = try await client.put([("one", [1])])
            case .deletedKeys:
                try await client.putAll((0..<500).map { ("/d/\($0)", [UInt8](repeating: 1, count: $0)) })
                _ = try await client.delete(prefix: "/d/1")
                try await client.putAll((100..<150).map { ("/d/\($0)", [2]) })
            case .leases:
                let lease = try await client.grantLease(seconds: 3600)
                _ = try await client.grantLease(seconds: 60)
                try await client.putAll(data.next(50), lease: lease)
            case .largeValues:
                try await client.putAll([4096, 5000, 65536, 1_000_000, 1_400_000, 3].map { ("/big/\($0)", [UInt8](repeating: 9, count: $0)) })
            case .authentication:
                try await client.putAll(data.next(20))
                try await cluster.enableAuthentication(password: "secret")
            case .compactedAndDefragmented:
                // 100,000 keys, half of them written twice.
                try await client.putAll(
                    (0..<100_000).map { ("/registry/pods/ns-\($0 % 50)/p-\($0)", [UInt8](repeating: UInt8($0 % 251), count: 40)) })
                try await client.putAll((0..<50_000).map { ("/registry/pods/ns-\($0 % 50)/p-\($0)", [1, 2, 3]) })
                let endpoint = client.configuration.endpoints[0]
                try await client.compact(at: try await client.status(at: endpoint).revision)
                try await client.defragment(at: endpoint)
            }
        }
    }
}

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct StatusTests {
    private struct TheirStatus: Decodable, Equatable {
        var hash: UInt32
        var revision: Int64
        var totalKey: Int64
        var totalSize: UInt64
    }

    @Test(arguments: DatabaseShape.allCases, EtcdRelease.allCases)
    func `Status values are exactly those of the release's own tool`(_ shape: DatabaseShape, _ release: EtcdRelease) async throws {
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("shape.db").path
            try await LocalEtcdCluster.running(.init(release: release)) { cluster in
                try await shape.make(cluster)
                let flags = shape == .authentication ? ["--user", "root"] : []
                let save = try await BuiltProgram.run(
                    ["snapshot", "save", file] + cluster.flags + flags, environment: ["ETCDCTL_PASSWORD": "secret"])
                try #require(save.status == 0, "\(save.errors)")
            }
            let theirs = try await CommandRun.run(
                release.snapshotTool, ["snapshot", "status", file, "-w", "json"], environment: ["ETCDCTL_API": "3"])
            let expected = try JSONDecoder().decode(TheirStatus.self, from: Data(theirs.output.utf8))
            let report = try await SnapshotVerifier(path: FilePath(file)).verify()
            #expect(report.findings == [])
            #expect(report.sha256 == .match)
            let ours = TheirStatus(
                hash: try #require(report.hash), revision: report.revision, totalKey: report.totalKey, totalSize: report.totalSize)
            #expect(ours == expected)
            if shape == .compactedAndDefragmented { #expect(report.liveKeys == 100_000) }
            if shape == .deletedKeys { #expect(report.liveKeys == 439) }
            if shape == .leases { #expect(report.leases == 2) }
            #expect(report.authEnabled == (shape == .authentication))
        }
    }
}
