internal import ArgumentParser
internal import Foundation
internal import HAProxy
internal import Operations

struct LoadBalancerStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show every backend: states, checks, sessions, rates, downtime, last change.",
        discussion: "Exit code 3 when a backend has no server that takes traffic.")

    @Argument(help: "Only these backends.") var backends: [String] = []
    @Flag(help: "Draw the tables again every second, until interrupted.") var watch = false
    @OptionGroup(title: "HAProxy") var options: LoadBalancerOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let loadBalancers = try await options.loadBalancers()
        var views: [LoadBalancerView] = []
        repeat {
            views = []
            for loadBalancer in loadBalancers {
                var view = try await LoadBalancerView.read(loadBalancer)
                if !backends.isEmpty {
                    let unknown = backends.filter { name in !view.backends.contains { $0.name == name } }
                    guard unknown.isEmpty else {
                        throw OperationError(
                            .invalid,
                            "\(view.loadBalancer) has no backend \(unknown[0]). It has \(view.backends.map(\.name).joined(separator: ", ")).")
                    }
                    view.backends.removeAll { !backends.contains($0.name) }
                }
                views.append(view)
            }
            if watch, output.format == .table { _ = Terminal.write(Terminal.clearScreen, to: STDOUT_FILENO) }
            try output.emit(views) { views.map { LoadBalancerTable($0).text }.joined(separator: "\n\n") }
            if watch { try? await Task.sleep(for: .seconds(1)) }
        } while watch && !Task.isCancelled
        if views.contains(where: { $0.backends.contains { !$0.servers.contains(where: \.takesTraffic) } }) { throw Outcome(status: .findings) }
    }
}

/// A load balancer for people: a table a backend.
struct LoadBalancerTable {
    let text: String

    init(_ view: LoadBalancerView) {
        var head = "\(Terminal.paint(view.loadBalancer, .bold)): HAProxy \(view.version)"
        if let seconds = view.uptimeSeconds { head += ", up \(Age.text(seconds))" }
        if let connections = view.connections { head += ", \(connections) connections" + (view.connectionLimit.map { " of \($0)" } ?? "") }
        if let isActive = view.isActive { head += isActive ? ", holds keepalived's address" : ", stands by" }
        let tables = view.backends.map { backend -> String in
            var table = TextTable(
                ["SERVER", "STATE", "CHECK", "SESSIONS", "RATE", "TOTAL", "QUEUE", "WEIGHT", "CHANGED", "DOWN FOR", "ADDRESS"],
                alignedRight: [3, 4, 5, 6, 7, 8, 9])
            for server in backend.servers {
                let check = server.check.map { name in name + (server.checkMilliseconds.map { " \($0)ms" } ?? "") } ?? "-"
                table.add([
                    server.name, Self.state(server), check, "\(server.sessions)", "\(server.rate)/s", "\(server.totalSessions)", "\(server.queued)",
                    server.weight == server.initialWeight ? "\(server.weight)" : "\(server.weight) (\(server.initialWeight))",
                    server.sinceLastChangeSeconds.map { "\(Age.text($0)) ago" } ?? "-", server.downtimeSeconds.map(Age.text) ?? "-", server.address,
                ])
            }
            let serving = backend.servers.count(where: \.takesTraffic)
            let color: Terminal.Color = serving == 0 ? .red : serving == backend.servers.count ? .green : .yellow
            let count = Terminal.paint("\(serving) of \(backend.servers.count) take traffic", color)
            let details = [backend.mode, backend.algorithm].compactMap(\.self).joined(separator: ", ")
            return "\(Terminal.paint(backend.name, .bold))\(details.isEmpty ? "" : " (\(details))"): \(count)\n\(table.text)"
        }
        text = ([head] + tables).joined(separator: "\n\n")
    }

    private static func state(_ server: LoadBalancerView.Server) -> String {
        let color: Terminal.Color =
            switch server.status {
            case .up, .open: .green
            case .down: .red
            default: .yellow
            }
        return Terminal.paint(server.statusText, color) + (server.isBackup ? " backup" : "")
    }
}

struct LoadBalancerWatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Print a line whenever a server changes: its state, its weight, its address; until interrupted.")

    @Option(help: ArgumentHelp("How often to look.", valueName: "duration")) var interval: DurationArgument = .init(seconds: 0.5)
    @Option(help: ArgumentHelp("End after this time. (default: never)", valueName: "duration")) var duration: DurationArgument?
    @OptionGroup(title: "HAProxy") var options: LoadBalancerOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let loadBalancers = try await options.loadBalancers()
        var watch = ServerWatch()
        var isFirst = true
        let end = duration.map { ContinuousClock.now + $0.duration }
        while !Task.isCancelled, end.map({ ContinuousClock.now < $0 }) ?? true {
            for loadBalancer in loadBalancers {
                var view: LoadBalancerView?
                // One that never answered is an error, and one that ceases to is news.
                do { view = try await LoadBalancerView.read(loadBalancer) } catch let error as HAProxyError where error.isTransient && !isFirst {}
                for change in watch.see(loadBalancer.name, view, at: Date()) { try tell(change) }
            }
            isFirst = false
            try? await Task.sleep(for: interval.duration)
        }
    }

    /// A line each also for programs, who read it while it goes on.
    private func tell(_ change: ServerWatch.Change) throws {
        if output.format == .table {
            let what = change.from.map { "\($0) -> \(change.to ?? "gone")" } ?? change.to ?? ""
            print(Terminal.printable("\(change.time.formatted(.iso8601))  \(change.loadBalancer)  \(change.server)  \(what)"))
        } else {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            print(String(decoding: try encoder.encode(change), as: UTF8.self))
        }
        fflush(nil)
    }
}

struct LoadBalancerCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say what should be mended before it is needed.",
        discussion: """
            Compares what runs with the file, looks for servers that somebody left drained, for backends with one server, checks that prove nothing, \
            sockets that are open to everybody, and reloads that failed. Exit code 3 when something was found.
            """)

    @OptionGroup(title: "HAProxy") var options: LoadBalancerOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        let audit = try await LoadBalancerAudit.read(options.loadBalancers())
        try output.emit(audit) {
            audit.findings.isEmpty ? "nothing to mend" : FindingTable.text(audit.findings, showsHosts: true)
        }
        if !audit.findings.isEmpty { throw Outcome(status: .findings) }
    }
}
