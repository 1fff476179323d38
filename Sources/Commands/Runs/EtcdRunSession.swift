internal import Etcd
internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

/// How commands begin, resume and roll back runs on an etcd cluster: the plan is shown, the run is told step by step, its report is printed.
struct EtcdRunSession {
    let output: OutputOptions
    let probe: ProbeOptions

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
            guard try RunSession(output: output, probe: probe).accepts(plan, isRehearsal: options.dryRun) else { return }
            let settings = EtcdRunSettings(
                configuration: configuration, view: view, limits: limits, window: options.gate.window, maxSeconds: options.gate.maxSeconds,
                quota: quota,
                toleratesNoSpace: toleratesNoSpace, acceptsRisk: options.acceptRisk)
            try await carryOut(client, view, settings, gate: settings.gate()) { try await $0.begin(plan, settings: settings.json()) }
        }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, _ etcd: EtcdOptions, takingLock: Bool) async throws {
        let settings = try EtcdRunSettings(of: record)
        let configuration = try etcd.overriding(settings.configuration(password: etcd.password(of: settings.user)))
        try await EtcdClient.connected(configuration) { client in
            let view = try await ClusterView.read(client, [])
            try await carryOut(client, view, settings, gate: continuation.gate(settings)) {
                try await continuation.carryOut($0, record.id, on: view.subject, takingLock: takingLock)
            }
        }
    }

    private func carryOut(
        _ client: EtcdClient, _ view: ClusterView, _ settings: EtcdRunSettings, gate: Gate, _ work: (Runner<EtcdRun>) async throws -> RunRecord
    ) async throws {
        let journal = try Journal.ofThisUser()
        let endpoints = view.voters.compactMap(\.endpoint)
        let ((result, reads), seen) = try await probe.watching { watchdog in
            let runner = Runner(
                operation: EtcdRun(client: client, settings: settings), journal: journal, gate: { gate.observing(watchdog()) },
                patience: .seconds(settings.limits.patienceSeconds), notify: output.tellRun)
            return try await ReadProbe.watching(client, through: endpoints) { () async -> Result<RunRecord, any Error> in
                do { return .success(try await work(runner)) } catch { return .failure(error) }
            }
        }
        try output.report(result, of: journal, probe: reads, availability: seen)
        _ = try result.get()
    }
}
