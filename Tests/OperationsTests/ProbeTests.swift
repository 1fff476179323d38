import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Operations
import Proving
import Testing

struct ProbeTests {
    @Test func `Endpoints are URLs, or what a user says of them`() throws {
        let targets = try ProbeTarget.read(
            """
            - https://shop.example.com/healthz?full=1
            - {name: api, url: "https://10.0.0.100:6443", ca: /ca.crt, serverName: kubernetes, connection: kept, expect: 200-401}
            """, from: "endpoints.yaml")
        #expect(targets.map(\.name) == ["shop.example.com", "api"] && targets.map(\.connection) == [.new, .kept])
        #expect(targets[0].request.target == "/healthz?full=1" && targets[0].expected == 200...299)
        #expect(targets[1].expected == 200...401 && targets[1].access.tlsServerName == "kubernetes" && targets[1].request.path == "/")
        #expect(try ProbeTarget.read("endpoints: [http://a.example]", from: "x").count == 1)
    }

    @Test(arguments: [
        "", "a: b", "- 7", "- ftp://a.example", "- {url: 'https://'}", "- {url: 'https://user:secret@a.example'}",
        "- {url: 'https://a.example', speed: 1}",
        "- {url: 'https://a.example', expect: 99}", "- {url: 'https://a.example', expect: 300-200}",
        "- {url: 'https://a.example', connection: watch}",
    ])
    func `What cannot be asked is refused, by its entry, and without its password`(_ text: String) {
        do {
            _ = try ProbeTarget.read(text, from: "endpoints.yaml")
            Issue.record("it was read")
        } catch { #expect("\(error)".contains("endpoints.yaml") && !"\(error)".contains("secret")) }
    }

    @Test func `Who is connected to and never answers has failed, holds the gate up meanwhile, and proves nothing`() async throws {
        // Nobody accepts: the kernel does, and keeps what is sent.
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), UInt32(0x7f00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 128) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isBound)
        let targets = try ProbeTarget.read("- http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))/", from: "endpoints.yaml")
        var options = Probe.Options()
        (options.rate, options.timeout) = (5, .seconds(6))
        let (_, report) = try await Probe.watching(targets, options) { probe in
            #expect(probe.report.availability == 0, "nothing was answered, and nothing has failed yet")
            let isHeld = try await eventually(within: 60) { probe.gateCheck.outcome == .notYet ? true : nil }
            #expect(isHeld == true && probe.gateCheck.found.contains("waits for its answer"), "\(probe.gateCheck)")
        }
        #expect(
            report.requests >= 10 && report.failed == report.requests && report.isBudgetBurnt, "\(report.requests) asked, \(report.failed) failed")
    }

    @Test(.enabled(if: HAProxyRelease.mayRun, Comment(rawValue: HAProxyRelease.missing)), .timeLimit(.minutes(40)))
    func `An outage is counted, timed and told to the gate, and what came before and after it is not`() async throws {
        try await BalancedServers.running(.v2_6) { all in
            let targets = try ProbeTarget.read(
                "- {name: new, url: '\(all.url)', ca: \(all.authority.path)}\n- {name: kept, url: '\(all.url)', ca: \(all.authority.path), connection: kept}",
                from: "endpoints.yaml")
            var options = Probe.Options()
            (options.rate, options.timeout) = (20, .seconds(60))
            let (_, report) = try await Probe.watching(targets, options) { probe in
                func answered(_ count: Int) async throws {
                    let seen = try await eventually(within: 60) { probe.report.targets.allSatisfy { $0.requests - $0.failed >= count } ? true : nil }
                    try #require(seen == true)
                }
                try await answered(20)
                #expect(probe.gateCheck.outcome == .holds && probe.report.availability == 1)
                try await all.kill()
                let failed = try await eventually(within: 60) { probe.report.targets.allSatisfy { $0.failed >= 10 } ? true : nil }
                try #require(failed == true)
                #expect(probe.gateCheck.outcome == .fails && probe.gateCheck.found.contains("requests failed"))
                try await all.startBalancer()
                let before = probe.report.requests - probe.report.failed
                _ = try await eventually(within: 60) { probe.report.requests - probe.report.failed > before + 20 ? true : nil }
            }
            #expect(report.isBudgetBurnt && report.availability < 1)
            for target in report.targets {
                // Half a second of requests failed, at least.
                #expect(target.failed >= 10 && target.longestGapSeconds >= 0.4 && target.failures.count == target.failed, "\(target)")
                #expect((target.p50 ?? 0) > 0 && target.p50 ?? 1 <= target.p99 ?? 0 && target.p99 ?? 1 <= target.longest ?? 0)
            }
        }
    }
}
