internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct NodeDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Evict the pods of nodes, as their disruption budgets allow.",
        discussion: """
            Takes kubectl's flags. Evictions are sent as soon as a budget has room, pods that are not ready first, and a node is drained when its \
            pods are gone and their workloads have as many ready pods as before. --plan says beforehand which pods can never go, and why. \
            Exit code 3: something can never go. 4: a safety rule forbids it. A drain that was interrupted goes on with `drydock runs resume`.
            """)

    @OptionGroup var selection: NodeSelection

    @Flag(name: [.customLong("dry-run"), .customLong("plan")], help: "Print what would happen, pod by pod, and do nothing.")
    var dryRun = false

    @Flag(help: "Leave DaemonSets' pods alone.") var ignoreDaemonsets = false

    @Flag(
        name: [.customLong("delete-emptydir-data"), .customLong("delete-local-data")],
        help: "Also pods with emptyDir volumes, whose data is lost.")
    var deleteEmptydirData = false

    @Flag(help: "Also pods without a controller, which nothing makes anew.") var force = false

    @Option(
        parsing: .unconditional, help: ArgumentHelp("How long each pod is given to end; -1 for its own.", valueName: "seconds"))
    var gracePeriod = -1

    @Option(help: ArgumentHelp("How long a node may take; 0 for ever.", valueName: "duration")) var timeout = DurationArgument(seconds: 0)

    @Option(help: ArgumentHelp("Only pods with these labels.", valueName: "labels")) var podSelector: SelectorArgument?

    @Option(help: ArgumentHelp("Do not wait for pods that should have been gone for so long; 0 to wait.", valueName: "seconds"))
    var skipWaitForDeleteTimeout = 0

    @Flag(help: "Delete pods without a look at disruption budgets.") var disableEviction = false

    @Option(help: ArgumentHelp("How many objects a list asks for at once; 0 for all.", valueName: "N")) var chunkSize = 500

    @Option(
        help: ArgumentHelp("How many nodes may be away at once, of the whole cluster: 2 or 20%. (default: one after the other)", valueName: "N|N%"))
    var maxUnavailable: CountArgument?

    @Flag(help: "Never two control-plane nodes at once.") var respectQuorum = false

    @Flag(name: .customLong("uncordon"), help: "Give each node back when it is drained, as in a rolling maintenance.") var returns = false

    @Option(
        help: ArgumentHelp(
            "For workloads of one replica that their budget holds: one replica more for a while, or a rolling restart.", valueName: "scale|restart"))
    var surge: Surge?

    @Flag(help: "Count a node as drained when its pods are gone, without waiting for others in their place.") var noWaitForReplacements = false

    @Option(help: ArgumentHelp("How long to wait for others in the place of a node's pods. (default: 5m)", valueName: "duration"))
    var replacementTimeout: DurationArgument?

    @Option(help: ArgumentHelp("Why; it is written on the node.", valueName: "text")) var reason: String?

    @OptionGroup(title: "Run") var gate: GateOptions
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if gracePeriod < -1 || gracePeriod > Self.longestGrace {
            throw ValidationError("--grace-period is -1 for each pod's own, or a number of seconds.")
        }
        if chunkSize < 0 { throw ValidationError("--chunk-size cannot be negative.") }
        if skipWaitForDeleteTimeout < 0 { throw ValidationError("--skip-wait-for-delete-timeout cannot be negative.") }
    }

    /// A year: more is a mistake.
    private static let longestGrace = 365 * 86400

    private var options: DrainMachine.Options {
        var options = DrainMachine.Options()
        options.filters.force = force
        options.filters.ignoreDaemonSets = ignoreDaemonsets
        options.filters.deleteEmptyDirData = deleteEmptydirData
        options.filters.skipWaitForDeleteTimeoutSeconds = Double(skipWaitForDeleteTimeout)
        options.timeoutSeconds = timeout.duration.seconds
        options.disablesEviction = disableEviction
        options.awaitsReplacements = !noWaitForReplacements
        options.returns = returns
        if let replacementTimeout { options.replacementSeconds = replacementTimeout.duration.seconds }
        return options
    }

    func run() async throws {
        let settings = NodeRunSettings(
            kubeconfigs: kubernetes.files, context: kubernetes.context, options: options, podSelector: podSelector?.selector,
            gracePeriodSeconds: gracePeriod < 0 ? nil : gracePeriod, maxUnavailable: maxUnavailable?.value, respectsQuorum: respectQuorum,
            window: gate.window, maxSeconds: gate.maxSeconds, reason: reason)
        try await KubernetesClient.connected(try kubernetes.access) { client in
            var plan = NodeDrainPlan(nodes: try await selection.nodes(client).map(\.name))
            plan.options = options
            plan.podSelector = podSelector?.selector
            plan.maxUnavailable = maxUnavailable?.value
            plan.respectsQuorum = respectQuorum
            plan.surge = surge
            plan.gracePeriodSeconds = settings.gracePeriodSeconds
            let made = try plan.make(try await ClusterFacts.read(client, pageSize: chunkSize), workloads: try await workloads(client), at: Date())
            try await NodeRunSession(output: output, probe: gate.probe).run(client, made, settings, isRehearsal: dryRun)
        }
    }

    private func workloads(_ client: KubernetesClient) async throws -> WorkloadOwners {
        guard surge != nil else { return WorkloadOwners() }
        return WorkloadOwners(
            deployments: try await client.list(.deployments), replicaSets: try await client.list(.replicaSets),
            statefulSets: try await client.list(.statefulSets))
    }
}
