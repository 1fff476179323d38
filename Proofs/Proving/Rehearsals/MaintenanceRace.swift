internal import ClusterTwin
internal import Controller
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations
internal import Synchronization

/// The same world, in which every node has to boot anew, seen to by drydock's controller, and in the way that kured's documentation describes its own.
package struct MaintenanceRace {
    package enum Runner: Sendable, Equatable {
        case drydock
        /// One node at a time takes the lock, is drained without a look at what replaces its pods, boots, and is uncordoned at once. Each node looks
        /// every so many seconds whether the lock is free (`--period`).
        case kured(periodSeconds: Double)
    }

    package struct Result: Sendable {
        /// Of the cluster's time, until every node has booted and takes pods.
        package var seconds: Double
        /// Requests after which a budget had fewer healthy pods than it wants.
        package var brokenBudgets: Int
        package var mostAway: Int
        package var reboots: Int
    }

    package var nodes = 100
    package var pods = 1000
    package var maxUnavailable = "10%"
    /// From a pod's start until it is ready.
    package var readySeconds = 60.0
    package var bootSeconds = 90.0

    package init() {}

    package func run(_ runner: Runner) throws -> Result {
        var options = TwinOptions()
        options.writesLeases = false
        options.bookmarkSeconds = 86400
        options.watchSeconds = 86400
        options.readySeconds = readySeconds
        options.spread = 1
        let state = Mutex((broken: 0, most: 0))
        let look = Mutex<Twin?>(nil)
        let twin = Twin(options: options) {
            guard let twin = look.withLock({ $0 }) else { return }
            let away = twin.objects(.nodes).count { Node($0).isUnschedulable }
            let isBroken = !twin.brokenBudgets().isEmpty
            state.withLock { ($0.broken, $0.most) = ($0.broken + (isBroken ? 1 : 0), max($0.most, away)) }
        }
        twin.addNodes(nodes)
        try twin.populate(pods: pods, size: 10)
        for definition in try CustomResources.definitions() { try twin.create(definition) }
        let fleet = TwinFleet(twin)
        let names = twin.objects(.nodes).map { Node($0).name }.sorted()
        var character = TwinFleet.Character()
        character.bootSeconds = bootSeconds
        for name in names {
            fleet.add(name, character)
            fleet.requireReboot(on: name)
        }
        try twin.create([
            "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance", "metadata": ["name": "reboots"],
            "spec": ["maxUnavailable": .string(maxUnavailable), "action": ["reboot": .object(JSONObject())]],
        ])
        twin.advance(to: twin.now.addingTimeInterval(120))
        look.withLock { $0 = twin }
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        let began = twin.now
        let outcome = rehearsal.run {
            let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
            try await withThrowingTaskGroup(of: Void.self) { group in
                switch runner {
                case .drydock:
                    var options = MaintenanceController.Options()
                    options.staleSeconds = 7 * 86400
                    let controller = MaintenanceController(client, web: WebClient { _, _, _, _ in .init(status: 200) }, options: options)
                    group.addTask { try await controller.run() }
                    group.addTask { try await fleet.run(client, reportSeconds: 86400) }
                case .kured(let period): group.addTask { try await Self.kured(client, fleet, names, period) }
                }
                group.addTask {
                    while true {
                        try await time.sleep(.seconds(5))
                        let isDone = twin.objects(.nodes).allSatisfy { object in
                            let node = Node(object)
                            return node.isReady && !node.isUnschedulable && fleet.isCurrent(node.name)
                        }
                        if isDone { return }
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        guard case .ended(.success) = outcome else { throw LocalEtcdCluster.Failure(description: "the race did not come to its end: \(outcome)") }
        let (broken, most) = state.withLock { $0 }
        return Result(
            seconds: twin.now.timeIntervalSince(began), brokenBudgets: broken, mostAway: most, reboots: fleet.reboots.withLock { $0.count })
    }

    private static func kured(_ client: KubernetesClient, _ fleet: TwinFleet, _ names: [String], _ period: Double) async throws {
        let time = client.time
        let start = time.now()
        var chance = SplitMix(seed: 7)
        // Each node's first look is some time within the period.
        let offsets: [String: Double] = Dictionary(
            names.map { ($0, Double.random(in: 0..<max(period, 0.001), using: &chance)) }, uniquingKeysWith: { $1 })
        @Sendable func nextLook(_ name: String) -> Date {
            let passed = time.now().timeIntervalSince(start) - (offsets[name] ?? 0)
            return start.addingTimeInterval((offsets[name] ?? 0) + max(0, (passed / period).rounded(.up)) * period)
        }
        var options = DrainMachine.Options()
        options.awaitsReplacements = false
        options.returns = true
        options.filters.force = true
        options.filters.ignoreDaemonSets = true
        options.filters.deleteEmptyDirData = true
        try await DrainDesk.working(client) { [options] desk in
            var due = names
            while let name = period > 0 ? due.min(by: { (nextLook($0), $0) < (nextLook($1), $1) }) : due.first {
                due.removeAll { $0 == name }
                if period > 0 { try await time.sleep(.seconds(max(0, nextLook(name).timeIntervalSince(time.now())))) }
                let place = ObjectName("", name)
                try await client.patch(.nodes, place, .merge(["spec": ["unschedulable": true]]))
                _ = try await desk.drain(name, .init(options: options)) { _ in }
                let before = try await client.get(Node.self, place).bootID
                try await fleet.reboot(name)
                while try await client.get(Node.self, place).bootID == before { try await time.sleep(.seconds(1)) }
                try await client.patch(.nodes, place, .merge(["spec": ["unschedulable": false]]))
            }
        }
        try await time.sleep(.seconds(86400 * 30))
    }
}
