internal import ArgumentParser
internal import Foundation
internal import HAProxy
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct LoadBalancerRenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render", abstract: "Print a configuration for a cluster's API servers.",
        discussion: """
            From a short YAML file, from --server, or from the cluster's own control-plane nodes (--from-cluster). Checks ask /readyz over TLS, and verify who \
            answers by the cluster's authority, which has to lie on the load balancer (--write-ca saves it).

            A YAML file: `servers: {cp1: 10.0.0.11, cp2: 10.0.0.12, cp3: "10.0.0.13:6443"}`; also bind, port, ca, serverName, checkPath, statsSocket, monitor, \
            maxConnections, log, user, group, frontend, backend.
            """)

    @Option(name: [.customShort("f"), .long], help: ArgumentHelp("Read this; - for standard input.", valueName: "file")) var file: String?
    @Option(name: .customLong("server"), help: ArgumentHelp("A control-plane node; may be repeated.", valueName: "NAME=ADDRESS")) var servers:
        [String] = []
    @Flag(help: "Take the control-plane nodes of the cluster.") var fromCluster = false
    @Option(help: ArgumentHelp("Write the cluster's authority there, with --from-cluster.", valueName: "file")) var writeCa: String?
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        guard [file != nil, !servers.isEmpty, fromCluster].count(where: \.self) == 1 else {
            throw ValidationError("Give one of --file, --server and --from-cluster.")
        }
        let configuration: ControlPlaneConfiguration
        if let file {
            configuration = try ControlPlaneConfiguration(yaml: try TextFile.read(file), from: file)
        } else if fromCluster {
            let access = try kubernetes.access
            configuration = try await KubernetesClient.connected(access) { try await ControlPlaneConfiguration(of: $0) }
            if let writeCa {
                guard let authority = try access.authority?.read() else {
                    throw OperationError(.invalid, "the kubeconfig names no certificate authority.")
                }
                try Data(authority).write(to: URL(fileURLWithPath: writeCa), options: .atomic)
            }
        } else {
            configuration = ControlPlaneConfiguration(servers: try servers.map { try ControlPlaneConfiguration.server($0, port: 6443) })
        }
        let text = try configuration.text()
        struct Report: Encodable {
            var configuration: String
        }
        try output.emit(Report(configuration: text)) { text.trimmingCharacters(in: .newlines) }
    }
}

struct LoadBalancerApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Put a new configuration in place without losing a connection, and take it back if it does not serve.",
        discussion: """
            HAProxy checks it; the difference is shown; the old file is kept; the new one replaces it in one step; the master reloads; what was drained or weighted \
            at run time is asked for again; and all servers must come up in time. Otherwise the old configuration is put back and loaded, by itself \
            (exit code 1). Several load balancers go one after the other, the one that stands by first.
            """)

    @Argument(help: "The new configuration.") var file: String
    @Option(help: ArgumentHelp("A server that need not come up; may be repeated.", valueName: "server")) var acceptDown: [String] = []
    @Flag(help: "Also load what is in place already.") var force = false
    @Flag(help: "When it fails, leave it as it is: the run can be resumed or rolled back.") var noRollback = false
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws {
        let output = traffic.output
        let settings = LoadBalancerRunSettings(
            loadBalancers: try await traffic.options.loadBalancers(), window: traffic.gate.window, maxSeconds: traffic.gate.maxSeconds,
            settleSeconds: traffic.settleTimeout.duration.seconds)
        let tag = RunTag.make()
        let made = try await ApplyPlan.make(
            settings, path: URL(fileURLWithPath: file).path, tag: tag, acceptDown: acceptDown, isForced: force)
        let diff = made.diffs.map(\.diff).filter { !$0.isEmpty }.joined(separator: "\n")
        struct Report: Encodable {
            var diffs: [String: String]
            var plan: LoadBalancerAction.Plan
        }
        let session = RunSession(output: output, probe: traffic.gate.probe)
        let isAccepted = try session.accepts(made.plan, isRehearsal: traffic.dryRun) {
            let report = Report(diffs: Dictionary(made.diffs.map { ($0.loadBalancer, $0.diff) }, uniquingKeysWith: { $1 }), plan: made.plan)
            try output.emit(report) { (diff.isEmpty ? "" : Self.painted(diff) + "\n\n") + PlanText(made.plan).text }
        }
        guard isAccepted else { return }
        if !diff.isEmpty { output.remark(diff) }
        let run = try await LoadBalancerSession(session: session).begin(made.plan, made.settings, goesBack: !noRollback)
        output.remark("the old file stays beside the new; `drydock runs rollback \(run.id)` puts it back and loads it")
    }

    private static func painted(_ diff: String) -> String {
        diff.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.hasPrefix("+") ? Terminal.paint(String(line), .green) : line.hasPrefix("-") ? Terminal.paint(String(line), .red) : String(line)
        }.joined(separator: "\n")
    }
}
