internal import ArgumentParser
internal import Foundation
internal import HAProxy
internal import Maintenance
internal import Operations

extension Component: ExpressibleByArgument {}

/// The load balancers in front of the API servers, where a command works on other hosts at the same time.
struct FrontOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A load balancer in front of the API servers, NAME or NAME=DESTINATION; may be repeated; `local` is this machine.", valueName: "host"))
    var lbHost: [String] = []
    @Option(help: ArgumentHelp("Its stats socket. (default: its configuration's)", valueName: "socket"), transform: { try RuntimeAddress($0) })
    var lbSocket: RuntimeAddress?
    @Option(
        help: ArgumentHelp(
            "The socket of its master, which loads its files anew. (default: \(LoadBalancer.usualMaster), where that is)", valueName: "socket"),
        transform: { try RuntimeAddress($0) })
    var lbMasterSocket: RuntimeAddress?
    @Option(help: ArgumentHelp("Its configuration.", valueName: "file")) var lbConfig: String?
    @Flag(
        help: "Hold it still, a second at most, while etcd's leadership moves: requests wait, and do not fail with `leader changed`.")
    var lbHold = false
    @Option(help: ArgumentHelp("How long connections may take to leave a node before it is restarted.", valueName: "duration"))
    var lbDrain = DurationArgument(seconds: 10)

    /// - Parameter hosts: whose way of reaching them counts here, too.
    func loadBalancers(_ hosts: HostOptions) async throws -> [LoadBalancer] {
        guard !lbHost.isEmpty || lbSocket != nil else { return [] }
        var found: [LoadBalancer] = []
        for place in try hosts.nodes(lbHost.isEmpty ? ["local"] : lbHost) {
            found.append(try await .find(place, socket: lbSocket, master: lbMasterSocket, configuration: lbConfig, program: "haproxy"))
        }
        return found
    }
}

/// What commands have in common that restart parts of a control plane, node by node.
struct RestartOptions: ParsableArguments {
    @Flag(help: "Print the plan, and do nothing.") var dryRun = false
    @Flag(help: "Also where no other API server or etcd member is there meanwhile.") var acceptRisk = false
    @Option(help: ArgumentHelp("How long a component may take to end, to start and to be ready.", valueName: "duration"))
    var stepTimeout = DurationArgument(seconds: 300)
    @OptionGroup(title: "Run") var gate: GateOptions
    @OptionGroup(title: "Load balancers") var front: FrontOptions
    @OptionGroup(title: "Nodes") var nodes: CertificateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    /// - Parameter others: kubeconfigs on the nodes that count, too.
    func settings(_ others: [String] = []) async throws -> CertificateSettings {
        var settings = CertificateSettings(
            nodes: try nodes.nodes(), folders: try nodes.folders(others), tag: RunTag.make(), patienceSeconds: stepTimeout.duration.seconds,
            window: gate.window, maxSeconds: gate.maxSeconds)
        settings.loadBalancers = try await front.loadBalancers(nodes.hosts)
        (settings.acceptsRisk, settings.holdsTraffic) = (acceptRisk, front.lbHold)
        return settings
    }

    /// - Returns: the run that was carried out; nil for a plan that was only shown.
    @discardableResult
    func carryOut(_ made: CertificatePlan) async throws -> RunRecord? {
        let session = RunSession(output: output, probe: gate.probe)
        guard try session.accepts(made.plan, isRehearsal: dryRun) else { return nil }
        return try await CertificateSession(session: session).begin(made)
    }
}

struct CertificatesRestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Restart what does not use the newest certificates yet: one component at a time, one node at a time.",
        discussion: """
            Each node is drained at the load balancers first. etcd goes only when all its other members are well, an API server only when another is ready. \
            Each restart is proven: the serial on the wire is the one on the disk, the process is younger than its files, and it says that it is ready. \
            Name all control-plane nodes, each with --host.
            """)

    @Argument(help: "Components: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. (default: all)") var components: [Component] = []
    @Flag(help: "Also those that use the newest files already.") var force = false
    @OptionGroup var options: RestartOptions

    func run() async throws {
        var settings = try await options.settings()
        settings.isForced = force
        let made = try await RestartPlan.make(
            settings, try await options.nodes.read(), components: components, sessionSeconds: options.front.lbDrain.duration.seconds)
        try await options.carryOut(made)
    }
}
