internal import ClusterTwin
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations
internal import Synchronization
internal import SystemPackage

/// A cluster by chance, a drain by chance, what goes wrong by chance, and what must hold all the same. The seed determines all of it.
package struct RandomDrain: Sendable {
    package struct Report: Sendable {
        package enum End: String, Sendable, CaseIterable { case done, stopped, refused }

        package var end: End
        package var evictions: Int
        /// How often the process was killed on the way.
        package var kills: Int
        /// How it ended when it was resumed, once everything worked again; nil for one that did not stop.
        package var resumed: End?
        /// Rules that were broken, in words; none is what must be.
        package var broken: [String]
        /// How it ended, in the run's own words.
        package var message: String
    }

    private let seed: UInt64
    private var chance: SplitMix

    package init(seed: UInt64) {
        self.seed = seed
        chance = SplitMix(seed: seed)
    }

    private mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &chance) }

    private mutating func happens(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &chance) < share }

    /// Runs it to its end, over as many kills as chance has it.
    package mutating func run(in folder: String) async throws -> Report {
        var options = TwinOptions()
        options.seed = seed
        options.minor = happens(0.5) ? 20 : 30
        options.writesLeases = false
        let watch = Monitor()
        let twin = Twin(options: options) { watch.look() }
        watch.twin.withLock { $0 = twin }
        let nodes = draw(3...9)
        let controlPlanes = happens(0.5) ? min(3, nodes) : 0
        twin.addNodes(nodes, controlPlanes: controlPlanes)
        try fill(twin, policy: options.minor >= 21 ? "v1" : "v1beta1")
        twin.advance(to: twin.now.addingTimeInterval(60))

        let names = twin.objects(.nodes).map { Node($0).name }.sorted()
        var plan = NodeDrainPlan(nodes: Array(names.shuffled(using: &chance).prefix(draw(1...nodes))))
        plan.returns = happens(0.6) || plan.nodes.count > nodes / 2
        plan.respectsQuorum = controlPlanes > 0 && happens(0.7)
        plan.maxUnavailable = happens(0.6) ? (happens(0.5) ? .count(draw(1...3)) : .percent(draw(1...60))) : nil
        plan.options.timeoutSeconds = 240
        plan.options.replacementSeconds = 60
        plan.options.filters.ignoreDaemonSets = happens(0.9)
        plan.options.filters.deleteEmptyDirData = happens(0.8)
        plan.options.filters.force = happens(0.8)
        if happens(0.4) {
            twin.faults.throttled = happens(0.5) ? 0.05 : 0
            twin.faults.failed = happens(0.5) ? 0.05 : 0
            twin.faults.cutWatches = happens(0.5) ? 0.05 : 0
            twin.faults.expired = happens(0.5) ? 0.2 : 0
            twin.faults.latency = happens(0.5) ? 0.05 : 0
        }
        if happens(0.1), let victim = names.randomElement(using: &chance) { twin.setAlive(victim, false) }
        if happens(0.2), let other = names.randomElement(using: &chance) {
            let cordon = APIRequest(
                .patch, Resource.nodes.path(namespace: "", name: other), body: ["spec": ["unschedulable": true]],
                contentType: "application/merge-patch+json")
            _ = try await TwinTransport(twin, time: .system).send(cordon)
        }
        let settings = NodeRunSettings(
            options: plan.options, maxUnavailable: plan.maxUnavailable, respectsQuorum: plan.respectsQuorum,
            patienceSeconds: 120,
            mark: "run-\(seed)"
        )
        watch.begin(plan: plan, settings: settings, nodes: nodes)

        let path = FilePath("\(folder)/\(seed).sqlite")
        var kills = 0
        var id: String?
        while true {
            let owner = RunOwner(
                host: RunOwner.current.host, processID: 1, processStart: 1 + UInt64(kills), bootID: "rehearsal \(kills)", user: "rehearsal")
            let journal = try Journal(path: path, owner: owner)
            let killedAfter = kills < 3 && happens(0.4) ? draw(1...400) : nil
            let outcome = rehearse(twin, plan, settings, journal, id, killedAfter)
            guard case .killed = outcome else {
                var report = try judge(outcome, journal, twin, plan, watch, kills)
                try resume(&report, twin, plan, settings, journal, watch)
                return report
            }
            kills += 1
            id = try journal.runs().first?.id
        }
    }

    /// What stopped must go on when the cause is gone: with no faults, and every node alive, it comes to its end or says what still stands in its way.
    private func resume(
        _ report: inout Report, _ twin: Twin, _ plan: NodeDrainPlan, _ settings: NodeRunSettings, _ journal: Journal, _ watch: Monitor
    ) throws {
        guard let record = try journal.runs().first, record.state == .stopped else { return }
        twin.faults = TwinFaults()
        for node in twin.objects(.nodes) { twin.setAlive(Node(node).name, true) }
        twin.advance(to: twin.now.addingTimeInterval(120))
        watch.begin(plan: plan, settings: settings, nodes: twin.objects(.nodes).count)
        let again = try judge(rehearse(twin, plan, settings, journal, record.id, nil), journal, twin, plan, watch, report.kills)
        report.resumed = again.end
        report.evictions = again.evictions
        report.broken += again.broken.map { "resumed: \($0)" }
        if again.end != .done, again.message.isEmpty { report.broken.append("resumed, it stopped without a word") }
        let done = try journal.run(record.id).steps.count(where: \.state.isOver)
        if done < record.steps.count(where: \.state.isOver) { report.broken.append("resumed, it has done less than before") }
    }

    private func rehearse(
        _ twin: Twin, _ plan: NodeDrainPlan, _ settings: NodeRunSettings, _ journal: Journal, _ id: String?, _ killedAfter: Int?
    ) -> Rehearsal.Outcome<RunRecord> {
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        return rehearsal.run(killedAfter: killedAfter) {
            let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
            return try await NodeRun.working(client, settings, journal: journal, gate: { settings.gate(time) }) { runner, _ in
                if let id { return try await runner.resume(id, on: try await client.clusterSubject(), takingLock: true) }
                let made = try plan.make(try await ClusterFacts.read(client), at: time.now())
                return try await runner.begin(made.plan, settings: settings.json())
            }
        }
    }

    private func judge(
        _ outcome: Rehearsal.Outcome<RunRecord>, _ journal: Journal, _ twin: Twin, _ plan: NodeDrainPlan, _ watch: Monitor, _ kills: Int
    ) throws -> Report {
        var broken = watch.broken.withLock { $0 }
        let evictions = watch.evictions.withLock { $0 }
        switch outcome {
        case .ended(.success(let record)):
            if record.state != .done { broken.append("the run ended as \(record.state.rawValue) without an error") }
            for name in plan.nodes {
                let node = twin.object(.nodes, ObjectName("", name)).map { Node($0) }
                // What others cordoned stays so.
                if let node, node.isUnschedulable, CordonMark(node) == nil { continue }
                if node?.isUnschedulable != !plan.returns { broken.append("\(name) is \(plan.returns ? "still" : "not") cordoned") }
            }
            return Report(end: .done, evictions: evictions, kills: kills, broken: broken, message: "")
        case .ended(.failure(let error)):
            // Killed between the end of the run and the end of the process: there is nothing to go on with.
            if error is JournalError, try journal.runs().first?.state == .done {
                return Report(end: .done, evictions: evictions, kills: kills, broken: broken, message: "")
            }
            guard let error = error as? OperationError else {
                // Killed or throttled before there was a run: nothing was begun, and the error says what was in the way.
                if try journal.runs().isEmpty, error is APIStatus {
                    return Report(end: .stopped, evictions: evictions, kills: kills, broken: broken, message: "\(error)")
                }
                broken.append("it ended in an error that nobody explains: \(error)")
                return Report(end: .stopped, evictions: evictions, kills: kills, broken: broken, message: "\(error)")
            }
            let record = try journal.runs().first
            if error.code == .stopped, record?.state != .stopped, record?.state != .cancelled {
                broken.append("it stopped, and the journal says \(record?.state.rawValue ?? "nothing")")
            }
            if error.code == .stopped, record?.state == .stopped, !error.description.contains("runs resume") {
                broken.append("it does not say how to go on: \(error)")
            }
            return Report(
                end: error.code == .refused ? .refused : .stopped, evictions: evictions, kills: kills, broken: broken, message: error.description)
        case .killed: return Report(end: .stopped, evictions: evictions, kills: kills, broken: broken + ["it was killed after its end"], message: "")
        case .stuck:
            return Report(end: .stopped, evictions: evictions, kills: kills, broken: broken + ["nothing will ever happen again"], message: "")
        }
    }

    // MARK: A cluster by chance

    private mutating func fill(_ twin: Twin, policy: String) throws {
        for index in 0..<draw(1...5) {
            let name = "app-\(index)"
            let labels: JSON = ["app": .string(name)]
            let replicas = draw(1...6)
            var spec: JSON = [
                "terminationGracePeriodSeconds": JSON(draw(0...20)),
                "containers": [["name": "main", "image": "example.com/a:1", "resources": ["requests": ["cpu": .string("\(draw(10...400))m")]]]],
            ]
            if happens(0.1) { spec["volumes"] = [["name": "scratch", "emptyDir": .object(JSONObject())]] }
            if happens(0.15) {
                spec["affinity"] = [
                    "podAntiAffinity": [
                        "requiredDuringSchedulingIgnoredDuringExecution": [
                            ["topologyKey": "kubernetes.io/hostname", "labelSelector": ["matchLabels": labels]]
                        ]
                    ]
                ]
            }
            if happens(0.15) {
                spec["topologySpreadConstraints"] = [
                    [
                        "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": ["matchLabels": labels],
                    ]
                ]
            }
            let kind = ["Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet"][draw(0...4)]
            var annotations: JSON = .object(JSONObject())
            if happens(0.05) { annotations["twin.drydock.dev/never-ready"] = "true" }
            var workload: JSON = [
                "apiVersion": "apps/v1", "kind": .string(kind), "metadata": ["name": .string(name), "namespace": "default"],
                "spec": [
                    "selector": ["matchLabels": labels], "template": ["metadata": ["labels": labels, "annotations": annotations], "spec": spec],
                ],
            ]
            if kind != "DaemonSet" { workload["spec"]["replicas"] = JSON(replicas) }
            try twin.create(workload)
            for number in 0..<(happens(0.75) ? 1 : happens(0.2) ? 2 : 0) {
                // Most can be kept; some never let anything go.
                let isSensible = happens(0.8)
                let rule = isSensible ? "maxUnavailable" : ["maxUnavailable", "minAvailable"][draw(0...1)]
                let least = isSensible ? 1 : 0
                let value: JSON = happens(0.5) ? JSON(draw(least...max(1, replicas / 2))) : .string("\(draw(least...(isSensible ? 5 : 10)) * 10)%")
                try twin.create([
                    "apiVersion": .string("policy/\(policy)"), "kind": "PodDisruptionBudget",
                    "metadata": ["name": .string("\(name)-\(number)"), "namespace": "default"],
                    "spec": .object(JSONObject([.init(name: rule, value: value), .init(name: "selector", value: ["matchLabels": labels])])),
                ])
            }
        }
        if happens(0.2) {
            try twin.create([
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "bare", "namespace": "default"],
                "spec": ["containers": [["name": "main", "image": "example.com/a:1"]]],
            ])
        }
    }
}

/// Looks at the cluster after every request, and notes every rule that is broken.
private final class Monitor: Sendable {
    let twin = Mutex<Twin?>(nil)
    let broken = Mutex<[String]>([])
    let evictions = Mutex(0)
    private let rules = Mutex<(plan: NodeDrainPlan, settings: NodeRunSettings, nodes: Int)?>(nil)
    private struct Known {
        var terminating: Set<String> = []
        var wasBroken: Set<String> = []
        /// The nodes that the run cordoned.
        var own: Set<String> = []
        var awaySince: [String: Date] = [:]
    }

    private let known = Mutex(Known())

    func begin(plan: NodeDrainPlan, settings: NodeRunSettings, nodes: Int) {
        if let twin = twin.withLock({ $0 }) { known.withLock { $0.wasBroken = Set(twin.brokenBudgets().map(Self.budget)) } }
        rules.withLock { $0 = (plan, settings, nodes) }
    }

    private static func budget(_ text: String) -> String { String(text.prefix { $0 != " " }) }

    func look() {
        guard let (plan, settings, count) = rules.withLock({ $0 }), let twin = twin.withLock({ $0 }) else { return }
        // What was broken before, or is broken by a node that died, is not the drain's doing.
        let nodes = twin.objects(.nodes).map { Node($0) }
        let pods = twin.objects(.pods)
        let terminating = Set(pods.filter { !$0["metadata"]["deletionTimestamp"].isNull }.compactMap { $0["metadata"]["uid"].string })
        let new = known.withLock { known -> Int in
            let count = terminating.subtracting(known.terminating).count
            known.terminating.formUnion(terminating)
            return count
        }
        evictions.withLock { $0 += new }
        if new > 0, nodes.allSatisfy(\.isReady) {
            let before = known.withLock { $0.wasBroken }
            for text in twin.brokenBudgets() where !before.contains(Self.budget(text)) { note("a budget is broken: \(text)") }
        }
        let own = nodes.filter { $0.isUnschedulable && CordonMark($0)?.mark == settings.mark }
        if plan.returns || plan.maxUnavailable != nil, own.count > max(1, plan.maxUnavailable?.nodes(of: count) ?? 1) {
            note("\(own.count) nodes are away at once under \(plan.maxUnavailable.map { "\($0)" } ?? "one at a time")")
        }
        // Whoever sends a node away counts those that others sent away, and those that died: if they did so long enough ago to be known.
        let away = nodes.filter { $0.isUnschedulable || !$0.isReady }
        let (isMore, others) = known.withLock { known -> (Bool, Int) in
            let now = twin.now
            known.awaySince = Dictionary(
                away.map { ($0.name, known.awaySince[$0.name] ?? now) }, uniquingKeysWith: { $1 })
            let isMore = !Set(own.map(\.name)).isSubset(of: known.own)
            known.own = Set(own.map(\.name))
            return (isMore, known.awaySince.count { !known.own.contains($0.key) && now.timeIntervalSince($0.value) > 10 })
        }
        if isMore, others > 0, let allowed = plan.maxUnavailable?.nodes(of: count), own.count + others > allowed {
            note("\(own.count) nodes went while \(others) were away, under \(plan.maxUnavailable.map { "\($0)" } ?? "")")
        }
        let controlPlanes = own.filter(\.isControlPlane).count
        if plan.respectsQuorum, controlPlanes > 1 { note("\(controlPlanes) control-plane nodes are away at once") }
    }

    private func note(_ text: String) {
        broken.withLock { if !$0.contains(text), $0.count < 10 { $0.append(text) } }
    }
}
