import ClusterTwin
import Controller
import Foundation
import KubernetesAPI
import KubernetesClient
import KubernetesRuntime
import Maintenance
import Operations
import Proving
import Synchronization
import Testing

/// The controller and the agents as they are, on a twin's clock.
struct ControllerTwinTests {
    private struct Stage: Sendable {
        let twin: Twin
        let fleet: TwinFleet
        let client: KubernetesClient
        let sent: Sent
        let restarts: Bell
        let rehearsal: Rehearsal

        /// The leader is gone from one moment to the other, and another leads.
        func replaceLeader() { restarts.ring() }

        func pass(_ seconds: Double) async throws { try await rehearsal.letPass(seconds: seconds) }

        /// Lets time pass until it is so, two hours at most.
        func until(_ what: String, _ look: () throws -> Bool) async throws {
            for _ in 0..<7200 {
                if try look() { return }
                try await pass(1)
            }
            throw LocalEtcdCluster.Failure(description: "it did not come about that \(what); \(status)")
        }

        var status: JSON { twin.object(.nodeMaintenances, ObjectName("", "weekly"))?["status"] ?? .null }
        var blockers: String { status["blockers"].description }
        func node(_ name: String) -> Node { Node(twin.object(.nodes, ObjectName("", name)) ?? .null) }
        var cordoned: [String] { twin.objects(.nodes).map { Node($0) }.filter(\.isUnschedulable).map(\.name).sorted() }
        var isCurrent: Bool { status["current"].count == status["total"].count && status["inWork"].count == 0 }
        func step(of node: String) -> String { twin.object(.maintenanceRuns, ObjectName("", node))?["status"]["step"].string ?? "" }
        var controls: MaintenanceControls { MaintenanceControls(client: client) }

        func annotate(_ resource: Resource, _ name: String, _ value: String?) async throws {
            let annotations = JSONObject([.init(name: Annotations.pause, value: JSON(value))])
            try await client.patch(resource, ObjectName("", name), .merge(["metadata": ["annotations": .object(annotations)]]))
        }
    }

    /// What was sent to servers beside the cluster, and what they answer.
    private final class Sent: Sendable {
        private let state = Mutex<(lines: [String], silences: [JSON], isFiring: Bool)>(([], [], false))
        var lines: [String] { state.withLock { $0.lines } }
        var silences: Int { state.withLock { $0.silences.count } }
        var isFiring: Bool {
            get { state.withLock { $0.isFiring } }
            set { state.withLock { $0.isFiring = newValue } }
        }

        func answer(_ method: String, _ url: String, _ body: JSON?) -> WebClient.Answer {
            state.withLock { state in
                if url.contains("/api/v1/query") {
                    let alert = state.isFiring ? #"{"metric":{"alertname":"Latency"},"value":[0,"1"]}"# : ""
                    return .init(
                        status: 200, body: Array(#"{"status":"success","data":{"resultType":"vector","result":[\#(alert)]}}"#.utf8))
                }
                if url.contains("/api/v2/silence") {
                    switch method {
                    case "POST":
                        var silence = body ?? .null
                        silence["id"] = .string("\(state.lines.count)-\(state.silences.count)")
                        silence["status"] = ["state": "active"]
                        state.silences.append(silence)
                    case "DELETE": state.silences.removeAll { url.hasSuffix($0["id"].string ?? "-") }
                    default: return .init(status: 200, body: JSON.array(state.silences).bytes())
                    }
                    return .init(status: 200, body: Array("{}".utf8))
                }
                state.lines.append("\(body?["event"].string ?? url) \(body?["node"].string ?? "") \(body?["message"].string ?? "")")
                return .init(status: 200)
            }
        }
    }

    private func rehearse(
        nodes: Int = 4, controlPlanes: Int = 0, pods: Int = 0, _ spec: JSON, windows: [String: JSON] = [:], objects: [JSON] = [],
        start: String = "2026-06-03T12:00:00Z", _ body: @escaping @Sendable (Stage) async throws -> Void
    ) throws {
        var options = TwinOptions()
        options.writesLeases = false
        options.bookmarkSeconds = 86400
        options.watchSeconds = 86400
        options.start = try Date(start, strategy: .iso8601)
        let twin = Twin(options: options)
        for definition in try CustomResources.definitions() { try twin.create(definition) }
        try twin.create(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "drydock"]])
        twin.addNodes(nodes, controlPlanes: controlPlanes)
        if pods > 0 { try twin.populate(pods: pods, size: 4) }
        for object in objects { try twin.create(object) }
        for (name, window) in windows {
            try twin.create([
                "apiVersion": .string(Resource.maintenanceWindows.apiVersion), "kind": "MaintenanceWindow", "metadata": ["name": .string(name)],
                "spec": window,
            ])
        }
        let fleet = TwinFleet(twin)
        for object in twin.objects(.nodes) { fleet.add(Node(object).name) }
        try twin.create([
            "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance", "metadata": ["name": "weekly"], "spec": spec,
        ])
        let sent = Sent()
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        let outcome = rehearsal.run {
            let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
            let restarts = Bell()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await oneAfterTheOther(until: restarts, time) {
                        let web = WebClient { method, url, body, _ in sent.answer(method, url, body) }
                        try await MaintenanceController(client, web: web, options: .init()).run()
                    }
                }
                group.addTask { try await fleet.run(client, reportSeconds: 600) }
                group.addTask {
                    try await body(Stage(twin: twin, fleet: fleet, client: client, sent: sent, restarts: restarts, rehearsal: rehearsal))
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        guard case .ended(.success) = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    private static let update: JSON = ["maxUnavailable": 1]

    @Test func `A node that is paused is left alone, and in work it waits before its next step`() throws {
        try rehearse(Self.update) { stage in
            try await stage.annotate(.nodes, "node-0001", "a demo")
            for index in 1...4 { stage.fleet.release(2, on: "node-000\(index)", needsReboot: true) }
            try await stage.until("the second is being updated") { stage.step(of: "node-0002").hasPrefix("update") }
            try await stage.annotate(.nodes, "node-0002", "wait")
            try await stage.pass(600)
            #expect(stage.step(of: "node-0002").hasPrefix("update"), "it is not booted while it is paused: \(stage.step(of: "node-0002"))")
            #expect(stage.status["nodes"][0]["message"].string?.contains("wait") == true, "and says so: \(stage.status["nodes"])")
            try await stage.annotate(.nodes, "node-0002", nil)
            try await stage.until("three are current") { stage.status["current"].count == 3 }
            #expect(stage.blockers.contains("paused: a demo") && !stage.fleet.isCurrent("node-0001"))
            try await stage.annotate(.nodes, "node-0001", nil)
            try await stage.until("all are current") { stage.isCurrent }
        }
    }

    @Test func `A kubelet that does not say yet which boot it is in is waited for, and that proves no reboot`() throws {
        try rehearse(nodes: 1, Self.update) { stage in
            func report(_ bootID: String) async throws {
                try await stage.client.patch(
                    .nodes, ObjectName("", "node-0001"), .merge(["status": ["nodeInfo": ["bootID": .string(bootID)]]]), subresource: "status")
            }
            let first = stage.node("node-0001").bootID
            stage.fleet.release(1, on: "node-0001", needsReboot: true)
            try await stage.until("it is being updated") { stage.step(of: "node-0001").hasPrefix("update") }
            try await report("")
            try await stage.until("the reboot is next") { stage.step(of: "node-0001").hasPrefix("reboot") }
            try await stage.pass(20)
            #expect(stage.fleet.reboots.withLock { $0.isEmpty }, "nothing is ordered that could not be proven")
            try await report(first)
            try await stage.until("it boots") { stage.fleet.reboots.withLock { $0.count == 1 } }
            try await stage.until("it is back") { stage.node("node-0001").bootID != first && stage.node("node-0001").isReady }
            try await stage.until("it is current") { stage.isCurrent }
            #expect(stage.fleet.reboots.withLock { $0.count == 1 })
        }
    }

    @Test func `A pause of everything works at once, and is shown`() throws {
        try rehearse(Self.update) { stage in
            _ = try await stage.controls.pause(nil, reason: "an incident")
            for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: false) }
            try await stage.pass(1800)
            #expect(stage.status["phase"] == "Paused" && stage.status["message"] == "an incident" && stage.cordoned.isEmpty)
            _ = try await stage.controls.resume(nil)
            try await stage.until("all are current") { stage.isCurrent }
        }
    }

    @Test func `A run that is aborted, and one whose NodeMaintenance is deleted, gives its node back`() throws {
        try rehearse(Self.update) { stage in
            for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: true) }
            try await stage.until("one is in work") { stage.cordoned.count == 1 && stage.step(of: stage.cordoned[0]).hasPrefix("update") }
            let changes = try await stage.controls.abort("weekly", node: nil, reason: "no")
            #expect(changes.map(\.object).contains("maintenancerun/\(stage.cordoned[0])"))
            try await stage.until("it is given back") { stage.cordoned.isEmpty }
            try await stage.pass(600)
            #expect(stage.status["phase"] == "Paused" && stage.cordoned.isEmpty)
            _ = try await stage.controls.resume("weekly")
            try await stage.until("one is in work again") {
                stage.cordoned.count == 1 && stage.step(of: stage.cordoned[0]).hasPrefix("drain") == false
            }
            try await stage.client.delete(.nodeMaintenances, ObjectName("", "weekly"))
            try await stage.until("nothing is closed") { stage.cordoned.isEmpty }
            try await stage.pass(600)
            #expect(stage.cordoned.isEmpty)
        }
    }

    @Test func `A window that closes on a node has it given back, and the next one finishes`() throws {
        let window: JSON = ["openings": [["schedule": "0 12 * * *", "duration": "20m"]]]
        try rehearse(["windows": ["noon"], "timeouts": ["node": "10m"]], windows: ["noon": window], start: "2026-06-03T11:00:00Z") { stage in
            for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: true) }
            var slow = TwinFleet.Character()
            slow.updateSeconds = 1500
            stage.fleet.add("node-0001", slow)
            try await stage.pass(1800)
            #expect(stage.status["phase"] == "Waiting" && stage.blockers.contains("opens at 2026-06-03T12:00:00Z"))
            try await stage.pass(1800 + 60)
            #expect(stage.cordoned == ["node-0001"])
            try await stage.until("the node is given back") { stage.cordoned.isEmpty }
            #expect(stage.fleet.reboots.withLock { $0.isEmpty }, "it is not booted when the window is closed")
            stage.fleet.add("node-0001")
            try await stage.pass(86400 - 7200)
            try await stage.pass(6600)
            #expect(stage.fleet.reboots.withLock { $0.count } > 0, "the next day goes on: \(stage.status)")
            try await stage.pass(3 * 86400)
            #expect(stage.isCurrent, "\(stage.status)")
        }
    }

    @Test func `Control-plane nodes go last, one at a time, and only while etcd keeps its quorum`() throws {
        let members: [JSON] = (1...3).map { index in
            [
                "apiVersion": "v1", "kind": "Pod",
                "metadata": [
                    "name": .string("etcd-node-000\(index)"), "namespace": "kube-system", "labels": ["component": "etcd", "tier": "control-plane"],
                    "annotations": index == 3
                        ? ["kubernetes.io/config.mirror": "x", "twin.drydock.dev/never-ready": "true"] : ["kubernetes.io/config.mirror": "x"],
                ], "spec": ["nodeName": .string("node-000\(index)"), "containers": [["name": "etcd", "image": "etcd"]]],
            ]
        }
        try rehearse(nodes: 5, controlPlanes: 3, ["maxUnavailable": 3], objects: members) { stage in
            for index in 1...5 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: true) }
            try await stage.until("the workers are current") { stage.fleet.isCurrent("node-0004") && stage.fleet.isCurrent("node-0005") }
            try await stage.pass(1800)
            // Of three members one is sick: no healthy one may go. The sick one's node may: nothing is lost with it.
            #expect(!stage.fleet.isCurrent("node-0001") && !stage.fleet.isCurrent("node-0002"))
            #expect(stage.blockers.contains("without node-0001 etcd has 1 healthy members of 3, and needs 2"), "\(stage.blockers)")
            try await stage.client.patch(
                .pods, ObjectName("kube-system", "etcd-node-0003"),
                .merge(["status": ["conditions": [["type": "Ready", "status": "True"]]]]), subresource: "status")
            var most = 0
            try await stage.until("all are current") {
                most = max(most, stage.cordoned.count)
                return stage.isCurrent
            }
            #expect(most == 1)
        }
    }

    @Test func `Alerts and blocking pods hold nodes up until they are gone`() throws {
        let spec: JSON = [
            "maxUnavailable": 4, "prometheus": ["url": "http://prometheus"], "blockingPods": [["matchLabels": ["job": "import"]]],
        ]
        let pod: JSON = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "import", "namespace": "default", "labels": ["job": "import"]],
            "spec": ["nodeName": "node-0002", "containers": [["name": "main", "image": "x"]]],
        ]
        try rehearse(spec, objects: [pod]) { stage in
            stage.sent.isFiring = true
            for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: false) }
            try await stage.pass(1800)
            #expect(stage.cordoned.isEmpty && stage.blockers.contains("alerts: Latency fire") && !stage.status["nextTry"].isNull)
            stage.sent.isFiring = false
            try await stage.until("three are current") { stage.status["current"].count == 3 }
            #expect(stage.blockers.contains("blocking pods: default/import runs there"))
            try await stage.client.delete(.pods, ObjectName("default", "import"))
            try await stage.until("all are current") { stage.isCurrent }
        }
    }

    @Test func `A command goes once round a window, and again when somebody starts it`() throws {
        let spec: JSON = ["maxUnavailable": 2, "action": ["command": ["command": ["true"]]], "reboot": "Never"]
        try rehearse(spec) { stage in
            try await stage.until("all are done") { stage.isCurrent }
            let first = stage.node("node-0001").annotations[Annotations.maintained]
            try await stage.pass(86400)
            #expect(stage.node("node-0001").annotations[Annotations.maintained] == first, "once")
            _ = try await stage.controls.start("weekly")
            try await stage.until("a new round is over") {
                stage.isCurrent && stage.node("node-0001").annotations[Annotations.maintained] != first
            }
        }
    }

    @Test func `What fails is tried again as often as is said, then given back or left, and people are told`() throws {
        for (rule, isGivenBack) in [
            (["action": "Retry", "retries": 2] as JSON, false), (["action": "RollBack"], true), (["action": "Pause"], false),
        ] {
            try rehearse(["onFailure": rule, "notifications": [["url": "http://hook"]], "alertmanager": ["url": "http://alertmanager"]]) { stage in
                var broken = TwinFleet.Character()
                broken.failsUpdates = true
                stage.fleet.add("node-0001", broken)
                for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: false) }
                try await stage.until("a node failed") { stage.status["phase"] == "Failed" }
                try await stage.pass(3600)
                let attempts = stage.twin.object(.maintenanceRuns, ObjectName("", "node-0001"))?["status"]["steps"].elements.first {
                    $0["id"] == "update"
                }
                #expect(attempts?["attempts"].count == (rule["action"] == "Retry" ? 3 : 1), "\(rule): \(attempts ?? .null)")
                #expect(stage.cordoned == (isGivenBack ? [] : ["node-0001"]), "\(rule)")
                #expect(!stage.fleet.isCurrent("node-0002"), "no other begins")
                #expect(stage.sent.silences == (isGivenBack ? 0 : 2), "\(rule): a node that is away stays silenced")
                let events = stage.sent.lines.map { $0.split(separator: " ")[0] }
                #expect(events == ["Started", "Failed", "Ended"], "\(stage.sent.lines)")
                #expect(stage.sent.lines[1].contains("node-0001") && stage.sent.lines[1].contains("dpkg: error processing package"))
                stage.fleet.mend("node-0001")
                _ = try await stage.controls.resume("weekly")
                try await stage.until("all are current") { stage.isCurrent }
                #expect(stage.sent.silences == 0)
                #expect(stage.node("node-0001").annotations[Annotations.scaleDownDisabled] == nil)
            }
        }
    }

    @Test func `What somebody else cordoned is left alone, and an autoscaler's own annotation stays`() throws {
        try rehearse(Self.update) { stage in
            try await stage.client.patch(.nodes, ObjectName("", "node-0001"), .merge(["spec": ["unschedulable": true]]))
            try await stage.client.patch(
                .nodes, ObjectName("", "node-0002"), .merge(["metadata": ["annotations": [Annotations.scaleDownDisabled: "true"]]]))
            for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: true) }
            try await stage.pass(7200)
            #expect(stage.cordoned == ["node-0001"], "it counts as away, and one may be: \(stage.blockers)")
            #expect(stage.blockers.contains("left alone"))
            try await stage.client.patch(.nodes, ObjectName("", "node-0001"), .merge(["spec": ["unschedulable": false]]))
            try await stage.until("all are current") { stage.isCurrent }
            #expect(stage.node("node-0002").annotations[Annotations.scaleDownDisabled] == "true")
            #expect(stage.node("node-0003").annotations[Annotations.scaleDownDisabled] == nil)
        }
    }

    @Test func `A command runs once and a host boots once, however often the leader changes meanwhile`() throws {
        let look: JSON = [["name": "look", "command": ["look"]]]
        for spec: JSON in [
            ["maxUnavailable": 2, "action": ["command": ["command": ["work"]]], "reboot": "Never", "checks": look],
            ["maxUnavailable": 2, "action": ["reboot": .object(JSONObject())], "reboot": "Always", "checks": look],
        ] {
            try rehearse(spec) { stage in
                for name in 1...4 {
                    var slow = TwinFleet.Character()
                    slow.updateSeconds = 180
                    slow.bootSeconds = 70
                    stage.fleet.add("node-000\(name)", slow)
                }
                for _ in 0..<150 where !stage.isCurrent {
                    try await stage.pass(7)
                    stage.replaceLeader()
                }
                try await stage.until("all are done") { stage.isCurrent }
                let work = stage.fleet.commands.withLock { $0.filter { $0.words == ["work"] }.map(\.node).sorted() }
                let reboots = stage.fleet.reboots.withLock { $0.map(\.node).sorted() }
                #expect((spec["reboot"] == "Always" ? reboots : work) == (1...4).map { "node-000\($0)" }, "\(work) \(reboots)")
                #expect(stage.fleet.commands.withLock { $0.contains { $0.words == ["look"] } })
            }
        }
    }

    @Test func `An order that nobody has taken is withdrawn when its node is given back`() throws {
        try rehearse(["action": ["reboot": .object(JSONObject())], "reboot": "Always"]) { stage in
            try await stage.until("a node is to boot") { stage.cordoned.count == 1 && stage.step(of: stage.cordoned[0]).hasPrefix("reboot") }
            let name = stage.cordoned[0]
            _ = try await stage.controls.abort("weekly", node: name, reason: "no")
            try await stage.until("it is given back") { stage.cordoned != [name] }
            let agent = stage.twin.object(.nodeAgents, ObjectName("", name))
            #expect(agent?["spec"]["order"].isNull == true, "\(agent?["spec"] ?? .null)")
            try await stage.until("the others are done") { stage.status["current"].count == 3 }
            #expect(stage.blockers.contains("paused: no"), "and it does not begin again by itself")
        }
    }

    @Test func `A node in work that is selected no more comes to its end, also under another leader`() throws {
        try rehearse(["nodeSelector": ["matchLabels": ["pool": "a"]]]) { stage in
            for index in 1...2 {
                let name = "node-000\(index)"
                try await stage.client.patch(.nodes, ObjectName("", name), .merge(["metadata": ["labels": ["pool": "a"]]]))
                stage.fleet.release(1, on: name, needsReboot: true)
            }
            try await stage.until("one is in work") { stage.cordoned.count == 1 && stage.step(of: stage.cordoned[0]).hasPrefix("update") }
            let name = stage.cordoned[0]
            try await stage.client.patch(.nodes, ObjectName("", name), .merge(["metadata": ["labels": ["pool": "b"]]]))
            stage.replaceLeader()
            try await stage.until("it is done") { stage.cordoned != [name] && stage.fleet.isCurrent(name) }
            try await stage.until("the other is") { stage.isCurrent && stage.status["total"].count == 1 }
        }
    }

    @Test func `A window that is taken away in the middle has the node given back`() throws {
        let always: JSON = ["openings": [["schedule": "0 0 * * *", "duration": "24h"]]]
        try rehearse(["windows": ["always"]], windows: ["always": always]) { stage in
            for index in 1...4 { stage.fleet.release(1, on: "node-000\(index)", needsReboot: true) }
            try await stage.until("one is in work") { stage.cordoned.count == 1 && stage.step(of: stage.cordoned[0]).hasPrefix("update") }
            try await stage.client.delete(.maintenanceWindows, ObjectName("", "always"))
            stage.replaceLeader()
            try await stage.until("nothing is closed") { stage.cordoned.isEmpty }
            #expect(stage.status["phase"] == "Invalid" && stage.status["inWork"].isNull)
        }
    }

    @Test func `A spec that cannot be meant is said so, and nothing is done`() throws {
        try rehearse(["windows": ["nowhere"]]) { stage in
            stage.fleet.release(1, on: "node-0001", needsReboot: true)
            try await stage.pass(3600)
            #expect(stage.status["phase"] == "Invalid" && stage.status["message"].string?.contains("nowhere") == true)
            #expect(stage.cordoned.isEmpty)
        }
    }
}
