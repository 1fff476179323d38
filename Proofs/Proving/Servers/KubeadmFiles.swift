internal import Foundation

/// The certificates and kubeconfigs of control-plane hosts, made by a real kubeadm: one set of authorities, leaves for each host.
struct KubeadmFiles {
    let program: String
    let balancerPort: Int

    /// A documentation address (RFC 5737) stands in the certificates only: kubeadm refuses loopback.
    static func address(of host: ControlPlaneHosts.Host) -> String { "192.0.2.1\(host.name.suffix(1))" }

    /// - Parameter first: whose authorities and service account key the others have, too.
    func write(_ host: ControlPlaneHosts.Host, like first: ControlPlaneHosts.Host, in folder: URL) async throws {
        let pki = host.kubernetes.appendingPathComponent("pki")
        if host.name != first.name {
            let own = first.kubernetes.appendingPathComponent("pki")
            try FileManager.default.createDirectory(at: pki.appendingPathComponent("etcd"), withIntermediateDirectories: true)
            for name in ["ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key", "etcd/ca.crt", "etcd/ca.key"] {
                try FileManager.default.copyItem(at: own.appendingPathComponent(name), to: pki.appendingPathComponent(name))
            }
        }
        let config = folder.appendingPathComponent("\(host.name)-kubeadm.yaml")
        try Data(
            """
            apiVersion: kubeadm.k8s.io/v1beta2
            kind: ClusterConfiguration
            kubernetesVersion: v1.20.2
            certificatesDir: \(pki.path)
            controlPlaneEndpoint: 127.0.0.1:\(balancerPort)
            apiServer: {certSANs: [localhost, 127.0.0.1]}
            ---
            apiVersion: kubeadm.k8s.io/v1beta2
            kind: InitConfiguration
            localAPIEndpoint: {advertiseAddress: \(Self.address(of: host)), bindPort: \(host.serverPort ?? 6443)}
            nodeRegistration: {name: \(host.name)}

            """.utf8
        ).write(to: config)
        for phase in [["certs", "all"], ["kubeconfig", "all", "--kubeconfig-dir", host.kubernetes.path]] {
            let run = try await CommandRun.run(program, ["init", "phase"] + phase + ["--config", config.path])
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "kubeadm \(phase.joined(separator: " ")): \(run.errors)") }
        }
    }
}
