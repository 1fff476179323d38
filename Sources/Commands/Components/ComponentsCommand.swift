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
                Terminal.paint(row.state, row.complaint == nil ? .green : .red), row.restarts.map(String.init) ?? "-", age ?? "-", row.image ?? "",
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
            each start is proven. Nodes with crictl pull the image before anything is stopped. Another minor, an older etcd and another program are refused without --accept-risk. \
            `drydock runs rollback` gives the old image back. Name all control-plane nodes, each with --host.
            """)

    @Argument(help: "etcd, kube-apiserver, kube-controller-manager or kube-scheduler.") var component: Component
    @Option(help: ArgumentHelp("With its tag or digest.", valueName: "reference")) var image: String
    @OptionGroup var options: RestartOptions

    func run() async throws {
        let made = try await ImagePlan.make(
            try await options.settings(), try await options.nodes.read(), component, image: image,
            sessionSeconds: options.front.lbDrain.duration.seconds)
        guard let run = try await options.carryOut(made) else { return }
        options.output.remark("`drydock runs rollback \(run.id)` gives the old image back")
    }
}
