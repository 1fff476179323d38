internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

/// How commands begin, resume and roll back runs on load balancers.
struct LoadBalancerSession {
    let session: RunSession

    /// Carries a plan out.
    /// - Parameter goesBack: whether a run that fails is taken back at once: who waits for a person with a configuration that does not serve?
    func begin(_ plan: LoadBalancerAction.Plan, _ settings: LoadBalancerRunSettings, goesBack: Bool = false) async throws -> RunRecord {
        try await carryOut(settings, gate: settings.gate()) { runner in
            do { return try await runner.begin(plan, settings: settings.json()) } catch let error as OperationError where goesBack {
                guard !Task.isCancelled, let run = try runner.stoppedRun else { throw error }
                session.output.remark("\(error)")
                session.output.remark("taking it back")
                _ = try await runner.rollBack(run.id, on: run.subject, takingLock: false)
                throw OperationError(error.code, "the run \(run.id) was taken back, and the old configuration serves: \(run.message ?? "\(error)")")
            }
        }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, takingLock: Bool) async throws {
        let settings = try LoadBalancerRunSettings(of: record)
        _ = try await carryOut(settings, gate: continuation.gate(settings)) {
            try await continuation.carryOut($0, record.id, on: record.subject, takingLock: takingLock)
        }
    }

    private func carryOut(
        _ settings: LoadBalancerRunSettings, gate: Gate, _ work: (Runner<LoadBalancerRun>) async throws -> RunRecord
    ) async throws -> RunRecord {
        try await session.carryOut(LoadBalancerRun(settings: settings), gate: gate, patience: settings.settleSeconds, work)
    }
}

extension Runner {
    /// The run of this process that stopped and can be taken back.
    fileprivate var stoppedRun: RunRecord? {
        get throws { try (journal as? Journal)?.runs(limit: 100).first { $0.owner == journal.owner && $0.state == .stopped } }
    }
}
