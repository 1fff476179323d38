internal import Etcd
internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

/// How commands begin, resume and roll back runs on an etcd cluster: the plan is shown, the run is told step by step, its report is printed.
struct EtcdRunSession {
    let output: OutputOptions

    /// Makes a plan from what the cluster says, and carries it out unless this is a rehearsal.
    func run(
        _ configuration: EtcdConfiguration, _ options: RunOptions, joinTimeout: Duration? = nil, toleratesNoSpace: Bool = false, quota: Int64? = nil,
        plan make: @escaping @Sendable (ClusterView) throws -> EtcdAction.Plan
    ) async throws {
        var limits = options.limits
        if let joinTimeout { limits.joinSeconds = joinTimeout.seconds }
        try await EtcdClient.connected(configuration) { client in
            let view = try await ClusterView.read(client, [.reads, .metrics])
            let plan = try make(view)
            if options.dryRun || plan.steps.isEmpty || !plan.refusals.isEmpty {
                try output.emit(plan) { PlanText(plan).text }
                if !plan.refusals.isEmpty { throw Outcome(status: .refused) }
                return
            }
            for remark in plan.remarks { output.remark("note: \(remark)") }
            let settings = EtcdRunSettings(
                configuration: configuration, view: view, limits: limits, window: options.gate.window, maxSeconds: options.gate.maxSeconds,
                quota: quota,
                toleratesNoSpace: toleratesNoSpace, acceptsRisk: options.acceptRisk)
            let runner = try runner(client, settings, gate: settings.gate())
            try await carryOut(client, view) { try await runner.begin(plan, settings: settings.json()) }
        }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, _ etcd: EtcdOptions, takingLock: Bool) async throws {
        let settings = try EtcdRunSettings(of: record)
        let configuration = try etcd.overriding(settings.configuration(password: etcd.password(of: settings.user)))
        try await EtcdClient.connected(configuration) { client in
            let view = try await ClusterView.read(client, [])
            let runner = try runner(client, settings, gate: continuation.gate(settings))
            try await carryOut(client, view) { try await continuation.carryOut(runner, record.id, on: view.subject, takingLock: takingLock) }
        }
    }

    private func runner(_ client: EtcdClient, _ settings: EtcdRunSettings, gate: Gate) throws -> Runner<EtcdRun> {
        Runner(
            operation: EtcdRun(client: client, settings: settings), journal: try Journal.ofThisUser(), gate: { gate },
            patience: .seconds(settings.limits.patienceSeconds), notify: output.tellRun)
    }

    private func carryOut(_ client: EtcdClient, _ view: ClusterView, _ work: () async throws -> RunRecord) async throws {
        let endpoints = view.voters.compactMap(\.endpoint)
        let (result, probe) = try await ReadProbe.watching(client, through: endpoints) { () async -> Result<RunRecord, any Error> in
            do { return .success(try await work()) } catch { return .failure(error) }
        }
        try output.report(result, of: try Journal.ofThisUser(), probe: probe)
        _ = try result.get()
    }
}
