import ClusterTwin
import Foundation
import KubernetesAPI
import KubernetesClient
import KubernetesRuntime
import Maintenance
import Proving
import Synchronization
import Testing

/// What the client must be able to do, whoever serves: the twin over HTTP, and a real kube-apiserver. Where they differ the real one is right.
enum ClientSuite {
    static func run(_ client: KubernetesClient) async throws {
        try await objects(client)
        try await lists(client)
        try await watches(client)
        try await evictions(client)
    }

    private static func map(_ name: String, _ value: String = "1", labels: [String: String] = [:]) -> JSON {
        ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": .string(name), "labels": JSON(labels)], "data": ["key": .string(value)]]
    }

    private static func status(_ body: () async throws -> Void) async throws -> APIStatus? {
        do { try await body() } catch let error as APIStatus { return error }
        return nil
    }

    /// Create, read, replace, patch three ways, apply with a conflict, delete with a precondition.
    private static func objects(_ client: KubernetesClient) async throws {
        let name = ObjectName("default", "objects")
        let made = try await client.create(.configMaps, map("objects"), namespace: "default")
        #expect(try await client.get(.configMaps, name)["metadata"]["uid"] == made["metadata"]["uid"])
        let twice = try await status { _ = try await client.create(.configMaps, map("objects"), namespace: "default") }
        #expect(twice?.code == 409 && twice?.reason == "AlreadyExists" && twice?.message == "configmaps \"objects\" already exists")
        var stale = made
        stale["data"]["key"] = "2"
        try await client.replace(.configMaps, stale)
        let conflict = try await status { _ = try await client.replace(.configMaps, stale) }
        #expect(conflict?.code == 409 && conflict?.reason == "Conflict")
        try await client.patch(.configMaps, name, .merge(["data": ["more": "3"]]))
        try await client.patch(.configMaps, name, .json([["op": "remove", "path": "/data/key"]]))
        let patched = try await client.patch(.configMaps, name, .strategic(["metadata": ["labels": ["a": "b"]]]))
        #expect(patched["data"] == ["more": "3"] && patched["metadata"]["labels"] == ["a": "b"])
        #expect(try await client.patch(.configMaps, name, .merge(["data": ["dry": "run"]]), dryRun: true)["data"]["dry"].string == "run")
        #expect(try await client.get(.configMaps, name)["data"]["dry"].isNull)

        let applied = Patch.apply(map("applied"), manager: "one", force: false)
        let owned = ObjectName("default", "applied")
        try await client.patch(.configMaps, owned, applied)
        let fight = try await status { _ = try await client.patch(.configMaps, owned, .apply(map("applied", "2"), manager: "two", force: false)) }
        #expect(
            fight?.code == 409 && fight?.causes.first?.field == ".data.key" && fight?.message.contains("conflict with \"one\"") == true,
            "\(fight as Any)")
        let won = try await client.patch(.configMaps, owned, .apply(map("applied", "2"), manager: "two", force: true))
        #expect(won["data"]["key"].string == "2")

        let wrong = try await status { try await client.delete(.configMaps, name, DeleteOptions(uid: "00000000-0000-0000-0000-000000000000")) }
        #expect(wrong?.code == 409)
        try await client.delete(.configMaps, name, DeleteOptions(uid: made["metadata"]["uid"].string))
        #expect(try await status { _ = try await client.get(.configMaps, name) }?.isNotFound == true)
    }

    /// Pages, selectors, metadata alone.
    private static func lists(_ client: KubernetesClient) async throws {
        for index in 0..<12 {
            try await client.create(.configMaps, map("list-\(index)", labels: ["set": "list", "odd": "\(index % 2 == 1)"]), namespace: "default")
        }
        let own = try LabelSelector(parsing: "set=list")
        var pages: [Int] = []
        try await client.forEachPage(.configMaps, namespace: "default", ListOptions(labels: own, limit: 5)) { pages.append($0.count) }
        #expect(pages == [5, 5, 2])
        #expect(try await client.list(.configMaps, ListOptions(labels: LabelSelector(parsing: "set in (list),odd!=true"))).count == 6)
        #expect(try await client.list(.configMaps, ListOptions(fields: .equal("metadata.name", "list-3"))).count == 1)
        let metadata = try await client.list(.configMaps, ListOptions(labels: own, metadataOnly: true))
        #expect(metadata.count == 12 && metadata.allSatisfy { $0["data"].isNull && !$0["metadata"]["uid"].isNull })
    }

    /// From a list on; what leaves the selector is gone; a version too old ends with 410.
    private static func watches(_ client: KubernetesClient) async throws {
        let options = ListOptions(labels: try LabelSelector(parsing: "watched=yes"))
        let seen = Mutex<[String]>([])
        let watcher = Watcher(client: client, resource: .configMaps, namespace: "default", options: options)
        let informer = Informer<String>(
            watcher, keep: { $0["data"]["key"].string ?? "" },
            onEvent: { event in
                seen.withLock {
                    switch event {
                    case .applied(let object): $0.append("applied \(object["data"]["key"].string ?? "")")
                    case .deleted: $0.append("deleted")
                    }
                }
            })
        let name = ObjectName("default", "watched")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await informer.run() }
            try await informer.synced()
            try await client.create(.configMaps, map("watched", labels: ["watched": "yes"]), namespace: "default")
            try await client.patch(.configMaps, name, .merge(["data": ["key": "2"]]))
            try await client.patch(.configMaps, name, .merge(["metadata": ["labels": ["watched": "no"]]]))
            while !seen.withLock({ $0.contains("deleted") }) { await Task.yield() }
            group.cancelAll()
        }
        #expect(seen.withLock { $0 } == ["applied 1", "applied 2", "deleted"])
        #expect(informer[name] == nil)
    }

    /// A budget without room, and none.
    private static func evictions(_ client: KubernetesClient) async throws {
        let discovery = try await client.discover()
        let version = try #require(discovery.evictionVersion)
        let policy = try discovery.resource(.podDisruptionBudgets, versions: ["v1", "v1beta1"])
        let labels: JSON = ["app": "evicted"]
        try await client.create(
            .deployments,
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "evicted"],
                "spec": [
                    "replicas": 2, "selector": ["matchLabels": labels],
                    "template": ["metadata": ["labels": labels], "spec": ["containers": [["name": "main", "image": "k8s.gcr.io/pause:3.2"]]]],
                ],
            ], namespace: "default")
        try await client.create(
            policy,
            [
                "apiVersion": .string(policy.apiVersion), "kind": "PodDisruptionBudget", "metadata": ["name": "evicted"],
                "spec": ["minAvailable": 2, "selector": ["matchLabels": labels]],
            ], namespace: "default")
        let own = ListOptions(labels: try LabelSelector(parsing: "app=evicted"))
        func ready() async throws -> [Pod] { try await client.list(Pod.self, namespace: "default", own).filter(\.isReady) }
        while try await ready().count < 2 {}
        let budget = ObjectName("default", "evicted")
        while try await client.get(policy, budget)["status"]["currentHealthy"].integer != 2 {}
        let pod = try #require(try await ready().first)
        let blocked = try await status { try await client.evict(pod.objectName, uid: pod.uid, version: version) }
        #expect(blocked?.isBlockedByBudget == true && blocked?.isTransient == false)
        #expect(blocked?.causes.first?.message == "The disruption budget evicted needs 2 healthy pods and has 2 currently")
        let other = try await status { try await client.evict(pod.objectName, uid: "00000000-0000-0000-0000-000000000000", version: version) }
        #expect(other?.code == 429 || other?.code == 409)
        try await client.delete(policy, budget)
        try await client.evict(pod.objectName, uid: pod.uid, version: version, gracePeriodSeconds: 1)
        while try await client.find(Pod.self, pod.objectName)?.uid == pod.uid {}
        try await client.delete(.deployments, ObjectName("default", "evicted"), DeleteOptions(propagationPolicy: "Background"))
    }
}

@Suite(.timeLimit(.minutes(40)))
struct ClientTests {
    @Test(arguments: [20, 25, 30])
    func `The client does on the twin what it does on a real server`(_ minor: Int) async throws {
        var options = TwinOptions()
        options.minor = minor
        try await ServedTwin.running(options, speed: 10, fill: { $0.addNodes(2) }) { served in
            let access = try Kubeconfig(paths: [served.kubeconfig.path], mustExist: true).access(environment: [:])
            try await KubernetesClient.connected(access) { try await ClientSuite.run($0) }
        }
    }

    @Test func `A watch whose place is forgotten lists anew, and one that is cut goes on`() throws {
        let twin = Twin()
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        let outcome = rehearsal.run { () async throws -> [String] in
            let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
            let informer = Informer<String>(Watcher(client: client, resource: .nodes), keep: { $0["metadata"]["name"].string ?? "" })
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await informer.run() }
                try await informer.synced()
                twin.addNodes(1)
                twin.cutWatches()
                twin.addNodes(1)
                try await rehearsal.letPass(seconds: 60)
                twin.cutWatches()
                twin.addNodes(1)
                twin.compact()
                try await rehearsal.letPass(seconds: 60)
                group.cancelAll()
                return informer.values.sorted()
            }
        }
        guard case .ended(let names) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(try names.get() == ["node-0001", "node-0002", "node-0003"])
    }

    @Test func `One leads at a time, and another takes over when it is silent`() throws {
        let twin = Twin()
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        let leading = Log()
        let outcome = rehearsal.run { () async throws -> Void in
            let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
            let lease = ObjectName("kube-system", "leader")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in ["a", "b", "c"] {
                    group.addTask {
                        try await LeaderElection(lease: lease, identity: name).lead(client) {
                            leading.add("\(name) leads")
                            try await rehearsal.letPass(seconds: 60)
                            leading.add("\(name) ends")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        guard case .ended(let result) = outcome else { return #expect(Bool(false), "\(outcome)") }
        try result.get()
        let log = leading.lines
        #expect(log.count == 6)
        for index in stride(from: 0, to: 6, by: 2) { #expect(log[index].prefix(1) == log[index + 1].prefix(1), "\(log)") }
        let lease = twin.object(.leases, ObjectName("kube-system", "leader"))
        #expect(lease?["spec"]["holderIdentity"].string == "" && lease?["spec"]["leaseTransitions"].integer == 2, "given back, and taken over twice")
    }

    /// Answers until it is told to be silent, and then keeps every request for an hour.
    private struct Silent: KubernetesTransport {
        let inner: TwinTransport
        let isSilent: @Sendable () -> Bool
        let wait: @Sendable () async throws -> Void

        func send(_ request: APIRequest) async throws -> APIResponse {
            if isSilent() { try await wait() }
            return try await inner.send(request)
        }

        func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws { try await inner.stream(request, receive) }
        func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws {}
    }

    @Test func `A leader whose server is silent stops before another may lead`() throws {
        let twin = Twin()
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        let silence = Moment()
        let log = Log()
        let outcome = rehearsal.run { () async throws -> Double in
            let transport = Silent(
                inner: TwinTransport(twin, time: time), isSilent: { silence.date != nil }, wait: { try await rehearsal.letPass(seconds: 3600) })
            let cut = KubernetesClient(transport: transport, rate: nil, time: time)
            let lease = ObjectName("kube-system", "leader")
            return try await withThrowingTaskGroup(of: Double?.self) { group in
                group.addTask {
                    do {
                        try await LeaderElection(lease: lease, identity: "a").lead(cut) {
                            silence.date = time.now()
                            defer { log.add("a ends") }
                            try await rehearsal.letPass(seconds: 3000)
                        }
                    } catch is KubernetesError {}
                    return nil
                }
                group.addTask {
                    try await rehearsal.letPass(seconds: 1)
                    let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
                    return try await LeaderElection(lease: lease, identity: "b").lead(client) {
                        log.add("b leads")
                        return time.now().timeIntervalSince(silence.date ?? .distantPast)
                    }
                }
                var after: Double?
                while after == nil, let next = try await group.next() { after = next }
                group.cancelAll()
                return after ?? 0
            }
        }
        guard case .ended(let after) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(log.lines == ["a ends", "b leads"])
        let seconds = try after.get()
        #expect((14...40).contains(seconds), "\(seconds) s")
    }

    @Test func `Whether a lease ran out is judged by when it was seen to change, not by its times`() {
        let election = LeaderElection(lease: ObjectName("n", "l"), identity: "me")
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        // Another's clock is a day behind ours.
        let spec: JSON = [
            "holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": .string(Timestamp.microTime(now.addingTimeInterval(-86400))),
            "leaseTransitions": 3,
        ]
        var seen: LeaderElection.Observation?
        #expect(election.move(["spec": spec], &seen, at: now) == .wait)
        #expect(election.move(["spec": spec], &seen, at: now.addingTimeInterval(14)) == .wait)
        guard case .write(let record) = election.move(["spec": spec], &seen, at: now.addingTimeInterval(16)) else {
            return #expect(Bool(false), "it ran out")
        }
        #expect(record["holderIdentity"].string == "me" && record["leaseTransitions"].integer == 4)
    }
}

/// When something happened.
private final class Moment: Sendable {
    private let kept = Mutex<Date?>(nil)

    var date: Date? {
        get { kept.withLock { $0 } }
        set { kept.withLock { $0 = newValue } }
    }
}

/// What happened, in order.
private final class Log: Sendable {
    private let kept = Mutex<[String]>([])

    var lines: [String] { kept.withLock { $0 } }

    func add(_ line: String) { kept.withLock { $0.append(line) } }
}

/// The same against a real kube-apiserver with real controllers and hollow nodes.
@Suite(.enabled(if: RealKubernetes.mayRun, Comment(rawValue: RealKubernetes.missing)), .timeLimit(.minutes(40)))
struct RealClusterTests {
    @Test func `The client and a drain do on a real server what they do on the twin`() async throws {
        try await RealKubernetes.running(nodes: 3) { real in
            try await KubernetesClient.connected(real.access) { client in
                try await ClientSuite.run(client)
                try await BuiltProgram.withFolder { folder in
                    let environment = ["KUBECONFIG": real.kubeconfig.path, "XDG_STATE_HOME": folder.path, "HOME": folder.path]
                    try await DrainSuite(client: client, environment: environment).run()
                    try await StoredObjectSuite(client: client, etcd: real.etcd, folder: folder, environment: environment).run()
                }
            }
        }
    }
}
