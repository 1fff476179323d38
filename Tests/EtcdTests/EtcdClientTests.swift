import Etcd
import Foundation
import Proving
import Testing

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
struct EtcdClientTests {
    @Test(arguments: EtcdRelease.allCases)
    func `Keys are written, leased, listed in pages, deleted by prefix and compacted`(_ release: EtcdRelease) async throws {
        try await LocalEtcdCluster.running(.init(release: release)) { cluster in
            try await EtcdClient.connected(try cluster.configuration) { client in
                try await client.putAll((0..<300).map { ("/a/\($0)", [UInt8($0 % 256)]) })
                let lease = try await client.grantLease(seconds: 3600)
                _ = try await client.put([("/leased", [1])], lease: lease)
                var keys: [String] = []
                try await client.forEachPage(ofSize: 7) { page in keys += page.map { String(decoding: $0.key, as: UTF8.self) } }
                #expect(keys == (0..<300).map { "/a/\($0)" }.sorted() + ["/leased"])
                #expect(try await client.delete(prefix: "/a/1") == 111)
                #expect(try await client.delete(prefix: "/nothing") == 0)
                let status = try await client.status(at: client.configuration.endpoints[0])
                try await client.compact(at: status.revision)
                #expect(status.isLeader && status.isHealthy)
            }
        }
    }
}
