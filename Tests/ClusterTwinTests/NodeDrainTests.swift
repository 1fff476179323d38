import ClusterTwin
import Foundation
import KubernetesAPI
import Maintenance
import Proving
import Testing

/// `drydock node` against a served twin; `RealClusterTests` does the same against a real server.
@Suite(.timeLimit(.minutes(10)))
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

    private func withDesk(minor: Int = 30, pods: Int = 30, more: [JSON] = [], _ body: @escaping @Sendable (Desk) async throws -> Void) async throws {
        var options = TwinOptions()
        options.minor = minor
        try await ServedTwin.running(
            options, speed: 20,
            fill: { twin in
                twin.addNodes(4)
                if pods > 0 { try twin.populate(pods: pods, size: 10) }
                for object in more { try twin.create(object) }
            }
        ) { try await body(Desk(served: $0)) }
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
            #expect(refused.status == 4 && refused.errors.contains("left cordoned: node-0004"), "\(refused.output)\(refused.errors)")
            let id = try #require(refused.errors.split(separator: " ").first { $0.hasPrefix("drain-") }).split(separator: "\n")[0]
            #expect(try await desk("runs rollback \(id)").status == 0)
            #expect(try !desk.node("node-0004").isUnschedulable, "what was begun is taken back")
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
}
