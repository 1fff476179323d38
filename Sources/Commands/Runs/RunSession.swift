internal import Journal
internal import Maintenance
internal import NodeAccess
internal import Operations

/// How commands carry runs out: told step by step, with the probe that somebody asked for beside them, and reported at the end.
struct RunSession {
    let output: OutputOptions
    let probe: ProbeOptions

    /// Shows a plan that is not to be carried out: a rehearsal, one without steps, one that a safety rule forbids. Otherwise tells its remarks.
    /// - Parameter show: prints it.
    /// - Returns: whether it is to be carried out.
    /// - Throws: `Outcome` `.refused`.
    func accepts<Action>(_ plan: Plan<Action>, isRehearsal: Bool, show: (() throws -> Void)? = nil) throws -> Bool {
        guard isRehearsal || plan.steps.isEmpty || !plan.refusals.isEmpty else {
            for remark in plan.remarks { output.remark("note: \(remark)") }
            return true
        }
        if let show { try show() } else { try output.emit(plan) { PlanText(plan).text } }
        if !plan.refusals.isEmpty { throw Outcome(status: .refused) }
        return false
    }

    /// Works with a runner for `operation`, and prints what the run did, also when it stopped.
    /// - Parameters:
    ///   - patience: how long the gate may hold a step up, seconds.
    ///   - checks: what was found before it.
    ///   - loss: what it makes undone.
    @discardableResult
    func carryOut<Operation: RunOperation>(
        _ operation: Operation, gate: Gate, patience: Double, checks: [UpgradeCheck]? = nil, loss: DataLoss? = nil,
        _ work: (Runner<Operation>) async throws -> RunRecord
    ) async throws -> RunRecord {
        let journal = try Journal.ofThisUser()
        let chronicle = RunChronicle(journal, checks: checks, loss: loss)
        let tell = output.tellRun
        let (result, seen) = try await probe.watching { watchdog -> Result<RunRecord, any Error> in
            let runner = Runner(
                operation: operation, journal: journal, gate: { gate.observing(watchdog() + chronicle.observations) }, patience: .seconds(patience),
                notify: { event in
                    chronicle.notice(event)
                    tell(event)
                })
            return await NodeAccess.$recorder.withValue({ chronicle.record($0) }) {
                do { return .success(try await work(runner)) } catch { return .failure(error) }
            }
        }
        if let seen { chronicle.record(seen) }
        try output.report(result, of: journal, availability: seen)
        return try result.get()
    }
}
