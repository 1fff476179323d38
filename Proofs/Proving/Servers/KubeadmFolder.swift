package import Foundation

/// A folder that a real kubeadm takes for /etc/kubernetes, in namespaces of its own: it knows no other place for some of its files.
package struct KubeadmFolder: Sendable {
    package let folder: URL
    private let program: String

    /// What kubeadm and drydock see.
    package var kubernetes: URL { folder.appendingPathComponent("kubernetes") }
    package var config: URL { folder.appendingPathComponent("kubeadm.yaml") }

    /// Makes all certificates, kubeconfigs and manifests of a control-plane node.
    package init(in folder: URL) async throws {
        guard let assets = RealKubernetes.assets else { throw LocalEtcdCluster.Failure(description: RealKubernetes.missing) }
        self.folder = folder
        program = assets.appendingPathComponent("kubeadm").path
        for name in ["kubernetes", "upper", "work"] {
            try FileManager.default.createDirectory(at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try write(names: ["api.example.test", "10.0.0.100"])
        for phase in ["certs all", "kubeconfig all", "control-plane all", "etcd local"] {
            let run = try await kubeadm("init phase \(phase) --config \(config.path)")
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "kubeadm \(phase): \(run.output)\(run.errors)") }
        }
    }

    /// Writes kubeadm's configuration with other names for the API server.
    package func write(names: [String]) throws {
        try Data(
            """
            apiVersion: kubeadm.k8s.io/v1beta2
            kind: ClusterConfiguration
            kubernetesVersion: v1.20.2
            controlPlaneEndpoint: lb.example.test:6443
            apiServer: {certSANs: [\(names.joined(separator: ", "))]}
            ---
            apiVersion: kubeadm.k8s.io/v1beta2
            kind: InitConfiguration
            localAPIEndpoint: {advertiseAddress: 10.0.0.11, bindPort: 6443}
            nodeRegistration: {name: cp1}

            """.utf8
        ).write(to: config)
    }

    /// Runs kubeadm with words that hold no spaces.
    package func kubeadm(_ words: String, on kubernetes: URL? = nil) async throws -> CommandRun {
        let script = """
            mount --make-rprivate /
            mount -t overlay overlay -o lowerdir=/etc,upperdir=\(folder.path)/upper,workdir=\(folder.path)/work /etc
            mkdir -p /etc/kubernetes
            mount --bind \((kubernetes ?? self.kubernetes).path) /etc/kubernetes
            exec \(program) \(words)
            """
        return try await CommandRun.run("unshare", ["--mount", "sh", "-ec", script])
    }
}
