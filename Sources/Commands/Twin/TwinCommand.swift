internal import ArgumentParser
internal import ClusterTwin
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NIOCore
internal import Operations

struct TwinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "twin", abstract: "A simulated cluster to try things on.", subcommands: [Serve.self])

    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Serve a simulated cluster on 127.0.0.1, for kubectl and drydock.",
            discussion: """
                Nodes, workloads, budgets and what controls them live in memory, on a clock that can run faster than ours. Nothing else on this \
                host is touched; it ends with the command. Try: drydock twin serve --nodes 6 --pods 60 --kubeconfig-out twin.yaml, and in \
                another terminal KUBECONFIG=twin.yaml kubectl get nodes.
                """)

        @Option(help: "How many nodes there are.") var nodes = 3
        @Option(help: "How many of them are control-plane nodes.") var controlPlanes = 0
        @Option(help: "How many pods run, in Deployments of ten with a budget each.") var pods = 0
        @Option(
            name: .customLong("from"), parsing: .upToNextOption,
            help: ArgumentHelp("YAML or JSON files of objects to begin with; nodes too.", valueName: "files"))
        var files: [String] = []
        @Option(help: "Where to listen; 0 for a free port.") var port = 0
        @Option(help: ArgumentHelp("Write a kubeconfig for it there.", valueName: "file")) var kubeconfigOut: String?
        @Option(help: ArgumentHelp("How fast its time runs, such as 60x.", valueName: "factor")) var speed = SpeedArgument(factor: 1)
        @Option(help: ArgumentHelp("The release whose API it serves, 1.20 or newer.", valueName: "1.N")) var kubernetesVersion = VersionArgument(
            minor: 30)
        @Option(help: "The same seed gives the same cluster. (default: by chance)") var seed: UInt64?
        @Option(
            name: .customLong("fault"),
            help: ArgumentHelp(
                "What goes wrong: throttled=0.05, failed=0.05, cut-watches=0.01, expired=0.1 (shares), latency=50ms, dead-node=NAME (never comes back).",
                valueName: "fault"))
        var faults: [FaultArgument] = []
        @OptionGroup(title: "Output") var output: OutputOptions

        func validate() throws {
            guard (0...20_000).contains(nodes), (0...500_000).contains(pods) else {
                throw ValidationError("A twin has up to 20000 nodes and 500000 pods.")
            }
            guard (0...nodes).contains(controlPlanes) else { throw ValidationError("--control-planes is 0 to the number of nodes.") }
            guard (0...65_535).contains(port) else { throw ValidationError("--port is 0 to 65535.") }
        }

        func run() async throws {
            var options = TwinOptions()
            options.minor = kubernetesVersion.minor
            options.seed = seed ?? UInt64.random(in: 0...UInt64.max)
            options.start = Date()
            options.writesLeases = nodes <= 500
            for fault in faults { fault.apply(&options.faults) }
            let server = TwinServer(options: options, port: port, speed: speed.factor)
            server.twin.addNodes(nodes, controlPlanes: controlPlanes)
            if pods > 0 { try server.twin.populate(pods: pods, size: 10) }
            for file in files { try load(file, into: server.twin) }
            // Serving ends when somebody ends it, and that is no failure.
            do { try await serve(server) } catch is CancellationError {} catch  where Task.isCancelled {} catch let error as IOError
                where error.errnoCode == EADDRINUSE
            {
                throw OperationError(.invalid, "the port \(port) is in use. Choose another with --port, or 0 for a free one.")
            }
        }

        private func serve(_ server: TwinServer) async throws {
            try await server.run { port in
                do {
                    if let kubeconfigOut {
                        try Data(TwinServer.kubeconfig(port: port).utf8).write(to: URL(fileURLWithPath: kubeconfigOut), options: .atomic)
                        output.remark("serving http://127.0.0.1:\(port); KUBECONFIG=\(kubeconfigOut) kubectl get nodes")
                    } else {
                        output.remark("serving http://127.0.0.1:\(port); kubectl --server http://127.0.0.1:\(port) get nodes")
                    }
                } catch { output.remark("error: cannot write \(kubeconfigOut ?? ""): \(error.localizedDescription)") }
            }
        }

        private func load(_ file: String, into twin: Twin) throws {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw OperationError(.invalid, "cannot read \(file). Check --from.")
            }
            do {
                let documents = try YAMLText.documents(text)
                try twin.load(documents.flatMap { $0["kind"].string == "List" ? $0["items"].elements : [$0] })
            } catch let error as APIStatus { throw OperationError(.invalid, "\(file): \(error)") } catch {
                throw OperationError(.invalid, "\(file) cannot be read: \(error)")
            }
        }
    }
}

/// How fast time runs: `60x`, `1`.
struct SpeedArgument: ExpressibleByArgument {
    let factor: Double

    init(factor: Double) { self.factor = factor }

    init?(argument: String) {
        guard let factor = Double(argument.hasSuffix("x") ? argument.dropLast() : argument[...]), (0.001...100_000).contains(factor) else {
            return nil
        }
        self.factor = factor
    }

    var defaultValueDescription: String { "\(Int(factor))x" }
}

/// A release of Kubernetes: `1.30`.
struct VersionArgument: ExpressibleByArgument {
    let minor: Int

    init(minor: Int) { self.minor = minor }

    init?(argument: String) {
        let parts = (argument.hasPrefix("v") ? argument.dropFirst() : argument[...]).split(separator: ".")
        guard parts.count >= 2, parts[0] == "1", let minor = Int(parts[1]), (20...99).contains(minor) else { return nil }
        self.minor = minor
    }

    var defaultValueDescription: String { "1.\(minor)" }
}

/// `NAME=VALUE`: something that goes wrong.
struct FaultArgument: ExpressibleByArgument {
    let apply: @Sendable (inout TwinFaults) -> Void

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return nil }
        let share = Double(parts[1]).flatMap { (0...1).contains($0) ? $0 : nil }
        switch (parts[0], share) {
        case ("throttled", let share?): apply = { $0.throttled = share }
        case ("failed", let share?): apply = { $0.failed = share }
        case ("cut-watches", let share?): apply = { $0.cutWatches = share }
        case ("expired", let share?): apply = { $0.expired = share }
        case ("latency", _):
            guard let duration = DurationArgument(argument: parts[1]) else { return nil }
            apply = { $0.latency = duration.duration.seconds }
        case ("dead-node", _):
            let name = parts[1]
            apply = { $0.lostNodes.insert(name) }
        default: return nil
        }
    }
}
