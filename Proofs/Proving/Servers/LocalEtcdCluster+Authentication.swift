extension LocalEtcdCluster {
    /// Creates the user root with `password` and switches authentication on.
    package func enableAuthentication(password: String) async throws {
        let commands = [["user", "add", "root:\(password)"], ["user", "grant-role", "root", "root"], ["auth", "enable"]]
        for command in commands {
            let run = try await CommandRun.run(options.release.etcdctl, command + flags, environment: ["ETCDCTL_API": "3"])
            // etcd 3.4 creates the role root by itself only when authentication is enabled.
            guard run.status == 0 || run.errors.contains("role name not found") else { throw Failure(description: run.errors) }
            if run.status != 0 {
                _ = try await CommandRun.run(options.release.etcdctl, ["role", "add", "root"] + flags, environment: ["ETCDCTL_API": "3"])
                _ = try await CommandRun.run(options.release.etcdctl, command + flags, environment: ["ETCDCTL_API": "3"])
            }
        }
    }
}
