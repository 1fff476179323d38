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

    @Test(arguments: [false, true])
    func `A busy connection is not taken for an attack`(usesTLS: Bool) async throws {
        try await LocalEtcdCluster.running(.init(usesTLS: usesTLS)) { cluster in
            try await EtcdClient.connected(try cluster.configuration) { client in
                let endpoint = client.configuration.endpoints[0]
                // etcd pings with nearly every message; at the 201st ping swift-nio-http2 would close the connection.
                let before = try await client.status(at: endpoint).revision
                for index in 0..<500 {
                    let revision = try await client.put("k\(index)", [UInt8](repeating: 7, count: index * 16), at: endpoint)
                    #expect(revision == before + Int64(index) + 1, "every call arrives once")
                }
                var sizes: [Int] = []
                try await client.forEachPage { sizes += $0.map(\.value.count) }
                #expect(sizes.sorted() == (0..<500).map { $0 * 16 })
            }
        }
    }

    @Test func `Nothing is said unencrypted to a member that an encrypted cluster lists`() async throws {
        var configuration = EtcdConfiguration(endpoints: [try Endpoint("https://127.0.0.1:1")], credentials: .init(user: "root", password: "pw"))
        configuration.tls = .init(authority: nil, certificate: nil, key: nil)
        try await EtcdClient.connected(configuration) { client in
            let error = await #expect(throws: EtcdError.self) { try await client.status(at: Endpoint("http://127.0.0.1:2"), within: .seconds(1)) }
            #expect(error?.code == .tls && error?.message.contains("not encrypted") == true)
        }
    }

    @Test func `A token that the server no longer knows is replaced by a new one`() async throws {
        try await LocalEtcdCluster.running { cluster in
            try await cluster.enableAuthentication(password: "pw")
            var configuration = try cluster.configuration
            configuration.credentials = .init(user: "root", password: "pw")
            try await EtcdClient.connected(configuration, backoff: Backoff(attempts: 8)) { client in
                _ = try await client.put([("before", [1])])
                // Simple tokens live in the member's memory.
                await cluster.stop(cluster.members[0])
                try cluster.start(cluster.members[0])
                try await cluster.waitUntilServing()
                _ = try await client.put([("after", [1])])
                var keys = 0
                try await client.forEachPage { keys += $0.count }
                #expect(keys == 2)
            }
        }
    }

    @Test func `Reads go on at the next endpoint when one is down`() async throws {
        try await LocalEtcdCluster.running(.init(members: 3)) { cluster in
            _ = try await EtcdClient.connected(try cluster.configuration) { try await $0.put([("k", [1])]) }
            await cluster.stop(cluster.members[0])
            let (keys, answers) = try await EtcdClient.connected(try cluster.configuration) { client in
                var keys = 0
                // While a new leader is elected the members answer Unavailable, too.
                try await client.forEachPage { keys += $0.count }
                return (keys, await client.statuses())
            }
            #expect(keys == 1)
            #expect(answers.map(\.endpoint.description) == cluster.members.map(\.clientURL))
            #expect(answers.map { (try? $0.status.get()) != nil } == [false, true, true])
        }
    }
}
