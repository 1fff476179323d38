internal import ClusterTwin
internal import Controller
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import Operations
internal import Synchronization

/// Some weeks in the life of a random cluster that the controller maintains: updates arrive, windows open and close, nodes do not come back, alerts fire,
/// the leader is killed; and a judge who looks on.
package struct RandomMaintenance {
    package struct Report: Sendable {
        package var broken: [String] = []
        package var nodes = 0
        package var reboots = 0
        package var kills = 0
        package var explained = 0
        package var reasons: Set<String> = []
    }

    /// What goes on for longer than this is going round in circles. A drain that nothing can replace looks at its clock until its time is over, which
    /// takes some 40,000 jobs, and may be tried anew in every window.
    private static let mostJobs = 20_000_000

    private let seed: UInt64
    private var chance: SplitMix
    private let days: Double
    private let nodes: ClosedRange<Int>
    private let large: Large?

    /// A world as a company has it, in which chance has less to say: enough room for all nodes every week, somebody who mends what fails, alerts now and then.
    package struct Large: Sendable {
        /// `2026-03-15T00:00:00Z`; clocks are put forward or back in the weeks after it.
        package var start: String

        package init(start: String) { self.start = start }
    }

    /// - Parameters:
    ///   - days: how long it is looked at.
    ///   - nodes: how many there may be.
    package init(seed: UInt64, days: Double = 28, nodes: ClosedRange<Int> = 2...8, large: Large? = nil) {
        self.seed = seed
        self.days = days
        self.nodes = nodes
        self.large = large
        chance = SplitMix(seed: seed)
    }

    private mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &chance) }
    private mutating func happens(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &chance) < share }

    package mutating func run() throws -> Report {
        var options = TwinOptions()
        options.seed = seed
        options.writesLeases = false
        options.bookmarkSeconds = 86400
        options.watchSeconds = 86400 * 3
        // Half of the worlds see clocks being put forward or back.
        let starts = ["2026-03-15T00:00:00Z", "2026-10-11T00:00:00Z", "2026-06-01T00:00:00Z", "2026-12-10T00:00:00Z"]
        options.start = try Date(large?.start ?? starts[draw(0...3)], strategy: .iso8601)
        let judge = MaintenanceJudge()
        let twin = Twin(options: options) { judge.look() }
        let count = draw(nodes)
        let controlPlanes = happens(0.4) && count >= 4 ? 3 : 0
        twin.addNodes(count, controlPlanes: controlPlanes)
        for definition in try CustomResources.definitions() { try twin.create(definition) }
        if happens(0.7) { try twin.populate(pods: count * draw(1...4), size: draw(2...6)) }
        let fleet = TwinFleet(twin) { judge.disturbed($0) }
        let names = twin.objects(.nodes).map { Node($0).name }.sorted()
        for name in names {
            var character = TwinFleet.Character()
            character.bootSeconds = Double(draw(20...240))
            character.updateSeconds = Double(draw(5...300))
            // Each stops the rollout until somebody comes: in a large cluster they must be rare for anything to happen at all.
            let share = large == nil ? 1 : 0.1
            character.isLost = happens(0.03 * share)
            character.failsUpdates = happens(0.03 * share)
            character.hasNoAgent = happens(0.02 * share)
            fleet.add(name, character)
        }
        let policy = try makePolicy(twin, count)
        judge.begin(twin, policy, fleet)

        let end = options.start.addingTimeInterval(days * 86400)
        var report = Report(nodes: count)
        var arrivals = makeArrivals(names, options.start, end)
        let alerts = makeAlerts(options.start, end)
        let hasOperator = happens(0.6) || large != nil
        let reportSeconds: Double = large == nil ? 43200 : 86400
        while twin.now < end {
            let isLast = report.kills >= 4 || !happens(0.6)
            let jobs = isLast ? Self.mostJobs * max(1, count / 8) : draw(200...6000)
            let rehearsal = Rehearsal(twin)
            let time = rehearsal.time
            let plan = arrivals.filter { $0.at > twin.now }
            let outcome = rehearsal.run(killedAfter: jobs) {
                try await Self.live(
                    twin, fleet, time, arrivals: plan, alerts: alerts, hasOperator: hasOperator, reportSeconds: reportSeconds, until: end)
            }
            arrivals = plan
            switch outcome {
            case .ended(.success): break
            case .ended(.failure(let error)): report.broken.append("it ended in an error: \(error)")
            case .killed where isLast:
                let status = twin.object(.nodeMaintenances, ObjectName("", "weekly"))?["status"] ?? .null
                report.broken.append("it never rests: at \(twin.now.formatted(.iso8601)), \(status)")
            case .killed:
                report.kills += 1
                fleet.settle()
                continue
            case .stuck: report.broken.append("nothing will ever happen again")
            }
            break
        }
        report.reboots = fleet.reboots.withLock { $0.count }
        report.broken += judge.broken
        judge.conclude(names, &report)
        return report
    }

    /// The controller, the agents, and the world that goes on.
    private static func live(
        _ twin: Twin, _ fleet: TwinFleet, _ time: RunTime, arrivals: [Arrival], alerts: [DateInterval], hasOperator: Bool, reportSeconds: Double,
        until end: Date
    ) async throws {
        let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
        let web = WebClient { _, url, _, _ in
            guard url.contains("/api/v1/query") else { return .init(status: 200, body: Array("{}".utf8)) }
            let isFiring = alerts.contains { $0.contains(time.now()) }
            let sample = #"{"metric":{"alertname":"Latency"},"value":[0,"1"]}"#
            return .init(status: 200, body: Array(#"{"status":"success","data":{"resultType":"vector","result":[\#(isFiring ? sample : "")]}}"#.utf8))
        }
        var options = MaintenanceController.Options()
        options.staleSeconds = 3 * reportSeconds
        options.resyncSeconds = 6 * 3600
        let controller = MaintenanceController(client, web: web, options: options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.run() }
            group.addTask { try await fleet.run(client, reportSeconds: reportSeconds) }
            group.addTask {
                for arrival in arrivals {
                    try await time.sleep(.seconds(max(0, arrival.at.timeIntervalSince(time.now()))))
                    fleet.release(arrival.packages, on: arrival.node, needsReboot: arrival.needsReboot)
                }
                try await time.sleep(.seconds(86400 * 365))
            }
            if hasOperator { group.addTask { try await operate(client, fleet) } }
            group.addTask { try await time.sleep(.seconds(max(0, end.timeIntervalSince(time.now())))) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// A person who looks twice a day, mends what failed, and goes on.
    private static func operate(_ client: KubernetesClient, _ fleet: TwinFleet) async throws {
        while true {
            try await client.time.sleep(.seconds(43200))
            let failed = try await client.list(MaintenanceRun.self).filter(\.isFailed)
            guard !failed.isEmpty else { continue }
            for run in failed { fleet.mend(run.name) }
            try await client.time.sleep(.seconds(300))
            _ = try await MaintenanceControls(client: client).resume("weekly")
        }
    }

    // MARK: A world by chance

    struct Arrival: Sendable {
        var at: Date
        var node: String
        var packages: Int
        var needsReboot: Bool
    }

    /// Updates come out once or twice a week for all nodes, seen by each a little later; none in the last week, so that all can be current at the end.
    private mutating func makeArrivals(_ names: [String], _ start: Date, _ end: Date) -> [Arrival] {
        var arrivals: [Arrival] = []
        var at = start.addingTimeInterval(Double(draw(1...86400 * 3)))
        while at < end.addingTimeInterval(-8 * 86400) {
            let (packages, needsReboot) = (draw(1...3), happens(0.6))
            for name in names where happens(0.9) {
                arrivals.append(
                    Arrival(at: at.addingTimeInterval(Double(draw(0...7200))), node: name, packages: packages, needsReboot: needsReboot))
            }
            at += Double(draw(86400 * 3...86400 * 8))
        }
        return arrivals.sorted { ($0.at, $0.node) < ($1.at, $1.node) }
    }

    private mutating func makeAlerts(_ start: Date, _ end: Date) -> [DateInterval] {
        guard happens(0.4) || large != nil else { return [] }
        return (0..<draw(1...4)).map { _ in
            DateInterval(
                start: start.addingTimeInterval(Double(draw(0...Int(end.timeIntervalSince(start) - 8 * 86400)))), duration: Double(draw(600...86400)))
        }
    }

    private mutating func makePolicy(_ twin: Twin, _ count: Int) throws -> MaintenancePolicy {
        if large != nil { return try makeLargePolicy(twin) }
        var spec: JSON = .object(JSONObject())
        spec["maxUnavailable"] = happens(0.5) ? JSON(draw(1...3)) : .string("\(draw(1...50))%")
        var windows: [String: JSON] = [:]
        if happens(0.9) {
            let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"][draw(0...3)]
            // Over midnight, into the hours that clocks skip and repeat.
            let day = ["*", "*", "SAT", "SAT,SUN", "1-5"][draw(0...4)]
            var window: JSON = [
                "timeZone": .string(zone),
                "openings": [
                    ["schedule": .string("\(draw(0...59)) \([22, 23, 0, 1, 2, 3][draw(0...5)]) * * \(day)"), "duration": .string("\(draw(2...6))h")]
                ],
            ]
            if happens(0.3) { window["blackouts"] = [["from": "2026-12-20", "through": "2026-12-24"]] }
            windows["window"] = window
            try twin.create([
                "apiVersion": .string(Resource.maintenanceWindows.apiVersion), "kind": "MaintenanceWindow", "metadata": ["name": "window"],
                "spec": window,
            ])
            spec["windows"] = ["window"]
        }
        if happens(0.4) { spec["prometheus"] = ["url": "http://prometheus"] }
        if happens(0.3) { spec["soak"] = .string("\(draw(10...300))s") }
        if happens(0.2) { spec["canaries"] = JSON(draw(1...2)) }
        if happens(0.2) {
            spec["onFailure"] = ["action": "Retry", "retries": JSON(draw(1...2))]
        } else if happens(0.2) {
            spec["onFailure"] = ["action": "RollBack"]
        }
        spec["order"]["zones"] = .string(["Any", "OneAtATime", "RoundRobin"][draw(0...2)])
        spec["drain"] = ["force": true, "timeout": .string("\(draw(5...30))m")]
        spec["timeouts"] = ["node": .string("\(draw(10...40))m")]
        let object = try twin.create([
            "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance", "metadata": ["name": "weekly"], "spec": spec,
        ])
        return try MaintenancePolicy(object, windows: windows)
    }
}

extension RandomMaintenance {
    /// Every night over midnight and through the hours that clocks skip and repeat.
    private func makeLargePolicy(_ twin: Twin) throws -> MaintenancePolicy {
        let window: JSON = [
            "timeZone": "Europe/Berlin", "openings": [["schedule": "0 23 * * *", "duration": "5h"]],
            "blackouts": [["from": "2026-03-20", "through": "2026-03-21"]],
        ]
        try twin.create([
            "apiVersion": .string(Resource.maintenanceWindows.apiVersion), "kind": "MaintenanceWindow", "metadata": ["name": "window"],
            "spec": window,
        ])
        let object = try twin.create([
            "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance", "metadata": ["name": "weekly"],
            "spec": [
                "maxUnavailable": "10%", "windows": ["window"], "prometheus": ["url": "http://prometheus"], "soak": "60s", "canaries": 2,
                "onFailure": ["action": "Retry", "retries": 1], "drain": ["timeout": "30m"],
            ],
        ])
        return try MaintenancePolicy(object, windows: ["window": window])
    }
}

/// Looks at the cluster after every request, and notes every rule that is broken.
private final class MaintenanceJudge: Sendable {
    private struct State {
        var twin: Twin?
        var policy: MaintenancePolicy?
        var fleet: TwinFleet?
        var own: Set<String> = []
        var terminating: Set<String> = []
        var awaySince: [String: Date] = [:]
        var broken: [String] = []
        var revision: Int64 = -1
    }
    private let state = Mutex(State())

    var broken: [String] { state.withLock { $0.broken } }

    func begin(_ twin: Twin, _ policy: MaintenancePolicy, _ fleet: TwinFleet) {
        state.withLock { ($0.twin, $0.policy, $0.fleet) = (twin, policy, fleet) }
    }

    private func note(_ text: String) {
        state.withLock { if $0.broken.count < 10, !$0.broken.contains(text) { $0.broken.append(text) } }
    }

    private static func isOpen(_ policy: MaintenancePolicy, _ now: Date) -> Bool { policy.window.map { $0.remaining(at: now) != nil } ?? true }

    /// An update or a reboot begins.
    func disturbed(_ node: String) {
        guard let (twin, policy) = state.withLock({ state in state.twin.flatMap { twin in state.policy.map { (twin, $0) } } }) else { return }
        if !Self.isOpen(policy, twin.now) {
            note("\(node) is disturbed at \(twin.now.formatted(.iso8601)), outside of \(policy.window?.description ?? "")")
        }
        let object = twin.object(.nodes, ObjectName("", node)).map { Node($0) }
        if object?.isUnschedulable != true { note("\(node) is disturbed, and takes pods") }
    }

    func look() {
        guard let (twin, policy) = state.withLock({ state in state.twin.flatMap { twin in state.policy.map { (twin, $0) } } }) else { return }
        let now = twin.now
        // Every request comes by here, and few change anything that matters.
        let revision = twin.revision(of: .nodes) &+ twin.revision(of: .pods)
        let isSame = state.withLock { state in
            defer { state.revision = revision }
            return state.revision == revision
        }
        if isSame { return }
        let nodes = twin.objects(.nodes).map { Node($0) }
        let own = Set(nodes.filter { $0.isUnschedulable && CordonMark($0) != nil }.map(\.name))
        let away = nodes.filter { $0.isUnschedulable || !$0.isReady }
        let pods =
            own.isEmpty
            ? [] : twin.objects(.pods).filter { own.contains($0["spec"]["nodeName"].string ?? "") && !$0["metadata"]["deletionTimestamp"].isNull }
        let terminating = Set(pods.compactMap { $0["metadata"]["uid"].string })
        let (isMore, evicted, others) = state.withLock { state -> (Bool, Bool, Int) in
            state.awaySince = Dictionary(away.map { ($0.name, state.awaySince[$0.name] ?? now) }, uniquingKeysWith: { $1 })
            let isMore = !own.isSubset(of: state.own)
            let evicted = !terminating.isSubset(of: state.terminating)
            // Those that died long enough ago to be known.
            let others = state.awaySince.count { !own.contains($0.key) && now.timeIntervalSince($0.value) > 10 }
            state.own = own
            state.terminating = terminating
            return (isMore, evicted, others)
        }
        let isOpen = Self.isOpen(policy, now)
        if isMore, !isOpen { note("a node is cordoned at \(now.formatted(.iso8601)), outside of \(policy.window?.description ?? "")") }
        if evicted, !isOpen, nodes.allSatisfy(\.isReady) { note("a pod is evicted at \(now.formatted(.iso8601)), outside of the window") }
        let allowed = policy.maxUnavailable.nodes(of: nodes.count)
        if isMore, own.count + others > allowed { note("\(own.count) nodes are away beside \(others) others, and \(allowed) may be") }
        if nodes.filter(\.isControlPlane).count(where: { own.contains($0.name) }) > 1 { note("several control-plane nodes are away") }
    }

    /// Every node is current, or somebody says why not.
    func conclude(_ names: [String], _ report: inout RandomMaintenance.Report) {
        guard let (twin, fleet) = state.withLock({ state in state.twin.flatMap { twin in state.fleet.map { (twin, $0) } } }) else { return }
        let status = twin.object(.nodeMaintenances, ObjectName("", "weekly"))?["status"] ?? .null
        let blockers = status["blockers"].elements
        let general = blockers.contains { $0["node"].isNull }
        for name in names {
            let node = twin.object(.nodes, ObjectName("", name)).map { Node($0) }
            let isWell = fleet.isCurrent(name) && node?.isReady == true && node?.isUnschedulable == false
            if isWell { continue }
            let isNamed = blockers.contains { $0["node"].string == name } || status["nodes"].elements.contains { $0["name"].string == name }
            if isNamed || general {
                report.explained += 1
                report.reasons.formUnion(blockers.map { "\($0["node"].string ?? "*"): \($0["reason"].string ?? "")" })
            } else {
                report.broken.append(
                    "\(name) is not current (\(fleet.isCurrent(name) ? "up to date" : "updates pending"), \(node?.isReady == true ? "ready" : "not ready"), \(node?.isUnschedulable == true ? "cordoned" : "open")), and nobody says why: \(status["phase"].string ?? "") \(status["message"].string ?? "")"
                )
            }
        }
    }
}
