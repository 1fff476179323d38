import Foundation
import ObjectStore
import Proving
import Testing

/// `drydock backup restore` on a real kubeadm cluster of real hosts.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(30)))
struct RestoreLabTests {
    @Test func `A cluster that lost two control-plane disks is back, with every object of the backup, and its controllers and kubelets go on`()
        async throws
    {
        let lab = try await RealNodes.settled()
        let nodes = ["cp1", "cp2", "cp3"]
        try await BuiltProgram.withFolder { folder in
            let environment = ["HOME": folder.path, "XDG_STATE_HOME": folder.path]
            let identity = AgeIdentity.generate()
            let key = folder.appendingPathComponent("key").path
            try Data("\(identity.secret ?? "")\n".utf8).write(to: URL(fileURLWithPath: key))
            let name = "restored-\(UInt16.random(in: 0...UInt16.max))"
            try await lab.kubectl("create", "namespace", name)
            try await lab.kubectl("-n", name, "create", "deployment", "web", "--image", "k8s.gcr.io/pause:3.2", "--replicas", "3")
            try await lab.kubectl("-n", name, "create", "secret", "generic", "kept", "--from-literal", "a=b")
            try await lab.kubectl("-n", name, "rollout", "status", "deployment/web", "--timeout", "60s")
            let flags = try await lab.etcdFlags(nodes, pki: folder.appendingPathComponent("etcd"))
            let store = folder.appendingPathComponent("store").path
            let hosts = nodes.flatMap { ["--host", $0] } + ["--ssh-config", lab.sshConfig]
            func drydock(_ words: [String]) async throws -> CommandRun { try await lab.run([BuiltProgram.path] + words, environment: environment) }

            let objects = try await lab.objects()
            let made = try await drydock(
                ["backup", "create", "--location", store, "--cluster", "lab", "--recipient", identity.recipient ?? ""] + hosts + flags)
            try #require(made.status == 0, "\(made.output)\(made.errors)")
            let verified = try await drydock(["backup", "verify", "--deep", "--identity", key, "--location", store])
            try #require(verified.status == 0, "\(verified.output)\(verified.errors)")
            try await lab.kubectl("-n", name, "create", "configmap", "later")

            let lost = "/etc/kubernetes /var/lib/etcd /var/lib/kubelet/pki /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env"
            for node in nodes.prefix(2) {
                try await lab.on(
                    node,
                    "systemctl stop kubelet; pkill -9 etcd; pkill -9 kube-apiserver; pkill -9 kube-controller; pkill -9 kube-scheduler; rm -rf \(lost)"
                )
            }
            #expect(try await lab.run(["kubectl", "--request-timeout", "5s", "get", "nodes"]).status != 0, "there is no quorum")

            let began = ContinuousClock.now
            let restored = try await drydock(
                ["backup", "restore", "--location", store, "--identity", key, "--files", "--accept-older-etcd"] + hosts)
            try #require(restored.status == 0, "\(restored.output)\(restored.errors)")
            print("restored in \(ContinuousClock.now - began)")
            print(restored.output)
            for run in [made, restored] {
                #expect(!(run.output + run.errors).contains("PRIVATE KEY") && !(run.output + run.errors).contains(identity.secret ?? "-"))
            }

            let now = try await lab.objects()
            let missing = objects.subtracting(now)
            #expect(objects.count > 100 && missing.isEmpty, "\(objects.count) objects, without \(missing)")
            #expect(!now.contains { $0.contains("\(name)/later") }, "what came after the backup is gone")
            // The controllers, the scheduler and the kubelets go on with what they see.
            try await lab.kubectl("-n", name, "scale", "deployment/web", "--replicas", "5")
            try await lab.kubectl("-n", name, "rollout", "status", "deployment/web", "--timeout", "120s")
            try await lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "120s")
            try await lab.kubectl("delete", "namespace", name, "--timeout", "120s")
        }
    }
}
