internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations

/// How commands begin, resume and roll back runs on the nodes of a cluster.
struct NodeRunSession {
    let output: OutputOptions
    let probe: ProbeOptions

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
        if neverEnds, settings.options.timeoutSeconds == 0 {
            try output.emit(report) { report.text }
            throw OperationError(
                .refused,
                "\(made.forecast.blocked.count) pods can never go, and nothing was touched. Do what stands beside them, or give --timeout to evict what can go until then."
            )
        }
        for remark in made.plan.remarks { output.remark("note: \(remark)") }
        for blocked in made.forecast.blocked {
            output.remark("warning: \(blocked.pod) on \(blocked.node) can never go: \(blocked.reason); \(blocked.remedy)")
        }
        for unplaced in made.forecast.unplaced.prefix(5) { output.remark("warning: \(unplaced.pod) would find no node: \(unplaced.reason)") }
        try await carryOut(client, settings, gate: settings.gate()) { try await $0.begin(made.plan, settings: settings.json()) }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, _ kubernetes: KubernetesOptions, takingLock: Bool) async throws {
        let settings = try NodeRunSettings(of: record)
        // As the run began, unless somebody says otherwise: it is the same cluster in any case, which is checked.
        let isTold = kubernetes.kubeconfig != nil || kubernetes.context != nil
        let access =
            try isTold
            ? kubernetes.access
            : ClusterAccess.discover(paths: settings.kubeconfigs, context: settings.context, environment: ProcessInfo.processInfo.environment)
        try await KubernetesClient.connected(access) { client in
            let subject = try await client.clusterSubject()
            try await carryOut(client, settings, gate: continuation.gate(settings)) {
                try await continuation.carryOut($0, record.id, on: subject, takingLock: takingLock)
            }
        }
    }

    private func carryOut(
        _ client: KubernetesClient, _ settings: NodeRunSettings, gate: Gate, _ work: @escaping @Sendable (Runner<NodeRun>) async throws -> RunRecord
    ) async throws {
        let journal = try Journal.ofThisUser()
        let board = ProgressBoard(output)
        let output = output
        let (result, seen) = try await probe.watching { watchdog -> Result<RunRecord, any Error> in
            do {
                return .success(
                    try await NodeRun.working(
                        client, settings, journal: journal, gate: { gate.observing(watchdog()) },
                        notify: { event in board.above { output.tellRun(event) } }
                    ) { runner, desk in
                        try await board.showing({ desk.progress }) { try await work(runner) }
                    })
            } catch { return .failure(error) }
        }
        let run = try output.report(result, of: journal, availability: seen)
        if case .failure(is OperationError) = result, let run { complain(of: run) }
        _ = try result.get()
    }

    /// Which nodes a run that did not end leaves closed.
    private func complain(of run: RunRecord) {
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
