internal import Foundation
internal import Journal
internal import Maintenance
internal import ObjectStore
internal import Operations
internal import SystemPackage

/// How commands begin, resume and roll back restores of a control plane.
struct RestoreSession {
    let session: RunSession

    /// Where the members are made, a folder of this run alone: beside the journal, unless somebody says otherwise.
    static func workFolder(_ tag: String, in parent: String?) throws -> String {
        if let parent { return URL(fileURLWithPath: parent).appendingPathComponent("drydock-restore-\(tag)").path }
        let journal = try Journal.defaultPath(environment: ProcessInfo.processInfo.environment)
        return journal.removingLastComponent().appending("restore-\(tag)").string
    }

    func begin(_ made: RestorePlan.Made, _ backup: StoredBackup, in catalog: BackupCatalog, _ identities: [AgeIdentity]) async throws {
        let progress = ProgressBar("transfer", options: session.output)
        let operation = RestoreRun(
            settings: made.settings, identities: identities, source: { (catalog, backup) }, progress: { progress.advance(by: $0) })
        try await carryOut(operation, gate: made.settings.gate()) { try await $0.begin(made.plan, settings: made.settings.json()) }
    }

    /// Goes on with a run of the journal, or takes it back. The backup is looked for only while the run has not fetched it.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, takingLock: Bool) async throws {
        let settings = try RestoreSettings(of: record)
        func carryOut(_ identities: [AgeIdentity], _ source: @escaping @Sendable () async throws -> (BackupCatalog, StoredBackup)) async throws {
            try await self.carryOut(RestoreRun(settings: settings, identities: identities, source: source), gate: continuation.gate(settings)) {
                try await continuation.carryOut($0, record.id, on: record.subject, takingLock: takingLock)
            }
        }
        let isFetched = record.steps.first { $0.id == RestorePlan.fetchStep }?.state.isOver ?? false
        if isFetched || continuation == .rollBack {
            return try await carryOut([]) {
                throw OperationError(.stopped, "the data of the run \(record.id) is gone. Roll it back, and begin again.")
            }
        }
        let identities = try IdentityOptions.read(settings.identityFiles)
        try await BackupSource.open(settings.location) { catalog in
            try await carryOut(identities) { (catalog, try await catalog.find(settings.backup)) }
        }
    }

    private func carryOut(_ operation: RestoreRun, gate: Gate, _ work: (Runner<RestoreRun>) async throws -> RunRecord) async throws {
        let run = try await session.carryOut(operation, gate: gate, patience: 60, work)
        if run.state == .done {
            session.output.remark("the old data stays on the hosts, beside the new; `drydock runs rollback \(run.id)` puts it back")
        }
    }
}
