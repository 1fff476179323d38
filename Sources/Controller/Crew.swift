internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import Operations
internal import Synchronization

/// Carries out the runs on nodes, many at once, each to its end; and knows who is in work.
final class Crew: Sendable {
    /// What is to be done with a node.
    struct Job: Sendable {
        enum Kind: Sendable {
            /// - Parameters:
            ///   - reason: for people.
            ///   - seconds: how long it is expected to take.
            case begin(reason: String, seconds: Double)
            case resume
            /// Give the node back as far as it can be taken back.
            /// - Parameter failed: whether it counts as the node's failure.
            case giveBack(failed: Bool)
        }

        var node: Node
        var policy: MaintenancePolicy
        var kind: Kind
        /// How often the node was tried before.
        var retries = 0
    }

    /// How a node that is in work stands, for people.
    struct Standing: Sendable {
        var since: Date
        var step = ""
        /// What it waits for.
        var note = ""
    }

    private struct State {
        var standings: [String: Standing] = [:]
        /// How long nodes took that were done since somebody asked, seconds.
        var durations: [String: [Double]] = [:]
        var counts = Counts()
    }

    /// Since the process began.
    struct Counts: Sendable {
        var begun = 0
        var done = 0
        var failed = 0
        var givenBack = 0
    }

    private let view: MaintenanceView
    private let desk: DrainDesk
    private let web: WebClient
    private let leader: String
    private let log: ControllerLog
    /// Told the NodeMaintenance whose node stands otherwise than before.
    private let changed: @Sendable (String) -> Void
    private let state = Mutex(State())
    private let jobs: AsyncStream<Job>
    private let hand: AsyncStream<Job>.Continuation

    /// How long the gate may hold a node that is in work before it is given back, and how often it is asked, seconds.
    private static let patience = 3600.0
    private static let pause = 15.0
    /// Before a node is tried again, seconds; doubled with each time.
    private static let retryPause = 60.0

    init(
        view: MaintenanceView, desk: DrainDesk, web: WebClient, leader: String, log: ControllerLog, changed: @escaping @Sendable (String) -> Void
    ) {
        self.view = view
        self.desk = desk
        self.web = web
        self.leader = leader
        self.log = log
        self.changed = changed
        (jobs, hand) = AsyncStream.makeStream(of: Job.self)
    }

    /// Works until it is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs { group.addTask { await self.carryOut(job) } }
        }
    }

    // MARK: Who is in work

    var inWork: Set<String> { state.withLock { Set($0.standings.keys) } }
    var counts: Counts { state.withLock { $0.counts } }

    func standing(of node: String) -> Standing? { state.withLock { $0.standings[node] } }

    /// How long nodes took since this was asked last.
    func takeDurations(of maintenance: String) -> [Double] { state.withLock { $0.durations.removeValue(forKey: maintenance) ?? [] } }

    /// Takes a job, unless somebody works on the node.
    /// - Returns: false when somebody does.
    @discardableResult
    func take(_ job: Job) -> Bool {
        let isFree = state.withLock { state -> Bool in
            guard state.standings[job.node.name] == nil else { return false }
            state.standings[job.node.name] = Standing(since: view.client.time.now())
            return true
        }
        if isFree { hand.yield(job) }
        return isFree
    }

    // MARK: Working

    private func carryOut(_ job: Job) async {
        let name = job.node.name
        defer {
            state.withLock { $0.standings[name] = nil }
            changed(job.policy.name)
        }
        let journal = ClusterJournal(view.client, leader: leader, maintenance: job.policy.name, node: job.node)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.work(job, journal) }
                if case .giveBack = job.kind {} else { group.addTask { try await self.awaitAbort(of: name) } }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch is CancellationError {
            // Whoever leads next goes on with it.
            return
        } catch let error as JournalError where error.code != .system {
            // It was over before, or another leader has it.
            log(.info, "\(error)", ["node": name, "maintenance": job.policy.name])
        } catch is Aborted {
            log(.warning, "aborted", ["node": name, "maintenance": job.policy.name])
            await giveBack(job, journal, failed: false, why: "a person aborted it")
        } catch { log(.error, "\(error)", ["node": name, "maintenance": job.policy.name]) }
        await seeEnd(of: name)
    }

    /// The next decision must not be made on what was so before the end.
    private func seeEnd(of node: String) async {
        guard let end = try? await view.client.find(MaintenanceRun.self, ObjectName("", node)) else { return }
        _ = try? await view.wait(node, seconds: 10) { view.run(node)?.resourceVersion == end.resourceVersion ? true : nil }
    }

    private struct Aborted: Error {}

    private func awaitAbort(of node: String) async throws {
        let isAborted = try await view.wait(node, seconds: .infinity, every: 3600) { () -> Bool? in
            guard let run = view.run(node), run.isUnfinished, run.annotations[Annotations.abort] != nil else { return nil }
            return true
        }
        if isAborted == true { throw Aborted() }
    }

    private func runner(_ job: Job, _ settings: MaintenanceRunSettings, _ journal: ClusterJournal, gate: @escaping @Sendable () -> Gate) -> Runner<
        NodeMaintenanceRun
    > {
        let name = job.node.name
        let run = NodeMaintenanceRun(
            view: view, desk: desk, web: web, policy: job.policy, settings: settings, node: name, leader: leader, inWork: { self.inWork })
        return Runner(
            operation: run, journal: journal, gate: gate, patience: .seconds(Self.patience), pause: .seconds(Self.pause), time: view.client.time
        ) { event in
            self.state.withLock { state in
                switch event {
                case .step(_, _, let title):
                    state.standings[name]?.step = title
                    state.standings[name]?.note = ""
                case .waiting(let reasons): state.standings[name]?.note = reasons.joined(separator: "; ")
                case .note(let text): state.standings[name]?.note = text
                default: break
                }
            }
            switch event {
            case .step(_, _, let title): self.log(.info, title, ["node": name, "maintenance": job.policy.name])
            case .waiting(let reasons): self.log(.info, "the gate waits: \(reasons.joined(separator: "; "))", ["node": name])
            case .note(let text): self.log(.info, text, ["node": name])
            default: break
            }
            self.changed(job.policy.name)
        }
    }

    private func work(_ job: Job, _ journal: ClusterJournal) async throws {
        let name = job.node.name
        let view = view
        let gate: @Sendable () -> Gate = { Gate(window: view.window(of: job.policy)) }
        let began = view.client.time.now()
        do {
            switch job.kind {
            case .begin(let reason, let seconds):
                // A mark from chance that rehearsals can repeat is none of security: it only has to be another each time.
                let mark = "\(name)-\(Timestamp.time(began))"
                var updates: [NodeAgent.Report.Package] = []
                if case .osUpdate(let choice) = job.policy.action { updates = view.agent(name)?.report?.updates(choice) ?? [] }
                let settings = MaintenanceRunSettings(
                    mark: mark, reason: reason, updates: updates.map { "\($0.name) \($0.to)" },
                    unready: try await NodeMaintenanceRun.unready(on: name, view.client), alertmanager: job.policy.alertmanager)
                let plan = job.policy.plan(node: name, mark: mark, reason: reason, seconds: seconds)
                state.withLock { $0.counts.begun += 1 }
                _ = try await runner(job, settings, journal, gate: gate).begin(
                    plan, id: name, settings: String(decoding: try JSONEncoder().encode(settings), as: UTF8.self))
            case .resume:
                let settings = try await settings(of: name, journal)
                _ = try await runner(job, settings, journal, gate: gate).resume(name, on: "node \(name)", takingLock: true)
            case .giveBack(let failed):
                return await giveBack(job, journal, failed: failed, why: "it is given back")
            }
        } catch let error as OperationError {
            return try await stopped(job, journal, error)
        }
        let now = view.client.time.now()
        let started = view.run(name)?.startedAt ?? began
        state.withLock {
            $0.counts.done += 1
            $0.durations[job.policy.name, default: []].append(now.timeIntervalSince(min(started, began)))
        }
        await view.client.note("DrydockMaintained", "\(job.policy.name) is done with the node", on: name)
        log(.info, "done", ["node": name, "maintenance": job.policy.name])
    }

    private func settings(of node: String, _ journal: ClusterJournal) async throws -> MaintenanceRunSettings {
        let run = try await journal.run(node)
        do { return try JSONDecoder().decode(MaintenanceRunSettings.self, from: Data(run.settings.utf8)) } catch {
            throw OperationError(.invalid, "the settings of the MaintenanceRun \(node) cannot be read: it was made by another version")
        }
    }

    /// A run stopped: what becomes of the node.
    private func stopped(_ job: Job, _ journal: ClusterJournal, _ error: OperationError) async throws {
        let name = job.node.name
        let run = try await journal.run(name)
        let why = run.message ?? error.description
        guard run.state == .stopped || run.state == .running else {
            // It had changed nothing.
            log(.info, "not begun: \(why)", ["node": name, "maintenance": job.policy.name])
            return
        }
        switch error.code {
        case .refused, .closed, .held: await giveBack(job, journal, failed: false, why: why)
        default:
            let isTriedAgain = job.policy.onFailure == .retry && job.retries < job.policy.retries
            if isTriedAgain {
                log(.warning, why, ["node": name, "maintenance": job.policy.name])
                try await journal.judge(failed: false, retries: job.retries + 1)
                try await view.client.time.sleep(.seconds(Self.retryPause * Double(1 << min(job.retries, 6))))
                var again = job
                again.kind = .resume
                again.retries += 1
                return try await work(again, journal)
            }
            await failed(job, journal, why)
            if job.policy.onFailure == .rollBack { await giveBack(job, journal, failed: true, why: why) }
        }
    }

    private func failed(_ job: Job, _ journal: ClusterJournal, _ why: String) async {
        let name = job.node.name
        state.withLock { $0.counts.failed += 1 }
        do { try await journal.judge(failed: true, retries: job.retries) } catch { log(.error, "\(error)", ["node": name]) }
        await view.client.note("DrydockMaintenanceFailed", why, on: name, isWarning: true)
        await tell(
            .failed, job.policy, node: name,
            "\(name) failed: \(why) It stays cordoned, and no other node begins. `drydock maintenance status` says what to do.")
    }

    /// Tells people, and writes down what did not get through.
    func tell(_ occasion: Notifier.Occasion, _ policy: MaintenancePolicy, node: String? = nil, _ message: String) async {
        log(occasion == .failed ? .error : .info, message, ["maintenance": policy.name, "occasion": occasion.rawValue])
        let failures = await Notifier(web: web, targets: policy.notifications).tell(
            occasion, maintenance: policy.name, node: node, message, at: view.client.time.now())
        for failure in failures { log(.warning, "a notification did not get through: \(failure)", ["maintenance": policy.name]) }
    }

    /// Takes the run back as far as it goes, at any hour: a node that takes pods again is disturbed no more.
    private func giveBack(_ job: Job, _ journal: ClusterJournal, failed isFailure: Bool, why: String) async {
        let name = job.node.name
        do {
            let settings = try await settings(of: name, journal)
            _ = try await runner(job, settings, journal, gate: { Gate() }).rollBack(name, on: "node \(name)", takingLock: true)
            try await journal.judge(failed: isFailure, retries: 0, message: why)
            state.withLock { $0.counts.givenBack += 1 }
            log(.info, "given back: \(why)", ["node": name, "maintenance": job.policy.name])
            await view.client.note("DrydockGivenBack", "\(job.policy.name) gives the node back: \(why)", on: name)
        } catch is CancellationError {
            // Whoever leads next sees to it.
        } catch {
            let reason = (try? await journal.run(name))?.message ?? "\(error)"
            log(.error, "it cannot be given back: \(reason)", ["node": name, "maintenance": job.policy.name])
            // Asked for once: whoever wants it again says so again.
            _ = try? await view.client.patch(
                .maintenanceRuns, ObjectName("", name), .merge(["metadata": ["annotations": [Annotations.abort: .null]]]))
            do { try await journal.judge(failed: true, retries: 0, message: "\(why); it could not be given back: \(reason)") } catch {
                log(.error, "\(error)", ["node": name])
            }
        }
    }
}
