import Etcd
import Proving
import Testing
import Maintenance

@Suite struct EndpointTests {
    @Test(arguments: [
        ("https://10.0.0.1:2379", Endpoint.Address.host("10.0.0.1", port: 2379), Bool?.some(true)),
        (" http://etcd.example:80/ ", .host("etcd.example", port: 80), false), ("localhost:2379", .host("localhost", port: 2379), nil),
        ("https://[::1]:2379", .host("::1", port: 2379), true), ("unix:///run/etcd.sock", .socket(path: "/run/etcd.sock"), false),
    ])
    func `etcdctl's notations are understood`(text: String, address: Endpoint.Address, tls: Bool?) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.address == address)
        #expect(endpoint.requiresTLS == tls)
    }

    @Test(arguments: ["", "host", "ftp://host:1", "http://:2379", "host:0", "host:70000", "host:x", "http://", "unix://"])
    func `What is no endpoint is refused with its name`(_ text: String) {
        #expect { try Endpoint(text) } throws: { ($0 as? EtcdError)?.code == .invalid }
    }

    @Test func `A list is split at commas, and an empty one is refused`() throws {
        #expect(try Endpoint.list("http://a:1, http://b:2,").map(\.description) == ["http://a:1", "http://b:2"])
        #expect(throws: EtcdError.self) { try Endpoint.list(" , ") }
    }
}

@Suite struct BackoffTests {
    @Test func `Delays double within their bounds, differ, and end`() {
        let backoff = Backoff(initial: .milliseconds(50), limit: .milliseconds(300), attempts: 6)
        var generator = SplitMix(seed: 1)
        let bounds = [50, 100, 200, 300, 300]
        for (attempt, bound) in bounds.enumerated() {
            let delays = (0..<100).compactMap { _ in backoff.delay(after: attempt, using: &generator) }
            #expect(delays.count == 100)
            #expect(delays.allSatisfy { $0 >= .milliseconds(bound) / 2 && $0 <= .milliseconds(bound) })
            #expect(Set(delays).count > 90)
        }
        #expect(backoff.delay(after: 5, using: &generator) == nil)
    }
}
