internal import Maintenance
internal import Operations

/// How commands begin, resume and roll back runs on certificates.
struct CertificateSession {
    let session: RunSession

    func begin(_ made: CertificatePlan) async throws -> RunRecord {
        try await carryOut(made.settings, gate: made.settings.gate()) { try await $0.begin(made.plan, settings: made.settings.json()) }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, takingLock: Bool) async throws {
        let settings = try CertificateSettings(of: record)
        _ = try await carryOut(settings, gate: continuation.gate(settings)) {
            try await continuation.carryOut($0, record.id, on: record.subject, takingLock: takingLock)
        }
    }

    private func carryOut(
        _ settings: CertificateSettings, gate: Gate, _ work: (Runner<CertificateRun>) async throws -> RunRecord
    ) async throws -> RunRecord {
        try await session.carryOut(CertificateRun(settings: settings), gate: gate, patience: settings.patienceSeconds, work)
    }
}
