internal import Etcd
internal import Foundation
internal import Journal
internal import KubernetesClient
internal import Maintenance
internal import ObjectStore
internal import Operations

/// How commands begin, resume and roll back upgrades.
struct UpgradeSession {
    let session: RunSession

    func begin(_ client: KubernetesClient, _ made: UpgradeRequest.Made) async throws -> RunRecord {
        try await carryOut(client, made.settings, gate: made.settings.gate(), checks: made.checks) {
            try await $0.begin(made.plan, settings: made.settings.json())
        }
    }

    /// Works, and where the run stopped because its window closed, waits for the next opening and goes on with it.
    /// - Parameter window: nil to work once.
    func overWindows(_ window: Window?, _ kubernetes: KubernetesOptions, _ work: @escaping () async throws -> Void) async throws {
        var work = work
        while true {
            do { return try await work() } catch let error as OperationError where error.code == .closed {
                guard let window, let opening = window.nextOpening(after: Date()),
                    let run = try Journal.ofThisUser().runs().first(where: { $0.operation.hasPrefix("upgrade ") }), run.state == .stopped
                else { throw error }
                session.output.remark("the window is closed; \(run.id) goes on at \(opening.formatted(.iso8601))")
                try await Task.sleep(for: .seconds(max(1, opening.timeIntervalSinceNow)))
                work = { try await goOn(run, .resume, kubernetes, takingLock: false) }
            }
        }
    }

    /// Goes on with a run of the journal, or takes it back.
    func goOn(_ record: RunRecord, _ continuation: RunReference.Continuation, _ kubernetes: KubernetesOptions, takingLock: Bool) async throws {
        var settings = try UpgradeSettings(of: record)
        // As the run began, unless somebody says otherwise: it is the same cluster in any case, which is checked.
        let isTold = kubernetes.kubeconfig != nil || kubernetes.context != nil
        let access = try isTold ? kubernetes.access : access(settings)
        if isTold { settings.reachNodes(by: kubernetes.files, context: kubernetes.context) }
        try await KubernetesClient.connected(access) { [settings] client in
            // In the middle of a whole rollback there is no API that could say which cluster it is; the hosts are those that the run began with.
            let isAway = settings.restore == nil ? false : await !UpgradeRun.answers(client)
            let subject = isAway ? record.subject : try await client.clusterSubject()
            _ = try await carryOut(client, settings, gate: continuation.gate(settings)) {
                try await continuation.carryOut($0, record.id, on: subject, takingLock: takingLock)
            }
        }
    }

    /// As the run began.
    func access(_ settings: UpgradeSettings) throws -> ClusterAccess {
        try ClusterAccess.discover(
            paths: settings.drain.kubeconfigs, context: settings.drain.context, environment: ProcessInfo.processInfo.environment)
    }

    /// Takes a whole upgrade back.
    func beginRollback(_ client: KubernetesClient, _ plan: UpgradeAction.Plan, _ settings: UpgradeSettings, _ loss: DataLoss?) async throws {
        let run = try await carryOut(client, settings, gate: Gate(), loss: loss) { try await $0.begin(plan, settings: settings.json()) }
        guard let loss else { return }
        session.output.remark(
            "the upgrade is taken back; \(loss.revisions) revisions were lost, which `drydock upgrade status \(run.id) --report FILE.html` lists")
    }

    private func carryOut(
        _ client: KubernetesClient, _ settings: UpgradeSettings, gate: Gate,
        checks: [UpgradeCheck]? = nil, loss: DataLoss? = nil, _ work: @escaping @Sendable (Runner<UpgradeRun>) async throws -> RunRecord
    ) async throws -> RunRecord {
        let session = session
        do {
            return try await UpgradeRun.working(client, settings, on: Self.hosts(settings, remark: session.output.remark), restore: restore(settings))
            { operation in
                let run = try await session.carryOut(
                    operation, gate: gate, patience: settings.drain.patienceSeconds, checks: checks, loss: loss, work)
                if let left = await NodeShell.removeAll(of: settings.nodes, client) { session.output.remark(left) }
                return run
            }
        } catch {
            if let left = NodeShell.whatStays(of: settings.nodes) { session.output.remark(left) }
            // No node is left closed without a word.
            let journal = try Journal.ofThisUser()
            if let run = try journal.runs(limit: 100).first(where: { $0.owner == journal.owner && $0.operation.hasPrefix("upgrade ") }),
                let report = try? UpgradeRunReport(run, journal, at: Date())
            {
                for line in report.leftOvers { session.output.remark("left: \(line)") }
            }
            throw error
        }
    }

    private func restore(_ settings: UpgradeSettings) throws -> RestoreRun? {
        try settings.restore.map { restored in
            RestoreRun(
                settings: restored, identities: try IdentityOptions.read(restored.identityFiles),
                source: {
                    try await BackupSource.open(restored.location) { (catalog: BackupCatalog) in (catalog, try await catalog.find(restored.backup)) }
                })
        }
    }

    /// The nodes themselves, and a backup that is read back whole.
    static func hosts(_ settings: UpgradeSettings, remark: @escaping @Sendable (String) -> Void) -> KubeadmHosts {
        KubeadmHosts(settings) { client, files, asked in
            let now = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
            let create = BackupCreate(cluster: asked.cluster, recipients: asked.recipients, files: files, drydock: Version.current)
            return try await BackupPlace.open(asked.locations[...], []) { stores in
                let outcome = try await create.run(client, into: stores, at: now)
                for (location, error) in outcome.failed { remark("warning: the backup is not in \(location): \(error)") }
                let identities = try IdentityOptions.read(asked.identityFiles)
                for store in stores where outcome.stored.contains(store.location) {
                    let catalog = BackupCatalog(store)
                    let found = try await catalog.find(outcome.folder)
                    try await catalog.readBack(found, identities: identities) { _, _ in }
                    if !identities.isEmpty || asked.recipients.isEmpty { try await catalog.markVerified(found, drydock: Version.current, at: Date()) }
                }
                return outcome.folder
            }
        }
    }
}
