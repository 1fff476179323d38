internal import ArgumentParser
internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "Look at the journal: list runs, go on with one, take one back.",
        discussion: "The journal is $XDG_STATE_HOME/drydock/journal.sqlite, by default below ~/.local/state.",
        subcommands: [List.self, Show.self, Resume.self, Rollback.self, Abandon.self]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the runs, newest first.")

        @Flag(help: "Only those that are not over.")
        var unfinished = false

        @OptionGroup(title: "Output") var output: OutputOptions

        func run() throws {
            let runs = try Journal.ofThisUser().runs().filter { !unfinished || !$0.state.isOver }
            try output.emit(runs.map { RunReport($0) }) {
                var table = TextTable(["ID", "OPERATION", "SUBJECT", "STATE", "STEPS", "BEGAN", "OWNER"])
                for run in runs {
                    let state = run.state == .running && run.owner.isAlive == false ? "interrupted" : run.state.rawValue
                    table.add([
                        run.id, run.operation, run.subject, state, "\(run.steps.count(where: \.state.isOver))/\(run.steps.count)",
                        run.startedAt.formatted(.iso8601), run.owner.text,
                    ])
                }
                return runs.isEmpty ? "no runs" : table.text
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one run and its steps.")

        @Argument(help: "The run's id, or how it begins.") var id: String
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() throws {
            let report = RunReport(try Journal.ofThisUser().run(id))
            try output.emit(report) { "\(report.operation) on \(report.subject), \(report.startedAt), \(report.owner)\n\n\(report.text)" }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Go on with a run that stopped.",
            discussion: """
                Steps that are done are not done again; one that had begun is checked first. The cluster is reached as when the run began, \
                or as the options here say; the password comes from ETCDCTL_PASSWORD.
                """)

        @OptionGroup var reference: RunReference
        @OptionGroup(title: "etcd") var etcd: EtcdOptions
        @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
        @OptionGroup(title: "Probe") var probe: ProbeOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws { try await reference.goOn(.resume, etcd, kubernetes, probe, output) }
    }

    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take the steps of a run back, the last first; some kinds also when it is done.")

        @OptionGroup var reference: RunReference
        @OptionGroup(title: "etcd") var etcd: EtcdOptions
        @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
        @OptionGroup(title: "Probe") var probe: ProbeOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws { try await reference.goOn(.rollBack, etcd, kubernetes, probe, output) }
    }

    struct Abandon: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Declare an unfinished run over.",
            discussion: """
                The cluster stays as it is, with whatever the run has stopped, drained or cordoned; other runs may begin. `drydock runs rollback` is the other \
                way out.
                """)

        @OptionGroup var reference: RunReference
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() throws {
            let journal = try Journal.ofThisUser()
            let run = try journal.run(reference.id)
            try journal.abandon(run.id, takingLock: reference.takeLock, now: Date())
            output.remark("the run \(run.id) is abandoned")
        }
    }
}
