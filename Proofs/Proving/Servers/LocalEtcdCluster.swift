internal import ClusterPKI
package import Etcd
package import Foundation
internal import Synchronization

/// Real etcd servers on the loopback interface, in a temporary folder, for as long as a closure runs.
package final class LocalEtcdCluster: Sendable {
    package struct Options: Sendable {
        package var release: EtcdRelease
        package var members: Int
        package var usesTLS: Bool
        /// Passed to every server as they are.
        package var arguments: [String]
        /// Members that have names, ports and certificates, and are started later or never.
        package var spares: Int

        package init(release: EtcdRelease = .v3_5, members: Int = 1, usesTLS: Bool = false, arguments: [String] = [], spares: Int = 0) {
            self.release = release
            self.members = members
            self.usesTLS = usesTLS
            self.arguments = arguments
            self.spares = spares
        }
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    /// One member: fixed name, ports and folders, and the process while it runs.
    package final class Member: Sendable {
        package let name: String
        package let clientURL: String
        package let peerURL: String
        package let dataFolder: URL
        package let pki: URL
        fileprivate let process = Mutex<CommandRun.Running?>(nil)

        fileprivate init(name: String, clientURL: String, peerURL: String, dataFolder: URL, pki: URL) {
            self.name = name
            self.clientURL = clientURL
            self.peerURL = peerURL
            self.dataFolder = dataFolder
            self.pki = pki
        }

        package var processID: Int32? { process.withLock { $0?.processID } }
    }

    package let options: Options
    package let folder: URL
    /// The members that form the cluster at first.
    package let members: [Member]
    package let spares: [Member]
    package let pki: URL
    private let authority: EtcdPKI?

    /// `name=peerURL` of every member, as `--initial-cluster` takes it.
    package var initialCluster: String { members.map { "\($0.name)=\($0.peerURL)" }.joined(separator: ",") }

    private init(options: Options) throws {
        self.options = options
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-etcd-\(UUID().uuidString)")
        pki = folder.appendingPathComponent("pki")
        let scheme = options.usesTLS ? "https" : "http"
        let ports = try FreePorts.take((options.members + options.spares) * 2)
        authority = options.usesTLS ? try EtcdPKI() : nil
        var members: [Member] = []
        for index in 0..<options.members + options.spares {
            let name = "etcd-\(index + 1)"
            let member = Member(
                name: name, clientURL: "\(scheme)://127.0.0.1:\(ports[index * 2])", peerURL: "\(scheme)://127.0.0.1:\(ports[index * 2 + 1])",
                dataFolder: folder.appendingPathComponent("data/\(name)"), pki: pki.appendingPathComponent(name))
            try authority?.write(node: name, addresses: ["127.0.0.1"], to: member.pki)
            members.append(member)
        }
        self.members = Array(members.prefix(options.members))
        spares = Array(members.dropFirst(options.members))
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("data"), withIntermediateDirectories: true)
    }

    /// Starts a cluster, runs `body` when it serves, and removes everything afterwards, whatever happened.
    package static func running<Result: Sendable>(
        _ options: Options = Options(), body: (LocalEtcdCluster) async throws -> Result
    ) async throws -> Result {
        let servers = options.members + options.spares
        await ServerSlots.shared.take(servers)
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await runningUnbounded(options, body: body)) } catch { outcome = .failure(error) }
        await ServerSlots.shared.giveBack(servers)
        return try outcome.get()
    }

    private static func runningUnbounded<Result: Sendable>(
        _ options: Options, body: (LocalEtcdCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try LocalEtcdCluster(options: options)
        do {
            for member in cluster.members { try cluster.start(member) }
            try await cluster.waitUntilServing()
            let result = try await body(cluster)
            await cluster.tearDown()
            return result
        } catch {
            // A server that ended by itself says why.
            let last = cluster.members.compactMap { member in member.process.withLock { $0?.isRunning == false ? $0?.errorsSoFar : nil } }
            await cluster.tearDown()
            guard last.isEmpty else { throw Failure(description: "\(error)\na server ended: \(last.joined().suffix(2000))") }
            throw error
        }
    }

    private func tearDown() async {
        for member in members + spares { await stop(member, signal: SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Starts the server of `member` on its data folder.
    /// - Parameter joining: `name=peerURL` of every member of the cluster that it joins, itself included; nil for one of the first members.
    package func start(_ member: Member, joining: String? = nil) throws {
        var arguments = [
            "--name", member.name, "--data-dir", member.dataFolder.path,
            "--listen-client-urls", member.clientURL, "--advertise-client-urls", member.clientURL,
            "--listen-peer-urls", member.peerURL, "--initial-advertise-peer-urls", member.peerURL,
            "--initial-cluster", joining ?? initialCluster, "--initial-cluster-state", joining == nil ? "new" : "existing", "--logger", "zap",
            "--log-level", "warn",
        ]
        if options.usesTLS {
            let etcd = member.pki.appendingPathComponent("etcd").path
            arguments += [
                "--cert-file", "\(etcd)/server.crt", "--key-file", "\(etcd)/server.key", "--trusted-ca-file", "\(etcd)/ca.crt",
                "--client-cert-auth", "--peer-cert-file", "\(etcd)/peer.crt", "--peer-key-file", "\(etcd)/peer.key",
                "--peer-trusted-ca-file", "\(etcd)/ca.crt", "--peer-client-cert-auth",
            ]
        }
        let running = try CommandRun.Running(options.release.server, arguments + options.arguments)
        member.process.withLock { $0 = running }
    }

    /// Ends the server of `member`, at once by default, and waits until it is gone.
    package func stop(_ member: Member, signal: Int32 = SIGKILL) async {
        let running = member.process.withLock { process in
            defer { process = nil }
            return process
        }
        guard let running else { return }
        running.send(signal)
        _ = await running.finish()
    }

    /// Sends a signal to the server of `member`: SIGSTOP, SIGCONT.
    package func signal(_ member: Member, _ signal: Int32) { member.process.withLock { $0?.send(signal) } }

    /// Whether the server of `member` runs: one that was removed from its cluster ends by itself.
    package func isRunning(_ member: Member) -> Bool { member.process.withLock { $0?.isRunning ?? false } }

    /// Ends the server of `member`, forgets its data, so that it can join anew.
    package func wipe(_ member: Member) async throws {
        await stop(member)
        if FileManager.default.fileExists(atPath: member.dataFolder.path) { try FileManager.default.removeItem(at: member.dataFolder) }
    }

    /// Starts spare members as soon as the cluster lists them, as the person or the machine does that a replacement waits for; until cancelled.
    package func startSparesWhenListed() async {
        while !Task.isCancelled {
            try? await startListedSpares()
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private func startListedSpares() async throws {
        let list = try await EtcdClient.connected(try configuration) { try await $0.members() }
        for place in list where !place.isStarted {
            guard let member = (spares + members).first(where: { place.peerURLs == [$0.peerURL] }), !isRunning(member) else { continue }
            try await wipe(member)
            let started = list.filter(\.isStarted).flatMap { member in member.peerURLs.map { "\(member.name)=\($0)" } }
            try start(member, joining: (started + ["\(member.name)=\(member.peerURL)"]).joined(separator: ","))
        }
    }

    /// How our client reaches the cluster.
    package var configuration: EtcdConfiguration {
        get throws {
            EtcdConfiguration(
                endpoints: try (members + spares).map { try Endpoint($0.clientURL) },
                tls: options.usesTLS
                    ? EtcdConfiguration.TLS(
                        authority: authorityFile, certificate: clientFile("crt"), key: clientFile("key")) : nil,
                dialTimeout: .seconds(5), commandTimeout: .seconds(20))
        }
    }

    package var authorityFile: String { members[0].pki.appendingPathComponent("etcd/ca.crt").path }

    private func clientFile(_ kind: String) -> String { members[0].pki.appendingPathComponent("etcd/healthcheck-client.\(kind)").path }

    /// The same as flags, etcdctl's and ours.
    package var flags: [String] {
        let endpoints = ["--endpoints", (members + spares).map(\.clientURL).joined(separator: ",")]
        guard options.usesTLS else { return endpoints }
        return endpoints + ["--cacert", authorityFile, "--cert", clientFile("crt"), "--key", clientFile("key")]
    }

    /// A client certificate that is valid until `notAfter`, signed by the cluster's authority, and its key.
    package func issueClientCertificate(notAfter: Date) throws -> (certificate: String, key: String) {
        guard let authority else { throw Failure(description: "this cluster has no TLS") }
        let request = CertificateRequest(
            commonName: "client", organization: "system:masters", usages: [.client],
            notBefore: min(Date(), notAfter) - 86400, notAfter: notAfter)
        let name = "client-\(UUID().uuidString)"
        try authority.write(try authority.authority.issue(request), as: name, to: pki)
        return (pki.appendingPathComponent("\(name).crt").path, pki.appendingPathComponent("\(name).key").path)
    }

    /// Returns when every member has a leader and answers reads.
    package func waitUntilServing(within limit: Duration = .seconds(180)) async throws {
        let deadline = ContinuousClock.now + limit
        for member in members {
            while true {
                var configuration = try configuration
                configuration.endpoints = [try Endpoint(member.clientURL)]
                if let status = try? await EtcdClient.connected(configuration, body: { try await $0.status(at: configuration.endpoints[0]) }),
                    status.leaderID != 0
                {
                    break
                }
                let running = member.process.withLock { $0 }
                guard let running, running.isRunning, ContinuousClock.now < deadline else {
                    throw Failure(description: "\(options.release) does not serve: \(running?.errorsSoFar.suffix(2000) ?? "it was not started")")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Every key and value that the cluster holds.
    package func contents() async throws -> [KeyValue] {
        try await EtcdClient.connected(try configuration) { client in
            var all: [KeyValue] = []
            try await client.forEachPage { all += $0 }
            return all
        }
    }
}

/// Ports that nothing listens on, below those that the system gives to outgoing connections. None is handed out twice in this process.
package enum FreePorts {
    private static let taken = Mutex<Set<Int>>([])
    private static let range = 10_000..<32_000

    package static func take(_ count: Int) throws -> [Int] {
        try (0..<count).map { _ in
            for _ in 0..<1000 {
                let port = Int.random(in: range)
                guard taken.withLock({ $0.insert(port).inserted }) else { continue }
                if isFree(port) { return port }
            }
            throw LocalEtcdCluster.Failure(description: "no free port on 127.0.0.1")
        }
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
    }
}
