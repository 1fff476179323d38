internal import ClusterPKI
package import Foundation
package import HAProxy
internal import Synchronization

/// Three real servers with TLS on the loopback interface, and a real HAProxy in master-worker mode in front of them, configured as `drydock lb render` does.
///
/// The servers are HAProxy as well: it answers by itself, at any rate, and ends as API servers do, with `Connection: close` for whoever is there.
package final class BalancedServers: Sendable {
    package let release: HAProxyRelease
    package let folder: URL
    /// Where clients connect.
    package let port: Int
    package let servers: [ControlPlaneConfiguration.Server]
    private let processes = Mutex<[String: CommandRun.Running]>([:])

    private static let balancer = "balancer"

    package var configuration: URL { folder.appendingPathComponent("haproxy.cfg") }
    package var master: URL { folder.appendingPathComponent("master.sock") }
    package var socket: URL { folder.appendingPathComponent("admin.sock") }
    package var authority: URL { folder.appendingPathComponent("ca.crt") }
    package var url: String { "https://127.0.0.1:\(port)/" }

    /// How drydock reaches it.
    package var flags: [String] {
        ["--config", configuration.path, "--master-socket", master.path, "--haproxy", folder.appendingPathComponent("haproxy").path]
    }

    package static func running<Result: Sendable>(
        _ release: HAProxyRelease, servers count: Int = 3, body: (BalancedServers) async throws -> Result
    ) async throws -> Result {
        await ServerSlots.shared.take(2)
        let outcome: Swift.Result<Result, any Error>
        do {
            let ports = try FreePorts.take(count + 1)
            let servers = (0..<count).map { ControlPlaneConfiguration.Server(name: "cp\($0 + 1)", host: "127.0.0.1", port: ports[$0]) }
            outcome = .success(try await serving(release, ports[count], servers, prepare: { try $0.startServers() }, body))
        } catch { outcome = .failure(error) }
        await ServerSlots.shared.giveBack(2)
        return try outcome.get()
    }

    /// Only the load balancer, in front of servers that are somebody else's.
    /// - Parameters:
    ///   - port: where clients connect.
    ///   - authority: that their certificates are verified by.
    package static func running<Result: Sendable>(
        _ release: HAProxyRelease, at port: Int, before servers: [ControlPlaneConfiguration.Server], authority: URL,
        body: (BalancedServers) async throws -> Result
    ) async throws -> Result {
        try await serving(release, port, servers, prepare: { try Data(contentsOf: authority).write(to: $0.authority) }, body)
    }

    private static func serving<Result: Sendable>(
        _ release: HAProxyRelease, _ port: Int, _ servers: [ControlPlaneConfiguration.Server], prepare: (BalancedServers) throws -> Void,
        _ body: (BalancedServers) async throws -> Result
    ) async throws -> Result {
        // Socket paths are short.
        let folder = URL(fileURLWithPath: "/tmp/drydock-lb-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let all = BalancedServers(release, folder, port, servers)
        let outcome: Swift.Result<Result, any Error>
        do {
            try all.writeWrapper()
            try prepare(all)
            try all.write(try all.rendered())
            try await all.startBalancer()
            outcome = .success(try await body(all))
        } catch { outcome = .failure(error) }
        await all.end()
        try? FileManager.default.removeItem(at: folder)
        return try outcome.get()
    }

    private init(_ release: HAProxyRelease, _ folder: URL, _ port: Int, _ servers: [ControlPlaneConfiguration.Server]) {
        (self.release, self.folder, self.port, self.servers) = (release, folder, port, servers)
    }

    private func writeWrapper() throws {
        let text = "#!/bin/sh\n\(release.environment.map { "export \($0)='\($1)'" }.joined(separator: "\n"))\nexec \(release.program) \"$@\"\n"
        let program = folder.appendingPathComponent("haproxy")
        guard FileManager.default.createFile(atPath: program.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o755]) else {
            throw LocalEtcdCluster.Failure(description: "cannot write \(program.path)")
        }
    }

    /// Makes their certificates, and starts them.
    private func startServers() throws {
        let pki = try CertificateAuthority(commonName: "kubernetes")
        try Data(pki.issued.certificatePEM.utf8).write(to: authority)
        let issued = try pki.issue(.init(commonName: "kube-apiserver", dnsNames: ["kubernetes"], ipAddresses: ["127.0.0.1"], usages: [.server]))
        let pem = folder.appendingPathComponent("server.pem")
        _ = FileManager.default.createFile(
            atPath: pem.path, contents: Data((issued.certificatePEM + "\n" + issued.keyPEM).utf8), attributes: [.posixPermissions: 0o600])
        for server in servers {
            let text = """
                global
                    maxconn 2000
                defaults
                    mode http
                    timeout client 60s
                    timeout server 60s
                    timeout connect 5s
                    # Who is there when it ends gets an answer first, and then is told to go.
                    option idle-close-on-response
                frontend api
                    bind 127.0.0.1:\(server.port) ssl crt \(pem.path)
                    http-request return status 200 content-type text/plain string \(server.name)

                """
            try Data(text.utf8).write(to: folder.appendingPathComponent("\(server.name).cfg"))
            try start(server.name)
        }
    }

    /// The configuration as it is rendered for these servers.
    package func rendered(_ change: (inout ControlPlaneConfiguration) -> Void = { _ in }) throws -> String {
        var made = ControlPlaneConfiguration(servers: servers)
        made.bind = ["127.0.0.1:\(port)"]
        made.authority = authority.path
        made.statsSocket = socket.path
        made.monitor = nil
        made.mostConnections = 2000
        made.log = "stderr format raw local0"
        (made.user, made.group) = (nil, nil)
        change(&made)
        // Many tests run at once, and none waits long.
        return try made.text().replacingOccurrences(of: "inter 2s fastinter 500ms downinter 1s", with: "inter 300ms fastinter 100ms downinter 200ms")
    }

    package func write(_ text: String) throws { try Data(text.utf8).write(to: configuration) }

    // MARK: Processes

    private func run(_ name: String, _ arguments: [String]) throws {
        let process = try CommandRun.Running(release.program, arguments, environment: release.environment)
        processes.withLock { $0[name] = process }
    }

    /// Starts a server.
    package func start(_ name: String) throws { try run(name, ["-db", "-f", folder.appendingPathComponent("\(name).cfg").path]) }

    package func startBalancer() async throws {
        try run(Self.balancer, ["-W", "-S", master.path, "-db", "-f", configuration.path])
        let isUp = try await eventually(within: 30, every: 0.05) { () -> Bool? in
            guard let rows = try? await RuntimeClient(.unix(path: socket.path)).statistics() else { return nil }
            let own = rows.filter { $0.kind == .server }
            return own.count == servers.count && own.allSatisfy { $0.status == .up && $0.check?.hasPrefix("L7") == true } ? true : nil
        }
        guard isUp == true else { throw LocalEtcdCluster.Failure(description: "HAProxy does not serve: \(log.suffix(2000))") }
    }

    /// What the load balancer has logged.
    package var log: String { processes.withLock { $0[Self.balancer]?.errorsSoFar } ?? "" }

    /// Ends a server in order: it takes nobody new, and whoever is there is told to go.
    package func stop(_ name: String) async throws { try await end(name, SIGUSR1) }

    /// Ends a server, or the load balancer, at once.
    package func kill(_ name: String? = nil) async throws { try await end(name ?? Self.balancer, SIGKILL) }

    private func end(_ name: String, _ signal: Int32) async throws {
        guard let process = processes.withLock({ $0.removeValue(forKey: name) }) else { return }
        process.send(signal)
        _ = await process.finish()
    }

    /// The load balancer as people restart it: stopped, and started anew.
    package func restartBalancer() async throws {
        try await end(Self.balancer, SIGTERM)
        try await startBalancer()
    }

    private func end() async {
        let all = processes.withLock { state in
            defer { state = [:] }
            return state.values
        }
        for process in all { process.send(SIGTERM) }
        for process in all { _ = await process.finish() }
    }
}
