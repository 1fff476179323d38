internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore

/// Where a member listens for clients, in etcdctl's notation: `https://10.0.0.1:2379`, `http://…`, `host:port`,
/// `unix:///path` or `unixs:///path`.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    package enum Address: Sendable, Hashable {
        case host(String, port: Int)
        case socket(path: String)
    }

    /// As the user wrote it.
    package let description: String
    package let address: Address
    /// nil when the notation leaves it open: then TLS is used exactly if there is a TLS configuration.
    package let requiresTLS: Bool?

    /// - Throws: `.invalid` for what is no endpoint.
    package init(_ text: String) throws(EtcdError) {
        let trimmed = text.trimmed
        description = trimmed
        let parts = trimmed.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let (scheme, rest) = parts.count == 2 ? (parts[0], parts[1]) : ("", trimmed)
        switch scheme {
        case "http", "unix": requiresTLS = false
        case "https", "unixs": requiresTLS = true
        case "": requiresTLS = nil
        default: throw EtcdError(.invalid, "the endpoint \(trimmed) has the unknown scheme \(scheme). Use https:// or http://.")
        }
        if scheme.hasPrefix("unix") {
            guard !rest.isEmpty else { throw EtcdError(.invalid, "the endpoint \(trimmed) has no path.") }
            address = .socket(path: rest)
            return
        }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...].prefix { $0 != "/" }),
            (1...65535).contains(port)
        else { throw EtcdError(.invalid, "the endpoint \(trimmed) has no port. Write it like https://10.0.0.1:2379.") }
        var host = String(rest[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, !host.contains("/") else {
            throw EtcdError(.invalid, "the endpoint \(trimmed) has no host. Write it like https://10.0.0.1:2379.")
        }
        address = .host(host, port: port)
    }

    /// The parts of a comma-separated list, as `--endpoints` and `ETCDCTL_ENDPOINTS` hold it.
    package static func list(_ text: String) throws(EtcdError) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for part in text.split(separator: ",") where !part.allSatisfy(\.isWhitespace) { endpoints.append(try Endpoint(String(part))) }
        guard !endpoints.isEmpty else { throw EtcdError(.invalid, "there is no endpoint in \"\(text)\". Use --endpoints.") }
        return endpoints
    }

    /// Whether the host is written as an IP address, so that the certificate must name that address.
    var ipAddress: NIOCore.SocketAddress? {
        guard case .host(let host, let port) = address else { return nil }
        return try? NIOCore.SocketAddress(ipAddress: host, port: port)
    }

    var target: any ResolvableTarget {
        switch address {
        case .socket(let path): return .unixDomainSocket(path: path)
        case .host(let host, let port):
            switch ipAddress {
            case .v4: return .ipv4(address: host, port: port)
            case .v6: return .ipv6(address: host, port: port)
            default: return .dns(host: host, port: port)
            }
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.prefix(upTo: start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex))
    }
}
