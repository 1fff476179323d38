package import HAProxy

/// What a load balancer says of itself, at one moment.
package struct LoadBalancerView: Codable, Sendable, Equatable {
    package struct Server: Codable, Sendable, Equatable {
        package var backend: String
        package var name: String
        package var address: String
        /// HAProxy's word, and all its words.
        package var status: Statistics.Status
        package var statusText: String
        /// What an administrator asked of it.
        package var mode: ServerState.Mode
        package var check: String?
        package var checkCode: Int?
        package var checkMilliseconds: Int?
        package var lastCheck: String?
        package var weight: Int
        package var initialWeight: Int
        package var isBackup: Bool
        package var sessions: Int
        package var queued: Int
        /// Sessions that began in the last second, and in all.
        package var rate: Int
        package var totalSessions: Int
        package var failedChecks: Int
        package var transitions: Int
        package var sinceLastChangeSeconds: Int?
        package var downtimeSeconds: Int?

        /// As HAProxy's commands name it.
        package var reference: String { "\(backend)/\(name)" }

        /// Whether new connections go there.
        package var takesTraffic: Bool { status.takesTraffic && weight > 0 }

        /// Whether that is known, and not only hoped: after a reload HAProxy takes a server for well until its first check is over.
        package var isProven: Bool { takesTraffic && (status == .noCheck || check.map { $0 != "INI" && $0 != "UNK" } ?? true) }
    }

    package struct Backend: Codable, Sendable, Equatable {
        package var name: String
        package var mode: String?
        package var algorithm: String?
        package var sessions: Int
        package var rate: Int
        package var queued: Int
        package var servers: [Server]
    }

    package var loadBalancer: String
    package var isActive: Bool?
    package var version: String
    package var uptimeSeconds: Int?
    package var connections: Int?
    package var connectionLimit: Int?
    package var backends: [Backend]

    package var servers: [Server] { backends.flatMap(\.servers) }

    /// Asks a load balancer for everything.
    package static func read(_ loadBalancer: LoadBalancer) async throws -> LoadBalancerView {
        let (info, rows, states) = try await loadBalancer.asking { client in
            (try await client.info(), try await client.statistics(), try await client.serverStates())
        }
        let byName = Dictionary(states.map { ("\($0.backend)/\($0.server)", $0) }, uniquingKeysWith: { first, _ in first })
        let servers = Dictionary(grouping: rows.filter { $0.kind == .server }, by: \.proxy)
        let backends = rows.filter { $0.kind == .backend }.compactMap { row -> Backend? in
            guard let own = servers[row.proxy], !own.isEmpty else { return nil }
            return Backend(
                name: row.proxy, mode: row.mode, algorithm: row.algorithm, sessions: row.sessions, rate: row.rate, queued: row.queued,
                servers: own.map { Server($0, byName["\($0.proxy)/\($0.server)"]) })
        }
        return LoadBalancerView(
            loadBalancer: loadBalancer.name, isActive: loadBalancer.isActive, version: info["Version"] ?? "",
            uptimeSeconds: info["Uptime_sec"].flatMap { Int($0) },
            connections: info["CurrConns"].flatMap { Int($0) }, connectionLimit: info["Maxconn"].flatMap { Int($0) }, backends: backends)
    }

    /// The servers that people mean by `name`: `backend/server`, or a server's name in every backend that has it.
    /// - Throws: `OperationError` `.invalid` when there is none; it says which there are.
    package func servers(named name: String) throws -> [Server] {
        let found = servers.filter { name.contains("/") ? $0.reference == name : $0.name == name }
        guard !found.isEmpty else {
            let known = servers.map(\.reference)
            throw OperationError(
                .invalid,
                "\(loadBalancer) knows no server \(name). It has \(known.prefix(20).joined(separator: ", "))\(known.count > 20 ? ", …" : "").")
        }
        return found
    }

    package func server(_ reference: String) -> Server? { servers.first { $0.reference == reference } }

    /// Who else of its backend takes new connections.
    package func others(beside server: Server) -> [Server] {
        servers.filter { $0.backend == server.backend && $0.name != server.name && $0.takesTraffic }
    }
}

extension LoadBalancerView.Server {
    init(_ row: Statistics, _ state: ServerState?) {
        self.init(
            backend: row.proxy, name: row.server, address: row.address ?? state.map { "\($0.address):\($0.port)" } ?? "", status: row.status,
            statusText: row.statusText, mode: state?.mode ?? .ready, check: row.check, checkCode: row.checkCode, checkMilliseconds: row.checkDuration,
            lastCheck: row.lastCheck, weight: state?.weight ?? row.weight, initialWeight: state?.initialWeight ?? row.weight, isBackup: row.isBackup,
            sessions: row.sessions, queued: row.queued, rate: row.rate, totalSessions: row.totalSessions, failedChecks: row.failedChecks,
            transitions: row.transitions, sinceLastChangeSeconds: row.sinceLastChange, downtimeSeconds: row.downtime)
    }
}
