internal import Foundation
package import HAProxy
package import NodeAccess

/// A host on which HAProxy balances, and how its parts are reached there.
package struct LoadBalancer: Codable, Sendable, Equatable {
    package var access: NodeAccess
    /// The stats socket as the host itself knows it; nil where only the master is asked.
    package var socket: RuntimeAddress?
    /// Of HAProxy's master; nil where it runs without one.
    package var master: RuntimeAddress?
    /// The file that HAProxy was started with.
    package var configuration: String
    /// HAProxy's own program there, which checks configurations.
    package var program: String
    /// Whether it is the one that holds an address of keepalived; nil without keepalived.
    package var isActive: Bool?

    package var name: String { access.name }

    /// Where Debian's package has them.
    package static let usualConfiguration = "/etc/haproxy/haproxy.cfg"
    package static let usualMaster = "/run/haproxy-master.sock"

    /// Finds what nobody has said: the stats socket in the configuration, the master's where Debian has it.
    /// - Throws: `OperationError` `.invalid` when there is no way to ask HAProxy anything.
    package static func find(
        _ access: NodeAccess, socket: RuntimeAddress?, master: RuntimeAddress?, configuration: String?, program: String
    ) async throws -> LoadBalancer {
        let path = configuration ?? usualConfiguration
        var found = LoadBalancer(access: access, socket: socket, master: master, configuration: path, program: program)
        if master == nil, try await access.text("if [ -S \(usualMaster) ]; then echo yes; fi").hasPrefix("yes") {
            found.master = try RuntimeAddress(usualMaster)
        }
        if socket == nil {
            let text = try await access.text("if [ -r \(NodeAccess.quoted(path)) ]; then cat \(NodeAccess.quoted(path)); fi", limit: 16 << 20)
            let sockets = ConfigurationFile(parsing: text).adminSockets
            found.socket = sockets.first { if case .unix = $0 { true } else { false } } ?? sockets.first
        }
        guard found.socket != nil || found.master != nil else {
            throw OperationError(
                .invalid,
                "\(access.name): \(path) names no `stats socket … level admin`, and there is no master socket. Give --socket or --master-socket."
            )
        }
        found.isActive = try await holdsAddress(access)
        return found
    }

    /// Whether one of keepalived's addresses is on an interface of the host; nil where there is no keepalived.
    private static func holdsAddress(_ access: NodeAccess) async throws -> Bool? {
        let text = try await access.text(
            """
            file=/etc/keepalived/keepalived.conf
            [ -r "$file" ] || exit 0
            command -v ip >/dev/null || exit 0
            echo keepalived
            addresses=$(ip -o addr show | awk '{ sub("/.*", "", $4); print $4 }')
            awk '/virtual_ipaddress/ { inside = 1; next } /}/ { inside = 0 } inside && NF { sub("/.*", "", $1); print $1 }' "$file" |
            while read -r address; do
                for own in $addresses; do if [ "$own" = "$address" ]; then echo active; fi; done
            done
            """)
        guard text.hasPrefix("keepalived") else { return nil }
        return text.contains("active")
    }

    /// What a new server is to be told, so that it is like another of its backend.
    /// - Parameters:
    ///   - model: the server to be like; nil for the backend's first.
    ///   - reference: `backend/server`, of the new one.
    package func keywords(like model: String?, for reference: String) async throws -> [String] {
        let file = ConfigurationFile(parsing: try await ConfigurationFiles(loadBalancer: self, tag: "").text())
        guard let words = file.keywords(like: model, of: String(reference.prefix { $0 != "/" })) else {
            throw OperationError(.invalid, "the configuration shows no server to be like. Give --like or --keywords, such as \"check inter 2s\".")
        }
        return words
    }

    /// Asked only by way of its master, which passes commands on to the worker that takes connections.
    var throughMaster: LoadBalancer {
        var other = self
        if master != nil { other.socket = nil }
        return other
    }

    /// Asks HAProxy.
    package func asking<Result: Sendable>(_ body: @Sendable (RuntimeClient) async throws -> Result) async throws -> Result {
        if let socket { return try await reaching(socket) { try await body(RuntimeClient($0)) } }
        guard let master else { throw OperationError(.invalid, "\(name) has neither a stats socket nor a master's.") }
        return try await reaching(master) { try await body(RuntimeClient.worker(through: $0)) }
    }

    /// Asks the master of HAProxy.
    package func askingMaster<Result: Sendable>(_ body: @Sendable (RuntimeClient) async throws -> Result) async throws -> Result {
        guard let master else {
            throw OperationError(
                .refused,
                "\(name): HAProxy is reloaded through its master's socket, and there is none. Start it with -W -S PATH (Debian's unit does), and give --master-socket."
            )
        }
        return try await reaching(master) { try await body(RuntimeClient($0)) }
    }

    private func reaching<Result: Sendable>(
        _ address: RuntimeAddress, _ body: @Sendable (RuntimeAddress) async throws -> Result
    ) async throws -> Result {
        switch address {
        case .unix(let path): return try await access.reaching(path) { try await body(.unix(path: $0)) }
        case .tcp(let host, let port): return try await access.reaching(host, port) { try await body(.tcp(host: $0, port: $1)) }
        }
    }
}
