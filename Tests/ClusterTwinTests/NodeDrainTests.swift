import ClusterTwin
import Foundation
import KubernetesAPI
import KubernetesClient
import KubernetesRuntime
import Maintenance
@testable import Operations
import Proving
import Synchronization
import Testing

/// `drydock node` against a served twin: what `DrainSuite` shows here and on a real server, and what only a twin can show.
@Suite(.timeLimit(.minutes(40)))
struct NodeDrainTests {
    private struct Desk: Sendable {
        let served: ServedTwin

        func callAsFunction(_ words: String, _ more: [String] = []) async throws -> CommandRun {
            let folder = served.kubeconfig.deletingLastPathComponent().path
            return try await BuiltProgram.run(
                words.split(separator: " ").map(String.init) + more,
                environment: ["KUBECONFIG": served.kubeconfig.path, "XDG_STATE_HOME": "\(folder)/state", "HOME": folder])
        }

        func node(_ name: String) throws -> Node { Node(try #require(served.twin.object(.nodes, ObjectName("", name)))) }
    }

    private func withDesk(
        minor: Int = 30, pods: Int = 30, controlPlanes: Int = 0, more: [JSON] = [], _ body: @escaping @Sendable (Desk) async throws -> Void
    ) async throws {
        var options = TwinOptions()
        options.minor = minor
        try await ServedTwin.running(
            options, speed: 20,
            fill: { twin in
                twin.addNodes(4, controlPlanes: controlPlanes)
                if pods > 0 { try twin.populate(pods: pods, size: 10) }
                for object in more { try twin.create(object) }
            }
        ) { try await body(Desk(served: $0)) }
    }

    @Test(arguments: [20, 30])
    func `Drains do on the twin what they do on a real server`(_ minor: Int) async throws {
        try await withDesk(minor: minor, pods: 0) { desk in
            let folder = desk.served.kubeconfig.deletingLastPathComponent().path
            let access = try Kubeconfig(paths: [desk.served.kubeconfig.path], mustExist: true).access(environment: [:])
            let environment = ["KUBECONFIG": desk.served.kubeconfig.path, "XDG_STATE_HOME": "\(folder)/state", "HOME": folder]
            try await KubernetesClient.connected(access) { try await DrainSuite(client: $0, environment: environment).run() }
        }
    }

    @Test func `Connections that break in the middle of a watch do not stop a drain`() async throws {
        try await withDesk { desk in
            let folder = desk.served.kubeconfig.deletingLastPathComponent()
            let access = try Kubeconfig(paths: [desk.served.kubeconfig.path], mustExist: true).access(environment: [:])
            // Each connection, of watches and of answers, breaks after so many bytes: lists come through, and no watch lasts.
            let proxy = try CuttingProxy(target: try #require(access.server.port), after: 150_000, fault: .cut)
            let cut = folder.appendingPathComponent("cut")
            let text = try String(contentsOf: desk.served.kubeconfig, encoding: .utf8)
            try Data(text.replacingOccurrences(of: ":\(try #require(access.server.port))", with: ":\(proxy.port)").utf8).write(to: cut)
            let run = try await BuiltProgram.run(
                ["node", "drain", "--all", "--uncordon"],
                environment: ["KUBECONFIG": cut.path, "XDG_STATE_HOME": "\(folder.path)/state", "HOME": folder.path])
            #expect(run.status == 0, "\(run.output)\(run.errors)")
        }
    }

    @Test func `A drain that is interrupted says what it leaves, and how to go on`() async throws {
        try await withDesk { desk in
            let folder = desk.served.kubeconfig.deletingLastPathComponent().path
            let environment = ["KUBECONFIG": desk.served.kubeconfig.path, "XDG_STATE_HOME": "\(folder)/state", "HOME": folder]
            let (run, reached) = try await BuiltProgram.pausing(
                at: "after started drain-node-0002", ["node", "drain", "node-0002"], environment: environment
            ) { $0.send(SIGTERM) }
            #expect(reached && run.status != 0)
            #expect(run.errors.contains("left cordoned: node-0002") && run.errors.contains("runs resume"), "\(run.errors)")
        }
    }

    @Test(arguments: [20, 30])
    func `A node is drained within its budgets, and only what drydock cordoned is uncordoned`(_ minor: Int) async throws {
        try await withDesk(minor: minor) { desk in
            let plan = try await desk("node drain node-0001 --plan")
            #expect(plan.status == 0 && plan.output.contains("node-0001") && plan.output.contains("undo"), "\(plan.output)\(plan.errors)")
            #expect(try !desk.node("node-0001").isUnschedulable, "a plan touches nothing")
            let drain = try await desk("node drain node-0001 --reason disks")
            #expect(drain.status == 0 && drain.output.contains("pods gone"), "\(drain.output)\(drain.errors)")
            #expect(try desk.node("node-0001").isUnschedulable)
            #expect(desk.served.twin.objects(.pods).allSatisfy { $0["spec"]["nodeName"].string != "node-0001" })
            #expect(desk.served.twin.brokenBudgets().isEmpty)
            #expect(try await desk("node status").output.contains("disks"))
            #expect(desk.served.twin.objects(.events).contains { $0["reason"].string == "DrydockDrained" })
            let again = try await desk("node drain node-0001")
            #expect(again.status == 0 && again.errors.contains("already so"), "\(again.errors)")
            #expect(try await desk("node uncordon node-0001").status == 0)
            #expect(try !desk.node("node-0001").isUnschedulable)
        }
    }

    @Test func `Nodes roll several at once and take pods again`() async throws {
        try await withDesk { desk in
            let run = try await desk("node drain --all --uncordon --max-unavailable 2")
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            for index in 1...4 { #expect(try !desk.node("node-000\(index)").isUnschedulable) }
            #expect(desk.served.twin.brokenBudgets().isEmpty)
        }
    }

    @Test func `What can never go is explained before anything is touched, and a surge makes it go`() async throws {
        let labels: JSON = ["app": "single"]
        let single: [JSON] = [
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "single"],
                "spec": [
                    "replicas": 1, "selector": ["matchLabels": labels],
                    "template": [
                        "metadata": ["labels": labels],
                        "spec": [
                            "terminationGracePeriodSeconds": 2, "nodeSelector": .object(JSONObject()), "containers": [["name": "a", "image": "a:1"]],
                        ],
                    ],
                ],
            ],
            [
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": ["name": "single"],
                "spec": ["minAvailable": 1, "selector": ["matchLabels": labels]],
            ],
            [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "bare"],
                "spec": ["nodeName": "node-0004", "containers": [["name": "a", "image": "a:1"]]],
            ],
        ]
        try await withDesk(pods: 0, more: single) { desk in
            var node: String?
            while node == nil {
                node = desk.served.twin.objects(.pods).map(Pod.init).first { $0.name.hasPrefix("single") && $0.isReady }?.nodeName
            }
            let name = try #require(node)
            let plan = try await desk("node drain \(name) --plan --force")
            #expect(
                plan.status == 3 && plan.output.contains("can never go") && plan.output.contains("minAvailable 1"), "\(plan.output)\(plan.errors)")
            let bare = try await desk("node drain node-0004 --plan")
            #expect(bare.status == 3 && bare.output.contains("Pods that declare no controller"), "\(bare.output)")
            let refused = try await desk("node drain node-0004")
            #expect(refused.status == 4 && refused.errors.contains("nothing was touched"), "\(refused.output)\(refused.errors)")
            #expect(try !desk.node("node-0004").isUnschedulable)
            let surge = try await desk("node drain \(name) --surge scale --force")
            #expect(surge.status == 0, "\(surge.output)\(surge.errors)")
            #expect(desk.served.twin.object(.deployments, ObjectName("default", "single"))?["spec"]["replicas"].integer == 1, "and back")
        }
    }

    @Test func `A drain that is killed leaves the node cordoned, and is resumed`() async throws {
        try await withDesk { desk in
            let folder = desk.served.kubeconfig.deletingLastPathComponent().path
            let environment = ["KUBECONFIG": desk.served.kubeconfig.path, "XDG_STATE_HOME": "\(folder)/state", "HOME": folder]
            let (_, reached) = try await BuiltProgram.pausing(
                at: "after started drain-node-0002", ["node", "drain", "node-0002"], environment: environment
            ) { $0.send(SIGKILL) }
            #expect(reached)
            let runs = try await desk("runs list", ["-o", "json"])
            let list = try #require(try JSONSerialization.jsonObject(with: Data(runs.output.utf8)) as? [[String: Any]])
            let id = try #require(list.first?["id"] as? String)
            #expect(try await desk("node drain node-0003").status == 4, "one run at a time")
            let resumed = try await desk("runs resume \(id)")
            #expect(resumed.status == 0, "\(resumed.output)\(resumed.errors)")
            #expect(desk.served.twin.objects(.pods).allSatisfy { $0["spec"]["nodeName"].string != "node-0002" })
        }
    }

    private func mostCordoned(_ desk: Desk, _ body: @escaping @Sendable () async throws -> Void) async throws -> Int {
        let access = try Kubeconfig(paths: [desk.served.kubeconfig.path], mustExist: true).access(environment: [:])
        return try await KubernetesClient.connected(access) { try await ClusterTwinTests.mostCordoned($0, body) }
    }

    @Test func `Of the control plane one goes at a time with --respect-quorum, and as many as may with none`() async throws {
        try await withDesk(controlPlanes: 3) { desk in
            let together = try await mostCordoned(desk) {
                let run = try await desk("node drain -l node-role.kubernetes.io/control-plane --uncordon --max-unavailable 3")
                #expect(run.status == 0, "\(run.output)\(run.errors)")
            }
            #expect(together == 3)
            let apart = try await mostCordoned(desk) {
                let run = try await desk("node drain -l node-role.kubernetes.io/control-plane --uncordon --max-unavailable 3 --respect-quorum")
                #expect(run.status == 0, "\(run.output)\(run.errors)")
            }
            #expect(apart == 1)
        }
    }

    @Test func `Percent rounds down, and one node may always go`() async throws {
        try await withDesk { desk in
            let one = try await mostCordoned(desk) {
                let run = try await desk("node drain --all --uncordon --max-unavailable 20%")
                #expect(run.status == 0, "\(run.output)\(run.errors)")
            }
            #expect(one == 1, "20 % of 4")
            let zero = try await desk("node drain node-0001 --max-unavailable 0")
            #expect(zero.status == 4 && zero.output.contains("lets no node go"), "\(zero.output)\(zero.errors)")
        }
    }

    @Test func `A node waits for those that others sent away, and for those that began at the same moment`() throws {
        func node(_ name: String, isUnschedulable: Bool = false, isReady: Bool = true, labels: JSON = [:]) -> Node {
            Node([
                "metadata": ["name": .string(name), "labels": labels], "spec": ["unschedulable": .bool(isUnschedulable)],
                "status": ["conditions": [["type": "Ready", "status": isReady ? "True" : "Unknown"]]],
            ])
        }
        let controlPlane: JSON = ["node-role.kubernetes.io/control-plane": ""]
        let nodes = NodesAway([
            node("a"), node("b"), node("c", isUnschedulable: true), node("d", isReady: false), node("e", labels: controlPlane),
            node("f", labels: controlPlane),
        ])
        func outcome(_ name: String, claimed: Set<String> = [], _ most: Int, quorum: Bool = false) -> [GateCheck.Outcome] {
            let settings = NodeRunSettings(maxUnavailable: .count(most), respectsQuorum: quorum)
            return NodeRun.checks(on: name, nodes: nodes, claimed: claimed, settings: settings).map(\.outcome)
        }
        #expect(outcome("a", 3) == [.holds])
        #expect(outcome("a", 2) == [.notYet], "c and d are away")
        #expect(outcome("c", 2) == [.holds], "it is away itself")
        #expect(outcome("a", claimed: ["b"], 3) == [.notYet], "b goes at this moment")
        #expect(outcome("e", claimed: ["f"], 4, quorum: true) == [.holds, .notYet])
        #expect(outcome("e", 3, quorum: true) == [.holds, .holds])
    }

    @Test func `A pod selector, a grace period and deletion without a look at budgets do what kubectl's do`() async throws {
        try await withDesk { desk in
            func on(_ node: String) -> [Pod] { desk.served.twin.objects(.pods).map(Pod.init).filter { $0.nodeName == node } }
            let before = on("node-0001").filter { $0.labels["app"] != "app-1" }.map(\.uid).sorted()
            let selected = try await desk("node drain node-0001 --pod-selector app=app-1 --grace-period 1")
            #expect(selected.status == 0, "\(selected.output)\(selected.errors)")
            #expect(on("node-0001").map(\.uid).sorted() == before, "the others stayed")
            let all: JSON = [
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": ["name": "none", "namespace": "space-1"],
                "spec": ["maxUnavailable": 0, "selector": .object(JSONObject())],
            ]
            try desk.served.twin.create(all)
            let blocked = try await desk("node drain node-0002 --plan -o json")
            #expect(blocked.status == 3)
            let report = try #require(try JSONSerialization.jsonObject(with: Data(blocked.output.utf8)) as? [String: Any])
            #expect((report["blocked"] as? [[String: Any]])?.first?["reason"] != nil)
            let deleted = try await desk("node drain node-0002 --disable-eviction")
            #expect(deleted.status == 0 && on("node-0002").isEmpty, "\(deleted.output)\(deleted.errors)")
        }
    }
}
