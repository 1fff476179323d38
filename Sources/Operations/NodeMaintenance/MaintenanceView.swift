internal import Foundation
package import KubernetesAPI
package import KubernetesClient
package import KubernetesRuntime
package import Maintenance
internal import Synchronization

/// What the controller sees of the cluster: nodes, agents, and the resources of drydock, as they are now; and a bell for whoever waits for a change.
package final class MaintenanceView: Sendable {
    package let client: KubernetesClient
    /// The namespace of the controller, whose annotation pauses everything.
    package let namespace: String
    package let nodes: Informer<Node>
    package let agents: Informer<NodeAgent>
    package let maintenances: Informer<JSON>
    package let windows: Informer<JSON>
    package let runs: Informer<MaintenanceRun>
    package let upgrades: Informer<ClusterUpgrade>
    private let pauses: Informer<String?>
    private let bell: Bell

    /// - Parameters:
    ///   - client: for whom rate limits do not count: watches go on for ever.
    ///   - changed: told after every change of what concerns maintenance.
    ///   - interrupted: told when the server is not heard.
    package init(
        _ client: KubernetesClient, namespace: String, interrupted: @escaping @Sendable (String) -> Void = { _ in },
        changed: @escaping @Sendable () -> Void
    ) {
        self.client = client
        self.namespace = namespace
        let bell = Bell()
        self.bell = bell
        /// - Parameter concern: what of an object matters here; nil for all of it.
        func follow<Value: Sendable>(
            _ resource: Resource, _ options: ListOptions = ListOptions(), concern: (@Sendable (JSON) -> [JSON])? = nil,
            keep: @escaping @Sendable (JSON) -> Value
        ) -> Informer<Value> {
            let known = Mutex<[String: Int]>([:])
            return Informer(Watcher(client: client, resource: resource, options: options), keep: keep, interrupted: interrupted) { event in
                let (object, isGone) =
                    switch event {
                    case .applied(let object): (object, false)
                    case .deleted(let object): (object, true)
                    }
                let name = object.objectName.name
                if let concern {
                    let digest = isGone ? nil : concern(object).hashValue
                    let isSame = known.withLock { known in
                        defer { known[name] = digest }
                        return digest != nil && known[name] == digest
                    }
                    if isSame { return }
                }
                bell.ring(name)
                changed()
            }
        }
        // Kubelets write their nodes' status all the time, and the controller writes its own: that is nothing to look at.
        nodes = follow(
            .nodes,
            concern: { [$0["metadata"]["labels"], $0["metadata"]["annotations"], $0["spec"], $0["status"]["nodeInfo"], .bool(Node($0).isReady)] }
        ) { Node(Self.slim($0)) }
        agents = follow(.nodeAgents) { NodeAgent(Self.withoutManagedFields($0)) }
        let asked: @Sendable (JSON) -> [JSON] = { [$0["metadata"]["uid"], $0["metadata"]["generation"], $0["metadata"]["annotations"]] }
        maintenances = follow(.nodeMaintenances, concern: asked, keep: Self.withoutManagedFields)
        windows = follow(.maintenanceWindows, concern: asked, keep: Self.withoutManagedFields)
        runs = follow(.maintenanceRuns) { MaintenanceRun($0).withoutPlan() }
        upgrades = follow(.clusterUpgrades) { ClusterUpgrade($0).withoutPlan() }
        pauses = follow(.namespaces, ListOptions(fields: .equal("metadata.name", namespace))) {
            $0["metadata"]["annotations"][Annotations.pause].string
        }
    }

    /// Follows the cluster for as long as `body` runs, which begins when everything has been seen once.
    package func following<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let followers: [@Sendable () async throws -> Void] = [
            nodes.run, agents.run, maintenances.run, windows.run, runs.run, upgrades.run, pauses.run,
        ]
        let firsts = [nodes.synced, agents.synced, maintenances.synced, windows.synced, runs.synced, upgrades.synced, pauses.synced]
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            for follow in followers {
                group.addTask {
                    try await follow()
                    return nil
                }
            }
            group.addTask {
                for first in firsts { try await first() }
                return try await body()
            }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let result = next { return result }
            }
            throw CancellationError()
        }
    }

    /// What is kept of a node: images and volumes are most of its bytes.
    private static func slim(_ object: JSON) -> JSON {
        var node = object
        for name in ["images", "volumesAttached", "volumesInUse", "daemonEndpoints"] { node["status"][name] = .null }
        var managed: [JSON] = []
        for entry in object["metadata"]["managedFields"].elements where !entry["fieldsV1"]["f:spec"]["f:unschedulable"].isNull {
            managed.append(["manager": entry["manager"], "fieldsV1": ["f:spec": ["f:unschedulable": .object(JSONObject())]]])
        }
        node["metadata"]["managedFields"] = managed.isEmpty ? .null : .array(managed)
        return node
    }

    private static func withoutManagedFields(_ object: JSON) -> JSON {
        var object = object
        object["metadata"]["managedFields"] = .null
        return object
    }

    // MARK: Questions

    package func node(_ name: String) -> Node? { nodes[ObjectName("", name)] }
    package func agent(_ name: String) -> NodeAgent? { agents[ObjectName("", name)] }
    package func run(_ node: String) -> MaintenanceRun? { runs[ObjectName("", node)] }

    /// Nodes on which a run is at work, or was left.
    package var busyNodes: [String] { runs.values.filter { $0.isUnfinished && !$0.isFailed }.map(\.name).sorted() }

    package func upgrade(_ name: String) -> ClusterUpgrade? { upgrades[ObjectName("", name)] }

    /// Why no maintenance begins anywhere.
    package var pause: String? {
        pauseOfAll ?? upgrades.values.first(where: \.isUnfinished).map { "the ClusterUpgrade \($0.name) is under way" }
    }

    /// Why nothing begins anywhere.
    package var pauseOfAll: String? {
        (pauses[ObjectName("", namespace)] ?? nil).map { $0.isEmpty ? "everything is paused" : $0 }
    }

    /// Why nothing begins on a node.
    package func pause(of node: Node) -> String? {
        node.annotations[Annotations.pause].map { $0.isEmpty ? "by annotation" : $0 }
    }

    /// Why a NodeMaintenance begins nothing, as it is now.
    package func pause(of maintenance: String) -> String? {
        maintenances[ObjectName("", maintenance)].flatMap { MaintenancePolicy.pause(of: $0) }
    }

    /// When a policy lets nodes be disturbed, as its NodeMaintenance says it now; as it said it last, where that cannot be read any more. Nil for any time.
    package func window(of policy: MaintenancePolicy) -> Window? {
        guard let object = maintenances[ObjectName("", policy.name)], let now = try? MaintenancePolicy(object, among: windows.values) else {
            return policy.window
        }
        return now.window
    }

    // MARK: Waiting

    /// Looks until `look` finds something, at every change of what has this name, and now and then.
    /// - Returns: what was found; nil when it was not within `seconds`.
    package func wait<Value: Sendable>(
        _ name: String, seconds: Double, every pause: Double = 30, _ look: () async throws -> Value?
    ) async throws -> Value? {
        let end = client.time.now().addingTimeInterval(seconds)
        while true {
            let seen = bell.count(name)
            if let value = try await look() { return value }
            let left = end.timeIntervalSince(client.time.now())
            guard left > 0 else { return nil }
            try await bell.wait(name, after: seen, seconds: min(pause, left), client.time)
        }
    }
}
