internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct MaintenanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintenance", abstract: "Look at NodeMaintenances, foresee them, start, pause, resume and abort them.",
        subcommands: [Status.self, Plan.self, Start.self, Pause.self, Resume.self, Abort.self])

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how NodeMaintenances stand: what is in work, what waits for what, what failed and what to do.",
            discussion: "Exit code 3: a node failed, or nobody knows how it stands.")

        @Argument(help: "Which; all when none is named.") var names: [String] = []
        @Flag(help: "Look again every two seconds, until it is interrupted.") var watch = false
        @Flag(help: "Also the nodes that are as they are meant to be.") var all = false
        @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            try await KubernetesClient.connected(try kubernetes.access) { client in
                let controls = MaintenanceControls(client: client)
                while true {
                    let overviews = try await controls.overviews(names)
                    if watch { _ = Terminal.write(Terminal.clearScreen, to: STDOUT_FILENO) }
                    try output.emit(overviews) { MaintenanceText.status(overviews, all: all) }
                    guard watch else {
                        if overviews.contains(where: { $0.count("failed") + $0.count("unknown") > 0 || $0.phase == "Invalid" }) {
                            throw Outcome(status: .findings)
                        }
                        return
                    }
                    try await Task.sleep(for: .seconds(2))
                }
            }
        }
    }

    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Foresee which node goes when, whether it fits the window, and what is left for the next one.",
            discussion: "By how long nodes took of late. Exit code 3: nodes find no place.")

        @Argument(help: "Which; all when none is named.") var names: [String] = []
        @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            try await KubernetesClient.connected(try kubernetes.access) { client in
                let overviews = try await MaintenanceControls(client: client).overviews(names)
                try output.emit(overviews) { MaintenanceText.plan(overviews) }
                if overviews.contains(where: { !$0.unplaced.isEmpty }) { throw Outcome(status: .findings) }
            }
        }
    }

    struct Start: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Begin a round: nodes that go by rounds are due again, and a pause ends.",
            discussion: "Windows, budgets and gates hold as ever. Undo: `drydock maintenance pause`, or `abort`.")

        @Argument(help: "Which.") var name: String
        @OptionGroup var change: MaintenanceChange

        func run() async throws { try await change.run { try await $0.start(name) } }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let no node begin; nodes in work wait before their next step. Undo: `drydock maintenance resume`.",
            discussion: "One node: `kubectl annotate node NODE drydock.dev/pause=REASON`.")

        @OptionGroup var target: MaintenanceTarget
        @Option(help: "Why; it is shown to whoever looks.") var reason = "by hand"
        @OptionGroup var change: MaintenanceChange

        func run() async throws { try await change.run { try await $0.pause(target.name, reason: reason) } }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a pause, and have nodes that failed tried again. Undo: `drydock maintenance pause`.")

        @OptionGroup var target: MaintenanceTarget
        @OptionGroup var change: MaintenanceChange

        func run() async throws { try await change.run { try await $0.resume(target.name) } }
    }

    struct Abort: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Pause, and have nodes in work or failed given back: they are uncordoned as they are.",
            discussion: "What was installed stays. Undo: `drydock maintenance resume` begins them anew.")

        @Argument(help: "Which.") var name: String
        @Option(help: "Only this node, and no pause.") var node: String?
        @Option(help: "Why; it is shown to whoever looks.") var reason = "aborted by hand"
        @OptionGroup var change: MaintenanceChange

        func run() async throws { try await change.run { try await $0.abort(name, node: node, reason: reason) } }
    }
}

/// One NodeMaintenance, or everything.
struct MaintenanceTarget: ParsableArguments {
    @Argument(help: "Which.") var name: String?
    @Flag(help: "Everything, by the controller's namespace.") var all = false

    func validate() throws {
        guard (name != nil) != all else { throw ValidationError("Name one NodeMaintenance, or say --all.") }
    }
}

/// What every command that changes something takes.
struct MaintenanceChange: ParsableArguments {
    @Flag(help: "Print what would be done, and do nothing.") var dryRun = false
    @Option(help: "Of the controller.") var namespace = "drydock"
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run(_ body: (MaintenanceControls) async throws -> [MaintenanceControls.Change]) async throws {
        try await KubernetesClient.connected(try kubernetes.access) { client in
            let changes = try await body(MaintenanceControls(client: client, namespace: namespace, isRehearsal: dryRun))
            try output.emit(changes) { changes.map { "\($0.object) \($0.change)" }.joined(separator: "\n") }
        }
    }
}

/// NodeMaintenances as people read them.
enum MaintenanceText {
    static func status(_ overviews: [MaintenanceControls.Overview], all: Bool) -> String {
        overviews.isEmpty ? "no NodeMaintenances" : overviews.map { status($0, all: all) }.joined(separator: "\n\n")
    }

    private static func status(_ overview: MaintenanceControls.Overview, all: Bool) -> String {
        var lines = [head(overview)]
        let rows = overview.nodes.filter { all || $0.state != "current" }
        if !rows.isEmpty {
            var table = TextTable(["NODE", "STATE", "SINCE", "WHAT"])
            for row in rows {
                let color: Terminal.Color = ["failed": .red, "in work": .cyan, "due": .yellow, "unknown": .yellow][row.state] ?? .green
                table.add([row.node, Terminal.paint(row.state, color), row.since.map { $0.formatted(.iso8601) } ?? "-", row.detail])
            }
            lines.append(table.text)
        }
        for blocker in overview.blockers.filter({ blocker in !overview.nodes.contains { blocker.hasPrefix("\($0.node): ") } }) {
            lines.append("waits    \(blocker)")
        }
        for row in overview.nodes where row.state == "failed" {
            lines.append(
                "to do    look at \(row.node), mend it, then `drydock maintenance resume \(overview.name)`; or give it back as it is: `drydock maintenance abort \(overview.name) --node \(row.node)`"
            )
        }
        return lines.joined(separator: "\n")
    }

    private static func head(_ overview: MaintenanceControls.Overview) -> String {
        var lines = ["\(Terminal.paint(overview.name, .bold))  \(overview.phase)\(overview.message.isEmpty ? "" : ": \(overview.message)")"]
        guard overview.phase != "Invalid" else { return lines[0] }
        let counts = ["current", "due", "in work", "failed", "unknown"].map { "\(overview.count($0)) \($0)" }.joined(separator: ", ")
        lines.append("nodes    \(overview.nodes.count): \(counts); at once \(overview.maxUnavailable)")
        if let window = overview.window {
            let when =
                overview.closes.map { "open until \($0.formatted(.iso8601))" }
                ?? overview.opens.map { "opens at \($0.formatted(.iso8601))" } ?? "never opens"
            lines.append("window   \(when)  (\(window))")
        }
        if overview.count("due") > 0 {
            lines.append(
                "forecast \(overview.inThisWindow) nodes \(overview.window == nil ? "now" : "in this window"), \(overview.leftForLater) later, \(Int(overview.nodeSeconds)) s a node"
            )
        }
        return lines.joined(separator: "\n")
    }

    static func plan(_ overviews: [MaintenanceControls.Overview]) -> String {
        overviews.isEmpty ? "no NodeMaintenances" : overviews.map(plan).joined(separator: "\n\n")
    }

    private static func plan(_ overview: MaintenanceControls.Overview) -> String {
        var lines = [head(overview)]
        let rows = overview.nodes.filter { $0.begins != nil }.sorted { ($0.begins ?? .distantPast, $0.node) < ($1.begins ?? .distantPast, $1.node) }
        if !rows.isEmpty {
            var table = TextTable(["NODE", "BEGINS", "ENDS", "WINDOW", "WHY"], alignedRight: [3])
            for row in rows {
                table.add([
                    row.node, row.begins?.formatted(.iso8601) ?? "-", row.ends?.formatted(.iso8601) ?? "-", row.window.map { "\($0)" } ?? "-",
                    row.detail,
                ])
            }
            lines.append(table.text)
        }
        for row in overview.nodes where row.begins == nil && row.state != "current" {
            lines.append("not planned: \(row.node) (\(row.state)): \(row.detail)")
        }
        for node in overview.unplaced { lines.append("finds no place in \(MaintenanceForecast.horizon) windows: \(node)") }
        return lines.joined(separator: "\n")
    }
}
