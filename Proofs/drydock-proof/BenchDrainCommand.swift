internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import Proving
internal import Synchronization

/// How long a drain takes, by drydock and by kubectl, on a real cluster in alternating runs; and whether a budget is broken meanwhile.
struct BenchDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-drain", abstract: "Measure drains against kubectl on a real cluster.",
        discussion: "Needs KUBEBUILDER_ASSETS with the programs of a control plane, kubectl and kubemark.")

    @Option(help: "The drydock to measure; a release build.") var drydock: String
    @Option(help: "Runs of each tool.") var runs = 3
    @Option(help: "Hollow nodes.") var nodes = 6
    @Option(help: "Pods, under a budget of maxUnavailable 10 %.") var pods = 240
    @Option(help: "How many nodes drydock rolls at once where it does not take one after the other.") var together = 3
    @Option(help: "The report whose section on drains is written anew.") var report: String?

    private enum Tool: String, CaseIterable { case kubectl, drydock }

    private struct Sample {
        var one: Double
        /// All nodes, one after the other.
        var rolling: Double
        /// All nodes, several at once; kubectl cannot.
        var together: Double?
        /// The fewest ready pods that a watch saw.
        var leastReady: Int
    }

    private static let web = ObjectName("default", "web")
    private var budget: Int { IntOrPercent.percent(10).value(of: pods, roundingUp: true) }

    func run() async throws {
        let binary = URL(fileURLWithPath: drydock).path
        let text = try await RealKubernetes.running(nodes: nodes) { real in
            try await KubernetesClient.connected(real.access) { client in
                try await fill(client)
                var samples: [Tool: [Sample]] = [:]
                var startups: [Double] = []
                for round in 0..<runs {
                    // Which of the two goes first changes.
                    for tool in round % 2 == 0 ? Tool.allCases : Tool.allCases.reversed() {
                        let sample = try await undisturbed(real) {
                            try await BuiltProgram.withFolder { try await measure(tool, binary, real, client, state: $0.path) }
                        }
                        tell(
                            String(
                                format: "%@: one node %.1f s, all %.1f s, several at once %.1f s, at least %d ready", tool.rawValue, sample.one,
                                sample.rolling, sample.together ?? 0, sample.leastReady))
                        samples[tool, default: []].append(sample)
                        startups += try await client.list(Pod.self, namespace: "default").compactMap { $0.facts().startupSeconds }
                    }
                }
                return try await page(samples, startup: startups.isEmpty ? 0 : startups.reduce(0, +) / Double(startups.count))
            }
        }
        print(text)
        if let report { try ReportFile(path: report).replace(section: "drain", with: text) }
    }

    private func tell(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }

    /// Measures again when a hollow kubelet crashed meanwhile: neither tool can help that.
    private func undisturbed(_ real: RealKubernetes, _ measure: () async throws -> Sample) async throws -> Sample {
        while true {
            let before = real.restarts
            let sample = try await measure()
            guard real.restarts > before else { return sample }
            tell("a hollow kubelet crashed meanwhile; measured again")
        }
    }

    private func fill(_ client: KubernetesClient) async throws {
        let labels: JSON = ["app": "web"]
        try await client.create(
            .deployments,
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web"],
                "spec": [
                    "replicas": JSON(pods), "selector": ["matchLabels": labels],
                    "template": [
                        "metadata": ["labels": labels],
                        "spec": ["terminationGracePeriodSeconds": 5, "containers": [["name": "main", "image": "k8s.gcr.io/pause:3.2"]]],
                    ],
                ],
            ], namespace: "default")
        let discovery = try await client.discover()
        let policy = try discovery.resource(.podDisruptionBudgets, versions: ["v1", "v1beta1"])
        try await client.create(
            policy,
            [
                "apiVersion": .string(policy.apiVersion), "kind": "PodDisruptionBudget", "metadata": ["name": "web"],
                "spec": ["maxUnavailable": "10%", "selector": ["matchLabels": labels]],
            ], namespace: "default")
    }

    /// Starts every pod anew, so that all nodes carry the same, and waits until nothing moves.
    private func settle(_ client: KubernetesClient) async throws {
        let stamp = "\(Date().timeIntervalSince1970)"
        try await client.patch(.deployments, Self.web, .merge(["spec": ["template": ["metadata": ["annotations": ["round": .string(stamp)]]]]]))
        while true {
            try await Task.sleep(for: .seconds(1))
            let now = try await client.list(Pod.self, namespace: "default")
            if now.count == pods, now.allSatisfy({ $0.isReady && $0.deletion == nil && $0.annotations["round"] == stamp }) { return }
        }
    }

    private func measure(_ tool: Tool, _ binary: String, _ real: RealKubernetes, _ client: KubernetesClient, state: String) async throws -> Sample {
        let environment = ["KUBECONFIG": real.kubeconfig.path, "XDG_STATE_HOME": state]
        func run(_ words: String) async throws {
            let program = tool == .drydock ? binary : real.kubectl
            let run = try await CommandRun.run(program, words.split(separator: " ").map(String.init), environment: environment)
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "\(tool.rawValue) \(words): \(run.errors)") }
        }
        try await settle(client)
        return try await watching(client) { least in
            let clock = ContinuousClock()
            var began = clock.now
            try await run(tool == .drydock ? "node drain worker-1 -q" : "drain worker-1")
            let one = (clock.now - began).seconds
            try await run(tool == .drydock ? "node uncordon worker-1 -q" : "uncordon worker-1")
            try await settle(client)
            began = clock.now
            if tool == .drydock {
                try await run("node drain --all --uncordon -q")
            } else {
                for index in 1...nodes {
                    try await run("drain worker-\(index)")
                    try await run("uncordon worker-\(index)")
                }
            }
            var sample = Sample(one: one, rolling: (clock.now - began).seconds, leastReady: least())
            if tool == .drydock {
                try await settle(client)
                began = clock.now
                try await run("node drain --all --uncordon --max-unavailable \(together) -q")
                sample.together = (clock.now - began).seconds
                sample.leastReady = least()
            }
            return sample
        }
    }

    /// Watches how many pods are ready while `body` runs. (The restarts between keep to a quarter, and are not counted: they end before.)
    private func watching(_ client: KubernetesClient, _ body: (_ least: @Sendable () -> Int) async throws -> Sample) async throws -> Sample {
        let tally = ReadyTally()
        let watcher = Watcher(client: client, resource: .pods, namespace: "default")
        let informer = Informer<Void>(watcher, keep: { _ in }, onEvent: { tally.see($0) })
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await informer.run() }
            try await informer.synced()
            defer { group.cancelAll() }
            return try await body { tally.leastDuringEvictions }
        }
    }

    private func page(_ samples: [Tool: [Sample]], startup: Double) async throws -> String {
        func median(_ tool: Tool, _ value: (Sample) -> Double) -> Double {
            let values = samples[tool, default: []].map(value).sorted()
            return values.isEmpty ? 0 : values[values.count / 2]
        }
        let one = median(.drydock, \.one) / max(0.01, median(.kubectl, \.one))
        let loop = max(0.01, median(.kubectl, \.rolling))
        let (rolling, several) = (median(.drydock, \.rolling) / loop, median(.drydock) { $0.together ?? 0 } / loop)
        let least = samples[.drydock, default: []].map(\.leastReady).min() ?? 0
        func bound(_ count: Int) -> Double { (Double(count) / Double(budget)).rounded(.up) * startup }
        func row(_ tool: Tool) -> String {
            let own = samples[tool, default: []]
            func list(_ value: (Sample) -> Double) -> String { own.map { String(format: "%.1f", value($0)) }.joined(separator: ", ") }
            let together = own.allSatisfy { $0.together != nil } ? list { $0.together ?? 0 } : "–"
            return "| \(tool.rawValue) | \(list(\.one)) | \(list(\.rolling)) | \(together) | \(own.map(\.leastReady).min() ?? 0) |"
        }
        let machine = try await ReportFile.machine()
        return """
            ## Drains

            Made by `make bench-drain`: a real kube-apiserver, controllers and \(nodes) hollow nodes, \(pods) pods under maxUnavailable 10 %, grace period 5 s, \(runs) alternating runs, \
            medians, every pod started anew before each. drydock (release) also waits until as many pods are ready as before. Machine: \(machine).

            | what | measured | target | |
            |---|---:|---:|---|
            | one node / kubectl | \(String(format: "%.2f", one)) | 0.70 | \(one <= 0.7 ? "met" : "**missed**") |
            | all nodes rolling, \(together) at once / a loop of kubectl drain and uncordon | \(String(format: "%.2f", several)) | 0.50 | \(several <= 0.5 ? "met" : "**missed**") |
            | all nodes rolling, one after the other / the same loop | \(String(format: "%.2f", rolling)) | 0.50 | \(rolling <= 0.5 ? "met" : "**missed**") |
            | fewest ready pods that a watch saw | \(least) | \(pods - budget) | \(least >= pods - budget ? "met" : "**missed**") |

            | tool | one node, s | all nodes, s | all nodes, \(together) at once, s | fewest ready |
            |---|---|---|---|---:|
            \(Tool.allCases.map(row).joined(separator: "\n"))

            What the budget allows at best, when each pod takes \(String(format: "%.1f", startup)) s from its start to ready: \(String(format: "%.1f", bound(pods / nodes))) s for one node of \(pods / nodes) \
            pods, \(String(format: "%.1f", bound(pods))) s for every pod once. A kubelet of 1.20 asks its server five times a second at most, and tells it of each pod that ends and each that starts: \
            one node after the other is bound by that, whoever drains, and several at once share it.

            """
    }
}

/// Counts ready pods as a watch tells of them. Restarts by the Deployment, between the measurements, mark their pods anew and do not count.
private final class ReadyTally: Sendable {
    private struct State {
        var ready: [String: String] = [:]
        var round = ""
        var all = 0
        var least = Int.max
    }

    private let state = Mutex(State())

    var leastDuringEvictions: Int { state.withLock { $0.least } }

    func see(_ event: Informer<Void>.Event) {
        state.withLock { state in
            switch event {
            case .applied(let object):
                let pod = Pod(object)
                let round = pod.annotations["round"] ?? ""
                state.ready[pod.uid] = pod.isReady && pod.deletion == nil ? round : nil
                state.round = max(state.round, round)
            case .deleted(let object): state.ready[Pod(object).uid] = nil
            }
            // Only pods of the round that runs: of a rollout on its way there are two.
            let ready = state.ready.values.count { $0 == state.round }
            let isRollingOut = ready != state.ready.count
            if isRollingOut { state.all = 0 } else { state.all = max(state.all, ready) }
            if !isRollingOut, state.all > 0, ready < state.all { state.least = min(state.least, ready) }
        }
    }
}
