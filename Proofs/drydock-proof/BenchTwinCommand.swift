internal import ArgumentParser
internal import ClusterTwin
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import Operations
internal import Proving
internal import SystemPackage

/// How the client, the planner and a drain bear the size of a large cluster, on a twin.
struct BenchTwinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench-twin", abstract: "Measure plans, informers and rehearsals on a large twin.")

    @Option(help: "Nodes of the twin.") var nodes = 5000
    @Option(help: "Pods of the twin.") var pods = 150_000
    @Option(help: "The report whose section on scale is written anew.") var report: String?

    func run() async throws {
        let clock = ContinuousClock()
        func measured<Value>(_ what: String, _ body: () async throws -> Value) async throws -> (Value, seconds: Double) {
            let began = clock.now
            let value = try await body()
            let seconds = (clock.now - began).seconds
            FileHandle.standardError.write(Data(String(format: "%@: %.2f s\n", what, seconds).utf8))
            return (value, seconds)
        }
        var options = TwinOptions()
        options.writesLeases = false
        let twin = Twin(options: options)
        let (_, building) = try await measured("building \(nodes) nodes and \(pods) pods") {
            twin.addNodes(nodes, cpu: "8", memory: "32Gi")
            try twin.populate(pods: pods)
            twin.advance(to: twin.now.addingTimeInterval(10))
        }
        let client = KubernetesClient(transport: TwinTransport(twin, time: .system), rate: nil)

        let (kept, informerSeconds, bytes) = try await informer(client)
        var plan = NodeDrainPlan(nodes: Array(twin.objects(.nodes).map { Node($0).name }.sorted().prefix(100)))
        plan.maxUnavailable = .count(10)
        let (facts, reading) = try await measured("reading the cluster") { try await ClusterFacts.read(client) }
        let (made, planning) = try await measured("planning a drain of \(plan.nodes.count) nodes") { try plan.make(facts, at: twin.now) }
        let evictions = made.forecast.pods.count { $0.evictedAfter != nil }

        let (rolling, seconds) = try await measured("rolling all nodes under maxUnavailable 5%") { try await roll(twin) }
        let facts2 = try await ReportFile.machine()
        func verdict(_ holds: Bool) -> String { holds ? "met" : "**missed**" }
        let text = """
            ## A large cluster

            Made by `make bench-twin`: a twin of \(nodes) nodes and \(pods) pods in Deployments of 30, a budget of maxUnavailable 10 % each, in one process, \
            release build. Building it took \(String(format: "%.1f", building)) s, reading it as a plan does \(String(format: "%.1f", reading)) s. Machine: \(facts2).

            | what | measured | target | |
            |---|---:|---:|---|
            | plan of a drain of \(plan.nodes.count) nodes (\(evictions) evictions foreseen, facts read) | \(String(format: "%.2f", planning)) s | 2 s | \(verdict(planning < 2)) |
            | the same with reading the cluster in the process | \(String(format: "%.2f", planning + reading)) s | – | |
            | memory of a metadata-only informer, a pod | \(bytes) B | 1500 B | \(verdict(bytes <= 1500)) |
            | rolling maintenance of all \(nodes) nodes, maxUnavailable 5 % | \(String(format: "%.1f", seconds)) s | 60 s | \(verdict(seconds < 60)) |

            The informer held \(kept) pods after \(String(format: "%.1f", informerSeconds)) s. The rolling maintenance is the program's own run (journal, gate, evictions, waiting for \
            replacements) on the twin's clock: \(rolling.evictions) evictions in \(Int(rolling.virtualSeconds)) s of the cluster's time, \(rolling.broken) times a budget broken.

            """
        print(text)
        if let report { try ReportFile(path: report).replace(section: "scale", with: text) }
    }

    /// Fills a metadata-only informer from bytes, as a server sends them, so that nothing is shared with the twin.
    private func informer(_ client: KubernetesClient) async throws -> (count: Int, seconds: Double, bytesEach: Int) {
        let transport = SerializingTransport(inner: client.transport)
        let remote = KubernetesClient(transport: transport, rate: nil)
        let watcher = Watcher(client: remote, resource: .pods, options: ListOptions(limit: 500, metadataOnly: true))
        let informer = Informer<ObjectMetadata>(watcher, keep: { ObjectMetadata($0) })
        let before = residentBytes()
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await informer.run() }
            try await informer.synced()
            group.cancelAll()
        }
        let seconds = (ContinuousClock.now - began).seconds
        let grown = residentBytes() - before
        return (informer.count, seconds, max(0, grown) / max(1, informer.count))
    }

    private func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * 4096
    }

    private struct Rolled: Sendable {
        var evictions: Int
        var virtualSeconds: Double
        var broken: Int
    }

    private func roll(_ twin: Twin) async throws -> Rolled {
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        // In memory: how fast this machine's disk syncs is not what is measured.
        let memory = FileManager.default.fileExists(atPath: "/dev/shm") ? URL(fileURLWithPath: "/dev/shm") : FileManager.default.temporaryDirectory
        let folder = memory.appendingPathComponent("drydock-bench-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let journal = try Journal(path: FilePath(folder.appendingPathComponent("journal.sqlite").path))
        let began = twin.now
        let outcome = rehearsal.run { () async throws -> RunRecord in
            let client = KubernetesClient(transport: TwinTransport(twin, time: time), rate: nil, time: time)
            var plan = NodeDrainPlan(nodes: try await client.list(Node.self).map(\.name))
            plan.maxUnavailable = .percent(5)
            plan.returns = true
            let made = try plan.make(try await ClusterFacts.read(client), at: time.now())
            let settings = NodeRunSettings(options: plan.options, maxUnavailable: plan.maxUnavailable)
            return try await NodeRun.working(client, settings, journal: journal, gate: { settings.gate(time) }) { runner, _ in
                try await runner.begin(made.plan, settings: settings.json())
            }
        }
        guard case .ended(let result) = outcome else { throw LocalEtcdCluster.Failure(description: "the rehearsal did not end: \(outcome)") }
        let record = try result.get()
        let evictions = record.steps.compactMap { $0.result?.split(separator: " ").first.flatMap { Int($0) } }.reduce(0, +)
        return Rolled(evictions: evictions, virtualSeconds: twin.now.timeIntervalSince(began), broken: twin.brokenBudgets().count)
    }
}

/// Answers that went through bytes, as over a wire.
private struct SerializingTransport: KubernetesTransport {
    let inner: any KubernetesTransport

    func send(_ request: APIRequest) async throws -> APIResponse {
        var response = try await inner.send(request)
        response.body = try JSON(parsing: response.body.bytes())
        return response
    }

    func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws {
        try await inner.stream(request) { try await receive(try JSON(parsing: $0.bytes())) }
    }

    func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws { try await inner.text(request, receive) }
}
