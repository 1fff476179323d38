internal import Crypto
internal import Etcd
internal import EtcdStorage
internal import Foundation
package import Maintenance
internal import NodeAccess
package import ObjectStore
internal import SystemPackage

/// Carries a restore out: on this machine, and on the hosts through their shells. Each step finds out by itself whether it is done, so that a run
/// that was killed anywhere goes on, or goes back.
package struct RestoreRun: RunOperation {
    package let settings: RestoreSettings
    let identities: [AgeIdentity]
    let source: @Sendable () async throws -> (BackupCatalog, StoredBackup)
    let time: RunTime
    let progress: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - source: where the backup is; asked only when it is fetched.
    ///   - progress: told how many bytes more are fetched or sent.
    package init(
        settings: RestoreSettings, identities: [AgeIdentity], time: RunTime = .system,
        source: @escaping @Sendable () async throws -> (BackupCatalog, StoredBackup), progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.settings = settings
        self.identities = identities
        self.time = time
        self.source = source
        self.progress = progress
    }

    package var canUndoWhenDone: Bool { true }

    private var paths: RestorePaths { settings.paths }
    private var work: RestoreWork { RestoreWork(settings) }

    package func changedNothing(_ error: any Error) -> Bool { false }

    package func checks(before step: RestoreAction.Step) async throws -> [GateCheck] { [] }

    package func evidence(before step: RestoreAction.Step) async throws -> [String: String] { [:] }

    // MARK: Already so?

    package func isAlreadySo(_ step: RestoreAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .prepare: return work.prepared == nil ? nil : "prepared"
        case .discard: return work.exists ? nil : "nothing is there"
        case .send(let name):
            let host = try settings.host(name)
            return try await holds("[ -e \(q(paths.staged(host))) ]", host) ? "the data is there, and was checked" : nil
        case .takeAway(let name):
            let host = try settings.host(name)
            let staged = paths.staged(host)
            return try await holds("[ ! -e \(q(staged)) ] && [ ! -e \(q(staged + ".part")) ]", host) ? "nothing is there" : nil
        case .swapIn(let name):
            let host = try settings.host(name)
            let isDone = try await holds("[ ! -e \(q(paths.staged(host))) ] && [ -e \(q(host.dataDirectory + "/member")) ]", host)
            return isDone && evidence != nil ? "exchanged" : nil
        case .swapOut(let name):
            let host = try settings.host(name)
            return try await holds(RestoreScripts(paths).isSwappedOut(host), host) ? "the old data is in place" : nil
        case .placeFiles(let name): return try await holds("[ -e \(q(paths.aside + "/files.done")) ]", try settings.host(name)) ? "in place" : nil
        case .takeFilesBack(let name):
            return try await holds(RestoreScripts(paths).areFilesBack, try settings.host(name)) ? "the old files are in place" : nil
        case .stop(let components, let name):
            guard !components.isEmpty else { return "nothing was to be stopped" }
            let host = try settings.host(name)
            let script = host.pods(paths).isStopped(components)
            return try await holds(script, host) ? "nothing of it runs" : nil
        case .start(let components, let name):
            guard !components.isEmpty else { return "nothing was to be started" }
            let host = try settings.host(name)
            return try await holds(host.pods(paths).isStarted(components), host) ? "it runs" : nil
        case .checkHosts, .checkStopped, .awaitQuorum, .awaitServers: return nil
        }
    }

    private func q(_ path: String) -> String { NodeAccess.quoted(path) }

    private func holds(_ condition: String, _ host: ControlPlaneHost) async throws -> Bool {
        try await host.access.text("if \(condition); then echo yes; fi").hasPrefix("yes")
    }

    // MARK: Acting

    package func act(_ step: RestoreAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .prepare:
            let (catalog, backup) = try await source()
            return try await work.prepare(backup, in: catalog, identities, progress: progress)
        case .discard:
            work.remove()
            return nil
        case .send(let name): return try await send(try settings.host(name))
        case .takeAway(let name):
            let host = try settings.host(name)
            _ = try await host.access.text("rm -rf \(q(paths.staged(host))) \(q(paths.staged(host) + ".part"))")
            return nil
        case .checkHosts:
            for host in settings.hosts {
                guard try await holds("[ -e \(q(paths.staged(host))) ]", host) else {
                    throw OperationError(
                        .stopped, "the restored data is no longer on \(host.name), in \(paths.staged(host)). Roll the run back, and begin again.")
                }
            }
            return "\(settings.hosts.count) hosts hold their data"
        case .stop(let components, let name):
            let host = try settings.host(name)
            _ = try await host.access.text(host.pods(paths).stop(components, seconds: Int(settings.patienceSeconds)))
            return nil
        case .start(let components, let name):
            let host = try settings.host(name)
            _ = try await host.access.text(host.pods(paths).start(components, seconds: Int(settings.patienceSeconds)))
            return nil
        case .checkStopped:
            for host in settings.hosts where !(try await holds(host.pods(paths).isStopped(Component.allCases), host)) {
                throw OperationError(.stopped, "something of the control plane runs on \(host.name) again. Who starts it there?")
            }
            return nil
        case .placeFiles(let name):
            let host = try settings.host(name)
            guard let files = try work.controlPlaneFiles()[name] else {
                throw OperationError(.invalid, "the backup holds no files of \(name). Run without --files, or leave \(name) out.")
            }
            let manifests = String(paths.manifests.drop { $0 == "/" }) + "/"
            let aside = Set(host.starting.map { "\(manifests)\($0.rawValue).yaml" })
            let archive = try files.archive { !aside.contains($0) }
            let pods = try files.archive { aside.contains($0) }
            _ = try await host.access.text(RestoreScripts(paths).replacePods, input: pods)
            _ = try await host.access.text(RestoreScripts(paths).unpackFiles, input: archive)
            _ = try await host.access.text(RestoreScripts(paths).placeFiles)
            return "\(files.files.count) files"
        case .takeFilesBack(let name):
            _ = try await settings.host(name).access.text(RestoreScripts(paths).takeFilesBack)
            return nil
        case .swapIn(let name):
            let host = try settings.host(name)
            _ = try await host.access.text(RestoreScripts(paths).swapIn(host))
            return "the old data is in \(paths.before(host))"
        case .swapOut(let name):
            let host = try settings.host(name)
            _ = try await host.access.text(RestoreScripts(paths).swapOut(host))
            return "what was restored is in \(paths.after(host)), if it was in place"
        case .awaitQuorum:
            let prepared = try work.requirePrepared()
            try await wait { try await ControlPlaneProbe(settings.hosts).complaintOfEtcd(liveKeys: prepared.liveKeys, at: prepared.revision) }
            return "\(settings.hosts.count) members serve \(prepared.liveKeys) keys, as the backup has them"
        case .awaitServers:
            var found: [String] = []
            for host in settings.hosts {
                guard let server = host.server else { continue }
                var count: Int?
                try await wait {
                    count = try await ControlPlaneProbe(settings.hosts).nodes(of: host, server)
                    return nil
                }
                found.append("\(host.name) \(count.map { "knows \($0) nodes" } ?? "runs")")
            }
            work.remove()
            return found.joined(separator: ", ")
        }
    }

    package func verify(_ step: RestoreAction.Step) async throws {
        if case .swapIn(let name) = step.action {
            let host = try settings.host(name)
            guard try await holds("[ -e \(q(host.dataDirectory + "/member/snap/db")) ]", host) else {
                throw OperationError(.stopped, "\(host.name) has no database in \(host.dataDirectory)/member after the exchange.")
            }
        }
    }

    /// Asks until nothing is missing any more, as long as patience lasts.
    private func wait(for complaint: () async throws -> String?) async throws {
        let limit = time.now().addingTimeInterval(settings.patienceSeconds)
        while true {
            let missing: String?
            do { missing = try await complaint() } catch let error as CancellationError { throw error } catch let error as OperationError
                where error.code == .damaged
            { throw error } catch { missing = "\(error)" }
            guard let missing else { return }
            guard time.now() < limit else { throw OperationError(.stopped, "\(missing), after \(Int(settings.patienceSeconds)) s of waiting") }
            try await time.sleep(.milliseconds(500))
        }
    }

    // MARK: Sending

    /// Brings a member's folder to its host, checks it there by its hashes, and gives it its name.
    private func send(_ host: ControlPlaneHost) async throws -> String {
        let staged = paths.staged(host)
        let files = try work.files(of: host)
        let progress = progress
        try await host.access.run(
            """
            mkdir -p \(q(host.dataDirectory))
            chmod 700 \(q(host.dataDirectory))
            rm -rf \(q(staged + ".part"))
            mkdir -m 700 \(q(staged + ".part"))
            tar -xpf - -C \(q(staged + ".part"))
            """,
            send: { input in
                for file in files {
                    try await input.write(try TarWriter.header(file.entry))
                    try await file.read { bytes in
                        try await input.write(bytes)
                        progress(bytes.count)
                    }
                    try await input.write(TarWriter.padding(after: file.entry.size))
                }
                try await input.write(TarWriter.end)
            }, receive: { _ in })
        let sums = try files.compactMap { file in try file.digest().map { "\($0)  \(file.entry.path)\n" } }.joined()
        _ = try await host.access.text(
            """
            cd \(q(staged + ".part"))
            \(files.compactMap { file in file.wholeSize.map { "truncate -s \($0) \(q(file.entry.path))" } }.joined(separator: "\n"))
            sha256sum -c - >/dev/null
            owner=$(stat -c %u:%g \(q(host.dataDirectory)))
            chown -R "$owner" .
            sync
            mv \(q(staged + ".part")) \(q(staged))
            """, input: Array(sums.utf8))
        return "\(files.reduce(0) { $0 + Int($1.entry.size) } >> 20) MiB, compared by SHA-256"
    }
}
