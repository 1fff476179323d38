internal import NIOCore
internal import NIOPosix

/// Speaks HAProxy's runtime API: connect, write one line, read to the end (HAProxy management guide, section 9.3).
package struct RuntimeClient: Sendable {
    package let address: RuntimeAddress
    /// How long one answer may take, connecting included.
    package let timeout: Duration
    /// Which process of the master's is asked: `@1 `, the current worker; empty for whoever listens.
    let prefix: String

    /// Bytes: some 100,000 servers.
    private static let longestAnswer = 64 << 20

    package init(_ address: RuntimeAddress, timeout: Duration = .seconds(10)) { self.init(address, timeout: timeout, prefix: "") }

    private init(_ address: RuntimeAddress, timeout: Duration, prefix: String) {
        self.address = address
        self.timeout = timeout
        self.prefix = prefix
    }

    /// The worker that takes connections, through the master's socket.
    package static func worker(through master: RuntimeAddress, timeout: Duration = .seconds(10)) -> RuntimeClient {
        RuntimeClient(master, timeout: timeout, prefix: "@1 ")
    }

    /// Asks one command.
    /// - Returns: the answer, without the empty line at its end.
    /// - Throws: `HAProxyError` `.unavailable` when nobody answers in time.
    package func ask(_ command: String) async throws -> String {
        guard !command.contains(where: { $0.isNewline || $0 == ";" || $0 == "\0" }) else {
            throw HAProxyError(.invalid, "\"\(command)\" is more than one command.")
        }
        let line = prefix + command + "\n"
        do {
            return try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await exchange(line) }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    throw HAProxyError(.unavailable, "HAProxy did not answer `\(command)` at \(address) within \(timeout.components.seconds) s.")
                }
                defer { group.cancelAll() }
                return try await group.next() ?? ""
            }
        } catch let error as HAProxyError { throw error } catch let error as CancellationError { throw error } catch {
            try Task.checkCancellation()
            throw HAProxyError(.unavailable, "HAProxy cannot be reached at \(address): \(Self.text(error))")
        }
    }

    private static func text(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            return error.connectionErrors.first.map { text($0.error) } ?? error.dnsAError.map { text($0) } ?? "no address for \(error.host)"
        }
        guard let error = error as? IOError else { return "\(error)" }
        switch error.errnoCode {
        case 2: return "there is no such socket"
        case 13: return "permission denied. Its mode is set by `stats socket … mode`"
        case 111: return "connection refused: nobody listens there"
        default: return error.description
        }
    }

    private func exchange(_ line: String) async throws -> String {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let prepare: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        let channel =
            switch address {
            case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: prepare)
            case .tcp(let host, let port): try await bootstrap.connect(host: host, port: port, channelInitializer: prepare)
            }
        let bytes = try await channel.executeThenClose { inbound, outbound -> [UInt8] in
            try await outbound.write(ByteBuffer(string: line))
            // A master goes on listening until nothing more can come.
            outbound.finish()
            var bytes: [UInt8] = []
            for try await piece in inbound {
                guard bytes.count + piece.readableBytes <= Self.longestAnswer else {
                    throw HAProxyError(.malformed, "HAProxy answers with more than \(Self.longestAnswer >> 20) MiB.")
                }
                bytes += piece.readableBytesView
            }
            return bytes
        }
        var text = String(decoding: bytes, as: UTF8.self)
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }

    // MARK: Reading

    package func statistics() async throws -> [Statistics] { try Statistics.parse(try await told("show stat")) }

    package func serverStates() async throws -> [ServerState] { try ServerState.parse(try await told("show servers state")) }

    /// `show info`, by name: `Version`, `Uptime_sec`, `CurrConns`, `Maxconn`, …
    package func info() async throws -> [String: String] {
        let text = try await told("show info")
        let pairs = text.split(separator: "\n").compactMap { line -> (String, String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (String(line[..<colon]), line[line.index(after: colon)...].trimmingSpaces)
        }
        guard pairs.contains(where: { $0.0 == "Version" }) else {
            throw HAProxyError(.malformed, "the answer to `show info` begins with \"\(text.prefix(60))\", and names no version.")
        }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    /// What the master says of its workers; this address must be the master's.
    package func processes() async throws -> ProcessTable { try ProcessTable(parsing: try await told("show proc")) }

    /// Asks, and takes a refusal for what it is: who may not read is told so in words.
    private func told(_ command: String) async throws -> String {
        let answer = try await ask(command)
        for refusal in ["Permission denied", "Unknown command"] where answer.hasPrefix(refusal) {
            throw HAProxyError(.refused, "HAProxy at \(address) does not answer `\(command)`: \(answer.prefix(200)). The socket needs `level admin`.")
        }
        return answer
    }

    // MARK: Changing

    /// - Parameter server: `backend/server`.
    package func set(_ mode: ServerState.Mode, of server: String) async throws { try await order("set server \(server) state \(mode.rawValue)") }

    /// - Parameter weight: 0 to 256; 0 lets no new connection in.
    package func setWeight(_ weight: Int, of server: String) async throws { try await order("set server \(server) weight \(weight)") }

    package func shutDownSessions(of server: String) async throws { try await order("shutdown sessions server \(server)") }

    /// Adds a server that takes traffic once its checks pass.
    /// - Parameter keywords: as on a `server` line; `default-server` does not count here.
    package func add(_ server: String, at address: String, keywords: [String]) async throws {
        let command = (["add server", server, address] + keywords).joined(separator: " ")
        try await order(command, expecting: "New server registered.")
        do {
            if keywords.contains("check") { try await order("enable health \(server)") }
            try await order("enable server \(server)")
        } catch let error as HAProxyError where error.code == .refused {
            // A no means that nothing was changed.
            try await remove(server)
            throw error
        }
    }

    /// Deletes a server that is in maintenance and has no connection.
    package func remove(_ server: String) async throws { try await order("del server \(server)", expecting: "Server deleted.") }

    /// Success is an empty answer, or `expected`; anything else are the words of a refusal.
    private func order(_ command: String, expecting expected: String? = nil) async throws {
        let answer = try await ask(command)
        guard answer.isEmpty || answer == expected else {
            throw HAProxyError(.refused, "HAProxy refuses `\(command)`: \(answer.prefix(300))")
        }
    }

    /// Asks the master to load its configuration anew; it keeps the old worker when that fails.
    package func reload() async throws -> ReloadAnswer { try ReloadAnswer(parsing: try await ask("reload")) }
}
