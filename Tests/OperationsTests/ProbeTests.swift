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

    @Test(.enabled(if: HAProxyRelease.mayRun, Comment(rawValue: HAProxyRelease.missing)), .timeLimit(.minutes(20)))
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
