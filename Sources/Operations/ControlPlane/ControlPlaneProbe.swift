internal import Etcd
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import NodeAccess

/// Talks to the etcd members and API servers of hosts, through the hosts themselves: their ports need not be reachable from here.
struct ControlPlaneProbe: Sendable {
    let hosts: [ControlPlaneHost]

    init(_ hosts: [ControlPlaneHost]) { self.hosts = hosts }

    /// Runs `body` with a client of every member. Endpoints are in the order of the hosts.
    /// The client's certificate is the host's own; its files are here only meanwhile.
    func withEtcd<Result: Sendable>(_ body: @Sendable (EtcdClient) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let tls = try await fetchTLS(into: folder)
        return try await reaching(hosts[...], []) { endpoints in
            try await EtcdClient.connected(EtcdConfiguration(endpoints: endpoints, tls: tls)) { try await body($0) }
        }
    }

    /// All members trust the same authority, so the certificate of one host that has it is enough.
    private func fetchTLS(into folder: URL) async throws -> EtcdConfiguration.TLS? {
        var failure: (any Error)?
        for host in hosts {
            guard let files = host.tls else { continue }
            func fetch(_ path: String, _ name: String) async throws -> String {
                let file = folder.appendingPathComponent(name).path
                let text = try await host.access.text("cat \(NodeAccess.quoted(path))")
                guard FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]) else {
                    throw OperationError(.stopped, "cannot write \(file).")
                }
                return file
            }
            do {
                return .init(
                    authority: try await fetch(files.authority, "ca.crt"), certificate: try await fetch(files.certificate, "client.crt"),
                    key: try await fetch(files.key, "client.key"))
            } catch let error as NodeError { failure = error }
        }
        if let failure { throw failure }
        return nil
    }

    private func reaching<Result: Sendable>(
        _ hosts: ArraySlice<ControlPlaneHost>, _ endpoints: [Endpoint], _ body: @Sendable ([Endpoint]) async throws -> Result
    ) async throws -> Result {
        guard let host = hosts.first else { return try await body(endpoints) }
        let endpoint = try Endpoint(host.clientURL)
        guard case .host(let name, let port) = endpoint.address else {
            throw OperationError(.invalid, "the etcd of \(host.name) listens at \(endpoint), which is no host and port.")
        }
        return try await host.access.reaching(name, port) { near, port in
            try await reaching(
                hosts.dropFirst(), endpoints + [try Endpoint("\(endpoint.requiresTLS == true ? "https" : "http")://\(near):\(port)")], body)
        }
    }

    /// Whether the hosts form a cluster that serves now.
    enum Serving: Sendable, Equatable {
        case no
        case yes(revision: Int64)
        /// It runs, and cannot be asked: why.
        case unknown(String)
    }

    /// - Parameter runs: whether an etcd process runs on any of the hosts.
    func serving(runs: Bool) async throws -> Serving {
        guard runs else { return .no }
        do {
            return try await withEtcd { client in
                let answers = await client.statuses()
                let statuses = answers.compactMap { try? $0.status.get() }
                guard let revision = statuses.map(\.revision).max() else {
                    let errors = zip(hosts, answers).compactMap { host, answer -> String? in
                        guard case .failure(let error) = answer.status else { return nil }
                        return "\(host.name): \(error)"
                    }
                    return .unknown(errors.isEmpty ? "nobody answers" : errors.joined(separator: "; "))
                }
                guard statuses.contains(where: { $0.leaderID != 0 }) else { return .no }
                // A linearizable read is what only a quorum answers. Asked of those that live: what the others say means nothing.
                var living = client.configuration
                living.endpoints = answers.filter { (try? $0.status.get()) != nil }.map(\.endpoint)
                do {
                    try await EtcdClient.connected(living) { _ = try await $0.countKeys() }
                    return .yes(revision: revision)
                } catch let error as EtcdError where error.isTransient || error.code == .deadline {
                    return .no
                } catch { return .unknown("\(error)") }
            }
        } catch let error as CancellationError { throw error } catch { return .unknown("\(error)") }
    }

    /// Whether every member serves the restored data, all the same: what is missing, or nil.
    /// - Parameter revision: at which the keys are counted: those with leases may have gone since.
    func complaintOfEtcd(liveKeys: Int64, at revision: Int64) async throws -> String? {
        try await withEtcd { client in
            let answers = await client.statuses()
            var clusters: Set<UInt64> = []
            for (host, answer) in zip(hosts, answers) {
                switch answer.status {
                case .failure(let error): return "\(host.name): \(error)"
                case .success(let status):
                    guard status.leaderID != 0 else { return "\(host.name) has no leader yet" }
                    clusters.insert(status.clusterID)
                }
            }
            guard clusters.count == 1 else { return "the hosts belong to \(clusters.count) clusters" }
            let count = try await client.countKeys(revision: revision)
            guard count == liveKeys else { throw OperationError(.damaged, "etcd has \(count) keys, and the backup has \(liveKeys).") }
            // At the newest revision: at the compacted one, which a raised revision is, etcd 3.5 does not answer.
            var hashes: [Int64: Set<UInt32>] = [:]
            for endpoint in client.configuration.endpoints {
                let hash = try await client.hashKV(at: endpoint, revision: 0)
                hashes[hash.revision, default: []].insert(hash.hash)
            }
            guard hashes.count == 1, let (revision, values) = hashes.first else { return "the members are not at the same revision yet" }
            guard values.count == 1 else {
                throw OperationError(.damaged, "the members do not hold the same: HashKV differs at revision \(revision).")
            }
            return nil
        }
    }

    /// Asks the API server of a host for its nodes.
    /// - Returns: how many there are; nil where the host has no client certificate to ask with.
    func nodes(of host: ControlPlaneHost, _ server: ControlPlaneHost.APIServer) async throws -> Int? {
        try await asking(host, server) { try await KubernetesClient.connected($0) { try await $0.list(Node.self).count } }
    }

    /// What the API server of a host says of itself.
    /// - Returns: what it lacks; nil when it is ready, or nobody may ask.
    func readiness(of host: ControlPlaneHost, _ server: ControlPlaneHost.APIServer) async throws -> String? {
        let answer = try await asking(host, server) { try await HTTPTransport.connected($0) { try await $0.send(APIRequest(.get, "/readyz")) } }
        guard let answer, answer.status != 200 else { return nil }
        return "the API server of \(host.name) is not ready (\(answer.status)): \((answer.body.string ?? "").suffix(300))"
    }

    /// What the API server of a host tells Prometheus; nil where the host has no client certificate to ask with.
    func metrics(of host: ControlPlaneHost, _ server: ControlPlaneHost.APIServer) async throws -> String? {
        try await asking(host, server) { access in
            try await KubernetesClient.connected(access) { try await $0.send(APIRequest(.get, "/metrics", accept: "text/plain")).string ?? "" }
        }
    }

    /// Runs `body` with a client of the first API server that is ready.
    func withKubernetes<Result: Sendable>(_ body: @Sendable (KubernetesClient) async throws -> Result) async throws -> Result {
        var complaints: [String] = []
        for host in hosts {
            guard let server = host.server else { continue }
            do {
                if let complaint = try await readiness(of: host, server) {
                    complaints.append(complaint)
                    continue
                }
            } catch let error as CancellationError { throw error } catch {
                complaints.append("\(host.name): \(error)")
                continue
            }
            guard let result = try await asking(host, server, { try await KubernetesClient.connected($0) { try await body($0) } }) else { continue }
            return result
        }
        throw OperationError(.stopped, complaints.isEmpty ? "no host has an API server that may be asked." : complaints.joined(separator: "; "))
    }

    private func asking<Result: Sendable>(
        _ host: ControlPlaneHost, _ server: ControlPlaneHost.APIServer, _ body: @Sendable (ClusterAccess) async throws -> Result
    ) async throws -> Result? {
        guard let client = server.client else { return nil }
        func fetch(_ path: String) async throws -> PEMSource { .bytes(Array(try await host.access.text("cat \(NodeAccess.quoted(path))").utf8)) }
        let (authority, certificate, key) = (try await fetch(client.authority), try await fetch(client.certificate), try await fetch(client.key))
        return try await host.access.reaching("127.0.0.1", server.port) { near, port in
            guard let url = URL(string: "https://\(near):\(port)") else { throw OperationError(.invalid, "\(host.name) has the port \(port).") }
            var access = ClusterAccess(server: url)
            // kubeadm's certificates name the service, not loopback.
            access.tlsServerName = "kubernetes"
            (access.authority, access.certificate, access.key) = (authority, certificate, key)
            return try await body(access)
        }
    }
}
