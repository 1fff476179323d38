/// The configuration of a load balancer in front of a cluster's API servers, from as little as their addresses.
///
/// TLS is passed through; the checks speak it themselves: `/readyz` is what an API server fails first when it is about to end, and a port that opens says
/// nothing. Sources: HAProxy configuration manual 2.6; what HAProxy 2.6.12 and 2.8.25 accept and do.
package struct ControlPlaneConfiguration: Sendable, Equatable {
    package struct Server: Sendable, Equatable {
        package var name: String
        /// A host name or an address, without brackets.
        package var host: String
        package var port: Int

        package init(name: String, host: String, port: Int) {
            self.name = name
            self.host = host
            self.port = port
        }

        package var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    package var servers: [Server]
    /// Where clients connect: `*:6443`.
    package var bind: [String] = ["*:6443"]
    package var frontend = "kubernetes"
    package var backend = "kubernetes-masters"
    /// Of the cluster, a file on the load balancer's host.
    package var authority = "/etc/haproxy/kubernetes-ca.crt"
    /// A name that every API server's certificate holds; kubeadm's all hold this.
    package var serverName = "kubernetes"
    package var checkPath = "/readyz"
    package var statsSocket = "/run/haproxy/admin.sock"
    /// Prometheus' endpoint, /metrics, and the page for people, /stats. On loopback: it says much, and asks nobody who they are.
    package var monitor: String? = "127.0.0.1:8404"
    package var mostConnections = 8000
    package var log = "/dev/log local0"
    /// Whose rights HAProxy keeps; nil for those it is started with.
    package var user: String? = "haproxy"
    package var group: String? = "haproxy"

    package init(servers: [Server]) { self.servers = servers }

    /// What would make no configuration, or one that says something else than it seems to.
    /// - Throws: `HAProxyError` `.invalid`.
    package func validate() throws {
        func fail(_ text: String) -> HAProxyError { HAProxyError(.invalid, text) }
        guard !servers.isEmpty else { throw fail("there are no servers: give the addresses of the control-plane nodes.") }
        let words =
            servers.flatMap { [$0.name, $0.host] } + bind + [frontend, backend, authority, serverName, checkPath, statsSocket]
            + [monitor, user, group].compactMap(\.self)
        for word in words {
            let isPlain = !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.:/*@[]%".contains($0)) }
            guard isPlain else { throw fail("\"\(word)\" cannot stand in a configuration.") }
        }
        guard !log.contains(where: { $0.isNewline || $0 == "#" || $0 == "\"" }) else { throw fail("\"\(log)\" is no place to log to.") }
        for server in servers where !(1...65535).contains(server.port) { throw fail("\(server.name) has the port \(server.port).") }
        for (what, values) in [("name", servers.map(\.name)), ("address", servers.map(\.address))] {
            if let twice = Dictionary(grouping: values, by: \.self).first(where: { $1.count > 1 })?.key {
                throw fail("two servers have the \(what) \(twice).")
            }
        }
        guard (1...1_000_000).contains(mostConnections) else {
            throw fail("maxConnections is \(mostConnections), which is not between 1 and 1000000.")
        }
        guard checkPath.hasPrefix("/") else { throw fail("checkPath is \(checkPath), which is no path.") }
    }

    /// The text of the file.
    package func text() throws -> String {
        try validate()
        let rights = [user.map { "    user \($0)" }, group.map { "    group \($0)" }].compactMap(\.self)
        // Each connection that is passed through needs another to the server.
        let global =
            [
                "    log \(log)", "    stats socket \(statsSocket) mode 600 level admin expose-fd listeners", "    stats timeout 30s",
                "    maxconn \(mostConnections)",
                "    # Old workers keep their connections after a reload, but not for ever.", "    hard-stop-after 1h",
            ] + rights
        let width = servers.map(\.name.count).max() ?? 0
        let lines = servers.map { server in
            "    server \(server.name)\(String(repeating: " ", count: width - server.name.count)) \(server.address)"
        }
        return """
            # Made by drydock lb render. Change what it was made from, and not this.
            global
            \(global.joined(separator: "\n"))

            defaults
                mode tcp
                log global
                option dontlognull
                timeout connect 5s
                timeout check 5s
                timeout queue 10s
                # Watches are silent for minutes; whoever is gone is found by keep-alives.
                timeout client 1h
                timeout server 1h
                timeout client-fin 30s
                timeout server-fin 30s
                option clitcpka
                option srvtcpka
                # A connection that one server does not take goes to the next.
                retries 3
                option redispatch 1

            frontend \(frontend)
            \(bind.map { "    bind \($0)" }.joined(separator: "\n"))
                maxconn \(mostConnections)
                # Which server, how long it took, who ended it and why, how many connections there were.
                log-format "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
                default_backend \(backend)

            backend \(backend)
                # Connections live long: those that begin go where there are fewest.
                balance leastconn
                option httpchk
                http-check send meth GET uri \(checkPath) ver HTTP/1.1 hdr Host \(serverName)
                http-check expect status 200
                default-server inter 2s fastinter 500ms downinter 1s fall 3 rise 2
                default-server check check-ssl check-sni \(serverName) verify required verifyhost \(serverName) ca-file \(authority)
            \(lines.joined(separator: "\n"))
            \(monitoring)
            """
    }

    private var monitoring: String {
        guard let monitor else { return "" }
        return """

            frontend monitor
                mode http
                bind \(monitor)
                no log
                timeout client 30s
                http-request use-service prometheus-exporter if { path /metrics }
                stats enable
                stats uri /stats
                stats refresh 10s

            """
    }
}
