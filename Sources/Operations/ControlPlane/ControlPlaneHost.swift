internal import Foundation
package import NodeAccess

/// A control-plane host: how it is reached, and what its static pods say.
package struct ControlPlaneHost: Codable, Sendable, Equatable {
    package var access: NodeAccess
    /// etcd's name of the member.
    package var member: String
    package var peerURLs: [String]
    package var dataDirectory: String
    /// Where etcd listens for clients on this host: loopback where it does.
    var clientURL: String
    /// Paths on the host; nil without TLS.
    var tls: TLSFiles?
    /// What is stopped there, in the order in which it starts.
    var running: [Component]
    /// What is started there: also what only the backup's files bring.
    var starting: [Component]
    /// Where its API server listens; nil where it has none.
    var server: APIServer?

    struct TLSFiles: Codable, Sendable, Equatable {
        var authority: String
        var certificate: String
        var key: String
    }

    struct APIServer: Codable, Sendable, Equatable {
        var port: Int
        /// A client of the group system:masters, and the servers' authority, on the host.
        var client: TLSFiles?
    }

    package var name: String { access.name }
}

extension ControlPlaneHost {
    /// - Throws: `OperationError` `.invalid` for what nobody could find again.
    init(_ access: NodeAccess, _ etcd: StaticPod, _ server: StaticPod?, running: [Component], starting: [Component]) throws {
        func flag(_ name: String) throws -> String {
            guard let value = etcd.flags[name], !value.isEmpty else {
                throw OperationError(
                    .invalid, "the etcd of \(access.name) has no --\(name) in its manifest, so nobody knows how to reach or restore it.")
            }
            return value
        }
        let directory = try flag("data-dir")
        guard directory.hasPrefix("/"), directory != "/", !directory.split(separator: "/").contains("..") else {
            throw OperationError(.invalid, "the etcd of \(access.name) has the data directory \(directory), which is no absolute path.")
        }
        let clients = try flag("listen-client-urls").split(separator: ",").map(String.init)
        var tls: TLSFiles?
        if let certificate = etcd.flags["cert-file"], let key = etcd.flags["key-file"], let authority = etcd.flags["trusted-ca-file"] {
            tls = .init(authority: authority, certificate: certificate, key: key)
        }
        guard let first = clients.first else {
            throw OperationError(.invalid, "the etcd of \(access.name) listens nowhere for clients (--listen-client-urls).")
        }
        self.init(
            access: access, member: try flag("name"), peerURLs: try flag("initial-advertise-peer-urls").split(separator: ",").map(String.init),
            dataDirectory: directory, clientURL: clients.first { $0.contains("//127.0.0.1:") || $0.contains("//localhost:") } ?? first, tls: tls,
            running: running, starting: starting,
            server: server.map { server in
                var client: TLSFiles?
                if let certificate = server.flags["kubelet-client-certificate"], let key = server.flags["kubelet-client-key"],
                    let authority = server.flags["client-ca-file"]
                {
                    client = .init(authority: authority, certificate: certificate, key: key)
                }
                return .init(port: server.flags["secure-port"].flatMap { Int($0) } ?? 6443, client: client)
            })
    }

    /// What is done to its static pods.
    func pods(_ paths: RestorePaths) -> StaticPodScripts {
        StaticPodScripts(manifests: paths.manifests, kept: "\(paths.aside)/pods", dataDirectory: dataDirectory)
    }
}
