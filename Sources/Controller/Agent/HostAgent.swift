package import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
package import Operations

/// The host that an agent serves.
package protocol AgentHost: Sendable {
    /// Of the boot that runs.
    func bootID() async throws -> String

    /// What the package manager has to offer, and whether a reboot is required.
    func report(at now: Date) async -> NodeAgent.Report

    /// Applies updates, as far as the choice goes.
    /// - Returns: what was done, for people.
    /// - Throws: `OperationError` when something failed; the host is left consistent.
    func update(_ order: NodeAgent.Order) async throws -> String

    /// Runs a command.
    /// - Returns: the end of what it printed.
    func run(_ words: [String], seconds: Double) async throws -> String

    /// Asks for a reboot; the host is gone some time after that.
    func reboot() async throws
}

/// The agent of one node: says what the node's package manager has to offer, and does what the controller orders, once.
///
/// How far it is with an order stands in the NodeAgent's status before it acts, so that an agent that was killed, or whose host booted anew, knows.
package struct HostAgent: Sendable {
    package let client: KubernetesClient
    package let node: String
    package let host: any AgentHost
    package let version: String
    package let log: ControllerLog
    /// Between two reports, seconds.
    package var reportSeconds = 3600.0
    /// How long the host may take to go down, seconds.
    package var shutdownSeconds = 600.0

    package init(_ client: KubernetesClient, node: String, host: any AgentHost, version: String, log: ControllerLog = .silent) {
        self.client = client
        self.node = node
        self.host = host
        self.version = version
        self.log = log
    }

    private var now: Date { client.time.now() }
    private var name: ObjectName { ObjectName("", node) }

    /// Serves until it is cancelled.
    package func run() async throws {
        let bell = Bell()
        let watcher = Watcher(client: client, resource: .nodeAgents, options: ListOptions(fields: .equal("metadata.name", node)))
        let informer = Informer(watcher, keep: { NodeAgent($0) }, interrupted: { log(.warning, $0) }) { _ in bell.ring() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await informer.run() }
            group.addTask {
                try await informer.synced()
                try await self.serve(informer, bell)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func serve(_ informer: Informer<NodeAgent>, _ bell: Bell) async throws {
        var nextReport = now
        var pause = 1.0
        while true {
            try Task.checkCancellation()
            let seen = bell.count()
            do {
                // Without the object there is nobody who asks: it is the controller that makes it.
                if let agent = informer[name] {
                    if let order = agent.order, try await attend(order, agent.progress) {
                        nextReport = now.addingTimeInterval(reportSeconds)
                    }
                    if let check = agent.check, agent.answer?.id != check.id { try await answer(check) }
                    if nextReport <= now || agent.report == nil {
                        try await write(await host.report(at: now), nil)
                        nextReport = now.addingTimeInterval(reportSeconds)
                    }
                    pause = 1
                }
            } catch let error where !(error is CancellationError) {
                log(.warning, "\(error)", ["node": node, "again": "\(pause) s"])
                try await client.time.sleep(.seconds(pause))
                pause = min(300, pause * 2)
                continue
            }
            try await bell.wait(after: seen, seconds: max(1, nextReport.timeIntervalSince(now)), client.time)
        }
    }

    private func write(_ report: NodeAgent.Report?, _ progress: NodeAgent.Progress?) async throws {
        var status = report?.json(version: version) ?? .object(JSONObject())
        if let progress { status["order"] = progress.json(at: now) }
        try await client.patch(.nodeAgents, name, .merge(["status": status]), subresource: "status")
    }

    // MARK: Orders

    /// - Returns: whether something was done.
    private func attend(_ order: NodeAgent.Order, _ known: NodeAgent.Progress?) async throws -> Bool {
        // What is watched may be older than what this agent wrote.
        var known = known
        if known?.id != order.id || known?.state == .running {
            let agent = try await client.get(NodeAgent.self, name)
            guard agent.order == order else { return false }
            known = agent.progress
        }
        if known?.id == order.id, known?.state != .running { return false }
        var progress = NodeAgent.Progress(id: order.id, state: .running, startedAt: now)
        if order.kind == .reboot {
            // Without it the host would boot again and again: nobody could say when it is done.
            guard let ended = order.bootID else { return try await end(&progress, .refused, "the order does not say which boot it ends") }
            // Whoever booted it: it is done.
            if try await host.bootID() != ended { return try await end(&progress, .done, "booted anew") }
        }
        if let known, known.id == order.id {
            // An earlier life of this agent began it.
            progress = known
            switch order.kind {
            case .command, .check:
                return try await end(&progress, .failed, "the agent was started anew while it ran; nobody knows how far it came")
            // Both may be done again, while there is time.
            case .reboot, .update:
                if let limit = order.notAfter, now > limit {
                    return try await end(
                        &progress, .refused, "the agent was started anew while it ran, and since \(Timestamp.time(limit)) it may not go on")
                }
            }
        } else if let limit = order.notAfter, now > limit {
            return try await end(&progress, .refused, "the order came at \(Timestamp.time(now)), after \(Timestamp.time(limit))")
        } else {
            try await write(nil, progress)
        }
        log(.info, "begins an order", ["node": node, "order": order.id, "kind": order.kind.rawValue])
        do {
            switch order.kind {
            case .update: return try await end(&progress, .done, try await host.update(order))
            case .command, .check: return try await end(&progress, .done, try await host.run(order.command, seconds: order.timeoutSeconds))
            case .reboot:
                try await host.reboot()
                // The host goes down under this agent.
                try await client.time.sleep(.seconds(shutdownSeconds))
                return try await end(&progress, .failed, "the host did not go down within \(shutdownSeconds.wholeSeconds) s; look at its inhibitors")
            }
        } catch let error as OperationError { return try await end(&progress, error.code == .refused ? .refused : .failed, error.description) }
    }

    /// Answers a question, which may be asked as often as one likes.
    private func answer(_ check: NodeAgent.Order) async throws {
        var progress = NodeAgent.Progress(id: check.id, state: .done, startedAt: now)
        do { progress.message = try await host.run(check.command, seconds: check.timeoutSeconds) } catch let error as OperationError {
            (progress.state, progress.message) = (.failed, error.description)
        }
        progress.message = String(progress.message.prefix(1500))
        try await client.patch(.nodeAgents, name, .merge(["status": ["check": progress.json(at: now)]]), subresource: "status")
    }

    /// Tells how an order ended, and in the same breath how the host is now.
    private func end(_ progress: inout NodeAgent.Progress, _ state: NodeAgent.Progress.State, _ message: String) async throws -> Bool {
        progress.state = state
        progress.message = String(message.prefix(1500))
        log(state == .done ? .info : .warning, message.isEmpty ? state.rawValue : message, ["node": node, "order": progress.id])
        let report = await host.report(at: now)
        var attempts = 0
        while true {
            do {
                try await write(report, progress)
                return true
            } catch let error where !(error is CancellationError) && attempts < 10 {
                attempts += 1
                try await client.time.sleep(.seconds(Double(attempts)))
            }
        }
    }
}
