import Foundation
import KubernetesAPI
import KubernetesClient
import KubernetesRuntime
import Maintenance
import Proving
import Synchronization
import Testing

/// What `drydock node` must do, whoever serves: the twin, and a real kube-apiserver with real controllers and kubelets over a fake runtime.
struct DrainSuite: Sendable {
    let client: KubernetesClient
    /// With KUBECONFIG, and a state folder of its own.
    let environment: [String: String]

    func run() async throws {
        let policy = try await client.discover().resource(.podDisruptionBudgets, versions: ["v1", "v1beta1"])
        let nodes = try await client.list(Node.self).map(\.name).sorted()
        try await deploy("web", replicas: 12)
        try await budget("web", policy, ["maxUnavailable": 2], healthy: 12)
        try await plansAndDrains(nodes[0])
        try await blocked(policy)
        try await killed(nodes[1])
        try await surged(policy)
        try await foreign(nodes[2])
        try await rolling()
    }

    // MARK: What is shown

    private func plansAndDrains(_ node: String) async throws {
        let plan = try await drydock("node drain \(node) --plan")
        #expect(plan.status == 0 && plan.output.contains(node), "\(plan.output)\(plan.errors)")
        #expect(try await !self.node(node).isUnschedulable, "a plan touches nothing")
        let kept = try await pods("app=web", on: node).map(\.uid).sorted()
        let none = try await drydock("node drain \(node) --pod-selector app=other")
        #expect(none.status == 0, "\(none.output)\(none.errors)")
        #expect(try await pods("app=web", on: node).map(\.uid).sorted() == kept, "only what was selected")
        let drain = try await drydock("node drain \(node)")
        #expect(drain.status == 0, "\(drain.output)\(drain.errors)")
        #expect(try await pods("app=web", on: node).isEmpty)
        #expect(try await pods("app=web").count { $0.isReady } == 12, "it waited for the others")
        #expect(try await drydock("node uncordon \(node)").status == 0)
        #expect(try await !self.node(node).isUnschedulable)
    }

    private func blocked(_ policy: Resource) async throws {
        try await deploy("held", replicas: 2)
        try await budget("held", policy, ["maxUnavailable": 0], healthy: 2)
        let name = try #require(try await pods("app=held").first?.nodeName)
        let plan = try await drydock("node drain \(name) --plan")
        #expect(plan.status == 3 && plan.output.contains("maxUnavailable 0"), "\(plan.output)\(plan.errors)")
        let refused = try await drydock("node drain \(name)")
        #expect(refused.status == 4 && refused.errors.contains("nothing was touched"), "\(refused.output)\(refused.errors)")
        #expect(try await !node(name).isUnschedulable)
        let late = try await drydock("node drain \(name) --timeout 3s")
        #expect(
            late.status != 0 && late.errors.contains("not drained within 3 s") && late.errors.contains("left cordoned: \(name)"), "\(late.errors)")
        let id = try await newestRun()
        #expect(try await drydock("runs rollback \(id)").status == 0)
        #expect(try await !node(name).isUnschedulable, "what was begun is taken back")
        try await client.delete(policy, ObjectName("default", "held"))
        try await client.delete(.deployments, ObjectName("default", "held"), DeleteOptions(propagationPolicy: "Background"))
    }

    private func killed(_ name: String) async throws {
        let (_, reached) = try await BuiltProgram.pausing(
            at: "after started drain-\(name)", ["node", "drain", name], environment: environment
        ) { $0.send(SIGKILL) }
        #expect(reached)
        #expect(try await node(name).isUnschedulable)
        let resumed = try await drydock("runs resume \(try await newestRun())")
        #expect(resumed.status == 0, "\(resumed.output)\(resumed.errors)")
        #expect(try await pods("app=web", on: name).isEmpty)
        #expect(try await drydock("node uncordon \(name)").status == 0)
    }

    private func surged(_ policy: Resource) async throws {
        try await deploy("single", replicas: 1)
        try await budget("single", policy, ["minAvailable": 1], healthy: 1)
        let name = try #require(try await pods("app=single").first?.nodeName)
        #expect(try await drydock("node drain \(name) --plan").status == 3)
        for surge in ["scale", "restart"] {
            let node = try #require(try await pods("app=single").first { $0.isReady && $0.deletion == nil }?.nodeName)
            let run = try await drydock("node drain \(node) --surge \(surge) --uncordon")
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(try await client.get(.deployments, ObjectName("default", "single"))["spec"]["replicas"].integer == 1)
        }
        try await client.delete(policy, ObjectName("default", "single"))
        try await client.delete(.deployments, ObjectName("default", "single"), DeleteOptions(propagationPolicy: "Background"))
    }

    /// What somebody else closed stays closed, also when he closed again what drydock had.
    private func foreign(_ name: String) async throws {
        func close(_ value: JSON) async throws {
            let spec = JSONObject([.init(name: "unschedulable", value: value)])
            _ = try await client.send(
                APIRequest(
                    .patch, Resource.nodes.path(namespace: "", name: name), query: ["fieldManager": "somebody"], body: ["spec": .object(spec)],
                    contentType: "application/merge-patch+json"))
        }
        #expect(try await drydock("node cordon \(name) --reason disks").status == 0)
        #expect(try await drydock("node status").output.contains("disks"))
        try await close(.null)
        try await close(true)
        let refused = try await drydock("node uncordon node/\(name)")
        #expect(refused.status == 4, "\(refused.output)\(refused.errors)")
        #expect(try await node(name).isUnschedulable)
        #expect(try await drydock("node uncordon \(name) --force").status == 0)
    }

    private func rolling() async throws {
        let most = try await mostCordoned(client) {
            let run = try await drydock("node drain --all --uncordon --max-unavailable 2")
            #expect(run.status == 0, "\(run.output)\(run.errors)")
        }
        #expect(most == 2)
        for node in try await client.list(Node.self) { #expect(!node.isUnschedulable, "\(node.name)") }
    }

    // MARK: Helpers

    private func drydock(_ words: String) async throws -> CommandRun {
        try await BuiltProgram.run(words.split(separator: " ").map(String.init), environment: environment)
    }

    private func newestRun() async throws -> String {
        let list = try await drydock("runs list -o json")
        let runs = try #require(try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
        return try #require(runs.first?["id"] as? String)
    }

    private func node(_ name: String) async throws -> Node { try await client.get(Node.self, ObjectName("", name)) }

    private func pods(_ labels: String, on node: String? = nil) async throws -> [Pod] {
        try await client.list(Pod.self, namespace: "default", ListOptions(labels: LabelSelector(parsing: labels))).filter {
            node == nil || $0.nodeName == node
        }
    }

    private func deploy(_ name: String, replicas: Int) async throws {
        let labels: JSON = ["app": .string(name)]
        try await client.create(
            .deployments,
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": .string(name)],
                "spec": [
                    "replicas": JSON(replicas), "selector": ["matchLabels": labels],
                    "template": [
                        "metadata": ["labels": labels],
                        "spec": ["terminationGracePeriodSeconds": 2, "containers": [["name": "main", "image": "k8s.gcr.io/pause:3.2"]]],
                    ],
                ],
            ], namespace: "default")
    }

    private func budget(_ name: String, _ policy: Resource, _ rule: [String: JSON], healthy: Int) async throws {
        var object: JSON = [
            "apiVersion": .string(policy.apiVersion), "kind": "PodDisruptionBudget", "metadata": ["name": .string(name)],
            "spec": ["selector": ["matchLabels": ["app": .string(name)]]],
        ]
        for (key, value) in rule { object["spec"][key] = value }
        try await client.create(policy, object, namespace: "default")
        while try await client.get(policy, ObjectName("default", name))["status"]["currentHealthy"].count != healthy {}
    }
}

/// The most nodes that were cordoned at one time while `body` ran, as a watch tells.
func mostCordoned(_ client: KubernetesClient, _ body: @escaping @Sendable () async throws -> Void) async throws -> Int {
    let cordoned = Mutex<Set<String>>([])
    let most = Mutex(0)
    let nodes = Informer<Void>(
        Watcher(client: client, resource: .nodes), keep: { _ in },
        onEvent: { event in
            guard case .applied(let object) = event else { return }
            let node = Node(object)
            let count = cordoned.withLock { names in
                if node.isUnschedulable { names.insert(node.name) } else { names.remove(node.name) }
                return names.count
            }
            most.withLock { $0 = max($0, count) }
        })
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await nodes.run() }
        try await nodes.synced()
        try await body()
        group.cancelAll()
    }
    return most.withLock { $0 }
}
