import Foundation
import Maintenance
import Operations
import Proving
import Synchronization
import Testing

@testable import KubernetesAPI

/// The alert gate and silences, with a real Prometheus and a real Alertmanager.
@Suite(.timeLimit(.minutes(5)))
struct AlertTests {
    private static let alerts: [(name: String, labels: [String: String], isPending: Bool)] = [
        ("Latency", ["severity": "page"], false), ("NodeDown", ["node": "w1"], false), ("HostDown", ["instance": "10.0.0.1:9100"], false),
        ("HostDown", ["instance": "10.0.0.12:9100"], false), ("Slow", [:], true),
    ]

    @Test func `Alerts that fire hold nodes up, unless they are ignored or are about a node in work; silences cover that node alone, and end`()
        async throws
    {
        try await LocalPrometheus.running(Self.alerts) { servers in
            try await WebClient.connected { web in
                func gate(_ ignore: String?, pending: Bool = false, excused: Set<String> = []) async -> GateCheck {
                    await AlertGate(web: web, rule: .init(url: servers.url, ignore: ignore, countsPending: pending)).check(excused: excused)
                }
                let firing = try await eventually {
                    let check = await gate(nil)
                    return check.found.contains("Latency") && check.found.contains("NodeDown") && check.found.contains("HostDown") ? check : nil
                }
                #expect(firing?.outcome == .notYet)
                #expect(firing?.found.contains("Slow") == false, "what is pending does not fire")
                #expect(await gate("Latency|NodeDown|HostDown").outcome == .holds)
                #expect(await gate("Lat|NodeDown|HostDown").outcome == .notYet, "the whole name must match")
                #expect(await gate(".*Down|Latency", pending: true).found.contains("Slow"))
                #expect(await gate("Latency", excused: ["w1", "10.0.0.1", "10.0.0.12"]).outcome == .holds)
                let other = await gate("Latency", excused: ["w1", "10.0.0.1"])
                #expect(other.outcome == .notYet && other.found.contains("HostDown") && !other.found.contains("NodeDown"))
                let lost = await AlertGate(web: web, rule: .init(url: "http://127.0.0.1:\(try FreePorts.take(1)[0])")).check(excused: [])
                #expect(lost.outcome == .notYet && lost.found.contains("cannot be asked"), "who does not answer does not say that all is well")
                let wrong = await AlertGate(web: web, rule: .init(url: servers.alertmanager)).check(excused: [])
                #expect(wrong.outcome == .notYet)

                let silences = Silences(web: web, url: servers.alertmanager)
                func states() async throws -> [String: String] {
                    let answer = try await web.send("GET", "\(servers.alertmanager)/api/v2/alerts", nil, 10)
                    return Dictionary(
                        try answer.json.elements.map { alert in
                            let labels = alert["labels"].strings
                            return (
                                "\(labels["alertname"] ?? "") \(labels["node"] ?? labels["instance"] ?? "")", alert["status"]["state"].string ?? ""
                            )
                        }, uniquingKeysWith: { $1 })
                }
                _ = try await eventually { try await states().values.count(where: { $0 == "active" }) == 4 ? true : nil }
                let now = Date()
                let foreign: JSON = [
                    "matchers": [["name": "alertname", "value": "Nothing", "isRegex": false, "isEqual": true]],
                    "startsAt": .string(Timestamp.time(now)), "endsAt": .string(Timestamp.time(now.addingTimeInterval(600))), "createdBy": "somebody",
                    "comment": "w1 is in maintenance [run-1]",
                ]
                _ = try await web.send("POST", "\(servers.alertmanager)/api/v2/silences", foreign, 10)
                // Twice, as a leader does that takes over.
                for _ in 0..<2 {
                    try await silences.begin(
                        node: "w1", addresses: ["10.0.0.1"], mark: "run-1", comment: "w1 is in maintenance", from: now,
                        until: now.addingTimeInterval(600))
                }
                let silenced = try await eventually { () -> [String: String]? in
                    let states = try await states()
                    return states["NodeDown w1"] == "suppressed" && states["HostDown 10.0.0.1:9100"] == "suppressed" ? states : nil
                }
                #expect(silenced?["Latency "] == "active" && silenced?["HostDown 10.0.0.12:9100"] == "active", "\(silenced ?? [:])")
                #expect(try await silences.end(mark: "run-2") == 0)
                #expect(try await silences.end(mark: "run-1") == 2, "its own, once each, and nobody else's")
                let open = try await eventually { try await states().values.allSatisfy { $0 == "active" } ? true : nil }
                #expect(open == true)
            }
        }
    }

    @Test func `Notifications say what happened in the form that is asked for, and never tell where they go`() async throws {
        let sent = Sent()
        let web = WebClient { method, url, body, _ in
            sent.add("\(method) \(url) \(body?.description ?? "")")
            if url.contains("broken") { throw OperationError(.stopped, "https://hooks.example.com does not answer: connectTimeout") }
            return .init(status: url.contains("refuses") ? 403 : 200)
        }
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("url")
            try Data("https://hooks.example.com/secret\n".utf8).write(to: file)
            let notifier = Notifier(
                web: web,
                targets: [
                    .init(url: "http://one/hook"), .init(urlFile: file.path, format: .slack), .init(url: "https://hooks.example.com/refuses-s3cret"),
                    .init(url: "https://hooks.example.com/broken-s3cret"), .init(urlFile: "/nowhere"),
                ])
            let failures = await notifier.tell(.failed, maintenance: "weekly", node: "w1", "w1 failed", at: Date(timeIntervalSince1970: 0))
            #expect(
                sent.lines[0]
                    == #"POST http://one/hook {"event":"Failed","maintenance":"weekly","message":"w1 failed","node":"w1","time":"1970-01-01T00:00:00Z"}"#
            )
            #expect(sent.lines[1] == #"POST https://hooks.example.com/secret {"text":"*drydock* weekly: w1 failed"}"#)
            #expect(failures.count == 3 && failures.allSatisfy { !$0.contains("s3cret") }, "\(failures)")
        }
    }
}

private final class Sent: Sendable {
    private let kept = Mutex<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    func add(_ line: String) { kept.withLock { $0.append(line) } }
}
