internal import ArgumentParser
internal import Foundation
internal import HAProxy
internal import Operations
internal import Proving

/// Maintenance of servers behind a real HAProxy under a load generator's full rate: drydock's way, and the ways of plain commands.
struct BenchLoadBalancerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-lb", abstract: "Count the requests that maintenance loses at HAProxy 2.6 and 2.8, drydock's way and others.")

    @Option(help: "The drydock to measure.") var drydock: String
    @Option(help: "How long each way is under load, seconds.") var seconds = 40
    @Option(help: "Connections of the load generator.") var connections = 16
    @Option(help: "The report whose section on load balancers is written anew.") var report: String?

    private enum Way: String, CaseIterable {
        case drydock = "`drydock lb`: drain, restart of the server, ready, for all three; maint and ready; apply of another configuration"
        case commands = "the same by plain socket commands: `state maint`, `shutdown sessions`, restart of the server, `state ready` at once; reload"
        case restart = "a restart of HAProxy instead of a reload"
    }

    private struct Outcome {
        var way: Way
        var load: Wrk
        var probe: ProbeReport
    }

    func run() async throws {
        func say(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
        var lines: [String] = []
        var missed: [String] = []
        for release in HAProxyRelease.allCases {
            for keepsConnections in [true, false] {
                for way in Way.allCases {
                    let outcome = try await measure(way, release, keepsConnections)
                    let kind = keepsConnections ? "kept" : "one a request"
                    say("\(release), \(kind), \(way): \(outcome.load); probe \(outcome.probe.failed) of \(outcome.probe.requests)")
                    lines.append(
                        "| \(release.rawValue) | \(kind) | \(way.rawValue) | \(outcome.load.requests) | \(Int(outcome.load.perSecond)) | \(outcome.load.failed) | \(outcome.probe.failed) of \(outcome.probe.requests) (\(outcome.probe.resent) resent) | \(String(format: "%.2f", outcome.probe.longestGapSeconds)) s |"
                    )
                    if way == .drydock, outcome.load.failed + outcome.probe.failed > 0 { missed.append("\(release), \(kind)") }
                    if way == .drydock, keepsConnections, outcome.load.requests < 200_000 { missed.append("\(release): fewer than 200,000 requests") }
                }
            }
        }
        let text = """
            ## Maintenance behind a load balancer

            Made by `make bench-lb`, release build, \(seconds) s and \(connections) connections a line. Machine: \(try await ReportFile.machine()).

            Three servers with TLS on loopback, passed through by a real HAProxy whose configuration is `drydock lb render`'s; wrk asks as fast as it is answered, on connections that are kept \
            or on a new one for each request; drydock's probe asks 50 times a second beside it. A failure is what wrk counts: a connection that cannot be made, an answer that does not come whole, \
            or another status than 200.

            | HAProxy | connections | what is done meanwhile | requests | a second | failed | probe: failed | longest gap |
            |---|---|---|---|---|---|---|---|
            \(lines.joined(separator: "\n"))

            drydock loses nothing of at least 200,000 requests: \(missed.isEmpty ? "met" : "**missed** (\(missed.joined(separator: "; ")))").
            """
        print(text)
        if let report { try ReportFile(path: report).replace(section: "lb", with: text) }
        if !missed.isEmpty { throw ExitCode(1) }
    }

    private func measure(_ way: Way, _ release: HAProxyRelease, _ keepsConnections: Bool) async throws -> Outcome {
        try await BalancedServers.running(release) { all in
            try await BuiltProgram.withFolder { state in
                let targets = try ProbeTarget.read(
                    "- {name: new, url: '\(all.url)', ca: \(all.authority.path)}\n- {name: kept, url: '\(all.url)', ca: \(all.authority.path), connection: kept}",
                    from: "the benchmark")
                var options = Probe.Options()
                (options.rate, options.budget) = (50, .failures(.max))
                let (load, probe) = try await Probe.watching(targets, options) { _ in
                    let running = try Wrk.start(all.url, seconds: seconds, connections: connections, keepsConnections: keepsConnections)
                    try await Task.sleep(for: .seconds(2))
                    switch way {
                    case .drydock: try await ownWay(all, state)
                    case .commands: try await plainWay(all)
                    case .restart:
                        for _ in 0..<3 {
                            try await Task.sleep(for: .seconds(3))
                            try await all.restartBalancer()
                        }
                    }
                    return try await Wrk(running)
                }
                return Outcome(way: way, load: load, probe: probe)
            }
        }
    }

    private func ownWay(_ all: BalancedServers, _ state: URL) async throws {
        func lb(_ words: [String], accepting statuses: Set<Int32> = [0]) async throws {
            let run = try await CommandRun.run(drydock, ["lb"] + words + all.flags, environment: ["XDG_STATE_HOME": state.path])
            guard statuses.contains(run.status) else { throw LocalEtcdCluster.Failure(description: "lb \(words): \(run.output)\(run.errors)") }
        }
        for server in all.servers {
            // Kept connections do not leave by themselves: the server tells them to go when it ends.
            try await lb(["drain", server.name, "--wait", "--deadline", "1s"], accepting: [0, 3])
            try await all.stop(server.name)
            try all.start(server.name)
            try await lb(["ready", server.name])
        }
        try await lb(["maint", "cp1"])
        try await lb(["ready", "cp1"])
        let new = state.appendingPathComponent("new.cfg")
        for most in [1900, 1800] {
            try Data(try all.rendered { $0.mostConnections = most }.utf8).write(to: new)
            try await lb(["apply", new.path])
        }
    }

    private func plainWay(_ all: BalancedServers) async throws {
        let client = RuntimeClient(.unix(path: all.socket.path))
        for server in all.servers {
            let name = "kubernetes-masters/\(server.name)"
            try await client.set(.maint, of: name)
            try await client.shutDownSessions(of: name)
            try await all.stop(server.name)
            try all.start(server.name)
            try await client.set(.ready, of: name)
            try await Task.sleep(for: .seconds(1))
        }
        for most in [1900, 1800] {
            try all.write(try all.rendered { $0.mostConnections = most })
            _ = try await RuntimeClient(.unix(path: all.master.path)).reload()
            try await Task.sleep(for: .seconds(1))
        }
    }
}
