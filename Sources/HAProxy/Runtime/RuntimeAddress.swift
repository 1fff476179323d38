/// Where HAProxy listens for commands: its stats socket, or its master's.
package enum RuntimeAddress: Sendable, Codable, Equatable, CustomStringConvertible {
    case unix(path: String)
    case tcp(host: String, port: Int)

    /// A path, `unix:PATH`, `tcp://HOST:PORT`, `HOST:PORT` or `[V6]:PORT`.
    /// - Throws: `HAProxyError` `.invalid`.
    package init(_ text: String) throws {
        var rest = Substring(text)
        for prefix in ["unix:", "unix@"] where rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
        if rest.hasPrefix("/") {
            // sun_path holds 108 bytes, the last of them zero (unix(7)).
            guard rest.utf8.count < 108 else { throw HAProxyError(.invalid, "\(rest) is too long for a socket's path (107 bytes).") }
            self = .unix(path: String(rest))
            return
        }
        for prefix in ["tcp://", "ipv4@", "ipv6@"] where rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]), (1...65535).contains(port) else {
            throw HAProxyError(.invalid, "\"\(text)\" is no stats socket. Give an absolute path, or HOST:PORT.")
        }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains("/") else {
            throw HAProxyError(.invalid, "\"\(text)\" is no stats socket. Give an absolute path, or HOST:PORT.")
        }
        self = .tcp(host: host == "*" ? "127.0.0.1" : String(host), port: port)
    }

    package var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}
