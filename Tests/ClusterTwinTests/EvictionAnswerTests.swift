import ClusterTwin
import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Testing

/// The answers of a real kube-apiserver 1.20.2 to evictions, one by one, from the twin.
struct EvictionAnswerTests {
    private let twin: Twin
    private let client: KubernetesClient

    init() throws {
        var options = TwinOptions()
        options.minor = 20
        let twin = Twin(options: options)
        self.twin = twin
        client = KubernetesClient(transport: TwinTransport(twin, time: .system), retry: .never, rate: nil)
        twin.addNodes(1)
        func pod(_ name: String, _ app: String, change: (inout JSON) -> Void = { _ in }) throws {
            var pod: JSON = [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string(name), "labels": ["app": .string(app)]],
                "spec": ["containers": [["name": "main", "image": "k8s.gcr.io/pause:3.2"]]],
            ]
            change(&pod)
            try twin.create(pod)
        }
        func budget(_ name: String, _ app: String, min: Int) throws {
            try twin.create([
                "apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": ["name": .string(name)],
                "spec": ["minAvailable": JSON(min), "selector": ["matchLabels": ["app": .string(app)]]],
            ])
        }
        func never(_ pod: inout JSON) { pod["metadata"]["annotations"]["twin.drydock.dev/never-ready"] = "true" }
        func nowhere(_ pod: inout JSON) { pod["spec"]["nodeSelector"]["no"] = "where" }
        try pod("free", "free")
        try pod("b1", "zero")
        try pod("bpend", "zero", change: nowhere)
        try pod("bnotready", "zero", change: never)
        try budget("p0", "zero", min: 1)
        try pod("o1", "obs")
        try budget("pobs", "obs", min: 0)
        try pod("m1", "many")
        try budget("pm1", "many", min: 0)
        try budget("pm2", "many", min: 0)
        try pod("k1", "ok")
        try pod("k2", "ok")
        try budget("pok", "ok", min: 1)
        try pod("u1", "un", change: never)
        try budget("pun", "un", min: 1)
        try pod("uidp", "uidp")
        try twin.create(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "term"]])
        try twin.create([
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "t1", "namespace": "term", "finalizers": ["example.com/keep"]],
            "spec": ["containers": [["name": "main", "image": "k8s.gcr.io/pause:3.2"]]],
        ])
        twin.advance(to: twin.now.addingTimeInterval(60))
    }

    /// `STATUS BODY` of an eviction.
    private func evict(
        _ name: String, query: [String: String] = [:], options: JSON = .null, version: String = "v1beta1", body name2: String? = nil,
        namespace: String = "default"
    ) async throws -> (Int, JSON) {
        var body: JSON = [
            "apiVersion": .string("policy/\(version)"), "kind": "Eviction",
            "metadata": ["name": .string(name2 ?? name), "namespace": .string(namespace)],
        ]
        if !options.isNull { body["deleteOptions"] = options }
        let path = Resource.pods.path(namespace: namespace, name: name, subresource: "eviction")
        let response = try await client.transport.send(APIRequest(.post, path, query: query, body: body))
        return (response.status, response.body)
    }

    private let success: JSON = ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "code": 201]

    private func blocked(_ message: String) -> JSON {
        [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure",
            "message": "Cannot evict pod as it would violate the pod's disruption budget.", "reason": "TooManyRequests",
            "details": ["causes": [["reason": "DisruptionBudget", "message": .string(message)]]], "code": 429,
        ]
    }

    @Test func `Without a budget it goes, in a dry run it stays, and asking twice is no error`() async throws {
        #expect(try await evict("free", query: ["dryRun": "All"]) == (201, success))
        #expect(twin.object(.pods, ObjectName("default", "free"))?["metadata"]["deletionTimestamp"].isNull == true)
        #expect(try await evict("free", options: ["dryRun": ["All"]]) == (201, success))
        #expect(try await evict("free") == (201, success))
        let pod = try #require(twin.object(.pods, ObjectName("default", "free")))
        #expect(
            pod["metadata"]["deletionGracePeriodSeconds"].integer == 30
                && pod["metadata"]["deletionTimestamp"].string == Timestamp.time(twin.now.addingTimeInterval(30)))
        #expect(try await evict("free") == (201, success))
    }

    @Test func `A version that 1_20 does not know is refused`() async throws {
        let (status, body) = try await evict("free", version: "v1")
        #expect(status == 400)
        #expect(
            body == [
                "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure",
                "message":
                    "Eviction in version \"v1\" cannot be handled as a Eviction: no kind \"Eviction\" is registered for version \"policy/v1\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
                "reason": "BadRequest", "code": 400,
            ])
    }

    @Test func `A pod that is not there is not found`() async throws {
        #expect(
            try await evict("nosuch") == (
                404,
                [
                    "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": "pods \"nosuch\" not found",
                    "reason": "NotFound",
                    "details": ["name": "nosuch", "kind": "pods"], "code": 404,
                ]
            ))
    }

    @Test func `A budget without room blocks a ready pod, and lets go what counts for nothing`() async throws {
        let answer = blocked("The disruption budget p0 needs 1 healthy pods and has 1 currently")
        #expect(try await evict("b1") == (429, answer))
        #expect(try await evict("b1", query: ["dryRun": "All"]) == (429, answer))
        #expect(try await evict("bpend", options: ["gracePeriodSeconds": 0]) == (201, success))
        #expect(try await evict("bnotready") == (201, success))
    }

    @Test func `A budget that the controller has not seen blocks`() async throws {
        try await client.patch(.podDisruptionBudgetsV1Beta1, ObjectName("default", "pobs"), .merge(["spec": ["minAvailable": 1]]))
        #expect(try await evict("o1") == (429, blocked("The disruption budget pobs is still being processed by the server.")))
    }

    @Test func `Two budgets on one pod are an error without reason, and nothing goes`() async throws {
        #expect(
            try await evict("m1") == (
                500,
                [
                    "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure",
                    "message": "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.", "code": 500,
                ]
            ))
        #expect(twin.object(.pods, ObjectName("default", "m1"))?["metadata"]["deletionTimestamp"].isNull == true)
    }

    @Test func `The last disruption is taken at once, and the count is stale until the controller runs`() async throws {
        let name = ObjectName("default", "pok")
        #expect(try await evict("k1", query: ["dryRun": "All"]) == (201, success))
        let before = twin.object(.podDisruptionBudgets, name)?["status"]
        #expect(before == ["observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2])
        #expect(try await evict("k1") == (201, success))
        let after = twin.object(.podDisruptionBudgets, name)?["status"]
        #expect(
            after?["disruptionsAllowed"].integer == 0 && after?["disruptedPods"]["k1"].string == Timestamp.time(twin.now)
                && after?["currentHealthy"].integer == 2)
        #expect(try await evict("k2") == (429, blocked("The disruption budget pok needs 1 healthy pods and has 2 currently")))
    }

    @Test func `A pod that is not ready waits when too few others are healthy`() async throws {
        #expect(try await evict("u1") == (429, blocked("The disruption budget pun needs 1 healthy pods and has 0 currently")))
    }

    @Test func `Names and uids must fit`() async throws {
        let (status, body) = try await evict("uidp", body: "other")
        #expect(status == 400 && body["message"].string == "name in URL does not match name in Eviction object")
        let uid = try #require(twin.object(.pods, ObjectName("default", "uidp"))?["metadata"]["uid"].string)
        #expect(
            try await evict("uidp", options: ["preconditions": ["uid": "00000000-0000-0000-0000-000000000000"]]) == (
                409,
                [
                    "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure",
                    "message": .string(
                        "Operation cannot be fulfilled on Pod \"uidp\": the UID in the precondition (00000000-0000-0000-0000-000000000000) does not match the UID in record (\(uid)). The object might have been deleted and then recreated"
                    ),
                    "reason": "Conflict", "details": ["name": "uidp", "kind": "Pod"], "code": 409,
                ]
            ))
    }

    @Test func `Discovery names the version of evictions`() async throws {
        #expect(try await client.discover().evictionVersion == "v1beta1")
        let newer = Twin()
        #expect(try await KubernetesClient(transport: TwinTransport(newer, time: .system), rate: nil).discover().evictionVersion == "v1")
    }

    @Test func `In a namespace that goes nothing is evicted`() async throws {
        try await client.delete(.namespaces, ObjectName("", "term"))
        #expect(
            try await evict("t1", namespace: "term") == (
                403,
                [
                    "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure",
                    "message": "pods \"t1\" is forbidden: unable to create new content in namespace term because it is being terminated",
                    "reason": "Forbidden",
                    "details": [
                        "name": "t1", "kind": "pods",
                        "causes": [
                            ["reason": "NamespaceTerminating", "message": "namespace term is being terminated", "field": "metadata.namespace"]
                        ],
                    ], "code": 403,
                ]
            ))
    }
}

extension Resource {
    static let podDisruptionBudgetsV1Beta1 = Resource(
        group: "policy", version: "v1beta1", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget")
}
