internal import Controller
package import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import Maintenance
package import Operations
internal import Synchronization

/// drydock's resources and roles in a real cluster, and controllers there that run as processes with the rights of their own service account.
package struct InstalledController: Sendable {
    package let cluster: RealKubernetes
    private let folder: URL

    /// Applies what `drydock manifests controller` prints.
    package init(in cluster: RealKubernetes, folder: URL, _ arguments: [String] = []) async throws {
        self.cluster = cluster
        self.folder = folder
        let place = folder.appendingPathComponent("manifests").path
        let made = try await BuiltProgram.run(
            ["manifests", "controller", "--kubernetes-version", "1.20", "--image", "example.com/drydock:1", "--output-dir", place] + arguments)
        guard made.status == 0 else { throw LocalEtcdCluster.Failure(description: "no manifests: \(made.errors)") }
        // Twice, as people do: what was applied is applied again without a change.
        for _ in 0..<2 {
            let applied = try await CommandRun.run(
                cluster.kubectl, ["--kubeconfig", cluster.kubeconfig.path, "apply", "--server-side", "-k", place])
            guard applied.status == 0 else { throw LocalEtcdCluster.Failure(description: "kubectl apply: \(applied.errors)") }
        }
    }

    /// Takes the pods away, which hollow nodes only pretend to run; everything else stays.
    package func removePods() async throws {
        let removed = try await CommandRun.run(
            cluster.kubectl,
            [
                "--kubeconfig", cluster.kubeconfig.path, "-n", "drydock", "delete", "deployment/drydock-controller", "daemonset/drydock-agent",
                "--cascade=foreground", "--timeout=60s",
            ])
        guard removed.status == 0 else { throw LocalEtcdCluster.Failure(description: "kubectl delete: \(removed.errors)") }
    }

    /// A kubeconfig with a token of a service account.
    package func kubeconfig(of account: String) async throws -> URL {
        let token = try await KubernetesClient.connected(cluster.access) { client in
            let path = Resource(plural: "serviceaccounts", kind: "ServiceAccount").path(namespace: "drydock", name: account, subresource: "token")
            let request: JSON = ["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": ["expirationSeconds": 7200]]
            return try await client.send(APIRequest(.post, path, body: request))["status"]["token"].string ?? ""
        }
        let file = folder.appendingPathComponent("\(account).conf")
        let authority = cluster.kubeconfig.deletingLastPathComponent().appendingPathComponent("pki/ca.crt").path
        let text = """
            apiVersion: v1
            kind: Config
            current-context: real
            clusters: [{name: real, cluster: {server: "\(cluster.access.server.absoluteString)", certificate-authority: "\(authority)"}}]
            users: [{name: account, user: {token: "\(token)"}}]
            contexts: [{name: real, context: {cluster: real, user: account}}]

            """
        guard FileManager.default.createFile(atPath: file.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]) else {
            throw LocalEtcdCluster.Failure(description: "cannot write \(file.path)")
        }
        return file
    }

    /// Starts a controller with leases that run out soon.
    package func start(_ kubeconfig: URL, environment: [String: String] = [:]) throws -> CommandRun.Running {
        var own = environment
        own["KUBECONFIG"] = kubeconfig.path
        own["POD_NAMESPACE"] = "drydock"
        return try CommandRun.Running(
            BuiltProgram.path,
            [
                "controller", "--listen", "127.0.0.1:\(try FreePorts.take(1)[0])", "--leader-elect-lease-duration", "3s",
                "--leader-elect-renew-deadline", "2s", "--leader-elect-retry-period", "500ms",
            ], environment: own)
    }

    /// What the API server allowed and refused an account, as the audit log has it.
    package func requests(of account: String) throws -> [(verb: String, resource: String, namespace: String, code: Int)] {
        let user = "system:serviceaccount:drydock:\(account)"
        let lines = try String(contentsOf: cluster.auditLog, encoding: .utf8).split(separator: "\n")
        return lines.compactMap { line in
            // The last may be half written.
            guard let event = try? JSON(parsing: String(line)) else { return nil }
            let object = event["objectRef"]
            guard event["user"]["username"].string == user, let plural = object["resource"].string else { return nil }
            let resource = object["subresource"].string.map { "\(plural)/\($0)" } ?? plural
            let group = object["apiGroup"].string ?? ""
            return (
                event["verb"].string ?? "", group.isEmpty ? resource : "\(group)/\(resource)", object["namespace"].string ?? "",
                event["responseStatus"]["code"].count ?? 0
            )
        }
    }
}

/// A hollow node's host: updates and reboots are simulated, and the node's boot id is written by hand, since a hollow kubelet never boots anew.
package final class HollowHost: AgentHost {
    private struct State {
        var pending: [NodeAgent.Report.Package] = []
        var rebootRequired = false
        var boot = 1
        /// Version by package, as often as it was installed.
        var installed: [String] = []
        var reboots = 0
        var failures = 0
    }

    private let admin: KubernetesClient
    private let node: String
    private let state = Mutex(State())

    package init(admin: KubernetesClient, node: String) {
        self.admin = admin
        self.node = node
    }

    package func release(_ version: Int) {
        state.withLock { state in
            state.pending.removeAll { $0.name == "tool" }
            state.pending.append(.init(name: "tool", from: "\(version - 1)", to: "\(version)"))
        }
    }

    /// The next update fails.
    package func failOnce() { state.withLock { $0.failures = 1 } }

    package var isCurrent: Bool { state.withLock { $0.pending.isEmpty && !$0.rebootRequired } }
    package var installed: [String] { state.withLock { $0.installed } }
    package var reboots: Int { state.withLock { $0.reboots } }

    /// Keeps the node's boot id what it is here, over whatever the kubelet writes, until it is cancelled.
    package func keepBootID() async throws {
        while true {
            let wanted = try await bootID()
            if let seen = try? await admin.get(Node.self, ObjectName("", node)), seen.bootID != wanted {
                _ = try? await admin.patch(
                    .nodes, ObjectName("", node), .merge(["status": ["nodeInfo": ["bootID": .string(wanted)]]]), subresource: "status")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    package func bootID() async throws -> String { state.withLock { "boot-\($0.boot)-of-\(node)" } }

    package func report(at now: Date) async -> NodeAgent.Report {
        var report = NodeAgent.Report(reportedAt: now)
        state.withLock { state in
            report.packages = state.pending
            report.rebootRequired = state.rebootRequired
            report.bootID = "boot-\(state.boot)-of-\(node)"
        }
        return report
    }

    package func update(_ order: NodeAgent.Order) async throws -> String {
        try await Task.sleep(for: .milliseconds(700))
        return try state.withLock { state in
            if state.failures > 0 {
                state.failures -= 1
                throw OperationError(.stopped, "dpkg: error processing package tool")
            }
            state.installed += state.pending.map { "\($0.name) \($0.to)" }
            state.pending = []
            state.rebootRequired = true
            return "updated"
        }
    }

    package func run(_ words: [String], seconds: Double) async throws -> String { "" }

    package func reboot() async throws {
        try await Task.sleep(for: .milliseconds(700))
        state.withLock { state in
            state.boot += 1
            state.reboots += 1
            state.rebootRequired = false
        }
        // The agent of a real host would be gone now, and come back after the boot.
        throw CancellationError()
    }
}
