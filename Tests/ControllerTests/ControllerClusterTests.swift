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

/// The controller as it is installed, on a real control plane with roles in force.
@Suite(.enabled(if: RealKubernetes.mayRun, Comment(rawValue: RealKubernetes.missing)), .timeLimit(.minutes(40)))
struct ControllerClusterTests {
    private static let kills = 20

    @Test func `Two replicas with their own rights see to every node, though the leader is killed twenty times`() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        try await BuiltProgram.withFolder { folder in
            try await RealKubernetes.running(nodes: 4) { cluster in
                let installed = try await InstalledController(in: cluster, folder: folder)
                try await installed.removePods()
                let rights = try await installed.kubeconfig(of: "drydock-controller")
                let agentRights = try await installed.kubeconfig(of: "drydock-agent")
                try await KubernetesClient.connected(cluster.access) { admin in
                    try await prepare(admin)
                    let access = try Kubeconfig(paths: [agentRights.path], mustExist: true).access(environment: [:])
                    try await KubernetesClient.connected(access) { agents in
                        let watch = Watch()
                        let hosts = (1...4).map { ("worker-\($0)", HollowHost(admin: admin, node: "worker-\($0)")) }
                        for (_, host) in hosts { host.release(1) }
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for (name, host) in hosts {
                                group.addTask { try await host.keepBootID() }
                                group.addTask { try await Self.serve(agents, name, host) }
                            }
                            let nodes = Informer(Watcher(client: admin, resource: .nodes), keep: { Node($0) }, onEvent: { watch.see($0) })
                            group.addTask { try await nodes.run() }
                            group.addTask { try await killLeaders(installed, rights, admin, hosts, watch, seed) }
                            defer { group.cancelAll() }
                            // Everything but the killing goes on for ever.
                            while try await group.next() != nil, !watch.isOver {}
                        }
                        #expect(watch.most == 1, "never more than one node is away")
                        for (name, host) in hosts {
                            let node = try await admin.get(Node.self, ObjectName("", name))
                            #expect(!node.isUnschedulable && node.annotations[CordonMark.annotation] == nil, "\(name) takes pods")
                            #expect(node.annotations[Annotations.scaleDownDisabled] == nil)
                            let run = try await admin.get(MaintenanceRun.self, ObjectName("", name))
                            #expect(run.state == .done, "\(name): \(run.json["status"])")
                            // An update that was killed may be done again, and a reboot as well: never is one left out.
                            let versions = Set(host.installed)
                            #expect(versions.count == (host.installed.last.flatMap { Int($0.dropFirst(5)) } ?? 0), "\(name): \(host.installed)")
                            #expect(host.reboots >= versions.count)
                        }
                        let refused = try installed.requests(of: "drydock-controller").filter { $0.code == 403 }
                        #expect(refused.isEmpty, "no right is missing: \(refused.first.map { "\($0)" } ?? "")")
                    }
                }
            }
        }
    }

    /// What roles say, one right a line: `get nodes`.
    private func rights(_ rules: [ControllerManifests.Rule]) -> Set<String> {
        Set(
            rules.flatMap { rule in
                rule.resources.flatMap { resource in rule.verbs.map { "\($0) \(rule.group.isEmpty ? resource : "\(rule.group)/\(resource)")" } }
            })
    }

    @Test func `Every right that the roles give is used, and none is missing; people are told what failed, and go on`() async throws {
        try await BuiltProgram.withFolder { folder in
            try await RealKubernetes.running(nodes: 2) { cluster in
                let environment = ["MAX_UNAVAILABLE": "50%", "MAINTENANCE_WINDOW": "0 0 * * *", "MAINTENANCE_DURATION": "24h", "TZ": "Europe/Berlin"]
                let installed = try await InstalledController(
                    in: cluster, folder: folder, ["--max-unavailable", "50%", "--maintenance-window", "0 0 * * *", "--maintenance-duration", "24h"])
                try await installed.removePods()
                let rights = try await installed.kubeconfig(of: "drydock-controller")
                let agentRights = try await installed.kubeconfig(of: "drydock-agent")
                let people = ["KUBECONFIG": cluster.kubeconfig.path]
                try await KubernetesClient.connected(cluster.access) { admin in
                    try await admin.create(.daemonSets, Self.daemons)
                    try await admin.create(.deployments, Self.web)
                    let access = try Kubeconfig(paths: [agentRights.path], mustExist: true).access(environment: [:])
                    try await KubernetesClient.connected(access) { agents in
                        let hosts = (1...2).map { ("worker-\($0)", HollowHost(admin: admin, node: "worker-\($0)")) }
                        for (_, host) in hosts { host.release(1) }
                        hosts[0].1.failOnce()
                        let controller = try installed.start(rights, environment: environment)
                        defer { controller.send(SIGKILL) }
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            for (name, host) in hosts {
                                group.addTask { try await host.keepBootID() }
                                group.addTask { try await Self.serve(agents, name, host) }
                            }
                            group.addTask {
                                try await Self.until("a node failed") { try await admin.list(MaintenanceRun.self).contains(where: \.isFailed) }
                                try await Self.until("the status says so") {
                                    try await admin.list(.nodeMaintenances).contains { $0["status"]["phase"].string == "Failed" }
                                }
                                let seen = try await CommandRun.run(
                                    cluster.kubectl, ["--kubeconfig", cluster.kubeconfig.path, "get", "nodemaintenances,maintenanceruns,nodeagents"])
                                #expect(seen.output.contains("default") && seen.output.contains("Failed"), "\(seen.output)\(seen.errors)")
                                let status = try await BuiltProgram.run(["maintenance", "status"], environment: people)
                                #expect(
                                    status.status == 3 && status.output.contains("dpkg: error processing package tool"),
                                    "\(status.status) \(status.output)\(status.errors)")
                                #expect(status.output.contains("drydock maintenance resume default"), "\(status.output)")
                                let rehearsed = try await BuiltProgram.run(["maintenance", "resume", "default", "--dry-run"], environment: people)
                                #expect(
                                    rehearsed.output.contains("maintenancerun/worker-1 would be tried again"),
                                    "\(rehearsed.output)\(rehearsed.errors)")
                                let resumed = try await BuiltProgram.run(["maintenance", "resume", "default"], environment: people)
                                #expect(resumed.status == 0, "\(resumed.errors)")
                                try await Self.until("all is done") {
                                    try await admin.list(.nodeMaintenances).contains { $0["status"]["current"].count == 2 }
                                }
                                // A second time, which takes the place of the first.
                                for (_, host) in hosts { host.release(2) }
                                try await Self.until("it is done again") {
                                    let status = try await admin.get(.nodeMaintenances, ObjectName("", "default"))["status"]
                                    return hosts.allSatisfy { $0.1.isCurrent } && status["current"].count == 2 && status["inWork"].count == 0
                                }
                            }
                            defer { group.cancelAll() }
                            try await group.next()
                        }
                        // A watch is written down when it ends.
                        controller.send(SIGTERM)
                        _ = await controller.finish()
                        for account in ["drydock-controller", "drydock-agent"] {
                            let requests = try installed.requests(of: account)
                            let refused = requests.filter { $0.code == 403 }
                            #expect(refused.isEmpty, "\(account) lacks a right: \(refused.first.map { "\($0)" } ?? "")")
                            var rules = ControllerManifests.agentRules
                            if account == "drydock-controller" {
                                let manifests = ControllerManifests(image: "", minor: 20)
                                rules =
                                    ControllerManifests.clusterRules + [manifests.namespaceRule(), ControllerManifests.environmentRule]
                                    + manifests.ownRules() + ControllerManifests.otherRules.map(\.rule)
                            }
                            var used = Set(requests.filter { $0.code < 400 || $0.code == 404 }.map { "\($0.verb) \($0.resource)" })
                            // What is applied and was not there takes the right to create, and is written down as a patch.
                            for kind in ["maintenancewindows", "nodemaintenances"] where used.contains("patch drydock.dev/\(kind)") {
                                used.insert("create drydock.dev/\(kind)")
                            }
                            let idle = self.rights(rules).subtracting(used).sorted()
                            #expect(idle.isEmpty, "\(account) has rights that nothing uses: \(idle.joined(separator: ", "))")
                        }
                    }
                }
            }
        }
    }

    private static func until(_ what: String, _ look: () async throws -> Bool) async throws {
        guard try await eventually(within: 120, every: 0.2, { try await look() ? true : nil }) == true else {
            throw LocalEtcdCluster.Failure(description: "it did not come about that \(what)")
        }
    }

    private static let daemons: JSON = [
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": ["name": "daemon", "namespace": "default"],
        "spec": [
            "selector": ["matchLabels": ["app": "daemon"]],
            "template": ["metadata": ["labels": ["app": "daemon"]], "spec": ["containers": [["name": "main", "image": "example.com/daemon:1"]]]],
        ],
    ]
    private static let web: JSON = [
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web", "namespace": "default"],
        "spec": [
            "replicas": 4, "selector": ["matchLabels": ["app": "web"]],
            "template": [
                "metadata": ["labels": ["app": "web"]],
                "spec": ["terminationGracePeriodSeconds": 0, "containers": [["name": "main", "image": "example.com/web:1"]]],
            ],
        ],
    ]

    private static func serve(_ client: KubernetesClient, _ name: String, _ host: HollowHost) async throws {
        while true {
            var agent = HostAgent(client, node: name, host: host, version: "test")
            agent.reportSeconds = 1
            // It ends when its host boots anew.
            do { try await agent.run() } catch is CancellationError { try Task.checkCancellation() }
        }
    }

    private func prepare(_ admin: KubernetesClient) async throws {
        try await admin.create(
            .nodeMaintenances,
            [
                "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance", "metadata": ["name": "weekly"],
                "spec": ["maxUnavailable": "25%", "drain": ["replacementTimeout": "20s"]],
            ])
        try await admin.create(.deployments, Self.web)
        try await admin.create(
            Resource(group: "policy", version: "v1beta1", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget"),
            [
                "apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": ["name": "web", "namespace": "default"],
                "spec": ["minAvailable": 3, "selector": ["matchLabels": ["app": "web"]]],
            ])
    }

    /// Kills the leader at random moments, releases updates so that there is always something to do, and waits until all is done.
    private func killLeaders(
        _ installed: InstalledController, _ rights: URL, _ admin: KubernetesClient, _ hosts: [(String, HollowHost)], _ watch: Watch, _ seed: UInt64
    ) async throws {
        var chance = SplitMix(seed: seed)
        var replicas = [try installed.start(rights), try installed.start(rights)]
        var kills = 0
        var version = 1
        let limit = ContinuousClock.now + .seconds(300)
        func isLeader(_ replica: CommandRun.Running) -> Bool { replica.errorsSoFar.contains(#""message":"leads""#) }
        while ContinuousClock.now < limit {
            try await Self.pause(0.2)
            let isCurrent = hosts.allSatisfy { $0.1.isCurrent }
            if kills >= Self.kills, isCurrent, watch.away.isEmpty { break }
            if kills < Self.kills, isCurrent, watch.away.isEmpty {
                version += 1
                for (_, host) in hosts { host.release(version) }
            }
            guard kills < Self.kills, let index = replicas.firstIndex(where: isLeader) else { continue }
            try await Self.pause(Double.random(in: 0.1...4, using: &chance))
            replicas[index].send(SIGKILL)
            _ = await replicas[index].finish()
            kills += 1
            replicas[index] = try installed.start(rights)
        }
        // The last node's run ends after its node is open, and that may be the next leader's to write down.
        let left = try await eventually(within: 120, every: 0.2) { () -> Bool? in
            try await admin.list(MaintenanceRun.self).allSatisfy { $0.state == .done } ? true : nil
        }
        if left == nil {
            let runs = try await admin.list(MaintenanceRun.self).filter { $0.state != .done }.map { "\($0.json["status"])" }
            let status = try await admin.get(.nodeMaintenances, .init("", "weekly"))["status"]
            Issue.record("every run is done: \(runs.joined(separator: "\n")), \(status)")
        }
        #expect(
            kills == Self.kills && hosts.allSatisfy { $0.1.isCurrent },
            "\(kills) kills; version \(version); \(replicas.map(\.errorsSoFar).joined().suffix(3000))")
        for replica in replicas {
            // One that was started a moment ago knows no signals yet.
            try await Self.until("a replica is at work") { replica.errorsSoFar.contains("waits to lead") }
            replica.send(SIGTERM)
            let ended = await replica.finish()
            #expect(ended.status == 1, "a controller that is asked to end ends: \(ended.errors.suffix(1000))")
        }
        replicas = []
        watch.end()
    }

    /// Lets time pass, as real servers need it.
    private static func pause(_ seconds: Double) async throws {
        _ = try await eventually(within: seconds, every: min(seconds, 0.1)) { () -> Bool? in nil }
    }

    /// Which nodes are away, and how many were at most.
    private final class Watch: Sendable {
        private let state = Mutex<(away: Set<String>, most: Int, isOver: Bool)>(([], 0, false))

        var away: Set<String> { state.withLock { $0.away } }
        var most: Int { state.withLock { $0.most } }
        var isOver: Bool { state.withLock { $0.isOver } }

        func end() { state.withLock { $0.isOver = true } }

        func see(_ event: Informer<Node>.Event) {
            guard case .applied(let object) = event else { return }
            let node = Node(object)
            state.withLock { state in
                if node.isUnschedulable { state.away.insert(node.name) } else { state.away.remove(node.name) }
                state.most = max(state.most, state.away.count)
            }
        }
    }
}
