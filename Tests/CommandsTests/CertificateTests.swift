import Etcd
import Foundation
import HAProxy
import Maintenance
import Operations
import Proving
import Testing

/// `drydock certs` on what a real kubeadm has made, and on a running control plane of three real etcd members and two real API servers behind a real HAProxy.
@Suite(
    .enabled(if: RealKubernetes.mayRun && ControlPlaneHosts.mayRun && HAProxyRelease.mayRun, "root, a real Kubernetes and HAProxy are needed"),
    .serialized, .timeLimit(.minutes(40)))
struct CertificateTests {
    /// A control plane, its load balancer, and drydock with a journal of its own.
    private struct Desk: Sendable {
        let hosts: ControlPlaneHosts
        let balancer: BalancedServers
        let state: URL

        static func with(_ body: @Sendable (Desk) async throws -> Void) async throws {
            let assets = try #require(RealKubernetes.assets)
            try await BuiltProgram.withFolder { state in
                try await ControlPlaneHosts.running(servers: 2, assets: assets) { hosts in
                    let servers = hosts.hosts.compactMap { host in
                        host.serverPort.map { ControlPlaneConfiguration.Server(name: host.name, host: "127.0.0.1", port: $0) }
                    }
                    try await BalancedServers.running(
                        .v2_6, at: hosts.balancerPort, before: servers, authority: hosts.hosts[0].kubernetes.appendingPathComponent("pki/ca.crt")
                    ) { balancer in
                        let desk = Desk(hosts: hosts, balancer: balancer, state: state)
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
        var front: [String] { ["--lb-socket", balancer.socket.path, "--lb-config", balancer.configuration.path] }

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

    @Test func `All leaf certificates are renewed and every component restarted through the load balancer, and the probe loses nothing`() async throws
    {
        try await Desk.with { desk in
            let before = try await desk.serials()
            let found = try await desk.certs("check")
            #expect(found.status == 0, "\(found.output)\(found.errors)")
            let secret = desk.hosts.hosts[0].kubernetes.appendingPathComponent("pki").path
            let made = try await desk.kubectl(
                "create", "secret", "tls", "web", "-n", "default", "--cert", "\(secret)/apiserver.crt", "--key", "\(secret)/apiserver.key")
            #expect(made.status == 0, "\(made.errors)")
            let inside = try await desk.certs("check", "--cluster", "--warn-days", "400")
            #expect(inside.status == 3 && inside.output.contains("secret default/web"), "\(inside.output)\(inside.errors)")
            // One node gets keys of another kind: both serve side by side.
            for (node, words) in [("cp1", ["--key", "ecdsa"]), ("cp2", []), ("cp3", [])] {
                let renewed = try await BuiltProgram.run(
                    ["certs", "renew", "--host", node, "--ssh-config", desk.hosts.sshConfig] + words + desk.folders, environment: desk.environment)
                #expect(renewed.status == 0, "\(renewed.output)\(renewed.errors)")
            }
            let after = try await desk.serials()
            for (file, serial) in after {
                let isAuthority = file.hasSuffix("ca.crt")
                #expect((serial == before[file]) == isAuthority, "\(file): \(serial)")
            }
            let probe = [
                "--probe", "--probe-kubeconfig", desk.hosts.hosts[1].kubernetes.appendingPathComponent("admin.conf").path, "--probe-rate", "20",
                "--probe-timeout", "30s",
                "-o", "json",
            ]
            let restarted = try await BuiltProgram.run(
                ["certs", "restart", "--lb-drain", "3s"] + desk.hosts.hostFlags + desk.folders + desk.front + probe, environment: desk.environment)
            try #require(restarted.status == 0, "\(restarted.output)\(restarted.errors)")
            let report = try #require(try JSONSerialization.jsonObject(with: Data(restarted.output.utf8)) as? [String: Any])
            let availability = try #require(report["availability"] as? [String: Any])
            let targets = try #require(availability["targets"] as? [[String: Any]])
            print(
                "restarted in \(availability["seconds"] ?? "?") s: \(targets.map { "\($0["name"] ?? "") \($0["requests"] ?? 0) requests, \($0["failed"] ?? "") failed, \($0["resent"] ?? 0) resent, cut \($0["interruptions"] ?? 0), gap \($0["longestGapSeconds"] ?? 0)" })"
            )
            for target in targets {
                #expect(target["failed"] as? Int == 0, "\(target)")
                if target["name"] as? String != "watch" { #expect(target["requests"] as? Int ?? 0 > 200) }
            }
            for host in desk.hosts.hosts {
                let client = try #require(URLComponents(string: host.clientURL)?.port)
                #expect(try await desk.served(client) == after["\(host.name) etcd/server.crt"], "etcd of \(host.name)")
                if let port = host.serverPort { #expect(try await desk.served(port) == after["\(host.name) apiserver.crt"], "\(host.name)") }
            }
            #expect(try await desk.kubectl("get", "namespaces").status == 0)
            let again = try await desk.certs("restart", "--dry-run")
            #expect(again.output.contains("nothing to do") && again.output.contains("uses the newest files already"), "\(again.output)")
        }
    }
}
