internal import ClusterPKI
package import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import Maintenance
internal import Synchronization

/// A real Kubernetes control plane on the loopback interface, with hollow nodes (kubelets over a fake runtime), for as long as a closure runs.
///
/// The programs come from the folder that KUBEBUILDER_ASSETS names: etcd and kube-apiserver, and beside them kube-controller-manager,
/// kube-scheduler and kubemark.
package struct RealKubernetes: Sendable {
    package let kubeconfig: URL
    package let folder: URL
    package let access: ClusterAccess
    /// Every request that was answered, a JSON object a line.
    package let auditLog: URL
    /// Of its etcd, without TLS.
    package let etcd: String
    private let kubelets: HollowKubelets

    /// How often a hollow kubelet had to be started anew; their fake runtime crashes now and then (concurrent map writes).
    package var restarts: Int { kubelets.restarts }

    /// The folder of the programs; nil where nobody names one.
    package static var assets: URL? {
        guard let path = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"], !path.isEmpty else { return nil }
        let folder = URL(fileURLWithPath: path)
        let needed = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubemark"]
        return needed.allSatisfy { FileManager.default.isExecutableFile(atPath: folder.appendingPathComponent($0).path) } ? folder : nil
    }

    package static let missing =
        "KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubemark"

    /// Where nobody names the programs the tests with them are skipped, with the reason.
    package static var mayRun: Bool { assets != nil }

    package var kubectl: String { folder.appendingPathComponent("kubectl").path }

    /// Starts a cluster with `nodes` hollow nodes named `worker-1` and so on, runs `body` when they are ready, and ends everything afterwards.
    package static func running<Result: Sendable>(nodes: Int, body: (RealKubernetes) async throws -> Result) async throws -> Result {
        guard let assets else { throw LocalEtcdCluster.Failure(description: missing) }
        // Heavy, and one at a time is enough for a small machine.
        await ServerSlots.shared.take(9)
        let state = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-kubernetes-\(UUID().uuidString)")
        var processes: [CommandRun.Running] = []
        let kubelets = HollowKubelets(program: assets.appendingPathComponent("kubemark").path)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await start(assets, state, nodes, &processes, kubelets, body: body))
        } catch {
            // Go's servers say why in a line of its own, before a page of stacks.
            let last = processes.filter { !$0.isRunning }.map { process in
                let lines = process.errorsSoFar.split(separator: "\n")
                return (lines.filter { $0.hasPrefix("F") || $0.hasPrefix("Error") || $0.hasPrefix("panic") } + lines.suffix(3)).joined(
                    separator: "\n")
            }
            outcome = .failure(
                last.isEmpty ? error : LocalEtcdCluster.Failure(description: "\(error)\na server ended: \(last.joined(separator: "\n"))"))
        }
        for process in kubelets.all + processes.reversed() {
            process.send(SIGKILL)
            _ = await process.finish()
        }
        try? FileManager.default.removeItem(at: state)
        await ServerSlots.shared.giveBack(9)
        return try outcome.get()
    }

    private static func start<Result>(
        _ assets: URL, _ state: URL, _ nodes: Int, _ processes: inout [CommandRun.Running], _ kubelets: HollowKubelets,
        body: (RealKubernetes) async throws -> Result
    ) async throws -> Result {
        let ports = try FreePorts.take(5 + 2 * nodes)
        let (etcdClient, etcdPeer, api, manager, scheduler) = (ports[0], ports[1], ports[2], ports[3], ports[4])
        let pki = state.appendingPathComponent("pki")
        let authority = try CertificateAuthority(commonName: "kubernetes")
        let writer = try EtcdPKI()
        try writer.write(authority.issued, as: "ca", to: pki)
        try writer.write(
            authority.issue(
                CertificateRequest(
                    commonName: "kube-apiserver", dnsNames: ["localhost", "kubernetes"], ipAddresses: ["127.0.0.1", "10.96.0.1"], usages: [.server])),
            as: "apiserver", to: pki)
        let admin = try authority.issue(CertificateRequest(commonName: "admin", organization: "system:masters", usages: [.client]))
        try writer.write(admin, as: "admin", to: pki)
        // Tokens of service accounts are signed with any key.
        try writer.write(authority.issue(CertificateRequest(commonName: "service accounts", usages: [.client])), as: "sa", to: pki)
        func file(_ name: String) -> String { pki.appendingPathComponent(name).path }
        // Absolute: kubemark looks for relative paths where it was started.
        let kubeconfig = state.appendingPathComponent("admin.conf")
        try Data(
            """
            apiVersion: v1
            kind: Config
            current-context: real
            clusters: [{name: real, cluster: {server: "https://127.0.0.1:\(api)", certificate-authority: "\(file("ca.crt"))"}}]
            users: [{name: admin, user: {client-certificate: "\(file("admin.crt"))", client-key: "\(file("admin.key"))"}}]
            contexts: [{name: real, context: {cluster: real, user: admin}}]

            """.utf8
        ).write(to: kubeconfig)
        let auditPolicy = state.appendingPathComponent("audit.yaml")
        let auditLog = state.appendingPathComponent("audit.log")
        try Data(#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["RequestReceived"],"rules":[{"level":"Metadata"}]}"#.utf8).write(
            to: auditPolicy)
        func run(_ program: String, _ arguments: [String]) throws {
            processes.append(try CommandRun.Running(assets.appendingPathComponent(program).path, arguments, environment: ["KUBECONFIG": ""]))
        }
        try run(
            "etcd",
            [
                "--name", "real", "--data-dir", state.appendingPathComponent("etcd").path, "--listen-client-urls", "http://127.0.0.1:\(etcdClient)",
                "--advertise-client-urls", "http://127.0.0.1:\(etcdClient)", "--listen-peer-urls", "http://127.0.0.1:\(etcdPeer)",
                "--initial-advertise-peer-urls", "http://127.0.0.1:\(etcdPeer)", "--initial-cluster", "real=http://127.0.0.1:\(etcdPeer)",
                "--unsafe-no-fsync",
            ])
        try run(
            "kube-apiserver",
            [
                "--etcd-servers", "http://127.0.0.1:\(etcdClient)", "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
                "--secure-port", "\(api)", "--service-cluster-ip-range", "10.96.0.0/12", "--client-ca-file", file("ca.crt"), "--tls-cert-file",
                file("apiserver.crt"), "--tls-private-key-file", file("apiserver.key"), "--service-account-key-file", file("sa.crt"),
                "--service-account-signing-key-file", file("sa.key"), "--service-account-issuer", "https://kubernetes.default.svc",
                "--authorization-mode", "Node,RBAC", "--allow-privileged", "--cert-dir", pki.path,
                "--audit-policy-file", auditPolicy.path, "--audit-log-path", auditLog.path,
            ])
        var access = try Kubeconfig(paths: [kubeconfig.path], mustExist: true).access(environment: [:])
        access.context = nil
        return try await KubernetesClient.connected(access) { client in
            try await until("the API server serves", processes) { _ = try await client.send(APIRequest(.get, "/readyz")) }
            let common = [
                "--kubeconfig", kubeconfig.path, "--authentication-kubeconfig", kubeconfig.path, "--authorization-kubeconfig", kubeconfig.path,
            ]
            try run(
                "kube-controller-manager",
                common + [
                    "--bind-address", "127.0.0.1", "--secure-port", "\(manager)", "--port", "0", "--root-ca-file", file("ca.crt"),
                    "--service-account-private-key-file", file("sa.key"), "--leader-elect=false", "--kube-api-qps", "300", "--kube-api-burst", "400",
                    "--cert-dir", pki.path,
                ])
            try run(
                "kube-scheduler",
                common + [
                    "--bind-address", "127.0.0.1", "--secure-port", "\(scheduler)", "--port", "0", "--leader-elect=false", "--kube-api-qps", "300",
                    "--kube-api-burst", "400", "--cert-dir", pki.path,
                ])
            async let _ = kubelets.keepAlive()
            // One after the other: their fake runtimes share a socket, which two that begin at once take from each other.
            for index in 0..<nodes {
                let name = "worker-\(index + 1)"
                let (port, readOnlyPort) = (ports[5 + 2 * index], ports[6 + 2 * index])
                try kubelets.start([
                    "--morph", "kubelet", "--name", name, "--kubeconfig", kubeconfig.path, "--kubelet-port", "\(port)", "--kubelet-read-only-port",
                    "\(readOnlyPort)",
                ])
                try await until("\(name) registers", processes) { _ = try await client.get(.nodes, .init("", name)) }
            }
            try await until("\(nodes) nodes are ready", processes) {
                let ready = try await client.list(Node.self).count(where: \.isReady)
                guard ready >= nodes else { throw LocalEtcdCluster.Failure(description: "\(ready) are") }
                // Pods need their namespace's account.
                _ = try await client.get(Resource(plural: "serviceaccounts", kind: "ServiceAccount"), .init("default", "default"))
            }
            return try await body(
                RealKubernetes(
                    kubeconfig: kubeconfig, folder: assets, access: access, auditLog: auditLog, etcd: "http://127.0.0.1:\(etcdClient)",
                    kubelets: kubelets))
        }
    }

    /// Tries until it goes well, for a minute and a half, as long as the servers live.
    private static func until(_ what: String, _ processes: [CommandRun.Running], _ look: () async throws -> Void) async throws {
        let limit = ContinuousClock.now + .seconds(90)
        while true {
            do { return try await look() } catch {
                guard ContinuousClock.now < limit, processes.allSatisfy(\.isRunning) else {
                    throw LocalEtcdCluster.Failure(description: "it did not come about that \(what): \(error)")
                }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}

/// Kubelets over a fake runtime, each started anew when it crashes.
private final class HollowKubelets: Sendable {
    private let program: String
    private let state = Mutex<(running: [(arguments: [String], process: CommandRun.Running)], restarts: Int)>(([], 0))

    init(program: String) { self.program = program }

    var all: [CommandRun.Running] { state.withLock { $0.running.map(\.process) } }
    var restarts: Int { state.withLock { $0.restarts } }

    func start(_ arguments: [String]) throws {
        let process = try CommandRun.Running(program, arguments, environment: ["KUBECONFIG": ""])
        state.withLock { $0.running.append((arguments, process)) }
    }

    /// Looks until it is cancelled.
    func keepAlive() async {
        while !Task.isCancelled {
            let dead = state.withLock { state in state.running.firstIndex { !$0.process.isRunning }.map { state.running.remove(at: $0) } }
            if let dead {
                _ = await dead.process.finish()
                state.withLock { $0.restarts += 1 }
                try? start(dead.arguments)
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }
}
