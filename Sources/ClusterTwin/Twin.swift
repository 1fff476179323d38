package import Foundation
package import KubernetesAPI
package import Maintenance
internal import Synchronization

/// A simulated Kubernetes cluster in memory: its API, and behind it a scheduler, workload controllers, the disruption controller, kubelets and the
/// node controller, on a clock that somebody else drives.
package final class Twin: Sendable {
    private let world: Mutex<World>
    private let pulse: @Sendable () -> Void
    package let options: TwinOptions

    /// - Parameter pulse: told, after every change, that the time of the next event may be another.
    package init(options: TwinOptions = TwinOptions(), pulse: @escaping @Sendable () -> Void = {}) {
        self.options = options
        self.pulse = pulse
        world = Mutex(World(options: options))
    }

    // MARK: Time

    package var now: Date { world.withLock { $0.now } }

    /// When something will happen by itself next.
    package var nextTime: Date? { world.withLock { $0.nextTime } }

    /// Lets time pass in the cluster.
    package func advance(to time: Date) { world.withLock { $0.advance(to: time) } }

    /// As `advance`, but works no longer than so many seconds of ours.
    /// - Returns: the time that was reached.
    func advance(to time: Date, within seconds: Double) -> Date {
        let end = ContinuousClock.now + .seconds(seconds)
        return world.withLock { world in
            world.advance(to: time) { ContinuousClock.now < end }
            return world.now
        }
    }

    // MARK: Requests

    /// Answers a request; one that begins a watch gets its events by `emit`, in order, until `end`.
    func respond(to request: APIRequest, emit: @escaping @Sendable (JSON) -> Void, end: @escaping @Sendable () -> Void) -> TwinReply {
        let reply = world.withLock { $0.respond(to: request, emit: emit, end: end) }
        pulse()
        return reply
    }

    func endWatch(_ id: Int) { world.withLock { $0.endWatch(id) } }

    // MARK: Making a cluster

    /// Adds nodes, in zones `a`, `b` and `c`; the first `controlPlanes` are control-plane nodes.
    package func addNodes(_ count: Int, controlPlanes: Int = 0, cpu: String = "4", memory: String = "16Gi", pods: Int = 110, prefix: String = "node")
    {
        world.withLock { world in
            let first = world.sortedNames(.nodes).count
            for index in first..<first + count {
                var labels = ["topology.kubernetes.io/zone": ["a", "b", "c"][index % 3]]
                if index < controlPlanes { labels["node-role.kubernetes.io/control-plane"] = "" }
                let number = String(index + 1)
                let name = "\(prefix)-\(String(repeating: "0", count: max(0, 4 - number.count)))\(number)"
                _ = try? world.create(
                    .nodes, World.node(name, cpu: cpu, memory: memory, pods: pods, labels: labels, now: world.now, minor: options.minor),
                    namespace: "")
            }
        }
        pulse()
    }

    /// Creates an object as a request would.
    @discardableResult
    package func create(_ object: JSON) throws -> JSON {
        defer { pulse() }
        return try world.withLock { world in
            let version = (object["apiVersion"].string ?? "").split(separator: "/").map(String.init)
            let group = version.count == 2 ? version[0] : ""
            guard let kind = world.kinds.values.first(where: { $0.resource.group == group && $0.resource.kind == object["kind"].string }) else {
                throw APIStatus(
                    code: 404, reason: "NotFound", message: "there is no kind \(object["kind"].string ?? "") in \(object["apiVersion"].string ?? "")")
            }
            guard kind.versions.contains(version.last ?? "") else {
                throw APIStatus(
                    code: 404, reason: "NotFound", message: "\(object["kind"].string ?? "") is not served in \(object["apiVersion"].string ?? "")")
            }
            try world.checkFields(object, isStrict: false, kind)
            let namespace = object["metadata"]["namespace"].string ?? (kind.resource.isNamespaced ? "default" : "")
            return try world.create(kind.key, object, namespace: namespace)
        }
    }

    /// Creates objects as they were exported from another cluster, owners before what they own. What belongs to an owner that is loaded too belongs to
    /// the new one; its old uid means nothing here.
    package func load(_ objects: [JSON]) throws {
        let uids = Set(objects.compactMap { $0["metadata"]["uid"].string })
        var made: [String: JSON] = [:]
        var left = objects
        while !left.isEmpty {
            var waiting: [JSON] = []
            for var object in left {
                let owners = object["metadata"]["ownerReferences"].elements.map { $0["uid"].string ?? "" }
                guard owners.allSatisfy({ made[$0] != nil || !uids.contains($0) }) else {
                    waiting.append(object)
                    continue
                }
                let references = object["metadata"]["ownerReferences"].elements.map { reference in
                    var reference = reference
                    if let uid = made[reference["uid"].string ?? ""] { reference["uid"] = uid }
                    return reference
                }
                if !references.isEmpty { object["metadata"]["ownerReferences"] = .array(references) }
                let old = object["metadata"]["uid"].string
                for field in ["uid", "resourceVersion", "managedFields"] { object["metadata"][field] = .null }
                let new = try create(object)
                if let old { made[old] = new["metadata"]["uid"] }
            }
            guard waiting.count < left.count else {
                throw APIStatus(
                    code: 422, reason: "Invalid", message: "\(waiting.count) objects own each other, the first is \(waiting[0].objectName)")
            }
            left = waiting
        }
    }

    /// Fills the cluster with Deployments whose pods run already, spread over the nodes, a budget of maxUnavailable 10 % for each.
    /// - Parameter size: replicas of each Deployment.
    package func populate(pods: Int, size: Int = 30, perNamespace: Int = 50) throws {
        try world.withLock { world in try world.populate(pods: pods, size: size, perNamespace: perNamespace) }
        pulse()
    }

    // MARK: What goes wrong

    /// A node's kubelet dies, or lives again.
    package func setAlive(_ node: String, _ isAlive: Bool) {
        world.withLock { $0.setAlive(node, isAlive) }
        pulse()
    }

    package func isDead(_ node: String) -> Bool { world.withLock { $0.deadNodes.contains(node) } }

    /// A node goes down, and is back after so many seconds with another boot id.
    package func reboot(_ node: String, seconds: Double) {
        world.withLock { $0.reboot(node, seconds: seconds) }
        pulse()
    }

    package var faults: TwinFaults {
        get { world.withLock { $0.faults } }
        set { world.withLock { $0.faults = newValue } }
    }

    /// Draws whether a fault happens now.
    func drawsFault(_ share: (TwinFaults) -> Double) -> Bool { world.withLock { $0.random.unit() < share($0.faults) } }

    /// Forgets the history, so that watches that go on from before are told 410.
    package func compact() { world.withLock { $0.compact() } }

    /// Ends every watch, as a server does that restarts.
    package func cutWatches() {
        world.withLock { world in
            for id in world.watches.keys.sorted() { world.endWatch(id) }
        }
    }

    /// Nobody listens to the watches any more.
    func cutWatchesSilently() {
        world.withLock { world in
            for id in world.watches.keys { world.forgetWatch(id) }
        }
    }

    /// Changes an object as something on its node would.
    func change(_ resource: Resource, _ name: ObjectName, _ body: (inout JSON) -> Void) {
        world.withLock { _ = $0.update(KindKey(group: resource.group, plural: resource.plural), name, body) }
        pulse()
    }

    /// The API of another release from now on; what it does not serve any more is gone from sight.
    func serve(minor: Int) { world.withLock { $0.serve(minor: minor) } }

    // MARK: Looking

    package func objects(_ resource: Resource) -> [JSON] {
        world.withLock { $0.objects(KindKey(group: resource.group, plural: resource.plural)) }
    }

    /// Of the newest change of a kind; 0 where nobody remembers one.
    package func revision(of resource: Resource) -> Int64 {
        world.withLock { $0.tables[KindKey(group: resource.group, plural: resource.plural)]?.history.last?.revision ?? 0 }
    }

    package func object(_ resource: Resource, _ name: ObjectName) -> JSON? {
        world.withLock { $0.object(KindKey(group: resource.group, plural: resource.plural), name) }
    }

    /// The budgets that are broken now: fewer healthy pods than they want, by the pods themselves, not by what a controller has noted.
    package func brokenBudgets() -> [String] { world.withLock { $0.brokenBudgets() } }
}

extension World {
    mutating func populate(pods count: Int, size: Int, perNamespace: Int) throws {
        let nodes = sortedNames(.nodes).map(\.name)
        guard !nodes.isEmpty else { return }
        var left = count
        var next = 0
        var deployment = 0
        let stamp = JSON.string(Timestamp.time(now))
        let readyStamp = JSON.string(Timestamp.time(now.addingTimeInterval(options.startSeconds + options.readySeconds)))
        while left > 0 {
            let namespace = "space-\(deployment / perNamespace + 1)"
            if object(.namespaces, ObjectName("", namespace)) == nil {
                _ = try create(.namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(namespace)]], namespace: "")
            }
            let name = "app-\(deployment + 1)"
            let replicas = min(size, left)
            let labels: JSON = ["app": .string(name)]
            let template: JSON = [
                "metadata": ["labels": labels],
                "spec": [
                    "terminationGracePeriodSeconds": 5,
                    "containers": [["name": "main", "image": "example.com/app:1", "resources": ["requests": ["cpu": "50m", "memory": "64Mi"]]]],
                ],
            ]
            let new = try create(
                .deployments,
                [
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": .string(name), "labels": labels],
                    "spec": ["replicas": JSON(replicas), "selector": ["matchLabels": labels], "template": template],
                ], namespace: namespace)
            reconcileDeployment(new.objectName)
            guard let owner = dependents[new["metadata"]["uid"].string ?? ""]?.first,
                let set = update(.replicaSets, owner.name, { $0["spec"]["replicas"] = JSON(replicas) })
            else { continue }
            for _ in 0..<replicas {
                let node = nodes[next % nodes.count]
                next += 1
                makePod(set["spec"]["template"], owner: set, namespace: namespace) { pod in
                    pod["spec"]["nodeName"] = .string(node)
                    pod["status"] = [
                        "phase": "Running", "startTime": stamp,
                        "containerStatuses": [
                            [
                                "name": "main", "image": "example.com/app:1", "imageID": "", "ready": true, "started": true, "restartCount": 0,
                                "state": ["running": ["startedAt": stamp]], "lastState": [:],
                            ]
                        ],
                        "conditions": [
                            ["type": "PodScheduled", "status": "True", "lastTransitionTime": stamp],
                            ["type": "Ready", "status": "True", "lastTransitionTime": readyStamp],
                        ],
                    ]
                }
            }
            _ = try create(
                .budgets,
                [
                    "apiVersion": .string("policy/\(options.minor >= 21 ? "v1" : "v1beta1")"), "kind": "PodDisruptionBudget",
                    "metadata": ["name": .string(name)], "spec": ["maxUnavailable": "10%", "selector": ["matchLabels": labels]],
                ], namespace: namespace)
            reconcileReplicaSet(owner.name)
            reconcileDeployment(new.objectName)
            reconcileBudget(ObjectName(namespace, name))
            left -= replicas
            deployment += 1
        }
    }

    func brokenBudgets() -> [String] {
        var broken: [String] = []
        for budget in budgets.all {
            let healthy = coverage[budget.name]?.healthy ?? 0
            if budget.status.expectedPods > 0, healthy < budget.status.desiredHealthy {
                broken.append("\(budget.name) (\(budget.rule)): \(healthy) healthy pods, \(budget.status.desiredHealthy) wanted")
            }
        }
        return broken
    }
}
