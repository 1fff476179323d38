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
    @Test func `All leaf certificates are renewed and every component restarted through the load balancer, and the probe loses nothing`() async throws
    {
        try await ControlPlaneDesk.with { desk in
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
                ["certs", "restart", "--lb-drain", "3s", "--lb-hold"] + desk.hosts.hostFlags + desk.folders + desk.front + probe,
                environment: desk.environment)
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

    @Test func `Killed while a member of etcd and its API server are stopped, a restart goes on, and brings both back`() async throws {
        try await ControlPlaneDesk.with { desk in
            let first = desk.hosts.hosts[0]
            let restarting = try CommandRun.Running(
                BuiltProgram.path, ["certs", "restart", "--force", "etcd"] + desk.hosts.hostFlags + desk.folders, environment: desk.environment)
            let isAway = try await eventually(within: 120, every: 0.02) { () -> Bool? in
                FileManager.default.fileExists(atPath: first.kubernetes.appendingPathComponent("manifests/etcd.yaml").path) ? nil : true
            }
            restarting.send(SIGKILL)
            let killed = await restarting.finish()
            try #require(isAway == true && killed.status == 137, "\(killed.status) \(killed.errors)")
            #expect(try await desk.newestRun().state == "running")
            // A probe whose budget is burnt at once: what was taken away comes back all the same, and nothing else goes.
            let endpoints = desk.state.appendingPathComponent("endpoints.yaml")
            try Data("- url: http://127.0.0.1:1/\n".utf8).write(to: endpoints)
            let held = try await BuiltProgram.run(
                ["runs", "resume", desk.newestRun().id, "--probe-endpoints", endpoints.path], environment: desk.environment)
            #expect(
                held.status != 0 && held.errors.contains("does not let \"stop kube-apiserver on cp2\" begin: probe"), "\(held.output)\(held.errors)")
            for component in ["etcd", "kube-apiserver"] {
                #expect(FileManager.default.fileExists(atPath: first.kubernetes.appendingPathComponent("manifests/\(component).yaml").path))
            }
            let resumed = try await BuiltProgram.run(["runs", "resume", desk.newestRun().id], environment: desk.environment)
            #expect(resumed.status == 0, "\(resumed.output)\(resumed.errors)")
            for host in desk.hosts.hosts {
                for component in ["etcd"] + (host.serverPort == nil ? [] : ["kube-apiserver"]) {
                    #expect(FileManager.default.fileExists(atPath: host.kubernetes.appendingPathComponent("manifests/\(component).yaml").path))
                }
            }
            try await desk.hosts.waitUntilServing()
            #expect(try await desk.kubectl("get", "namespaces").status == 0)

            // Killed as its first step begins, which may not have done anything: it is taken back all the same.
            let begun = try CommandRun.Running(
                BuiltProgram.path, ["certs", "restart", "--force", "etcd"] + desk.hosts.hostFlags + desk.folders, environment: desk.environment)
            let hasBegun = try await eventually(within: 120, every: 0.01) { begun.errorsSoFar.contains("[1/7]") ? true : nil }
            begun.send(SIGKILL)
            _ = await begun.finish()
            try #require(hasBegun == true)
            let back = try await BuiltProgram.run(["runs", "rollback", desk.newestRun().id], environment: desk.environment)
            #expect(back.status == 0, "\(back.output)\(back.errors)")
            #expect(FileManager.default.fileExists(atPath: first.kubernetes.appendingPathComponent("manifests/kube-apiserver.yaml").path))
            #expect(try await desk.kubectl("get", "namespaces").status == 0)
        }
    }

    @Test func `One component gets another image on every node, killed and resumed, and the old one back`() async throws {
        try await ControlPlaneDesk.with { desk in
            func images() throws -> [String] {
                try desk.hosts.hosts.filter { $0.serverPort != nil }.map {
                    let text = try String(contentsOf: $0.kubernetes.appendingPathComponent("manifests/kube-apiserver.yaml"), encoding: .utf8)
                    return try #require(text.split(separator: "\n").first { $0.contains("image:") }).trimmingCharacters(in: .whitespaces)
                }
            }
            let before = try images()
            func words(_ image: String) -> [String] {
                ["components", "update", "kube-apiserver", "--image", image, "--lb-drain", "1s"] + desk.hosts.hostFlags + desk.folders + desk.front
            }
            let upgrade = try await BuiltProgram.run(words("registry.example/kube-apiserver:v1.21.0"), environment: desk.environment)
            #expect(upgrade.status == 4 && upgrade.output.contains("an upgrade of the cluster"), "\(upgrade.output)\(upgrade.errors)")
            let nonsense = try await BuiltProgram.run(words("kube-apiserver"), environment: desk.environment)
            #expect(nonsense.status != 0 && nonsense.errors.contains("is no image with a tag"), "\(nonsense.errors)")
            let image = "registry.example/kube-apiserver:v1.20.15"
            let updating = try CommandRun.Running(BuiltProgram.path, words(image), environment: desk.environment)
            let isAway = try await eventually(within: 120, every: 0.02) { () -> Bool? in
                let manifest = desk.hosts.hosts[0].kubernetes.appendingPathComponent("manifests/kube-apiserver.yaml").path
                return FileManager.default.fileExists(atPath: manifest) ? nil : true
            }
            updating.send(SIGKILL)
            _ = await updating.finish()
            try #require(isAway == true)
            let resumed = try await BuiltProgram.run(["runs", "resume", desk.newestRun().id], environment: desk.environment)
            #expect(resumed.status == 0, "\(resumed.output)\(resumed.errors)")
            #expect(try images() == ["image: \(image)", "image: \(image)"])
            let again = try await BuiltProgram.run(words(image), environment: desk.environment)
            #expect(again.output.contains("has the image \(image) everywhere"), "\(again.output)\(again.errors)")
            let back = try await BuiltProgram.run(["runs", "rollback", desk.newestRun().id], environment: desk.environment)
            #expect(back.status == 0, "\(back.output)\(back.errors)")
            #expect(try images() == before)
            #expect(try await desk.kubectl("get", "namespaces").status == 0)
        }
    }

    @Test func `A running control plane whose certificates have expired comes back by the way of its runbook page`() async throws {
        try await ControlPlaneDesk.with { desk in
            // Made by a clock that is two years slow: whoever reads them now finds them over.
            let slow = try await CommandRun.run(
                "faketime", ["-f", "-730d", BuiltProgram.path, "certs", "renew"] + desk.hosts.hostFlags + desk.folders, environment: desk.environment)
            try #require(slow.status == 0, "\(slow.output)\(slow.errors)")
            // etcd reads its files at each handshake, and shakes hands anew when it starts.
            for host in desk.hosts.hosts { try await desk.hosts.restartPods(of: host) }
            #expect(try await desk.kubectl("get", "namespaces").status != 0, "nobody gets in")
            let found = try await desk.certs("check")
            #expect(found.status == 3 && found.output.contains("it expired at"), "\(found.output)")

            let renewed = try await desk.certs("renew")
            try #require(renewed.status == 0, "\(renewed.output)\(renewed.errors)")
            let restarted = try await desk.certs("restart", "--accept-risk")
            try #require(restarted.status == 0, "\(restarted.output)\(restarted.errors)")
            let checked = try await desk.certs("check")
            #expect(!checked.output.contains("it expired at"), "\(checked.output)")
            let back = try await eventually(within: 60) { try await desk.kubectl("get", "namespaces").status == 0 ? true : nil }
            #expect(back == true, "the renewed admin.conf opens it")
        }
    }
}
