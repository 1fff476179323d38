package import Foundation
package import NodeAccess

/// This machine as a host that is reached by a real ssh and a real sshd, which speak through a pipe: no port, and connections that can be cut.
package struct SSHHost: Sendable {
    package let folder: URL
    package let access: NodeAccess

    package static let isInstalled = FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd")
    /// In CI what is missing fails.
    package static var mayRun: Bool { ProcessInfo.processInfo.environment["CI"] == "true" || geteuid() == 0 && isInstalled }
    package static let missing = "a host that is reached by ssh needs root and openssh-server: run `make setup`"

    package static func running<Result>(body: (SSHHost) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-ssh-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        for name in ["id", "host_key"] {
            try await CommandRun.run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", folder.appendingPathComponent(name).path])
        }
        let key = try String(contentsOf: folder.appendingPathComponent("host_key.pub"), encoding: .utf8).split(separator: " ").prefix(2)
        try Data("node \(key.joined(separator: " "))\n".utf8).write(to: folder.appendingPathComponent("known_hosts"))
        let daemon = ControlPlaneHosts.sshDaemon(key: "\(folder.path)/host_key", authorized: "\(folder.path)/id.pub")
        try Data(daemon.utf8).write(to: folder.appendingPathComponent("sshd_config"))
        let config = """
            User root
            IdentityFile \(folder.path)/id
            IdentitiesOnly yes
            UserKnownHostsFile \(folder.path)/known_hosts
            StrictHostKeyChecking yes
            Host node
              ProxyCommand sh -c 'echo x >>\(folder.path)/connections; exec /usr/sbin/sshd -i -f \(folder.path)/sshd_config'

            """
        let file = folder.appendingPathComponent("ssh_config").path
        try Data(config.utf8).write(to: URL(fileURLWithPath: file))
        return try await body(SSHHost(folder: folder, access: NodeAccess(name: "node", way: .ssh(destination: "node", configuration: file))))
    }

    /// How many connections were made.
    package var connections: Int {
        (try? String(contentsOf: folder.appendingPathComponent("connections"), encoding: .utf8))?.split(separator: "\n").count ?? 0
    }

    /// Cuts connections at random moments for as long as `body` works.
    /// - Returns: how often.
    package func cutting<Result>(_ body: () async throws -> Result) async throws -> (result: Result, cuts: Int) {
        let cutter = Task { () -> Int in
            var cuts = 0
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(.random(in: 50...700)))
                await cut()
                cuts += 1
            }
            return cuts
        }
        defer { cutter.cancel() }
        let result = try await body()
        cutter.cancel()
        return (result, await cutter.value)
    }

    /// Ends every connection at once, as a broken line does; what was started on the host goes on.
    package func cut() async {
        _ = try? await CommandRun.run("pkill", ["-KILL", "-f", "--", "sshd.* -f \(folder.path)/sshd_config"])
    }
}
