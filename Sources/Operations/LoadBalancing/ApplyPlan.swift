internal import Foundation
internal import HAProxy
internal import Maintenance
internal import NodeAccess

/// A new configuration for one or more load balancers, one after the other; where keepalived moves an address between them, the one that does not hold it
/// first.
package struct ApplyPlan: Sendable {
    package struct Made: Sendable {
        package var plan: LoadBalancerAction.Plan
        package var settings: LoadBalancerRunSettings
        /// What changes on each, as `diff -u` shows it, without passwords.
        package var diffs: [(loadBalancer: String, diff: String)]
    }

    /// What is known of one load balancer.
    package struct Facts: Sendable {
        package var loadBalancer: LoadBalancer
        package var view: LoadBalancerView
        /// The text of its configuration.
        package var current: String
        /// Files that a process may have open there at most (fs.nr_open); nil where nobody says.
        package var mostFiles: Int?

        package init(loadBalancer: LoadBalancer, view: LoadBalancerView, current: String, mostFiles: Int? = nil) {
            self.loadBalancer = loadBalancer
            self.view = view
            self.current = current
            self.mostFiles = mostFiles
        }
    }

    /// Reads what is there, has HAProxy judge what is new, and makes the plan.
    /// - Parameters:
    ///   - path: of the new configuration, on this machine.
    ///   - acceptDown: servers that need not come up, `backend/server` or a name.
    ///   - isForced: also loads what is in place already.
    package static func make(
        _ settings: LoadBalancerRunSettings, path: String, tag: String, acceptDown: [String], isForced: Bool
    ) async throws -> Made {
        guard let data = FileManager.default.contents(atPath: path) else { throw OperationError(.invalid, "\(path) cannot be read.") }
        guard let text = String(data: data, encoding: .utf8) else { throw OperationError(.invalid, "\(path) is no text in UTF-8.") }
        var settings = settings
        settings.candidate = .init(path: path, digest: ConfigurationFiles.digest(data), tag: tag)
        var facts: [Facts] = []
        for loadBalancer in settings.loadBalancers {
            let files = ConfigurationFiles(loadBalancer: loadBalancer, tag: tag)
            try await files.check(text)
            facts.append(
                Facts(
                    loadBalancer: loadBalancer, view: try await LoadBalancerView.read(loadBalancer), current: try await files.text(),
                    mostFiles: try await files.mostFiles()))
        }
        return make(settings, facts, candidate: text, acceptDown: acceptDown, isForced: isForced)
    }

    /// Pure.
    package static func make(
        _ settings: LoadBalancerRunSettings, _ facts: [Facts], candidate text: String, acceptDown: [String], isForced: Bool
    ) -> Made {
        var plan = LoadBalancerAction.Plan(operation: "lb apply", subject: settings.subject, steps: [])
        var diffs: [(String, String)] = []
        let candidate = ConfigurationFile(parsing: text)
        // Where nobody holds an address, the order that was given stands.
        let ordered = facts.filter { $0.loadBalancer.isActive != true } + facts.filter { $0.loadBalancer.isActive == true }
        if facts.count > 1, let active = facts.first(where: { $0.loadBalancer.isActive == true }) {
            plan.remarks.append("\(active.loadBalancer.name) holds keepalived's address, and comes last")
        }
        if candidate.adminSockets.isEmpty {
            plan.refusals.append("the new configuration has no `stats socket … level admin`: nobody could drain a server afterwards.")
        }
        for fact in ordered {
            let name = fact.loadBalancer.name
            let diff = LineDiff.unified(
                ConfigurationFile.withoutSecrets(fact.current), ConfigurationFile.withoutSecrets(text),
                name: "\(name):\(fact.loadBalancer.configuration)")
            let isSame = fact.current == text
            guard !isSame || isForced else {
                plan.remarks.append("\(name) has this configuration already")
                continue
            }
            diffs.append((name, isSame ? "" : diff.isEmpty ? "(only passwords change)" : diff))
            add(fact, candidate, acceptDown, settings, to: &plan)
        }
        return Made(plan: plan, settings: settings, diffs: diffs)
    }

    private static func add(
        _ fact: Facts, _ candidate: ConfigurationFile, _ acceptDown: [String], _ settings: LoadBalancerRunSettings,
        to plan: inout LoadBalancerAction.Plan
    ) {
        let (name, view, current) = (fact.loadBalancer.name, fact.view, ConfigurationFile(parsing: fact.current))
        if fact.loadBalancer.master == nil {
            plan.refusals.append("\(name): there is no master socket to reload through. Start HAProxy with -W -S PATH, and give --master-socket.")
        }
        // `haproxy -c` passes it, and a master that cannot have so many files is lost at the reload (2.6.12, 2.8.25).
        let connections = candidate.global?.line("maxconn").flatMap { $0.count > 1 ? Int($0[1]) : nil } ?? 0
        if let most = fact.mostFiles, connections > most / 2 {
            plan.refusals.append("\(name): maxconn \(connections) needs twice as many open files, and a process may have \(most) there (fs.nr_open).")
        }
        let strangers = view.servers.filter { candidate.server($0.name, of: $0.backend) == nil && !isMade($0, by: candidate) }
        for server in strangers where current.server(server.name, of: server.backend) == nil && !isMade(server, by: current) {
            plan.refusals.append(
                "\(name): \(server.reference) was added at run time, and the new configuration does not have it: it would be gone. Add it there, or `drydock lb remove \(server.reference)` first."
            )
        }
        for backend in view.backends where backend.servers.contains(where: \.takesTraffic) {
            guard let section = candidate.backend(backend.name) else {
                plan.remarks.append("\(name): the backend \(backend.name) goes, with \(backend.servers.count) servers")
                continue
            }
            let gone = strangers.filter { $0.backend == backend.name }
            if !gone.isEmpty {
                plan.remarks.append("\(name): \(gone.map(\.reference).joined(separator: ", ")) go; who is connected there may finish")
            }
            if section.servers.isEmpty, !section.lines.contains(where: { $0.first == "server-template" }) {
                plan.refusals.append("\(name): the backend \(backend.name) serves now, and would have no server.")
            }
        }
        let desired = view.servers.compactMap { server -> LoadBalancerAction.Desired? in
            let isKnown = candidate.server(server.name, of: server.backend) != nil || isMade(server, by: candidate)
            let isDisabled = current.server(server.name, of: server.backend)?.keywords.contains("disabled") ?? false
            let weight = server.weight == server.initialWeight ? nil : server.weight
            // What the old configuration says is the new one's to say.
            let isAsked = isDisabled ? server.mode != .maint : server.mode != .ready
            return isKnown && (isAsked || weight != nil) ? .init(server: server.reference, mode: server.mode, weight: weight) : nil
        }
        let away = Set(desired.filter { $0.mode != .ready || $0.weight == 0 }.map(\.server))
        var healthy: [String] = []
        for section in candidate.backends {
            for server in section.servers {
                let reference = "\(section.name)/\(server.name)"
                if away.contains(reference) || server.keywords.contains("disabled") || acceptDown.contains(reference)
                    || acceptDown.contains(server.name)
                {
                    continue
                }
                if let now = view.server(reference), !now.takesTraffic {
                    plan.remarks.append("\(name): \(reference) is \(now.statusText) now, and need not come up")
                    continue
                }
                healthy.append(reference)
            }
        }
        plan.steps += steps(fact, desired, healthy, settings)
    }

    /// Whether a server comes from a `server-template`.
    private static func isMade(_ server: LoadBalancerView.Server, by file: ConfigurationFile) -> Bool {
        file.backend(server.backend)?.lines.contains { $0.first == "server-template" && $0.count > 1 && server.name.hasPrefix($0[1]) } ?? false
    }

    private static func steps(
        _ fact: Facts, _ desired: [LoadBalancerAction.Desired], _ healthy: [String], _ settings: LoadBalancerRunSettings
    ) -> [LoadBalancerAction.Step] {
        let (name, path) = (fact.loadBalancer.name, fact.loadBalancer.configuration)
        let kept = LoadBalancerAction.Step(
            id: "reapply \(name)", title: "ask again on \(name) for what was asked at run time", target: name,
            reason:
                "a reload forgets it: \(desired.isEmpty ? "nothing now" : desired.map { "\($0.server) \($0.mode.rawValue)" }.joined(separator: ", "))",
            effect: "servers that were drained stay so", undo: .nothing(because: "it was so before"), isDisruptive: false,
            action: .reapply(loadBalancer: name, desired))
        return [
            .init(
                id: "stage \(name)", title: "bring the configuration to \(name)", target: name,
                reason: "HAProxy there reads it before it is in place",
                effect: "none", undo: .by(.discard(loadBalancer: name), title: "remove it"), expectedSeconds: 2, isDisruptive: false,
                action: .stage(loadBalancer: name)),
            .init(
                id: "replace \(name)", title: "replace \(path) on \(name)", target: name, reason: "what is loaded next is what is in place",
                effect: "none until the reload; the old file is kept",
                undo: .by(.putBack(loadBalancer: name, desired), title: "put the old file back, and load it"),
                expectedSeconds: settings.settleSeconds / 2, isDisruptive: true, action: .replace(loadBalancer: name)),
            .init(
                id: "reload \(name)", title: "reload HAProxy on \(name)", target: name, reason: "a new worker reads the configuration",
                effect: "none for connections: the old worker finishes what it has",
                undo: .nothing(because: "the old file is loaded when it is put back"),
                expectedSeconds: 5, isDisruptive: true, action: .reload(loadBalancer: name)),
            kept,
            .init(
                id: "health \(name)", title: "wait until \(healthy.count) servers are up on \(name)", target: name,
                reason: "a configuration that loads may still reach nobody", effect: "none", undo: .nothing(because: "it only looks"),
                expectedSeconds: 5,
                isDisruptive: false, action: .awaitHealth(loadBalancer: name, servers: healthy)),
        ]
    }
}
