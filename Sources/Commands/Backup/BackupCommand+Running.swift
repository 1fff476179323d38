internal import ArgumentParser
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations
internal import Synchronization

// What runs for long: backups by the clock, and what Prometheus asks.
extension BackupCommand {
    struct Schedule: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make backups by the clock, in the foreground, until it is ended.",
            discussion: """
                The schedule is a CronJob's: five fields, or @daily and its like. A backup that is due when it starts is made at once, and one that \
                was missed is made up for, once; two never overlap; what fails is tried again. With --drill restores are rehearsed, too. \
                RETENTION_DAYS or a rule deletes what is old.
                """)

        @Argument(help: "When, such as \"0 */6 * * *\".", transform: { try CronSchedule($0) }) var schedule: CronSchedule
        @Option(help: "Of the schedules, such as Europe/Berlin. (default: UTC)") var timeZone = "UTC"
        @Option(help: ArgumentHelp("The longest delay, which is chosen by chance.", valueName: "duration")) var jitter: DurationArgument?
        @OptionGroup var place: BackupPlace
        @OptionGroup var options: CreateOptions
        @OptionGroup(title: "Rules") var rules: RetentionOptions
        @Option(name: .customLong("drill"), help: "When to rehearse a restore of the newest backup.", transform: { try CronSchedule($0) })
        var drillSchedule: CronSchedule?
        @OptionGroup(title: "Drills") var drill: DrillOptions
        @Option(help: ArgumentHelp("Where Prometheus may ask for /metrics, such as 127.0.0.1:9109.", valueName: "address:port")) var metricsListen:
            String?
        @OptionGroup(title: "Output") var output: OutputOptions

        func validate() throws {
            if TimeZone(identifier: timeZone) == nil { throw ValidationError("This machine does not know the time zone \(timeZone).") }
        }

        func run() async throws {
            let locations = try place.locations()
            let retention = try rules.retention()
            let rehearsal = drillSchedule == nil ? nil : try drill.drill()
            let address = try metricsListen.map { try MetricsServer.Address($0) }
            let service = ScheduleService(command: self, retention: retention)
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    if let address {
                        group.addTask {
                            try await MetricsServer(address: address).run {
                                await BackupCommand.metrics(of: locations, failures: service.failures.value)
                            }
                        }
                    }
                    group.addTask { try await service.makeBackups() }
                    if let rehearsal { group.addTask { try await service.rehearse(rehearsal) } }
                    // Whichever ends first ends the others: only an error, or the end of a schedule, does.
                    try await group.next()
                    group.cancelAll()
                }
            } catch is CancellationError {}
            // The server of metrics may have ended first, without an error.
            if Task.isCancelled { output.remark("ended") }
        }

        func log(_ text: String) { output.remark("\(Date().formatted(.iso8601)) \(text)") }
    }

    struct Metrics: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what Prometheus wants to know of the backups, once or for long.",
            discussion: """
                Without --listen: once, as node_exporter's textfile collector takes it. All of it is read from the stores, so it is true whoever \
                makes the backups. `drydock monitoring render --for backups` has the alerts.
                """)

        @OptionGroup var place: BackupPlace
        @Option(help: ArgumentHelp("Serve /metrics, such as at 127.0.0.1:9109.", valueName: "address:port")) var listen: String?
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            let locations = try place.locations()
            guard let listen else {
                print(await BackupCommand.metrics(of: locations), terminator: "")
                return
            }
            let server = MetricsServer(address: try MetricsServer.Address(listen))
            output.remark("listening on \(listen)")
            try await server.run { await BackupCommand.metrics(of: locations) }
        }
    }

    static func metrics(of locations: [String], failures: [String: Int] = [:]) async -> String {
        var metrics = BackupMetrics()
        metrics.failures = failures
        for location in locations {
            do {
                try await BackupPlace.open([location], []) { await metrics.read(BackupCatalog($0[0])) }
            } catch { metrics.cannotRead(location) }
        }
        return metrics.text
    }
}

/// The work of `backup schedule`.
private struct ScheduleService {
    /// Counts, from several tasks.
    final class Counts: Sendable {
        private let counts = Mutex<[String: Int]>(["create": 0, "prune": 0, "drill": 0])
        var value: [String: Int] { counts.withLock { $0 } }
        func add(_ operation: String) { counts.withLock { $0[operation, default: 0] += 1 } }
    }

    let command: BackupCommand.Schedule
    let retention: Retention
    let failures = Counts()

    private var zone: TimeZone { TimeZone(identifier: command.timeZone) ?? .gmt }

    /// When the newest backup was made that any location has.
    private func newest() async -> Date? {
        var newest: Date?
        for location in (try? command.place.locations()) ?? [] {
            let found = try? await BackupPlace.open([location], []) { stores in
                try await BackupCatalog(stores[0]).list(cluster: command.options.cluster.name).whole.map(
                    \.manifest.createdAt
                ).max()
            }
            if let found = found ?? nil { newest = max(newest ?? found, found) }
        }
        return newest
    }

    func makeBackups() async throws {
        let last = await newest()
        let schedule = BackupSchedule(cron: command.schedule, zone: zone, jitter: (command.jitter?.duration ?? .zero).seconds)
        try await schedule.run(last: last, notify: { tell("backup", $0) }) { _ in
            try await command.place.stores { stores in
                let outcome = try await command.options.run(into: stores, command.output)
                command.log("\(outcome.folder) is in \(outcome.stored.joined(separator: ", "))")
                if !retention.isEmpty { for store in stores where outcome.stored.contains(store.location) { await prune(store) } }
                // It exists: making another one would only push older ones out. The location that lacks it is told of, and `copy` mends it.
                for (location, error) in outcome.failed {
                    failures.add("create")
                    command.log("\(location) did not get it: \(error) `drydock backup copy` brings it there.")
                }
            }
        }
    }

    /// Old backups are no reason to make a new one again.
    private func prune(_ store: any ObjectStore) async {
        do {
            let decisions = try await BackupPrune(BackupCatalog(store), cluster: command.options.cluster.name, isRehearsal: false)
                .backups(retention, at: Date())
            for gone in decisions where !gone.isKept { command.log("deleted \(gone.object) in \(store.location): \(gone.reason)") }
        } catch {
            failures.add("prune")
            command.log("prune of \(store.location) failed: \(error)")
        }
    }

    func rehearse(_ drill: BackupDrill) async throws {
        guard let cron = command.drillSchedule else { return }
        let schedule = BackupSchedule(cron: cron, zone: zone, jitter: (command.jitter?.duration ?? .zero).seconds)
        // A drill that was missed leaves its mark on no backup, so the schedule alone counts.
        try await schedule.run(last: Date(), notify: { tell("drill", $0) }) { _ in
            let report = try await BackupPlace.open([try command.place.locations()[0]], []) { stores in
                let catalog = BackupCatalog(stores[0])
                return try await drill.run(try await catalog.find("latest", cluster: command.options.cluster.name), in: catalog, at: Date())
            }
            guard report.isProof else { throw OperationError(.damaged, "\(report.backup): \(report.findings.joined(separator: "; "))") }
            command.log("\(report.backup) restores, in \(Duration.seconds(report.recoverySeconds).text)")
        }
    }

    private func tell(_ what: String, _ event: BackupSchedule.Event) {
        switch event {
        case .waiting(let moment): command.log("next \(what) at \(moment.formatted(.iso8601))")
        case .catchingUp(let due): command.log("\(what) of \(due.formatted(.iso8601)) was missed; it is made up for")
        case .failed(let why, let again):
            failures.add(what == "backup" ? "create" : "drill")
            command.log("\(what) failed: \(why) Again at \(again.formatted(.iso8601)).")
        }
    }
}
