internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Maintenance
internal import NodeAccess
internal import Operations

struct ComponentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "components", abstract: "What runs where, in which version; another image for one component.",
        subcommands: [ComponentsStatusCommand.self, ComponentsUpdateCommand.self])
}

struct ComponentsStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show versions and images of the control plane, the kubelets, the network and the load balancers, and what does not fit together.",
        discussion: """
            Judged by Kubernetes' version skew policy: behind a load balancer the oldest API server counts for what is too new, and the newest for what is too old. \
            Exit code 3 when something does not fit, or is not ready. `drydock certs restart --force COMPONENT` restarts one component everywhere, through the gate.
            """)

    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Load balancers") var front: FrontOptions
    @Option(help: ArgumentHelp("Of ssh, to the load balancers. (default: the user's)", valueName: "file")) var sshConfig: String?
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        var report = try await KubernetesClient.connected(try kubernetes.access) { try await ComponentsReport.read($0) }
        let hosts = try HostOptions.parse(sshConfig.map { ["--ssh-config", $0] } ?? [])
        for loadBalancer in try await front.loadBalancers(hosts) {
            try await report.add(loadBalancer)
        }
        try output.emit(report) { Self.text(report) }
        if !report.findings.isEmpty { throw Outcome(status: .findings) }
    }

    private static func text(_ report: ComponentsReport) -> String {
        var table = TextTable(["COMPONENT", "NODE", "VERSION", "STATE", "RESTARTS", "RUNS FOR", "IMAGE"], alignedRight: [4, 5])
        for row in report.rows {
            let age = row.startedAt.map { Age.text(Int(Date().timeIntervalSince($0))) }
            table.add([
                row.component, row.node, row.version.isEmpty ? "-" : row.version,
                Terminal.paint(row.state, row.state == "NotReady" ? .red : .green), row.restarts.map(String.init) ?? "-", age ?? "-", row.image ?? "",
            ])
        }
        guard !report.findings.isEmpty else { return table.text + "\n\neverything fits together" }
        let lines = report.findings.map { "\(Terminal.paint("!", .red)) \($0.component)\($0.node.isEmpty ? "" : " on \($0.node)"): \($0.problem)" }
        return table.text + "\n\n" + lines.joined(separator: "\n")
    }
}

struct ComponentsUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Give one component of the control plane another image: one node at a time, through the load balancer.",
        discussion: """
            Works as `drydock certs restart` does: each node is drained first, etcd goes only with a quorum to spare, an API server only when another is ready, and \
            each start is proven. Nodes with crictl pull the image before anything is stopped. Another minor, an older etcd and another program are refused. \
            `drydock runs rollback` gives the old image back. Name all control-plane nodes, each with --host.
            """)

    @Argument(help: "etcd, kube-apiserver, kube-controller-manager or kube-scheduler.") var component: Component
    @Option(help: ArgumentHelp("With its tag or digest.", valueName: "reference")) var image: String
    @Flag(help: "Print the plan, and do nothing.") var dryRun = false
    @Flag(help: "Also another minor, and where no other API server or etcd member is there meanwhile.") var acceptRisk = false
    @Option(help: ArgumentHelp("How long a component may take to end, to start and to be ready.", valueName: "duration"))
    var stepTimeout = DurationArgument(seconds: 300)
    @OptionGroup(title: "Run") var gate: GateOptions
    @OptionGroup(title: "Load balancers") var front: FrontOptions
    @OptionGroup(title: "Nodes") var options: CertificateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        var settings = CertificateSettings(
            nodes: try options.nodes(), folders: try options.folders(), tag: RunTag.make(), patienceSeconds: stepTimeout.duration.seconds,
            window: gate.window, maxSeconds: gate.maxSeconds)
        settings.loadBalancers = try await front.loadBalancers(options.hosts)
        (settings.acceptsRisk, settings.holdsTraffic) = (acceptRisk, front.lbHold)
        let made = try await ImagePlan.make(
            settings, try await options.read(), component, image: image, sessionSeconds: front.lbDrain.duration.seconds)
        let session = RunSession(output: output, probe: gate.probe)
        guard try session.accepts(made.plan, isRehearsal: dryRun) else { return }
        let run = try await CertificateSession(session: session).begin(made.plan, made.settings)
        output.remark("`drydock runs rollback \(run.id)` gives the old image back")
    }
}
