package import Foundation

/// A real kubeadm cluster of Debian hosts that somebody brought up: its folder is in DRYDOCK_LAB. It has `run`, which runs a command inside its network
/// with its kubectl and ssh, and `ssh_config`.
package struct RealNodes: Sendable {
    package let folder: String

    package init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard let folder = environment["DRYDOCK_LAB"], !folder.isEmpty else { return nil }
        self.folder = folder
    }

    package static let missing = "there are no real nodes: DRYDOCK_LAB names the folder of a lab"

    /// The nodes, when the API knows of every component of their control planes, and that it is ready: after they came up kubelets of 1.20 tell it minutes
    /// late, and what services a cluster refuses one that is not whole.
    package static func settled() async throws -> RealNodes {
        guard let lab = RealNodes() else { throw LocalEtcdCluster.Failure(description: missing) }
        let ready = "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}"
        var states: [Substring] = []
        let whole = try await eventually(within: 300, every: 1) {
            let controlPlanes = try await lab.kubectl("get", "nodes", "-l", "node-role.kubernetes.io/master", "-o", "name").split(separator: "\n")
            states = try await lab.kubectl("-n", "kube-system", "get", "pods", "-l", "tier=control-plane", "-o", ready).split(separator: "\n")
            return states.count == 4 * controlPlanes.count && states.allSatisfy { $0 == "True" } ? lab : nil
        }
        guard let whole else { throw LocalEtcdCluster.Failure(description: "the lab's control planes are not whole: \(states)") }
        return whole
    }

    package var sshConfig: String { "\(folder)/ssh_config" }

    /// Runs a command inside the lab's network.
    package func run(_ words: [String], environment: [String: String] = [:]) async throws -> CommandRun {
        try await CommandRun.run("\(folder)/run", words, environment: environment)
    }

    /// Runs a script on a node; it must succeed.
    @discardableResult
    package func on(_ node: String, _ script: String) async throws -> String {
        let run = try await run(["ssh", node, script])
        guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "\(node): \(script): \(run.errors)") }
        return run.output
    }

    /// Runs kubectl; it must succeed.
    @discardableResult
    package func kubectl(_ words: String...) async throws -> String {
        let run = try await run(["kubectl"] + words)
        guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "kubectl \(words.joined(separator: " ")): \(run.errors)") }
        return run.output
    }

    /// Every object that the API lists, as `kind namespace/name uid`. Events come and go, the mirrors of static pods are made anew with their host, and what is
    /// being deleted is gone soon.
    package func objects() async throws -> Set<String> {
        let names = try await kubectl("api-resources", "--verbs=list", "-o", "name").split(separator: "\n").filter { !$0.hasPrefix("events") }
        let columns =
            "custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name,U:.metadata.uid,M:.metadata.annotations.kubernetes\\.io/config\\.mirror,D:.metadata.deletionTimestamp"
        let listed = try await kubectl("get", names.joined(separator: ","), "-A", "--no-headers", "-o", columns)
        var found: Set<String> = []
        for line in listed.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 6, words[4] == "<none>", words[5] == "<none>", words[0] != "ComponentStatus" else { continue }
            found.insert("\(words[0]) \(words[1])/\(words[2]) \(words[3])")
        }
        return found
    }

    /// How etcd is reached from inside the network, as flags; the certificates are fetched into `pki`.
    package func etcdFlags(_ nodes: [String], pki: URL) async throws -> [String] {
        try FileManager.default.createDirectory(at: pki, withIntermediateDirectories: true)
        for file in ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"] {
            try Data(try await on(nodes[0], "cat /etc/kubernetes/pki/etcd/\(file)").utf8).write(to: pki.appendingPathComponent(file))
        }
        var endpoints: [String] = []
        for node in nodes {
            let manifest = try await on(node, "grep -o -- '--advertise-client-urls=.*' /etc/kubernetes/manifests/etcd.yaml")
            endpoints.append(String(manifest.split(separator: "=")[1]).trimmingCharacters(in: .whitespacesAndNewlines))
        }
        return [
            "--endpoints", endpoints.joined(separator: ","), "--cacert", pki.appendingPathComponent("ca.crt").path, "--cert",
            pki.appendingPathComponent("healthcheck-client.crt").path, "--key", pki.appendingPathComponent("healthcheck-client.key").path,
        ]
    }
}
