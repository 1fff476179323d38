internal import Etcd
internal import EtcdStorage
package import Foundation
internal import Maintenance
internal import NodeAccess
package import ObjectStore
internal import Subprocess
package import SystemPackage

/// Rehearses a restore: fetches a backup, opens it, checks it, restores it into a scratch folder, starts a real etcd on that and asks it whether it holds
/// what the backup was made of. What it took is the time that a restore takes; everything is removed afterwards.
package struct BackupDrill: Sendable {
    package var identities: [AgeIdentity]
    /// etcd's program; nil where there is none, and the drill ends with the files.
    package var etcd: FilePath?
    /// Where the scratch folder is made; it needs room for the database twice.
    package var scratch: FilePath
    package var drydock: String

    package init(identities: [AgeIdentity], etcd: FilePath?, scratch: FilePath, drydock: String) {
        self.identities = identities
        self.etcd = etcd
        self.scratch = scratch
        self.drydock = drydock
    }

    package struct Phase: Codable, Sendable, Equatable {
        package var name: String
        package var seconds: Double
        package var found: String
    }

    /// What a drill found; kept beside the manifest as `drill.json`.
    package struct Report: Codable, Sendable, Equatable {
        package var backup: String
        package var drilledAt: Date
        package var drydock: String
        package var phases: [Phase]
        package var liveKeys: Int64
        /// How long it took until an etcd served the data, seconds: the measured recovery time.
        package var recoverySeconds: Double
        /// What was not as it should be.
        package var findings: [String]
        /// Whether an etcd was started on the data.
        package var wasStarted: Bool

        /// Whether it shows that the backup restores.
        package var isProof: Bool { wasStarted && findings.isEmpty }
    }

    static let reportName = "drill.json"

    package enum Event: Sendable {
        case began(String)
        /// So many bytes more are fetched.
        case advanced(Int)
        case ended(Phase)
    }

    package func run(_ backup: StoredBackup, in catalog: BackupCatalog, at now: Date, watch: @escaping @Sendable (Event) -> Void = { _ in })
        async throws -> Report
    {
        let folder = scratch.appending("drydock-drill-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        var report = Report(
            backup: backup.id, drilledAt: now, drydock: drydock, phases: [], liveKeys: 0, recoverySeconds: 0, findings: [], wasStarted: false)
        let snapshot = folder.appending(BackupManifest.snapshot)
        let data = folder.appending("member")

        func phase(_ name: String, _ body: () async throws -> String) async throws {
            watch(.began(name))
            let began = ContinuousClock.now
            let found = try await body()
            let phase = Phase(name: name, seconds: (ContinuousClock.now - began).seconds, found: found)
            report.phases.append(phase)
            report.recoverySeconds += phase.seconds
            watch(.ended(phase))
        }
        try await phase("fetch") {
            let store = try FolderStore(path: folder.string)
            let part = try await catalog.fetch(BackupManifest.snapshot, of: backup, to: store, identities: identities, checkingAll: true) {
                watch(.advanced($0))
            }
            let files = try await catalog.controlPlaneFiles(of: backup, identities: identities)
            return
                "\(part.plainBytes) bytes, as they were backed up\(files.isEmpty ? "" : ", and the files of \(files.keys.sorted().joined(separator: ", "))")"
        }
        try await phase("verify") {
            let found = try await SnapshotVerifier(path: snapshot).verify()
            report.liveKeys = found.liveKeys
            guard found.isSound else {
                throw OperationError(
                    .damaged, "\(backup.id): the snapshot is damaged: \(found.findings.map { "\($0)" }.prefix(3).joined(separator: "; "))")
            }
            return "\(found.liveKeys) live keys at revision \(found.revision)"
        }
        let ports = try Loopback.freePorts(2)
        let peer = "http://127.0.0.1:\(ports[0])"
        let identity = try ClusterIdentity(initialCluster: "drill=\(peer)", token: "drydock-drill")
        let target = SnapshotRestore.Target(member: try identity.member(named: "drill"), dataDirectory: data)
        let plan = SnapshotRestore.Plan(source: snapshot, identity: identity, token: "drydock-drill", targets: [target])
        try await phase("restore") {
            _ = try await SnapshotRestore(plan: plan).run()
            return "a data directory of one member"
        }
        if let etcd {
            let client = "http://127.0.0.1:\(ports[1])"
            let arguments =
                plan.flags(for: target) + [
                    "--listen-client-urls=\(client)", "--advertise-client-urls=\(client)", "--unsafe-no-fsync", "--log-level=error",
                ]
            let errors = folder.appending("etcd.log")
            let found = try await Self.serving(etcd, arguments, errors: errors, endpoint: try Endpoint(client)) { connected in
                try await phase("start") {
                    try await connected.waitUntilServing()
                    return "etcd \(try await connected.version()) serves"
                }
                var findings: [String] = []
                try await phase("compare") {
                    findings = try await connected.compare(with: backup.manifest, liveKeys: report.liveKeys)
                    return findings.isEmpty ? "every key and its history are those of the backup" : findings.joined(separator: "; ")
                }
                return findings
            }
            report.findings += found
            report.wasStarted = true
        } else {
            report.findings.append("no etcd was at hand to start on the data: --etcd names one")
        }
        try await catalog.writeMark(Self.reportName, report, of: backup)
        if report.isProof { try await catalog.markVerified(backup, drydock: drydock, at: now) }
        return report
    }

    // MARK: The server

    /// A server that runs on the restored data.
    private struct Server: Sendable {
        let endpoint: Endpoint
        let errors: FilePath
        let hasEnded: @Sendable () -> Bool

        private static let patience = Duration.seconds(120)

        private func connected<Result: Sendable>(_ body: @escaping @Sendable (EtcdClient) async throws -> Result) async throws -> Result {
            try await EtcdClient.connected(
                EtcdConfiguration(endpoints: [endpoint], tls: nil, credentials: nil, dialTimeout: .seconds(2), commandTimeout: .seconds(60)),
                body: body)
        }

        func waitUntilServing() async throws {
            let limit = ContinuousClock.now + Self.patience
            while true {
                let endpoint = endpoint
                if let status = try? await connected({ try await $0.status(at: endpoint) }), status.leaderID != 0 { return }
                guard !hasEnded(), ContinuousClock.now < limit else {
                    let said = (try? String(contentsOfFile: errors.string, encoding: .utf8))?.suffix(500) ?? ""
                    throw OperationError(.damaged, "etcd does not serve what was restored: \(said)")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        func version() async throws -> String {
            let endpoint = endpoint
            return try await connected { try await $0.status(at: endpoint).version }
        }

        /// What differs from the manifest, in words.
        func compare(with manifest: BackupManifest, liveKeys: Int64) async throws -> [String] {
            let endpoint = endpoint
            return try await connected { client in
                var findings: [String] = []
                let count = try await client.countKeys()
                if count != liveKeys { findings.append("etcd has \(count) keys, and the snapshot \(liveKeys)") }
                if let expected = manifest.keyValueHash {
                    let hash = try await client.hashKV(at: endpoint, revision: expected.revision)
                    // A hash is over what has not been compacted: of another compaction it says nothing.
                    if hash.compactRevision == expected.compactRevision, hash.hash != expected.hash {
                        findings.append("HashKV at revision \(expected.revision) is \(hash.hash), and was \(expected.hash) when the backup was made")
                    }
                }
                return findings
            }
        }
    }

    /// Runs etcd for as long as `body` works, and ends it.
    private static func serving<Result: Sendable>(
        _ etcd: FilePath, _ arguments: [String], errors: FilePath, endpoint: Endpoint, body: (Server) async throws -> Result
    ) async throws -> Result {
        let log = try FileDescriptor.open(errors, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        defer { try? log.close() }
        let outcome = try await Subprocess.run(
            .path(etcd), arguments: Arguments(arguments), environment: .custom([:]), input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: false), error: .fileDescriptor(log, closeAfterSpawningProcess: false)
        ) { execution -> Swift.Result<Result, any Error> in
            let server = Server(endpoint: endpoint, errors: errors, hasEnded: { kill(execution.processIdentifier.value, 0) != 0 })
            let result: Swift.Result<Result, any Error>
            do { result = .success(try await body(server)) } catch { result = .failure(error) }
            try? execution.send(signal: .kill)
            return result
        }
        return try outcome.closureResult.get()
    }
}
