internal import ArgumentParser
internal import Controller
internal import Foundation
internal import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import NodeAccess
internal import Operations

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Keep NodeMaintenances true: run by `drydock manifests controller`, one of several replicas leads.",
        discussion: """
            With MAX_UNAVAILABLE (20%), MAINTENANCE_WINDOW (a cron schedule), MAINTENANCE_DURATION (4h) and TZ set, and no NodeMaintenance in the cluster, \
            it makes one of them, named default. Serves /metrics, /healthz and /readyz. Logs JSON lines on standard error.
            """)

    @Option(help: "Where its lease is, and whose annotation drydock.dev/pause pauses everything. (POD_NAMESPACE, or that of the service account)")
    var namespace: String?
    @Option(help: "The name of its lease.") var lease = "drydock-controller"
    @Option(help: ArgumentHelp("Where to serve metrics and health.", valueName: "host:port")) var listen = ":9108"
    @Option(help: "An agent that has not reported for so long is taken for lost.") var agentTimeout = DurationArgument(
        seconds: NodeAgent.staleSeconds)
    @Option(help: "How long a leader may be silent before another takes over.") var leaderElectLeaseDuration = DurationArgument(seconds: 15)
    @Option(help: "How long a leader tries to renew its lease before it gives up.") var leaderElectRenewDeadline = DurationArgument(seconds: 10)
    @Option(help: "Between two tries.") var leaderElectRetryPeriod = DurationArgument(seconds: 2)
    @Option(
        help: ArgumentHelp(
            "Also carry ClusterUpgrades out, and reach nodes by privileged Jobs of this image, which has drydock in it.", valueName: "image"))
    var upgradesByJob: String?
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions

    func validate() throws {
        let (lease, renew, retry) = (
            leaderElectLeaseDuration.duration.seconds, leaderElectRenewDeadline.duration.seconds, leaderElectRetryPeriod.duration.seconds
        )
        guard lease > renew, renew > retry * 1.2, retry > 0 else {
            throw ValidationError("The lease must last longer than the renew deadline, and that longer than 1.2 retry periods.")
        }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let access = try kubernetes.access
        let place = namespace ?? environment["POD_NAMESPACE"] ?? access.namespace ?? "drydock"
        var options = MaintenanceController.Options()
        options.namespace = place
        options.staleSeconds = agentTimeout.duration.seconds
        var election = LeaderElection(lease: ObjectName(place, lease))
        election.leaseSeconds = leaderElectLeaseDuration.duration.seconds
        election.renewSeconds = leaderElectRenewDeadline.duration.seconds
        election.retrySeconds = leaderElectRetryPeriod.duration.seconds
        options.election = election
        options.upgrader = upgradesByJob.map { image in
            .byJobs(image: image, namespace: place) { settings in UpgradeSession.hosts(settings) { JSONLog.write("warning", $0, [:]) } }
        }
        options.fallback = try DefaultMaintenance(environment: environment)
        let address = try MetricsServer.Address(listen)
        try await WebClient.connected { [options] web in
            try await KubernetesClient.connected(access) { client in
                let controller = MaintenanceController(
                    client, web: web, options: options, log: ControllerLog { JSONLog.write($0.rawValue, $1, $2) })
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await controller.run() }
                    group.addTask {
                        try await MetricsServer(address: address).run(isReady: { controller.isReady }) { controller.metrics }
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
        }
    }
}

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Serve one node: report its updates, and do what the controller orders; run by `drydock manifests controller`.",
        discussion: "Logs JSON lines on standard error.")

    @Option(help: "The node that it serves. (NODE_NAME)") var node: String?
    @Option(help: "Where the host's file system is; / without a container.") var root = "/host"
    @Option(help: "Between two reports.") var interval = DurationArgument(seconds: 3600)
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions

    func run() async throws {
        guard let node = node ?? ProcessInfo.processInfo.environment["NODE_NAME"], !node.isEmpty else {
            throw ValidationError("Name the node with --node or NODE_NAME.")
        }
        guard FileManager.default.fileExists(atPath: "\(root)/bin/sh") else {
            throw ValidationError("There is no host at \(root): mount its root there, or name another place with --root.")
        }
        let (root, seconds) = (root, interval.duration.seconds)
        try await KubernetesClient.connected(try kubernetes.access) { client in
            let host = LinuxHost(access: .host(named: node, root: root))
            var agent = HostAgent(
                client, node: node, host: host, version: Version.current, log: ControllerLog { JSONLog.write($0.rawValue, $1, $2) })
            agent.reportSeconds = seconds
            try await agent.run()
        }
    }
}

/// What coreutils' chroot does, for an image that has no other program.
struct ChrootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chroot", abstract: "Run a command with another root.", shouldDisplay: false)

    @Argument(help: "The new root.") var root: String
    @Argument(parsing: .captureForPassthrough, help: "The command.") var words: [String]

    func run() throws {
        guard Foundation.chroot(root) == 0, chdir("/") == 0 else {
            throw ValidationError("Cannot make \(root) the root: \(String(cString: strerror(errno))). That takes CAP_SYS_CHROOT.")
        }
        // Whoever began this may have other ideas of broken pipes than programs have.
        signal(SIGPIPE, SIG_DFL)
        setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1)
        var arguments = words.map { strdup($0) } + [nil]
        execvp(words.first ?? "", &arguments)
        throw ValidationError("Cannot run \(words.first ?? "nothing"): \(String(cString: strerror(errno))).")
    }
}
