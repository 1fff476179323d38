internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations

/// How commands begin, resume and roll back runs on the nodes of a cluster.
struct NodeRunSession {
    let output: OutputOptions

    /// Shows the plan, or carries it out.
    func run(_ client: KubernetesClient, _ made: NodeDrainPlan.Made, _ settings: NodeRunSettings, isRehearsal: Bool) async throws {
        let report = DrainReport(made)
        let neverEnds = !made.forecast.blocked.isEmpty
        if isRehearsal || !made.plan.refusals.isEmpty {
            try output.emit(report) { report.text }
            if !made.plan.refusals.isEmpty { throw Outcome(status: .refused) }
            if neverEnds { throw Outcome(status: .findings) }
            return
        }
        for remark in made.plan.remarks { output.remark("note: \(remark)") }
        for blocked in made.forecast.blocked {
            output.remark("warning: \(blocked.pod) on \(blocked.node) can never go: \(blocked.reason); \(blocked.remedy)")
        }
        for unplaced in made.forecast.unplaced.prefix(5) { output.remark("warning: \(unplaced.pod) would find no node: \(unplaced.reason)") }
        let json = String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
        let gate = settings.gate(at: Date())
        try await carryOut(client, settings, gate: gate) { runner in try await runner.begin(made.plan, settings: json) }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, takingLock: Bool) async throws {
        let settings: NodeRunSettings
        do { settings = try JSONDecoder().decode(NodeRunSettings.self, from: Data(record.settings.utf8)) } catch {
            throw OperationError(
                .invalid, "the settings of the run \(record.id) cannot be read: \(error). It was made by another version; abandon it.")
        }
        let config = try Kubeconfig(paths: settings.kubeconfigs, mustExist: false)
        let environment = ProcessInfo.processInfo.environment
        let access = config.paths.isEmpty ? ClusterAccess.inCluster(environment: environment) : nil
        try await KubernetesClient.connected(try access ?? config.access(context: settings.context, environment: environment)) { client in
            let subject = try await client.clusterSubject()
            // What is taken back is taken back now: the way out must not wait for a window.
            let gate = continuation == .resume ? settings.gate(at: Date()) : Gate()
            try await carryOut(client, settings, gate: gate) { runner in
                switch continuation {
                case .resume: try await runner.resume(record.id, on: subject, takingLock: takingLock)
                case .rollBack: try await runner.rollBack(record.id, on: subject, takingLock: takingLock)
                }
            }
        }
    }

    private func carryOut(
        _ client: KubernetesClient, _ settings: NodeRunSettings, gate: Gate, _ work: @escaping @Sendable (Runner<NodeRun>) async throws -> RunRecord
    ) async throws {
        let journal = try Journal.ofThisUser()
        let discovery = try await client.discover()
        let board = ProgressBoard(output)
        let output = output
        let result = await withTaskGroup(of: Result<RunRecord, any Error>?.self) { group in
            group.addTask {
                do {
                    return .success(
                        try await DrainDesk.working(client, settings, discovery: discovery) { desk in
                            try await board.showing({ desk.progress }) {
                                try await work(
                                    Runner(
                                        operation: NodeRun(client: client, settings: settings, desk: desk), journal: journal, gate: gate,
                                        patience: .seconds(settings.patienceSeconds), notify: { event in board.above { output.tellRun(event) } }))
                            }
                        })
                } catch { return .failure(error) }
            }
            return await group.next() ?? nil
        }
        guard let result else { return }
        // A run that stopped has a report, too; the error comes after it.
        let run: RunRecord?
        switch result {
        case .success(let record): run = record
        case .failure(let error): run = error is OperationError ? try journal.runs().first { $0.owner == .current } : nil
        }
        if let run {
            let report = RunReport(run)
            try output.emit(report) { report.text }
        }
        do { _ = try result.get() } catch let error as OperationError {
            if let run { await complain(of: run, client) }
            throw error
        }
    }

    /// Which nodes a run that did not end leaves closed.
    private func complain(of run: RunRecord, _ client: KubernetesClient) async {
        guard let plan = try? Runner<NodeRun>.plan(of: run) else { return }
        let cordoned = zip(plan.steps, run.steps).compactMap { step, record -> String? in
            guard case .cordon(let node) = step.action, record.state == .done || record.state == .started else { return nil }
            return node
        }
        let opened = zip(plan.steps, run.steps).compactMap { step, record -> String? in
            guard case .uncordon(let node) = step.action, record.state.isOver else { return nil }
            return node
        }
        let left = cordoned.filter { !opened.contains($0) }
        if !left.isEmpty { output.remark("left cordoned: \(left.joined(separator: ", "))") }
    }
}
