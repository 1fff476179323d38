/// How to reach and convince a cluster.
package struct EtcdConfiguration: Sendable {
    /// PEM files, as etcdctl takes them. The server's name is always checked.
    package struct TLS: Sendable {
        /// The authority that signed the servers' certificates; nil for the system's.
        package var authority: String?
        /// The client's certificate and its key; both or neither.
        package var certificate: String?
        package var key: String?

        package init(authority: String?, certificate: String?, key: String?) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    /// A user of etcd's own authentication. The description hides the password.
    package struct Credentials: Sendable, CustomStringConvertible {
        package var user: String
        package var password: String

        package init(user: String, password: String) {
            self.user = user
            self.password = password
        }

        package var description: String { "user \(user)" }
    }

    package var endpoints: [Endpoint]
    package var tls: TLS?
    package var credentials: Credentials?
    /// How long a member may take to accept a connection.
    package var dialTimeout: Duration
    /// How long one call may take. Streams of snapshots are not bound by it.
    package var commandTimeout: Duration

    /// Whether TLS is wanted: then nothing is said unencrypted to members that the cluster lists.
    package var usesTLS: Bool { tls != nil || endpoints.contains { $0.requiresTLS == true } }

    /// Whether an endpoint is spoken to without TLS.
    package var sendsPasswordInClear: Bool { endpoints.contains { !($0.requiresTLS ?? (tls != nil)) } }

    package init(
        endpoints: [Endpoint], tls: TLS? = nil, credentials: Credentials? = nil, dialTimeout: Duration = .seconds(2),
        commandTimeout: Duration = .seconds(5)
    ) {
        self.endpoints = endpoints
        self.tls = tls
        self.credentials = credentials
        self.dialTimeout = dialTimeout
        self.commandTimeout = commandTimeout
    }
}
