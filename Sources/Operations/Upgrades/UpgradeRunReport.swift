package import Foundation
internal import HAProxy
internal import Journal
package import Maintenance
package import NodeAccess

/// What an upgrade did, for whoever asks later: who, when, what, on which nodes, what clients noticed, and what can still be taken back.
package struct UpgradeRunReport: Report, Sendable {
    package struct Person: Codable, Sendable, Equatable {
        package var who: String
        package var did: String
        package var at: Date

        package init(who: String, did: String, at: Date) {
            (self.who, self.did, self.at) = (who, did, at)
        }
    }

    package struct NodeRow: Encodable, Sendable, Equatable {
        package var node: String
        package var role: String
        package var from: String
        package var to: String
        /// `done`, `at work`, `waiting`, `taken back`, `left half way`.
        package var state: String
        package var began: Date?
        package var ended: Date?
        /// From the moment at which nothing new was to come to it until it was open again, seconds.
        package var awaySeconds: Double?
        package var result: String
    }

    package struct StepRow: Encodable, Sendable, Equatable {
        package var title: String
        package var node: String
        package var state: String
        package var began: Date?
        package var ended: Date?
        package var attempts: Int
        package var result: String
        package var undo: String
    }

    /// Whether all of it happened in a simulated cluster.
    package var isRehearsal: Bool
    package var id: String
    package var operation: String
    package var subject: String
    package var state: String
    package var message: String?
    package var startedAt: Date
    package var updatedAt: Date
    package var owner: String
    package var path: String
    /// Where the backup is that the run began with.
    package var backup: String?
    package var persons: [Person]
    package var nodes: [NodeRow]
    package var steps: [StepRow]
    package var checks: [UpgradeCheck]
    package var probes: [ProbeReport]
    /// What a whole rollback has made undone.
    package var loss: DataLoss?
    package var commands: [RemoteCommand]
    /// What can be taken back now, and how.
    package var wayBack: [String]
    /// What the run has closed and not opened again, each with the command that opens it.
    package var leftOvers: [String]

    /// - Parameters:
    ///   - persons: who began, resumed and took it back.
    ///   - checks: what was found before.
    ///   - probes: what was seen meanwhile, one each time that it was gone on with.
    ///   - commands: what was run on nodes.
    ///   - isRehearsal: whether nothing of it is real, and nothing can be taken back.
    /// - Throws: `OperationError` `.invalid` for a run of another version.
    package init(
        _ run: RunRecord, persons: [Person], checks: [UpgradeCheck], probes: [ProbeReport], loss: DataLoss? = nil, commands: [RemoteCommand],
        isRehearsal: Bool = false
    ) throws {
        let plan = try Runner<UpgradeRun>.plan(of: run)
        let settings = try UpgradeSettings(of: run)
        self.loss = loss
        self.isRehearsal = isRehearsal
        id = run.id
        operation = run.operation
        subject = run.subject
        state = run.state == .running && run.owner.isAlive == false ? "interrupted" : run.state.rawValue
        message = run.message
        (startedAt, updatedAt, owner) = (run.startedAt, run.updatedAt, run.owner.text)
        (self.persons, self.checks, self.probes, self.commands) = (persons, checks, probes, commands)
        let pairs = Array(zip(plan.steps, run.steps))
        backup = pairs.first { $0.0.action == .backup && $0.1.state.isOver }?.1.result
        let names = Set(settings.nodes.map(\.name))
        steps = pairs.map { pair in
            StepRow(
                title: pair.0.title, node: names.contains(pair.0.target) ? pair.0.target : "", state: pair.1.state.rawValue, began: pair.1.startedAt,
                ended: pair.1.endedAt,
                attempts: pair.1.attempts, result: pair.1.result ?? "", undo: pair.0.undo.text)
        }
        nodes = settings.nodes.map { node in Self.row(node.name, settings, pairs.filter { $0.0.target == node.name }) }
        let oldest = nodes.compactMap { KubernetesVersion($0.from) }.min()
        path =
            checks.first { $0.name == "path" }?.found
            ?? ([oldest].compactMap(\.self) + Self.hops(plan)).map(\.description).joined(separator: " -> ")
        wayBack = []
        leftOvers = []
        if !isRehearsal { wayBack = Self.wayBack(run, pairs, backup) }
        leftOvers = Self.leftOvers(pairs)
    }

    private static func hops(_ plan: UpgradeAction.Plan) -> [KubernetesVersion] {
        plan.steps.compactMap { step in
            guard case .inspect(let version) = step.action else { return nil }
            return version
        }
    }

    private static func row(_ name: String, _ settings: UpgradeSettings, _ pairs: [(UpgradeAction.Step, StepRecord)]) -> NodeRow {
        var versions: [KubernetesVersion] = []
        var before: KubernetesVersion?
        var began: Date?
        // From a drain at a load balancer or a cordon until all of it is open again.
        var closed: Date?
        var doors = 0
        var away: Double?
        for (step, record) in pairs {
            if case .kubelet(_, let version) = step.action {
                versions.append(version)
                if before == nil, case .by(.kubeletBack(_, let old, _), _) = step.undo { before = old }
            }
            began = began ?? record.startedAt
            switch step.action {
            case .traffic(.set(_, .drain)), .nodes(.cordon), .empty:
                guard let start = record.startedAt else { break }
                doors += 1
                closed = closed ?? start
            case .traffic(.set(_, .ready)), .nodes(.uncordon):
                guard let end = record.endedAt else { break }
                doors -= 1
                if doors <= 0, let start = closed {
                    away = (away ?? 0) + end.timeIntervalSince(start)
                    (closed, doors) = (nil, 0)
                }
            default: break
            }
        }
        let states = pairs.map(\.1.state)
        let state: String
        if states.allSatisfy(\.isOver) {
            state = "done"
        } else if states.contains(.undone) {
            state = states.contains { $0.isOver || $0 == .started } ? "being taken back" : "taken back"
        } else if states.allSatisfy({ $0 == .pending }) {
            state = "waiting"
        } else {
            state = pairs.contains { $0.0.isDisruptive && ($0.1.state.isOver || $0.1.state == .started) } ? "left half way" : "prepared"
        }
        let result = pairs.last { if case .prove = $0.0.action { $0.1.result != nil } else { false } }?.1.result ?? ""
        return NodeRow(
            node: name, role: settings.isControlPlane(name) ? "control plane" : "worker", from: before?.description ?? "",
            to: versions.last?.description ?? "", state: state, began: began, ended: pairs.compactMap(\.1.endedAt).max(),
            awaySeconds: away, result: result)
    }

    private static func wayBack(_ run: RunRecord, _ pairs: [(UpgradeAction.Step, StepRecord)], _ backup: String?) -> [String] {
        var lines: [String] = []
        guard run.operation == "upgrade apply", run.state != .rolledBack else { return lines }
        let done = pairs.filter { $0.1.state.isOver || $0.1.state == .started }
        // Once each, however many minors it went over.
        func targets(_ isWanted: (UpgradeAction) -> Bool) -> [String] {
            done.map(\.0).filter { isWanted($0.action) }.map(\.target).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        }
        let kubelets = targets { if case .kubelet = $0 { true } else { false } }
        let servers = targets { if case .controlPlane = $0 { true } else { false } }
        if kubelets.isEmpty, servers.isEmpty { return ["nothing that runs was changed: `drydock upgrade abort \(run.id)` ends it"] }
        if !kubelets.isEmpty { lines.append("kubelets and packages of \(kubelets.joined(separator: ", ")): node by node, drained, with no downtime") }
        if !servers.isEmpty {
            lines.append(
                "static pods of \(servers.joined(separator: ", ")): from the copies on the nodes, one at a time, behind the load balancer; etcd's data stays as it is"
            )
            lines.append(
                "  `drydock upgrade rollback \(run.id) --keep-data`: upstream does not support an older API server on what a newer one has written; between two minors it works as it does in the middle of an upgrade, and not for what only the newer one knows"
            )
        }
        if let backup, !servers.isEmpty {
            lines.append(
                "all of it with etcd's data of the backup \(backup): `drydock upgrade rollback \(run.id) --restore-etcd`; the API is away for some minutes, and what was written since is lost (it is listed first)"
            )
        } else if !servers.isEmpty {
            lines.append("etcd's data: not, since no backup was made")
        }
        return lines
    }

    private static func leftOvers(_ pairs: [(UpgradeAction.Step, StepRecord)]) -> [String] {
        var closed: [String: String] = [:]
        for (index, (step, record)) in pairs.enumerated() where record.state.isOver || record.state == .started {
            switch step.action {
            case .nodes(.cordon(let node)), .empty(let node):
                // What was cordoned before is somebody else's.
                if record.state != .alreadySo { closed["node \(node)"] = "\(node) is cordoned: `drydock node uncordon \(node)`" }
            case .nodes(.uncordon(let node)):
                if record.state.isOver { closed["node \(node)"] = nil }
                // The way back closes it again, and may have been cut off there.
                if pairs.dropFirst(index + 1).first?.1.state == .undone {
                    closed["node \(node)"] = "\(node) may be cordoned: `drydock node status \(node)`, `drydock node uncordon \(node)`"
                }
            case .traffic(.set(let target, .drain)):
                if record.state != .alreadySo {
                    closed["lb \(target)"] = "\(target.server) is drained on \(target.loadBalancer): `drydock lb ready \(target.server)`"
                }
            case .traffic(.set(let target, .ready)): if record.state.isOver { closed["lb \(target)"] = nil }
            case .controlPlane(let node, let version, _):
                if record.state == .started {
                    closed["job \(node)"] =
                        "kubeadm may still run on \(node), or kube-apiserver be stopped there: look at /var/lib/drydock/*/control-plane-\(version)/out, and at `drydock certs check --host \(node)`"
                }
            default: break
            }
        }
        return closed.sorted { $0.key < $1.key }.map(\.value)
    }

    // MARK: For people

    package var document: ReportDocument {
        var document = ReportDocument(
            title: "\(isRehearsal ? "Rehearsal of the upgrade" : "Upgrade") \(path)",
            subtitle: isRehearsal ? "a simulated copy of the cluster; nothing real was changed" : "\(subject); run \(id)")
        let tone: ReportDocument.Tone = state == "done" ? .good : state == "running" ? .plain : .bad
        var facts: [(name: String, value: ReportDocument.Cell)] = [
            ("state", .init(state + (message.map { ": \($0)" } ?? ""), tone)),
            (
                "time",
                .init("\(startedAt.formatted(.iso8601)) to \(updatedAt.formatted(.iso8601)) (\(Self.text(updatedAt.timeIntervalSince(startedAt))))")
            ),
        ]
        if !isRehearsal {
            facts += [("backup", backup.map { .init($0, .code) } ?? .init("none", .warn)), ("availability", availability)]
        }
        facts.append(("process", .init(owner)))
        document.blocks.append(.facts(facts))
        if !persons.isEmpty {
            document.blocks.append(.heading("Who"))
            document.blocks.append(
                .table(header: ["When", "Who", "Did"], rows: persons.map { [.init($0.at.formatted(.iso8601)), .init($0.who), .init($0.did)] }))
        }
        document.blocks.append(.heading("Nodes"))
        document.blocks.append(
            .table(
                header: ["Node", "Role", "From", "To", "State", "Began", "Ended", "Away", "Proof"],
                rows: nodes.map { row in
                    [
                        .init(row.node), .init(row.role), .init(row.from), .init(row.to),
                        .init(row.state, row.state == "done" ? .good : row.state == "waiting" ? .plain : .warn), .init(Self.time(row.began)),
                        .init(Self.time(row.ended)),
                        .init(row.awaySeconds.map { Self.text($0) } ?? ""), .init(row.result),
                    ]
                }))
        document.blocks.append(.heading("Timeline"))
        document.blocks.append(timeline)
        if !isRehearsal { document.blocks += whatClientsSaw }
        if !checks.isEmpty { document.blocks += UpgradeCheck.blocks(checks) }
        if let loss {
            document.blocks.append(.heading("What was lost"))
            document.blocks.append(
                .paragraph(
                    "\(loss.revisions) revisions that were written after the backup \(loss.backup) (revision \(loss.backupRevision); then it was \(loss.revision))."
                ))
            document.blocks.append(
                .table(
                    header: ["Resource", "Created", "Changed", "Such as"],
                    rows: loss.rows.map {
                        [.init($0.resource), .init("\($0.created)"), .init("\($0.changed)"), .init($0.examples.joined(separator: ", "))]
                    }))
        }
        if !isRehearsal {
            document.blocks.append(.heading("The way back"))
            document.blocks += (wayBack.isEmpty ? ["There is nothing to take back."] : wayBack).map { .paragraph($0) }
        }
        if !leftOvers.isEmpty {
            document.blocks.append(.heading("Left closed"))
            document.blocks += leftOvers.map { .paragraph($0) }
        }
        document.blocks.append(details)
        if !commands.isEmpty { document.blocks.append(commandTable) }
        return document
    }

    private var availability: ReportDocument.Cell {
        guard !probes.isEmpty else { return .init("nobody looked (--probe)", .warn) }
        let requests = probes.reduce(0) { $0 + $1.requests }
        let failed = probes.reduce(0) { $0 + $1.failed }
        let gap = String(format: "%.2f", probes.map(\.longestGapSeconds).max() ?? 0)
        return .init("\(failed) of \(requests) requests failed, longest gap \(gap) s", failed == 0 ? .good : .bad)
    }

    private var whatClientsSaw: [ReportDocument.Block] {
        var blocks: [ReportDocument.Block] = [.heading("What clients saw")]
        if probes.isEmpty { blocks.append(.paragraph("No probe was asked for.")) }
        for probe in probes {
            blocks.append(
                .figure(
                    svg: Drawing.probe(probe, from: startedAt, to: max(updatedAt, startedAt.addingTimeInterval(1))),
                    caption:
                        "the slowest answer of each \(Int(probe.momentSeconds)) s, \(probe.rate) requests a second and target, from \(probe.startedAt.formatted(.iso8601)); \(probe.failed) of \(probe.requests) failed (red)"
                ))
            blocks.append(
                .table(
                    header: ["Target", "Connection", "Requests", "Failed", "Resent", "Median", "99 %", "Longest", "Gap"],
                    rows: probe.targets.map { target in
                        func time(_ seconds: Double?) -> ReportDocument.Cell { .init(seconds.map { String(format: "%.0f ms", $0 * 1000) } ?? "") }
                        return [
                            .init(target.name), .init(target.connection), .init("\(target.requests)"),
                            .init("\(target.failed)", target.failed == 0 ? .good : .bad),
                            .init("\(target.resent)"), time(target.p50), time(target.p99), time(target.longest), time(target.longestGapSeconds),
                        ]
                    }))
            let failures = probe.targets.flatMap { target in target.failures.map { (target.name, $0) } }
            if !failures.isEmpty {
                blocks.append(
                    .table(
                        header: ["When", "Target", "Failure"],
                        rows: failures.prefix(50).map { [.init($1.time.formatted(.iso8601)), .init($0), .init($1.error)] }))
            }
        }
        return blocks
    }

    /// Control planes violet, drains amber, kubelets blue, packages and images teal, proofs green.
    private static let colors: [(word: String, color: String)] = [
        ("upgrade the control plane", "#7b4fb5"), ("put ", "#7b4fb5"), ("drain", "#c98a1b"), ("wait", "#c98a1b"), ("cordon", "#c98a1b"),
        ("install kubelet", "#2563a8"), ("install", "#5aa0a8"), ("fetch", "#5aa0a8"), ("see", "#1a7f4b"), ("run", "#8d6e63"),
    ]

    private var timeline: ReportDocument.Block {
        let bars = steps.compactMap { step -> Drawing.Bar? in
            guard let began = step.began, let ended = step.ended ?? (step.state == "started" ? updatedAt : nil) else { return nil }
            let color = Self.colors.first { step.title.hasPrefix($0.word) }?.color ?? "#7d8a97"
            return .init(
                row: step.node.isEmpty ? "cluster" : step.node, label: "\(step.title): \(Self.text(ended.timeIntervalSince(began)))", start: began,
                end: ended, color: color)
        }
        return .figure(
            svg: Drawing.timeline(bars, rows: ["cluster"] + nodes.map(\.node), from: startedAt, to: max(updatedAt, startedAt.addingTimeInterval(1))),
            caption:
                "who was worked on when: control plane violet, drains amber, kubelets blue, packages and images teal, proofs green, hooks brown (hold the pointer on a bar)"
        )
    }

    private var details: ReportDocument.Block {
        .details(
            summary: "All \(steps.count) steps",
            [
                .table(
                    header: ["#", "Step", "State", "Began", "Took", "Attempts", "Result"],
                    rows: steps.enumerated().map { index, step in
                        let took = step.began.flatMap { began in step.ended.map { $0.timeIntervalSince(began) } }
                        return [
                            .init("\(index + 1)"), .init(step.title),
                            .init(step.state, step.state == "done" || step.state == "alreadySo" ? .good : .plain),
                            .init(Self.time(step.began)), .init(took.map { String(format: "%.1f s", $0) } ?? ""), .init("\(step.attempts)"),
                            .init(step.result),
                        ]
                    })
            ])
    }

    private var commandTable: ReportDocument.Block {
        let rows = commands.suffix(3000).map { command -> [ReportDocument.Cell] in
            let first = command.script.split(separator: "\n").first { !$0.hasPrefix("set -eu") && !$0.hasPrefix("umask") } ?? ""
            let status: ReportDocument.Cell
            switch command.status {
            case .exited(0): status = .init("0", .good)
            case .exited(let code): status = .init("\(code)", .bad)
            case .unreachable: status = .init("connection lost", .bad)
            }
            return [
                .init(Self.time(command.startedAt)), .init(command.node), .init(String(format: "%.2f s", command.seconds)), status,
                .init(String(first.prefix(160)), .code), .init(String(command.output.suffix(300))),
            ]
        }
        return .details(
            summary: "\(commands.count) commands on the nodes",
            [.table(header: ["When", "Node", "Took", "Exit", "Command", "Said"], rows: rows)])
    }

    private static func time(_ date: Date?) -> String { date?.formatted(.iso8601.time(includingFractionalSeconds: false)) ?? "" }

    private static func text(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        return whole < 60 ? "\(whole) s" : whole < 3600 ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole / 60 % 60) min"
    }
}
