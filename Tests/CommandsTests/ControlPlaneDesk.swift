import Foundation
import HAProxy
import Proving
import Testing

/// A control plane, its load balancer, and drydock with a journal of its own.
struct ControlPlaneDesk: Sendable {
    let hosts: ControlPlaneHosts
    let balancer: BalancedServers
    let state: URL

    static func with(_ body: @Sendable (ControlPlaneDesk) async throws -> Void) async throws {
        let assets = try #require(RealKubernetes.assets)
        try await BuiltProgram.withFolder { state in
            try await ControlPlaneHosts.running(servers: 2, assets: assets) { hosts in
                let servers = hosts.hosts.compactMap { host in
                    host.serverPort.map { ControlPlaneConfiguration.Server(name: host.name, host: "127.0.0.1", port: $0) }
                }
                try await BalancedServers.running(
                    .v2_6, at: hosts.balancerPort, before: servers, authority: hosts.hosts[0].kubernetes.appendingPathComponent("pki/ca.crt")
                ) { balancer in
                    let desk = ControlPlaneDesk(hosts: hosts, balancer: balancer, state: state)
                    // The namespace that the probe asks for is made a moment after the first start.
                    let isThere = try await eventually(within: 60) {
                        try await desk.kubectl("get", "namespace", "kube-system").status == 0 ? true : nil
                    }
                    try #require(isThere == true)
                    try await body(desk)
                }
            }
        }
    }

    var environment: [String: String] { ["XDG_STATE_HOME": state.path, "KUBECONFIG": admin] }
    var admin: String { hosts.hosts[0].kubernetes.appendingPathComponent("admin.conf").path }
    var folders: [String] { ["--kubernetes-dir", hosts.kubernetes.path, "--kubelet-dir", hosts.folder.appendingPathComponent("kubelet").path] }
    var front: [String] {
        ["--lb-socket", balancer.socket.path, "--lb-master-socket", balancer.master.path, "--lb-config", balancer.configuration.path]
    }

    func certs(_ words: String...) async throws -> CommandRun {
        try await BuiltProgram.run(["certs"] + words + hosts.hostFlags + folders, environment: environment)
    }

    func kubectl(_ words: String...) async throws -> CommandRun {
        try await CommandRun.run(
            try #require(RealKubernetes.assets).appendingPathComponent("kubectl").path,
            ["--kubeconfig", admin, "--request-timeout", "10s"] + words)
    }

    /// Serial numbers as openssl reads them, by node and file.
    func serials() async throws -> [String: String] {
        var found: [String: String] = [:]
        for host in hosts.hosts {
            let pki = host.kubernetes.appendingPathComponent("pki")
            for case let file as String in try #require(FileManager.default.enumerator(atPath: pki.path)) where file.hasSuffix(".crt") {
                let run = try await CommandRun.run("openssl", ["x509", "-in", pki.appendingPathComponent(file).path, "-noout", "-serial"])
                found["\(host.name) \(file)"] = run.output
            }
        }
        return found
    }

    /// What a server presents to openssl.
    func served(_ port: Int) async throws -> String {
        let run = try await CommandRun.run(
            "sh", ["-c", "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null | openssl x509 -noout -serial"])
        return run.output
    }

    func newestRun() async throws -> (id: String, state: String) {
        let run = try await BuiltProgram.run(["runs", "list", "-o", "json"], environment: environment)
        let runs = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])
        return (try #require(runs.first?["id"] as? String), try #require(runs.first?["state"] as? String))
    }
}
