import Foundation
import Proving
import Testing

/// `drydock certs rotate-ca` on a real kubeadm cluster of real hosts with real kubelets: `make test-nodes-long`, for it takes half an hour.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(60)))
struct RotationLabTests {
    @Test func `All authorities of a cluster are replaced on control planes and workers, and nobody notices`() async throws {
        let lab = try await RealNodes.settled()
        let controlPlanes = ["cp1", "cp2", "cp3"]
        let nodes = controlPlanes + ["w1", "w2"]
        try await BuiltProgram.withFolder { folder in
            let admin = "\(lab.folder)/admin.conf"
            let environment = ["HOME": folder.path, "XDG_STATE_HOME": folder.path, "KUBECONFIG": admin]
            let hosts = nodes.flatMap { ["--host", $0] } + ["--ssh-config", lab.sshConfig]
            let front = ["--lb-socket", "\(lab.folder)/haproxy.sock", "--lb-config", "\(lab.folder)/haproxy.cfg", "--lb-hold", "--lb-drain", "3s"]
            let probe = ["--probe", "--probe-kubeconfig", admin, "--probe-rate", "10", "--probe-timeout", "30s"]
            func drydock(_ words: [String]) async throws -> CommandRun { try await lab.run([BuiltProgram.path] + words, environment: environment) }
            func fingerprint(_ node: String, _ file: String) async throws -> String {
                try await lab.on(node, "openssl x509 -in \(file) -noout -fingerprint")
            }
            let authorities = ["ca", "etcd/ca", "front-proxy-ca"].map { "/etc/kubernetes/pki/\($0).crt" }
            var before: Set<String> = []
            for file in authorities { before.insert(try await fingerprint("cp1", file)) }
            let booted = try await lab.on("w1", "systemctl show -p MainPID --value kubelet")

            let incomplete = try await drydock([
                "certs", "rotate-ca", "--dry-run", "--host", "cp1", "--host", "cp2", "--host", "cp3", "--ssh-config", lab.sshConfig,
            ])
            #expect(incomplete.status == 4 && incomplete.output.contains("would be locked out"), "\(incomplete.output)\(incomplete.errors)")

            // The old admin.conf is good all the while.
            let rotated = try await drydock(["certs", "rotate-ca", "--keep-old"] + hosts + front + probe)
            print(rotated.output)
            try #require(rotated.status == 0, "\(rotated.output)\(rotated.errors)")
            #expect(rotated.output.contains("100.0000% of"), "0 failed requests")
            let between = try await drydock(["certs", "rotate-ca", "--status"] + hosts)
            #expect(between.status == 3 && !between.output.contains("kubelet-client"), "\(between.output)")

            // Who uses the cluster gets the new one; then the old authorities go.
            try Data(try await lab.on("cp1", "cat /etc/kubernetes/admin.conf").utf8).write(to: URL(fileURLWithPath: admin))
            let dropped = try await drydock(["certs", "rotate-ca", "--drop-old"] + hosts + front + probe)
            print(dropped.output)
            try #require(dropped.status == 0, "\(dropped.output)\(dropped.errors)")
            #expect(dropped.output.contains("100.0000% of"), "0 failed requests")

            let status = try await drydock(["certs", "rotate-ca", "--status"] + hosts)
            #expect(status.status == 0, "\(status.output)\(status.errors)")
            for file in authorities {
                let new = try await fingerprint("cp1", file)
                #expect(!before.contains(new), "\(file)")
                for node in controlPlanes { #expect(try await fingerprint(node, file) == new, "\(file) on \(node)") }
            }
            for node in nodes {
                let verified = try await lab.on(
                    node,
                    "openssl verify -CAfile /etc/kubernetes/pki/ca.crt /var/lib/kubelet/pki/kubelet-client-current.pem && readlink /var/lib/kubelet/pki/kubelet-client-current.pem"
                )
                #expect(verified.contains("OK") && verified.contains("kubelet-client-2"), "\(node): \(verified)")
            }
            #expect(try await lab.on("w1", "systemctl show -p MainPID --value kubelet") != booted)
            let manifest = try await lab.on("cp2", "cat /etc/kubernetes/manifests/kube-controller-manager.yaml; ls /etc/kubernetes/pki")
            #expect(
                manifest.contains("--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt") && !manifest.contains("drydock-signer"), "\(manifest)")
            try await lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "120s")
            // What the cluster signs from now on, the new authority signs; and pods trust it.
            let checked = try await drydock(["certs", "check", "--cluster"] + hosts)
            #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
            let signed = try await lab.on(
                "cp1",
                """
                set -e
                export KUBECONFIG=/etc/kubernetes/admin.conf
                cd "$(mktemp -d)"
                openssl req -new -newkey rsa:2048 -nodes -keyout k -subj /CN=tester -out r 2>/dev/null
                kubectl create -f - >/dev/null <<X
                {apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: rotation}, spec: {request: $(base64 -w0 <r), signerName: kubernetes.io/kube-apiserver-client, usages: [client auth]}}
                X
                kubectl certificate approve rotation >/dev/null
                n=0
                until [ -n "$(kubectl get csr rotation -o 'jsonpath={.status.certificate}')" ]; do n=$((n + 1)); [ $n -lt 300 ]; done
                kubectl get csr rotation -o 'jsonpath={.status.certificate}' | base64 -d >c
                openssl verify -CAfile /etc/kubernetes/pki/ca.crt c
                """)
            #expect(signed.contains("c: OK"), "\(signed)")
        }
    }
}
