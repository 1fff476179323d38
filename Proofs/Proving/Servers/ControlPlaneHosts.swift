internal import ClusterPKI
package import Etcd
package import Foundation

/// Hosts of a control plane on this machine: each has namespaces of its own for mounts, processes and its name, a real sshd, and real etcd servers as
/// static pods. What stands for the kubelet is a shell that runs the command of every manifest, and ends it when the manifest is taken away.
package struct ControlPlaneHosts: Sendable {
    package struct Host: Sendable {
        package let name: String
        package let clientURL: String
        let peerURL: String
        let sshPort: Int
        /// Of its API server; nil where it has none.
        package let serverPort: Int?
        /// What only this host has.
        let folder: URL

        package var dataFolder: URL { folder.appendingPathComponent("etcd") }
        /// As the host itself sees it in `ControlPlaneHosts.kubernetes`.
        package var kubernetes: URL { folder.appendingPathComponent("kubernetes") }
    }

    package let folder: URL
    package let hosts: [Host]
    /// Where the load balancer in front of the API servers is to listen.
    package let balancerPort: Int

    /// Where every host has its own manifests and keys.
    package var kubernetes: URL { folder.appendingPathComponent("kubernetes") }
    package var manifests: String { kubernetes.appendingPathComponent("manifests").path }
    package var sshConfig: String { folder.appendingPathComponent("ssh_config").path }

    /// Whether this process may make namespaces, and has an sshd; in CI what is missing fails.
    package static var mayRun: Bool {
        ProcessInfo.processInfo.environment["CI"] == "true"
            || EtcdRelease.v3_5.isInstalled && geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd")
    }

    package static let missing = "hosts with an sshd of their own need root, and etcd 3.5.1 and openssh-server: run `make setup`"

    /// - Parameters:
    ///   - servers: how many of the hosts have a kube-apiserver, too, behind kubeadm's own certificates; that needs a real Kubernetes (`assets`).
    package static func running<Result: Sendable>(
        servers: Int = 0, assets: URL? = nil, body: (ControlPlaneHosts) async throws -> Result
    ) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-hosts-\(UUID().uuidString)")
        await ServerSlots.shared.take(3 + servers)
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await runningUnbounded(folder, servers, assets, body)) } catch { outcome = .failure(error) }
        try? FileManager.default.removeItem(at: folder)
        await ServerSlots.shared.giveBack(3 + servers)
        return try outcome.get()
    }

    private static func runningUnbounded<Result: Sendable>(
        _ folder: URL, _ servers: Int, _ assets: URL?, _ body: (ControlPlaneHosts) async throws -> Result
    ) async throws -> Result {
        let all = try await ControlPlaneHosts(folder, servers, assets)
        var processes: [CommandRun.Running] = []
        let outcome: Swift.Result<Result, any Error>
        do {
            for host in all.hosts {
                processes.append(
                    try CommandRun.Running(
                        "unshare",
                        ["--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child=KILL", "sh", "-c", all.script(host)]))
            }
            do { try await all.waitUntilServing() } catch {
                throw LocalEtcdCluster.Failure(description: "\(error): \(processes.map { $0.errorsSoFar.suffix(1000) }.joined(separator: "\n"))")
            }
            outcome = .success(try await body(all))
        } catch { outcome = .failure(error) }
        for process in processes {
            process.send(SIGKILL)
            _ = await process.finish()
        }
        return try outcome.get()
    }

    private init(_ folder: URL, _ servers: Int, _ assets: URL?) async throws {
        self.folder = folder
        let ports = try FreePorts.take(13)
        balancerPort = ports[12]
        hosts = (0..<3).map { index in
            Host(
                name: "cp\(index + 1)", clientURL: "https://127.0.0.1:\(ports[index * 3])", peerURL: "https://127.0.0.1:\(ports[index * 3 + 1])",
                sshPort: ports[index * 3 + 2],
                serverPort: index < servers ? ports[9 + index] : nil, folder: folder.appendingPathComponent("hosts/cp\(index + 1)"))
        }
        try FileManager.default.createDirectory(at: kubernetes, withIntermediateDirectories: true)
        let pki = try EtcdPKI()
        if assets == nil { try pki.write(node: "client", addresses: ["127.0.0.1"], to: folder.appendingPathComponent("client")) }
        try await Self.makeKey(folder.appendingPathComponent("id"))
        var config = "Host *\n  User root\n  HostName 127.0.0.1\n  IdentitiesOnly yes\n  IdentityFile \(folder.path)/id\n"
        config += "  UserKnownHostsFile \(folder.path)/known_hosts\n  LogLevel ERROR\n"
        var known = ""
        for host in hosts {
            try FileManager.default.createDirectory(at: host.kubernetes.appendingPathComponent("manifests"), withIntermediateDirectories: true)
            try FileManager.default.createDirectory(at: host.dataFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            if let assets {
                try await KubeadmFiles(program: assets.appendingPathComponent("kubeadm").path, balancerPort: balancerPort).write(
                    host, like: hosts[0], in: folder)
            } else {
                try pki.write(node: host.name, addresses: ["127.0.0.1"], to: host.kubernetes.appendingPathComponent("pki"))
            }
            if let assets, host.serverPort != nil {
                try Data(serverManifest(host, program: assets.appendingPathComponent("kube-apiserver").path).utf8)
                    .write(to: host.kubernetes.appendingPathComponent("manifests/kube-apiserver.yaml"))
            }
            try Data(manifest(host).utf8).write(to: host.kubernetes.appendingPathComponent("manifests/etcd.yaml"))
            let key = host.folder.appendingPathComponent("host_key")
            try await Self.makeKey(key)
            let line = try String(contentsOf: key.appendingPathExtension("pub"), encoding: .utf8).split(separator: " ").prefix(2)
            known += "[127.0.0.1]:\(host.sshPort) \(line.joined(separator: " "))\n"
            config += "Host \(host.name)\n  Port \(host.sshPort)\n"
            let daemon =
                Self.sshDaemon(key: key.path, authorized: "\(folder.path)/id.pub")
                + "ListenAddress 127.0.0.1\nPort \(host.sshPort)\nMaxStartups 100\n"
            try Data(daemon.utf8).write(to: host.folder.appendingPathComponent("sshd_config"))
        }
        try Data(config.utf8).write(to: URL(fileURLWithPath: sshConfig))
        try Data(known.utf8).write(to: folder.appendingPathComponent("known_hosts"))
    }

    /// The configuration of an sshd that lets root in by one key. A host has nothing of who runs the tests: for an sshd bash reads ~/.bashrc, unless it is inside
    /// another shell; and a lock that such a file takes is left where a session is cut.
    static func sshDaemon(key: String, authorized: String) -> String {
        """
        HostKey \(key)
        AuthorizedKeysFile \(authorized)
        PermitRootLogin prohibit-password
        PasswordAuthentication no
        StrictModes no
        UsePAM no
        PidFile none
        SetEnv SHLVL=1

        """
    }

    static func makeKey(_ url: URL) async throws {
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        let made = try await CommandRun.run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", url.path])
        guard made.status == 0 else { throw LocalEtcdCluster.Failure(description: "ssh-keygen: \(made.errors)") }
    }

    /// In kubeadm's form.
    private func manifest(_ host: Host) -> String {
        let pki = kubernetes.appendingPathComponent("pki/etcd").path
        let command = [
            EtcdRelease.v3_5.server, "--name=\(host.name)", "--data-dir=\(host.dataFolder.path)", "--listen-client-urls=\(host.clientURL)",
            "--advertise-client-urls=\(host.clientURL)", "--listen-peer-urls=\(host.peerURL)", "--initial-advertise-peer-urls=\(host.peerURL)",
            "--initial-cluster=\(hosts.map { "\($0.name)=\($0.peerURL)" }.joined(separator: ","))", "--cert-file=\(pki)/server.crt",
            "--key-file=\(pki)/server.key", "--trusted-ca-file=\(pki)/ca.crt", "--client-cert-auth=true", "--peer-cert-file=\(pki)/peer.crt",
            "--peer-key-file=\(pki)/peer.key", "--peer-trusted-ca-file=\(pki)/ca.crt", "--peer-client-cert-auth=true", "--log-level=warn",
        ]
        return Self.pod("etcd", "k8s.gcr.io/etcd:3.5.1-0", command)
    }

    private static func pod(_ name: String, _ image: String, _ command: [String]) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata:
          name: \(name)
          namespace: kube-system
        spec:
          containers:
          - command:
        \(command.map { "    - \($0)" }.joined(separator: "\n"))
            image: \(image)
            name: \(name)

        """
    }

    private func serverManifest(_ host: Host, program: String) -> String {
        let pki = kubernetes.appendingPathComponent("pki").path
        let command = [
            program, "--advertise-address=\(KubeadmFiles.address(of: host))", "--bind-address=127.0.0.1", "--secure-port=\(host.serverPort ?? 0)",
            "--etcd-servers=\(host.clientURL)", "--etcd-cafile=\(pki)/etcd/ca.crt", "--etcd-certfile=\(pki)/apiserver-etcd-client.crt",
            "--etcd-keyfile=\(pki)/apiserver-etcd-client.key", "--client-ca-file=\(pki)/ca.crt", "--tls-cert-file=\(pki)/apiserver.crt",
            "--tls-private-key-file=\(pki)/apiserver.key", "--service-cluster-ip-range=10.96.0.0/12", "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=\(pki)/sa.pub",
            "--service-account-signing-key-file=\(pki)/sa.key", "--kubelet-client-certificate=\(pki)/apiserver-kubelet-client.crt",
            "--kubelet-client-key=\(pki)/apiserver-kubelet-client.key", "--requestheader-client-ca-file=\(pki)/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--proxy-client-cert-file=\(pki)/front-proxy-client.crt", "--proxy-client-key-file=\(pki)/front-proxy-client.key",
            // Open watches are cut off after this time when it ends.
            "--shutdown-delay-duration=2s", "--request-timeout=15s",
        ]
        return Self.pod("kube-apiserver", "k8s.gcr.io/kube-apiserver:v1.20.2", command)
    }

    private func script(_ host: Host) -> String {
        """
        set -e
        mount --make-rprivate /
        mount -t tmpfs tmpfs /run
        mkdir -m 755 /run/sshd /run/pods
        hostname \(host.name)
        mount --bind \(host.kubernetes.path) \(kubernetes.path)
        /usr/sbin/sshd -D -e -f \(host.folder.path)/sshd_config &
        while :; do
            for manifest in \(manifests)/*.yaml; do
                [ -e "$manifest" ] || continue
                pod=$(basename "$manifest" .yaml)
                if [ -e /run/pods/$pod ] && kill -0 $(cat /run/pods/$pod) 2>/dev/null; then continue; fi
                sed -n 's/^    - //p' "$manifest" >/run/command || continue
                $(cat /run/command) >>\(host.folder.path)/$pod.log 2>&1 &
                echo $! >/run/pods/$pod
            done
            for running in /run/pods/*; do
                [ -e "$running" ] || continue
                if [ ! -e \(manifests)/$(basename $running).yaml ]; then
                    kill -TERM $(cat $running) 2>/dev/null || :
                    wait $(cat $running) || :
                    rm -f $running
                fi
            done
            sleep 0.1
        done
        """
    }

    /// A host's disks are gone; the machine is there, installed anew.
    package func loseDisks(of host: Host) async throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: host.kubernetes.path) where name != "manifests" {
            try FileManager.default.removeItem(at: host.kubernetes.appendingPathComponent(name))
        }
        try FileManager.default.removeItem(at: host.kubernetes.appendingPathComponent("manifests/etcd.yaml"))
        // What ran is gone, too: nothing starts it any more. (That it does not answer is not enough: without its certificate it shakes no hands, and
        // still counts for the quorum.)
        while Self.processes(with: host.dataFolder.path) > 0 { try await Task.sleep(for: .milliseconds(20)) }
        try FileManager.default.removeItem(at: host.dataFolder)
    }

    /// What runs on a host is ended at once, and starts anew.
    package func restartPods(of host: Host) async throws {
        let words = [host.dataFolder.path] + (host.serverPort.map { ["--secure-port=\($0)"] } ?? [])
        for word in words { _ = try await CommandRun.run("pkill", ["-KILL", "-f", "--", "[\(word.prefix(1))]\(word.dropFirst())"]) }
    }

    private static func processes(with argument: String) -> Int {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.count { id in
            guard Int(id) != nil, let words = FileManager.default.contents(atPath: "/proc/\(id)/cmdline") else { return false }
            return String(decoding: words, as: UTF8.self).contains(argument)
        }
    }

    // MARK: As clients see it

    /// A client's own files, or what kubeadm gave the first host.
    private func pki(_ name: String) -> String {
        let own = folder.appendingPathComponent("client/etcd/\(name)").path
        return FileManager.default.fileExists(atPath: own) ? own : hosts[0].kubernetes.appendingPathComponent("pki/etcd/\(name)").path
    }

    /// How etcd is reached, as flags.
    package var flags: [String] {
        [
            "--endpoints", hosts.map(\.clientURL).joined(separator: ","), "--cacert", pki("ca.crt"), "--cert", pki("healthcheck-client.crt"), "--key",
            pki("healthcheck-client.key"),
        ]
    }

    package var configuration: EtcdConfiguration {
        get throws {
            EtcdConfiguration(
                endpoints: try hosts.map { try Endpoint($0.clientURL) },
                tls: .init(authority: pki("ca.crt"), certificate: pki("healthcheck-client.crt"), key: pki("healthcheck-client.key")))
        }
    }

    /// The options by which drydock reaches the hosts.
    package var hostFlags: [String] { hosts.flatMap { ["--host", $0.name] } + ["--ssh-config", sshConfig] }

    /// Returns when every member has a leader.
    package func waitUntilServing(within limit: Duration = .seconds(60)) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let statuses = try await EtcdClient.connected(try configuration) { await $0.statuses() }
            if statuses.count == 3, statuses.allSatisfy({ ((try? $0.status.get())?.leaderID ?? 0) != 0 }) { return }
            guard ContinuousClock.now < deadline else { throw LocalEtcdCluster.Failure(description: "the members do not serve: \(statuses)") }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Every key and its value.
    package func contents() async throws -> [[UInt8]: [UInt8]] {
        try await EtcdClient.connected(try configuration) { client in
            var all: [[UInt8]: [UInt8]] = [:]
            try await client.forEachPage { for pair in $0 { all[pair.key] = pair.value } }
            return all
        }
    }

    package func clusterID() async throws -> String {
        try await EtcdClient.connected(try configuration) { client in
            String(try await client.status(at: client.configuration.endpoints[0]).clusterID, radix: 16)
        }
    }
}
