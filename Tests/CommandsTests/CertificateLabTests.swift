import Foundation
import Proving
import Testing

/// `drydock certs` on a real kubeadm cluster of real hosts, with its load balancer in front.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(30)))
struct CertificateLabTests {
    @Test func `All certificates of three control planes are renewed and every component restarted, and nobody notices`() async throws {
        let lab = try await RealNodes.settled()
        let nodes = ["cp1", "cp2", "cp3"]
        try await BuiltProgram.withFolder { folder in
            let environment = ["HOME": folder.path, "XDG_STATE_HOME": folder.path, "KUBECONFIG": "\(lab.folder)/admin.conf"]
            let hosts = nodes.flatMap { ["--host", $0] } + ["--ssh-config", lab.sshConfig]
            let front = ["--lb-socket", "\(lab.folder)/haproxy.sock", "--lb-config", "\(lab.folder)/haproxy.cfg"]
            func drydock(_ words: [String]) async throws -> CommandRun { try await lab.run([BuiltProgram.path] + words, environment: environment) }
            func served(_ node: String, _ port: Int) async throws -> String {
                // Members listen to one another on the node's own address alone.
                let own = "sed -n 's#.*listen-peer-urls=https://\\([^:]*\\):.*#\\1#p' /etc/kubernetes/manifests/etcd.yaml"
                let host = port == 2380 ? "$(\(own))" : "127.0.0.1"
                return try await lab.on(node, "openssl s_client -connect \(host):\(port) </dev/null 2>/dev/null | openssl x509 -noout -serial")
            }
            func onDisk(_ node: String, _ file: String) async throws -> String {
                try await lab.on(node, "openssl x509 -in /etc/kubernetes/pki/\(file).crt -noout -serial")
            }
            let places = [(6443, "apiserver"), (2379, "etcd/server"), (2380, "etcd/peer")]

            let status = try await drydock(["components", "status"] + front)
            print(status.output)
            // What other suites restarted a moment ago may be named.
            #expect([0, 3].contains(status.status), "\(status.errors)")
            for words in ["newer than", "older than", "several versions"] { #expect(!status.output.contains(words), "\(status.output)") }
            for words in ["etcd", "kube-apiserver", "kube-proxy", "containerd://", "haproxy"] { #expect(status.output.contains(words), "\(words)") }
            let checked = try await drydock(["certs", "check"] + hosts)
            #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
            var before: [String: String] = [:]
            for node in nodes { for (port, _) in places { before["\(node):\(port)"] = try await served(node, port) } }

            let renewed = try await drydock(["certs", "renew", "--from-config"] + hosts)
            try #require(renewed.status == 0, "\(renewed.output)\(renewed.errors)")
            let restarted = try await drydock(
                [
                    "certs", "restart", "--lb-drain", "3s", "--lb-hold", "--probe", "--probe-kubeconfig", "\(lab.folder)/admin.conf", "--probe-rate",
                    "20",
                    "--probe-timeout", "30s",
                ] + hosts
                    + front)
            print(restarted.output)
            try #require(restarted.status == 0, "\(restarted.output)\(restarted.errors)")
            #expect(restarted.output.contains("100.0000% of"), "0 failed requests")
            for node in nodes {
                for (port, file) in places {
                    let (now, written) = (try await served(node, port), try await onDisk(node, file))
                    #expect(now != before["\(node):\(port)"] && now == written, "\(node):\(port)")
                }
            }
            let again = try await drydock(["certs", "restart", "--dry-run"] + hosts + front)
            #expect(again.output.contains("nothing to do"), "\(again.output)")
            #expect(try await drydock(["certs", "check"] + hosts).status == 0)
            try await lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "120s")
            let healthy = try await drydock(["lb", "status", "--config", "\(lab.folder)/haproxy.cfg", "--socket", "\(lab.folder)/haproxy.sock"])
            #expect(healthy.status == 0 && healthy.output.contains("3 of 3 take traffic"), "\(healthy.output)")
        }
    }
}
