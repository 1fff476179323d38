package import Foundation

/// Two hosts with namespaces of their own and a wire between them: on each a real HAProxy, a real keepalived that moves one address between them, and a
/// real sshd, which is reached without a network.
package struct KeepalivedPair: Sendable {
    package let folder: URL
    package let names = ["lb1", "lb2"]
    /// RFC 5737.
    package static let address = "192.0.2.100"

    package var sshConfig: String { folder.appendingPathComponent("ssh_config").path }
    package var hostFlags: [String] { names.flatMap { ["--host", $0] } + ["--ssh-config", sshConfig] }

    /// Whether it can be had here; in CI what is missing fails.
    package static var mayRun: Bool {
        ProcessInfo.processInfo.environment["CI"] == "true"
            || geteuid() == 0 && HAProxyRelease.v2_6.isInstalled
                && ["/usr/sbin/keepalived", "/usr/sbin/sshd", "/usr/sbin/ip"].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
    }

    package static let missing = "a pair of load balancers needs root, haproxy, keepalived, iproute2 and openssh-server: run `make setup`"

    package static func running<Result: Sendable>(body: (KeepalivedPair) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-pair-\(UUID().uuidString.prefix(8))")
        let pair = KeepalivedPair(folder: folder)
        var processes: [CommandRun.Running] = []
        await ServerSlots.shared.take(2)
        let outcome: Swift.Result<Result, any Error>
        do {
            try await pair.write()
            for name in pair.names { processes.append(try await pair.start(name)) }
            try await pair.connect(processes.map(\.processID))
            outcome = .success(try await body(pair))
        } catch {
            let said = processes.map { $0.errorsSoFar.suffix(600) }.joined(separator: "\n")
            outcome = .failure(said.isEmpty ? error : LocalEtcdCluster.Failure(description: "\(error)\n\(said)"))
        }
        for process in processes {
            process.send(SIGKILL)
            _ = await process.finish()
        }
        try? FileManager.default.removeItem(at: folder)
        await ServerSlots.shared.giveBack(2)
        return try outcome.get()
    }

    /// A configuration with two servers that HAProxy itself plays.
    package func configuration(connections: Int) -> String {
        """
        global
            stats socket /run/haproxy.sock mode 600 level admin
            maxconn \(connections)
        defaults
            mode http
            timeout connect 5s
            timeout client 30s
            timeout server 30s
        frontend api
            bind :6443
            default_backend masters
        backend masters
            server cp1 127.0.0.1:7001 check inter 200ms
            server cp2 127.0.0.1:7002 check inter 200ms
        frontend servers
            bind 127.0.0.1:7001
            bind 127.0.0.1:7002
            http-request return status 200 content-type text/plain string ok

        """
    }

    private func folder(_ name: String) -> URL { folder.appendingPathComponent(name) }
    package func configurationFile(_ name: String) -> URL { folder(name).appendingPathComponent("haproxy/haproxy.cfg") }

    private func write() async throws {
        let files = FileManager.default
        var (config, known) = ("Host *\n  User root\n  IdentitiesOnly yes\n  IdentityFile \(folder.path)/id\n  LogLevel ERROR\n", "")
        config += "  UserKnownHostsFile \(folder.path)/known_hosts\n"
        try await ControlPlaneHosts.makeKey(folder.appendingPathComponent("id"))
        for (index, name) in names.enumerated() {
            for part in ["haproxy", "keepalived"] {
                try files.createDirectory(at: folder(name).appendingPathComponent(part), withIntermediateDirectories: true)
            }
            try Data(configuration(connections: 200).utf8).write(to: configurationFile(name))
            let keepalived = """
                global_defs {
                    vrrp_version 3
                }
                vrrp_instance api {
                    state BACKUP
                    interface eth0
                    virtual_router_id 51
                    priority \(100 + index)
                    nopreempt
                    advert_int 0.2
                    virtual_ipaddress {
                        \(Self.address)/24
                    }
                }

                """
            try Data(keepalived.utf8).write(to: folder(name).appendingPathComponent("keepalived/keepalived.conf"))
            try await ControlPlaneHosts.makeKey(folder(name).appendingPathComponent("host_key"))
            let key = try String(contentsOf: folder(name).appendingPathComponent("host_key.pub"), encoding: .utf8).split(separator: " ").prefix(2)
            known += "\(name) \(key.joined(separator: " "))\n"
            let daemon = ControlPlaneHosts.sshDaemon(key: "\(folder(name).path)/host_key", authorized: "\(folder.path)/id.pub")
            try Data(daemon.utf8).write(to: folder(name).appendingPathComponent("sshd_config"))
            // A daemon for each connection, within the host.
            config +=
                "Host \(name)\n  ProxyCommand nsenter -t $(cat \(folder(name).path)/pid) -m -n -p -u /usr/sbin/sshd -i -f \(folder(name).path)/sshd_config\n"
        }
        try Data(config.utf8).write(to: URL(fileURLWithPath: sshConfig))
        try Data(known.utf8).write(to: folder.appendingPathComponent("known_hosts"))
    }

    private func start(_ name: String) async throws -> CommandRun.Running {
        let script = """
            set -e
            mount --make-rprivate /
            mount -t tmpfs tmpfs /run
            mkdir -m 755 /run/sshd
            hostname \(name)
            mount --bind \(folder(name).path)/haproxy /etc/haproxy
            mount --bind \(folder(name).path)/keepalived /etc/keepalived
            ip link set lo up
            until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
            ip addr add 192.0.2.\(name.suffix(1))/24 dev eth0
            ip link set eth0 up
            haproxy -W -S /run/haproxy-master.sock -f /etc/haproxy/haproxy.cfg -db >&2 &
            keepalived --dont-fork --log-console --vrrp --pid /run/keepalived.pid --vrrp_pid /run/vrrp.pid >&2 &
            wait
            """
        let process = try CommandRun.Running(
            "unshare", ["--mount", "--net", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child=KILL", "sh", "-c", script])
        let children = "/proc/\(process.processID)/task/\(process.processID)/children"
        let child = try await eventually(within: 10, every: 0.02) { () -> String? in
            let text = (try? String(contentsOfFile: children, encoding: .utf8))?.split(separator: " ").first
            return text.map(String.init)
        }
        guard let child else { throw LocalEtcdCluster.Failure(description: "\(name) does not start: \(process.errorsSoFar)") }
        try Data(child.utf8).write(to: folder(name).appendingPathComponent("pid"))
        return process
    }

    /// Lays the wire, and returns when one of them has the address and both balance.
    private func connect(_ processes: [Int32]) async throws {
        let wires = processes.map { "dd\($0)" }
        func ip(_ words: String...) async throws {
            let run = try await CommandRun.run("ip", words)
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "ip \(words.joined(separator: " ")): \(run.errors)") }
        }
        try await ip("link", "add", wires[0], "type", "veth", "peer", "name", wires[1])
        for (wire, process) in zip(wires, processes) { try await ip("link", "set", wire, "netns", "\(process)", "name", "eth0") }
        let isUp = try await eventually(within: 30) { () -> Bool? in
            for name in names where try await on(name, "[ -S /run/haproxy.sock ] && [ -S /run/haproxy-master.sock ]").status != 0 { return nil }
            return try await holder() == nil ? nil : true
        }
        guard isUp == true else { throw LocalEtcdCluster.Failure(description: "the pair does not come up") }
    }

    package func on(_ name: String, _ script: String) async throws -> CommandRun { try await CommandRun.run("ssh", ["-F", sshConfig, name, script]) }

    /// Who has the address: one of them, or nil while it moves.
    package func holder() async throws -> String? {
        var holders: [String] = []
        for name in names where try await on(name, "ip -o addr show dev eth0").output.contains(Self.address) { holders.append(name) }
        return holders.count == 1 ? holders[0] : nil
    }
}
