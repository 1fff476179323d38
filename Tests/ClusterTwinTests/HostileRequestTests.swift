import ClusterTwin
import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Operations
import Proving
import Testing

/// Objects that no client of good will sends: they are refused as a server refuses them, and nothing crashes.
struct HostileRequestTests {
    private func deployment(_ change: (inout JSON) -> Void = { _ in }) -> JSON {
        var object: JSON = [
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web"],
            "spec": [
                "replicas": 1, "selector": ["matchLabels": ["app": "web"]],
                "template": ["metadata": ["labels": ["app": "web"]], "spec": ["containers": [["name": "main", "image": "a:1"]]]],
            ],
        ]
        change(&object)
        return object
    }

    private func refusal(_ client: KubernetesClient, _ resource: Resource, _ object: JSON) async -> APIStatus? {
        do {
            try await client.create(resource, object, namespace: resource.isNamespaced ? "default" : nil)
            return nil
        } catch { return error as? APIStatus }
    }

    @Test func `Values of another type and numbers that do not fit are refused`() async throws {
        let twin = Twin()
        twin.addNodes(2)
        let client = KubernetesClient(transport: TwinTransport(twin, time: .system), rate: nil)
        let huge = JSON.integer(.max)
        for (index, change)
            in ([
                { $0["spec"]["replicas"] = huge }, { $0["spec"]["replicas"] = "three" }, { $0["spec"] = [] }, { $0["metadata"]["labels"] = ["a": 5] },
                { $0["spec"]["template"]["spec"]["containers"] = [:] }, { $0["spec"]["paused"] = "yes" },
            ] as [(inout JSON) -> Void]).enumerated()
        {
            let status = await refusal(client, .deployments, deployment(change))
            #expect(status?.code == 400 && status?.message.contains("cannot unmarshal") == true, "\(index): \(status as Any)")
        }
        try await client.create(.deployments, deployment(), namespace: "default")
        let name = ObjectName("default", "web")
        let patched = await #expect(throws: APIStatus.self) { try await client.patch(.deployments, name, .merge(["spec": ["replicas": huge]])) }
        #expect(patched?.code == 400)
        // int-or-string has no type of its own; what comes of it must not overflow.
        let policy: JSON = [
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": ["name": "web"],
            "spec": ["maxUnavailable": .integer(.min), "selector": ["matchLabels": ["app": "web"]]],
        ]
        _ = await refusal(client, .podDisruptionBudgets, policy)
        twin.advance(to: twin.now.addingTimeInterval(120))
        #expect(twin.objects(.pods).count == 1)
        let status = await refusal(
            client, Resource(group: "apps", version: "v9", plural: "deployments", kind: "Deployment", isNamespaced: true), deployment())
        #expect(status?.code == 404)
        let watch = await #expect(throws: APIStatus.self) { try await client.watch(.pods, from: "abc") { _ in } }
        #expect(watch?.code == 400)
    }

    @Test func `A pod with a grace period of an age is planned and shown`() async throws {
        let twin = Twin()
        twin.addNodes(2)
        let pod: JSON = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "old", "namespace": "default"],
            "spec": ["nodeName": "node-0001", "terminationGracePeriodSeconds": .integer(.max), "containers": [["name": "a", "image": "a:1"]]],
        ]
        try twin.create(pod)
        twin.advance(to: twin.now.addingTimeInterval(60))
        let client = KubernetesClient(transport: TwinTransport(twin, time: .system), rate: nil)
        var plan = NodeDrainPlan(nodes: ["node-0001"])
        plan.options.filters.force = true
        let made = try plan.make(try await ClusterFacts.read(client), at: twin.now)
        #expect(made.forecast.seconds.wholeSeconds == Int(Int32.max))
        #expect(Double.infinity.wholeSeconds > 0 && (-Double.infinity).wholeSeconds < 0 && Double.nan.wholeSeconds == 0)
        plan.gracePeriodSeconds = 7
        #expect(try plan.make(try await ClusterFacts.read(client), at: twin.now).forecast.seconds.wholeSeconds < 60)
    }

    @Test func `An export of another cluster is loaded with its owners, and what is no YAML is named`() throws {
        let twin = Twin()
        twin.addNodes(2)
        var set = deployment {
            $0["kind"] = "ReplicaSet"
            $0["metadata"]["uid"] = "old-set"
        }
        set["spec"]["replicas"] = 2
        let pods: [JSON] = (0..<2).map { index in
            [
                "apiVersion": "v1", "kind": "Pod",
                "metadata": [
                    "name": .string("web-\(index)"), "labels": ["app": "web"],
                    "ownerReferences": [["apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "old-set", "controller": true]],
                ], "spec": ["containers": [["name": "main", "image": "a:1"]]],
            ]
        }
        try twin.load(pods + [set])
        twin.advance(to: twin.now.addingTimeInterval(60))
        #expect(twin.objects(.pods).count == 2, "the set knows its pods and makes no others")
        #expect(throws: YAMLText.Malformed.self) { try YAMLText.documents("a: 1\n---\nb: [\n---\nc: 1\n") }
        #expect(throws: YAMLText.Malformed.self) { try YAMLText.documents("a: [") }
        #expect(try YAMLText.documents("---\n---\na: 1\n") == [["a": 1]])
    }
}
