internal import Foundation
internal import Journal
internal import KubernetesAPI
package import KubernetesClient
internal import KubernetesRuntime
package import Maintenance
internal import NodeAccess
package import Operations
internal import Synchronization

/// What a controller needs to upgrade clusters besides: how hosts are reached.
package struct UpgraderOptions: Sendable {
    /// Makes the plan of a ClusterUpgrade.
    package var plan: @Sendable (ClusterUpgrade, Window?, KubernetesClient) async throws -> UpgradeRequest.Made
    /// The hosts of an upgrade; its backups go where the process can write.
    package var hosts: @Sendable (UpgradeSettings) -> any UpgradeHosts
    package init(
        plan: @escaping @Sendable (ClusterUpgrade, Window?, KubernetesClient) async throws -> UpgradeRequest.Made,
        hosts: @escaping @Sendable (UpgradeSettings) -> any UpgradeHosts
    ) {
        self.plan = plan
        self.hosts = hosts
    }

    /// By Jobs of this image, in this namespace.
    package static func byJobs(image: String, namespace: String, hosts: @escaping @Sendable (UpgradeSettings) -> any UpgradeHosts) -> Self {
        UpgraderOptions(
            plan: { upgrade, window, client in
                let job = NodeAccess.PinnedJob(namespace: namespace, image: image, tag: upgrade.tag)
                return try await upgrade.request(window) { NodeAccess(name: $0, way: .job(job)) }.make(client)
            }, hosts: hosts)
    }
}

/// Carries ClusterUpgrades out, one at a time, each to its end. The run stands in the resource: whoever leads next goes on with it.
final class Upgrader: Sendable {
    private let view: MaintenanceView
    private let crew: Crew
    private let options: UpgraderOptions
    private let leader: String
    private let log: ControllerLog
    /// Of each upgrade as it is asked for now: how often a node could not be reached, and until when it is let alone.
    private let rests = Mutex<[String: (cuts: Int, until: Date)]>([:])

    /// How often that may be, and how long what stopped is let alone, seconds.
    private static let mostCuts = 30
    private static let cutPause = 10.0
    /// How often what is known of the cluster is looked at, seconds; that asks nobody.
    private static let pause = 2.0
    /// When what forbade an upgrade is looked at again, seconds.
    private static let retryPause = 600.0

    init(view: MaintenanceView, crew: Crew, options: UpgraderOptions, leader: String, log: ControllerLog) {
        self.view = view
        self.crew = crew
        self.options = options
        self.leader = leader
        self.log = log
    }

    private var client: KubernetesClient { view.client }

    /// Works until it is cancelled.
    func run() async throws {
        while true {
            func rank(_ upgrade: ClusterUpgrade) -> (Int, Date) { (upgrade.isUnfinished ? 0 : 1, upgrade.creation ?? .distantPast) }
            for upgrade in view.upgrades.values.sorted(by: { rank($0) < rank($1) }) {
                try Task.checkCancellation()
                do {
                    _ = try isOpen(upgrade)
                    try await attend(upgrade)
                } catch let error where !(error is CancellationError) && !Task.isCancelled {
                    try await say(upgrade, "\(error)")
                    rest(upgrade, Self.cutPause)
                }
                // One that is under way, or stopped half way, is finished first.
                if view.upgrade(upgrade.name)?.isUnfinished == true { break }
            }
            try await client.time.sleep(.seconds(Self.pause))
        }
    }

    private func attend(_ upgrade: ClusterUpgrade) async throws {
        let isAsked = upgrade.annotations[Annotations.resume] != nil
        // What a person asked for once is done once.
        if isAsked { try await forget(Annotations.resume, upgrade) }
        if upgrade.annotations[Annotations.abort] != nil { return try await abort(upgrade) }
        if !isAsked, let until = rests.withLock({ $0[key(upgrade)]?.until }), client.time.now() < until { return }
        if upgrade.isUnfinished {
            if upgrade.isFailed, !isAsked, upgrade.observedGeneration == upgrade.generation { return }
            // What is begun on a node is brought to its end, whoever leads; the gate stops it then.
            guard upgrade.state == .running || !isHeld(upgrade) else { return }
            return try await goOn(upgrade)
        }
        if upgrade.isTakenBack {
            if upgrade.state == .done, !upgrade.isFailed || isAsked { return try await goOn(upgrade) }
            if upgrade.state != .done, upgrade.state != .rolledBack {
                try await say(upgrade, "spec.rollBack: there is nothing that could be taken back")
            }
            return
        }
        // Whatever was decided of this spec stays so, but for what forbade it.
        if upgrade.observedGeneration == upgrade.generation, upgrade.state != .cancelled { return }
        guard !isHeld(upgrade) else { return }
        if let busy = view.busyNodes.first { return try await say(upgrade, "waits for the maintenance of \(busy)") }
        try await begin(upgrade)
    }

    private func key(_ upgrade: ClusterUpgrade) -> String { "\(upgrade.uid) \(upgrade.generation)" }

    /// What was stopped, or was forbidden, is not tried again at once.
    private func rest(_ upgrade: ClusterUpgrade, _ seconds: Double) {
        let until = client.time.now().addingTimeInterval(seconds)
        rests.withLock { $0[key(upgrade), default: (0, until)].until = until }
    }

    /// Whether a person or the clock lets nothing begin now. What cannot be read holds it, too, and is said.
    private func isHeld(_ upgrade: ClusterUpgrade) -> Bool {
        upgrade.isPaused || view.pauseOfAll != nil || (try? isOpen(upgrade)) != true
    }

    private func isOpen(_ upgrade: ClusterUpgrade) throws -> Bool {
        try upgrade.window(among: view.windows.values).map { $0.remaining(at: client.time.now()) != nil } ?? true
    }

    // MARK: Runs

    private func begin(_ upgrade: ClusterUpgrade) async throws {
        rest(upgrade, Self.retryPause)
        let made: UpgradeRequest.Made
        do {
            made = try await options.plan(upgrade, try upgrade.window(among: view.windows.values), client)
        } catch let error where !(error is CancellationError) && !Task.isCancelled {
            return try await say(upgrade, "\(error)")
        }
        guard made.plan.refusals.isEmpty else {
            return try await say(upgrade, "forbidden: \(made.plan.refusals.joined(separator: "; "))")
        }
        guard !made.plan.steps.isEmpty else {
            try await say(upgrade, "the cluster is of \(upgrade.json["spec"]["version"].string ?? "this version") already")
            return try await observe(upgrade, upgrade.generation)
        }
        log(.info, "begins", ["upgrade": upgrade.name])
        try await carryOut(upgrade, made.settings) { runner in
            _ = try await runner.begin(made.plan, id: upgrade.name, settings: try made.settings.json())
        }
    }

    private func goOn(_ upgrade: ClusterUpgrade) async throws {
        let journal = ClusterJournal(client, leader: leader, upgrade: upgrade.name)
        let record = try await journal.run(upgrade.name)
        let subject = try await client.clusterSubject()
        log(.info, upgrade.isTakenBack ? "is taken back" : "goes on", ["upgrade": upgrade.name])
        try await carryOut(upgrade, try UpgradeSettings(of: record)) { runner in
            if upgrade.isTakenBack {
                _ = try await runner.rollBack(upgrade.name, on: subject, takingLock: true)
            } else {
                _ = try await runner.resume(upgrade.name, on: subject, takingLock: true)
            }
        }
    }

    private func carryOut(
        _ upgrade: ClusterUpgrade, _ settings: UpgradeSettings, _ work: @escaping @Sendable (Runner<UpgradeRun>) async throws -> Void
    ) async throws {
        let (view, crew, log, name) = (view, crew, log, upgrade.name)
        let journal = ClusterJournal(client, leader: leader, upgrade: name)
        // Whether somebody asked the run to stop when the gate was asked last: he may have thought better of it since.
        let isAskedToStop = Mutex(false)
        let gate: @Sendable () -> Gate = {
            let now = view.upgrade(name)
            var checks: [GateCheck] = []
            if let now, now.isTakenBack, !upgrade.isTakenBack { checks.append(GateCheck("rollback", .fails, "spec.rollBack asked for the way back")) }
            if let now, now.isPaused { checks.append(GateCheck("pause", .fails, "spec.paused asked the run to stop here")) }
            if let reason = view.pauseOfAll { checks.append(GateCheck("pause", .fails, reason)) }
            isAskedToStop.withLock { $0 = !checks.isEmpty }
            let busy = Set(view.busyNodes).union(crew.inWork).sorted()
            if !busy.isEmpty { checks.append(GateCheck("maintenance", .notYet, "\(busy.joined(separator: ", ")) in work")) }
            return Gate(window: (try? now?.window(among: view.windows.values)) ?? settings.window).observing(checks)
        }
        do {
            try await NodeAccess.$recorder.withValue({ Self.tell($0, log, name) }) {
                try await UpgradeRun.working(client, settings, on: options.hosts(settings)) { operation in
                    try await work(
                        Runner(
                            operation: operation, journal: journal, gate: gate, patience: .seconds(settings.drain.patienceSeconds),
                            time: view.client.time
                        ) { event in
                            switch event {
                            case .step(_, _, let title): log(.info, title, ["upgrade": name])
                            case .waiting(let reasons): log(.info, "the gate waits: \(reasons.joined(separator: "; "))", ["upgrade": name])
                            case .note(let text): log(.info, text, ["upgrade": name])
                            default: break
                            }
                        })
                }
            }
            log(.info, "done", ["upgrade": name])
            await tidy(settings)
        } catch let error as JournalError where error.code != .system {
            log(.info, "\(error)", ["upgrade": name])
            // Nobody is there any more whose Jobs they would be.
            if error.code == .invalid, view.upgrade(name) == nil { await tidy(settings) }
            return
        } catch let error where !(error is CancellationError) && !Task.isCancelled {
            log(.warning, "\(error)", ["upgrade": name])
            try await judge(error, name, journal, isAskedToStop: isAskedToStop.withLock { $0 })
        }
        // As it began, or stands now where a person has to look at it: another version asked for meanwhile is another upgrade.
        guard let now = view.upgrade(name) else { return }
        try await observe(upgrade, now.isUnfinished ? now.generation : ClusterUpgrade.generation(ofTag: settings.control.tag) ?? upgrade.generation)
    }

    /// What a person, the clock or a lost connection stopped goes on when they let it; what a step or a check stopped waits for a person.
    private func judge(_ error: any Error, _ name: String, _ journal: ClusterJournal, isAskedToStop: Bool) async throws {
        guard let now = view.upgrade(name) else { return }
        let code = (error as? OperationError)?.code
        let isHeld = code == .held || code == .closed || code == .refused && isAskedToStop
        // Connections to nodes go over the API servers that are upgraded, and so does the journal.
        var isCut = code == .unreachable || error is JournalError
        if isCut {
            let cuts = rests.withLock { rests -> Int in
                rests[key(now), default: (0, .distantPast)].cuts += 1
                return rests[key(now)]?.cuts ?? 0
            }
            isCut = cuts <= Self.mostCuts
        }
        // As it was written a moment ago, and not as it is seen from here.
        let record = try await journal.run(name)
        rest(now, record.state == .cancelled ? Self.retryPause : isHeld || isCut ? Self.cutPause : 0)
        guard !record.state.isOver || record.state == .done else { return }
        try await journal.judge(failed: !isHeld && !isCut, retries: 0, message: record.message == nil ? "\(error)" : nil)
    }

    private func tidy(_ settings: UpgradeSettings) async {
        if let left = await NodeShell.removeAll(of: settings.nodes, client) { log(.warning, left, [:]) }
    }

    private static func tell(_ command: RemoteCommand, _ log: ControllerLog, _ upgrade: String) {
        let code =
            switch command.status {
            case .exited(let code): "\(code)"
            case .unreachable: "unreachable"
            }
        log(
            .info, "ran: \(command.script.split(separator: "\n").suffix(1).joined().prefix(120))",
            ["upgrade": upgrade, "node": command.node, "exit": code, "seconds": String(format: "%.1f", command.seconds)])
    }

    private func abort(_ upgrade: ClusterUpgrade) async throws {
        try await forget(Annotations.abort, upgrade)
        guard upgrade.isUnfinished else {
            // What is over is not made undone by it.
            guard upgrade.observedGeneration != upgrade.generation else { return }
            try await say(upgrade, "a person aborted it before it began")
            return try await observe(upgrade, upgrade.generation)
        }
        let journal = ClusterJournal(client, leader: leader, upgrade: upgrade.name)
        let record = try await journal.takeOver(upgrade.name, takingLock: true, reopening: false, at: client.time.now())
        try await journal.end(upgrade.name, as: .abandoned, message: "a person aborted it", now: client.time.now())
        log(.warning, "aborted", ["upgrade": upgrade.name])
        try await observe(upgrade, upgrade.generation)
        if let settings = try? UpgradeSettings(of: record) { await tidy(settings) }
    }

    private func forget(_ annotation: String, _ upgrade: ClusterUpgrade) async throws {
        try await client.patch(.clusterUpgrades, upgrade.objectName, .merge(["metadata": ["annotations": [annotation: .null]]]))
    }

    // MARK: What it says

    private func say(_ upgrade: ClusterUpgrade, _ message: String) async throws {
        log(.info, message, ["upgrade": upgrade.name])
        guard upgrade.message != message else { return }
        try await client.patch(
            .clusterUpgrades, upgrade.objectName, .merge(["status": ["message": .string(String(message.prefix(2000)))]]), subresource: "status")
    }

    private func observe(_ upgrade: ClusterUpgrade, _ generation: Int) async throws {
        try await client.patch(
            .clusterUpgrades, upgrade.objectName, .merge(["status": ["observedGeneration": JSON(generation)]]), subresource: "status")
    }
}
