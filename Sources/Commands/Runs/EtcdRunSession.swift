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
                configuration: configuration, view: view, limits: limits, window: options.window, maxSeconds: options.maxDuration?.duration.seconds,
                quota: quota,
                toleratesNoSpace: toleratesNoSpace, acceptsRisk: options.acceptRisk)
            let json = String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
            let runner = try runner(client, settings, gate: settings.gate(at: Date()))
            try await carryOut(client, view) { try await runner.begin(plan, settings: json) }
        }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, _ etcd: EtcdOptions, takingLock: Bool) async throws {
        let settings = try Self.settings(of: record)
        let configuration = try etcd.overriding(settings.configuration(password: etcd.password(of: settings.user)))
        try await EtcdClient.connected(configuration) { client in
            let view = try await ClusterView.read(client, [])
            // What is taken back is taken back now: the way out must not wait for a window.
            let gate = continuation == .resume ? settings.gate(at: Date()) : Gate()
            let runner = try runner(client, settings, gate: gate)
            try await carryOut(client, view) {
                switch continuation {
                case .resume: try await runner.resume(record.id, on: view.subject, takingLock: takingLock)
                case .rollBack: try await runner.rollBack(record.id, on: view.subject, takingLock: takingLock)
                }
            }
        }
    }

    private static func settings(of run: RunRecord) throws -> EtcdRunSettings {
        do { return try JSONDecoder().decode(EtcdRunSettings.self, from: Data(run.settings.utf8)) } catch {
            throw OperationError(.invalid, "the settings of the run \(run.id) cannot be read: \(error). It was made by another version; abandon it.")
        }
    }

    private func runner(_ client: EtcdClient, _ settings: EtcdRunSettings, gate: Gate) throws -> Runner<EtcdRun> {
        Runner(
            operation: EtcdRun(client: client, settings: settings), journal: try Journal.ofThisUser(), gate: gate,
            patience: .seconds(settings.limits.patienceSeconds), notify: output.tellRun)
    }

    private func carryOut(_ client: EtcdClient, _ view: ClusterView, _ work: () async throws -> RunRecord) async throws {
        let endpoints = view.voters.compactMap(\.endpoint)
        let (result, probe) = try await ReadProbe.watching(client, through: endpoints) { () async -> Result<RunRecord, any Error> in
            do { return .success(try await work()) } catch { return .failure(error) }
        }
        // A run that stopped has a report, too; the error comes after it.
        let run: RunRecord?
        switch result {
        case .success(let record): run = record
        case .failure(let error): run = error is OperationError ? try Journal.ofThisUser().runs().first { $0.owner == .current } : nil
        }
        if let run {
            let report = RunReport(run, probe: probe)
            try output.emit(report) { report.text }
        }
        _ = try result.get()
    }
}
