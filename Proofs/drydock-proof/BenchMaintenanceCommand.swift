internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import Operations
internal import Proving

/// The controller against kured's way of doing it, over a month of a large cluster, and what it takes of a machine.
struct BenchMaintenanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-maintenance", abstract: "Measure the controller: time against kured's way, a month of a large cluster, memory.")

    @Option(help: "The drydock to measure.") var drydock: String
    @Option(help: "Nodes of the large twin.") var nodes = 5000
    @Option(help: "Its pods.") var pods = 150_000
    @Option(help: "How long the controller is measured there, seconds.") var seconds = 240.0
    @Option(help: "The report whose section on maintenance is written anew.") var report: String?

    func run() async throws {
        func say(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
        var race = MaintenanceRace()
        race.maxUnavailable = "10%"
        let own = try race.run(.drydock)
        say("drydock: \(own)")
        let kured = try race.run(.kured(periodSeconds: 3600))
        say("kured, 1 h: \(kured)")
        let eager = try race.run(.kured(periodSeconds: 0))
        say("kured, at once: \(eager)")

        let began = ContinuousClock.now
        let months = try [("spring", "2026-03-15T00:00:00Z"), ("autumn", "2026-10-11T00:00:00Z")].map { name, start in
            var world = RandomMaintenance(seed: 2026, nodes: 500...500, large: .init(start: start))
            return (name, try world.run())
        }
        let monthSeconds = (ContinuousClock.now - began).seconds
        say("months of 500 nodes: \(months), \(monthSeconds) s")

        let large = try await measureLarge()
        say("large: \(large)")
        func verdict(_ holds: Bool) -> String { holds ? "met" : "**missed**" }
        func line(_ name: String, _ result: MaintenanceRace.Result) -> String {
            "| \(name) | \(Int(result.seconds)) s | \(String(format: "%.3f", own.seconds / result.seconds)) | \(result.mostAway) | \(result.brokenBudgets) |"
        }
        let text = """
            ## Maintenance of nodes

            Made by `make bench-maintenance`, release build. Machine: \(try await ReportFile.machine()).

            A twin of \(race.nodes) nodes and \(race.pods) pods in Deployments of 10 with a budget of maxUnavailable 10 % each; every node has to boot anew, which takes \
            \(Int(race.bootSeconds)) s, and a pod needs \(Int(race.readySeconds)) s to be ready. drydock runs as it is, with maxUnavailable \(race.maxUnavailable). kured is modelled by what \
            its documentation says of its defaults: one node at a time, drained without a look at replacements, uncordoned at boot; each node looks every hour (`--period=1h`) whether it \
            may. The last line gives it no pause between nodes at all.

            | who | until every node has booted and takes pods | drydock takes of it | most nodes away | looks at a broken budget |
            |---|---:|---:|---:|---:|
            \(line("drydock", own))
            \(line("kured, defaults", kured))
            \(line("kured, without a pause between nodes", eager))

            Target: at most 0.2 of kured's defaults, and no budget broken: \(verdict(own.seconds <= 0.2 * kured.seconds && own.brokenBudgets == 0)).

            Four weeks of a cluster of 500 nodes on a virtual clock: updates once or twice a week, a window every night from 23:00 to 04:00 in Berlin with a blackout, maxUnavailable 10 %, alerts, the leader \
            killed at random moments, hosts whose package manager fails or that do not come back until somebody mends them twice a day. \(Int(monthSeconds)) s of ours for both.

            | weeks over the change of clocks in | reboots | leaders killed | disturbed outside of the window, or beyond the budget | nodes not current at the end, each with a reason |
            |---|---:|---:|---:|---:|
            \(months.map { "| \($0.0) | \($0.1.reboots) | \($0.1.kills) | \($0.1.broken.count) | \($0.1.explained) |" }.joined(separator: "\n"))

            The controller as a process of its own, connected over HTTP to a twin of \(nodes) nodes and \(pods) pods, draining and giving back nodes, ten at a time, for \(Int(seconds)) s:

            | what | measured | target | |
            |---|---:|---:|---|
            | resident memory, at most | \(large.peak >> 20) MiB | 300 MiB | \(verdict(large.peak >> 20 <= 300)) |
            | until it knew the cluster | \(String(format: "%.1f", large.ready)) s | – | |
            | processor, at work | \(String(format: "%.1f", large.processor * 100)) % of one core | – | |
            | nodes that were seen to | \(large.done) | – | |

            """
        print(text)
        if let report { try ReportFile(path: report).replace(section: "maintenance", with: text) }
    }

    private struct Large {
        var peak = 0
        var ready = 0.0
        var processor = 0.0
        var done = 0
    }

    private func measureLarge() async throws -> Large {
        try await BuiltProgram.withFolder { folder in
            let kubeconfig = folder.appendingPathComponent("kubeconfig").path
            let port = try FreePorts.take(2)
            let arguments = ["twin", "serve", "--nodes", "\(nodes)", "--pods", "\(pods)", "--port", "\(port[0])", "--kubeconfig-out", kubeconfig]
            return try await CommandRun.Running.whileRunning(drydock, arguments) { try await measureLarge($0, kubeconfig, port[1]) }
        }
    }

    private func measureLarge(_ twin: CommandRun.Running, _ kubeconfig: String, _ port: Int) async throws -> Large {
        while !FileManager.default.fileExists(atPath: kubeconfig) {
            guard twin.isRunning else { throw LocalEtcdCluster.Failure(description: "the twin ended: \(twin.errorsSoFar)") }
            try await Task.sleep(for: .milliseconds(200))
        }
        let access = try Kubeconfig(paths: [kubeconfig], mustExist: true).access(environment: [:])
        return try await KubernetesClient.connected(access) { client in
            for definition in try CustomResources.definitions() { try await client.create(.customResourceDefinitions, definition) }
            try await client.create(
                .nodeMaintenances,
                [
                    "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance", "metadata": ["name": "all"],
                    "spec": ["maxUnavailable": 10, "action": ["none": .object(JSONObject())], "drain": ["replacementTimeout": "30s"]],
                ])
            var large = Large()
            let began = ContinuousClock.now
            return try await CommandRun.Running.whileRunning(
                drydock, ["controller", "--listen", "127.0.0.1:\(port)"], environment: ["KUBECONFIG": kubeconfig, "POD_NAMESPACE": "default"]
            ) { controller in
                var ticks = 0
                while (ContinuousClock.now - began).seconds < seconds {
                    try await Task.sleep(for: .milliseconds(500))
                    guard controller.isRunning else {
                        throw LocalEtcdCluster.Failure(description: "it ended: \(controller.errorsSoFar.suffix(2000))")
                    }
                    let status = (try? String(contentsOfFile: "/proc/\(controller.processID)/status", encoding: .utf8)) ?? ""
                    let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: \.isWhitespace)[1]
                    large.peak = max(large.peak, (peak.flatMap { Int($0) } ?? 0) << 10)
                    if large.ready == 0, controller.errorsSoFar.contains("cordon ") {
                        large.ready = (ContinuousClock.now - began).seconds
                        ticks = Self.ticks(controller.processID)
                    }
                }
                let spent = Double(Self.ticks(controller.processID) - ticks) / 100
                large.processor = spent / max(1, seconds - large.ready)
                large.done = controller.errorsSoFar.split(separator: "\n").count { $0.contains(#""message":"done""#) }
                return large
            }
        }
    }

    /// User and system time of a process, in hundredths of a second (proc(5)).
    private static func ticks(_ process: Int32) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return 0 }
        return user + system
    }
}
