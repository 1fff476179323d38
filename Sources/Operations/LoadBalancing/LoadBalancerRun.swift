internal import Foundation
internal import HAProxy
package import Maintenance
internal import NodeAccess

/// Carries plans out on load balancers.
package struct LoadBalancerRun: RunOperation {
    package let settings: LoadBalancerRunSettings
    let time: RunTime

    private static let pause = Duration.milliseconds(250)

    package init(settings: LoadBalancerRunSettings, time: RunTime = .system) {
        self.settings = settings
        self.time = time
    }

    package var canUndoWhenDone: Bool { true }

    package func changedNothing(_ error: any Error) -> Bool { (error as? HAProxyError)?.code == .refused }

    // MARK: The gate's conditions

    package func checks(before step: LoadBalancerAction.Step) async throws -> [GateCheck] {
        switch step.action {
        case .set(let target, .drain), .set(let target, .maint), .setWeight(let target, 0), .remove(let target):
            let view = try await view(target.loadBalancer)
            guard let server = view.server(target.server), server.takesTraffic else { return [] }
            let others = view.others(beside: server)
            guard others.isEmpty else { return [GateCheck("others serve", .holds, "\(others.count) others take traffic")] }
            // One that was just opened, or whose check failed on a busy machine, is back in a moment; one that somebody took out is not.
            let coming = view.servers.filter { $0.backend == server.backend && $0.name != server.name && $0.mode == .ready && $0.weight > 0 }
            let found = coming.map { "\($0.name) is \($0.statusText)" }
            return [
                GateCheck(
                    "others serve", coming.isEmpty ? .fails : .notYet,
                    (["\(target.server) is the last that takes traffic"] + found).joined(separator: ", "))
            ]
        case .replace(let name), .reload(let name):
            let table = try await settings.loadBalancer(name).askingMaster { try await $0.processes() }
            return [GateCheck("a worker serves", table.workers.isEmpty ? .notYet : .holds, table.workers.isEmpty ? "\(name) has none" : "")]
        default: return []
        }
    }

    package func evidence(before step: LoadBalancerAction.Step) async throws -> [String: String] {
        guard case .reload(let name) = step.action else { return [:] }
        let table = try await settings.loadBalancer(name).askingMaster { try await $0.processes() }
        return ["worker": "\(table.workers.first?.processID ?? 0)", "failed": "\(table.failedReloads)"]
    }

    private func view(_ name: String) async throws -> LoadBalancerView { try await LoadBalancerView.read(settings.loadBalancer(name)) }

    /// What the newest worker says: for a moment after a reload, the stats socket may still be the old one's.
    private func viewOfWorker(_ name: String) async throws -> LoadBalancerView {
        try await LoadBalancerView.read(settings.loadBalancer(name).throughMaster)
    }

    private func server(_ target: LoadBalancerAction.Target) async throws -> LoadBalancerView.Server {
        guard let server = try await view(target.loadBalancer).server(target.server) else {
            throw OperationError(.stopped, "\(target.loadBalancer) knows no server \(target.server) any more.")
        }
        return server
    }

    // MARK: Already so?

    package func isAlreadySo(_ step: LoadBalancerAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .set(let target, let mode): return try await server(target).mode == mode ? "it is \(mode.rawValue)" : nil
        case .setWeight(let target, let weight): return try await server(target).weight == weight ? "it has \(weight)" : nil
        case .awaitSessions(let target, _, _): return try await server(target).sessions == 0 ? "no sessions" : nil
        case .awaitTraffic(let target): return try await server(target).isProven ? "it does" : nil
        case .add(let target, _, _): return try await view(target.loadBalancer).server(target.server) != nil ? "it is there" : nil
        case .remove(let target): return try await view(target.loadBalancer).server(target.server) == nil ? "it is gone" : nil
        case .stage(let name): return try await files(name).isStaged(settings.candidate?.digest ?? "") ? "it is there, and was read" : nil
        case .discard(let name): return try await files(name).isDiscarded() ? "nothing is there" : nil
        case .replace(let name): return try await files(name).isReplaced(settings.candidate?.digest ?? "") ? "it is in place" : nil
        case .reload(let name):
            guard let evidence, let worker = evidence["worker"], let failed = evidence["failed"] else { return nil }
            let table = try await settings.loadBalancer(name).askingMaster { try await $0.processes() }
            // A reload that goes well sets the count of those that failed back.
            guard let now = table.workers.first, "\(now.processID)" != worker, table.failedReloads <= Int(failed) ?? 0 else { return nil }
            return "worker \(now.processID) serves"
        case .reapply(let name, let desired): return try await missing(desired, in: viewOfWorker(name)).isEmpty ? "all is as it was asked for" : nil
        case .awaitHealth(let name, let servers):
            return unhealthy(servers, in: try await viewOfWorker(name)).isEmpty ? "\(servers.count) servers are up" : nil
        case .putBack(let name, _): return try await files(name).isBack() ? "the old configuration is in place" : nil
        }
    }

    // MARK: Acting

    package func act(_ step: LoadBalancerAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .set(let target, let mode):
            try await settings.loadBalancer(target.loadBalancer).asking { try await $0.set(mode, of: target.server) }
            return nil
        case .setWeight(let target, let weight):
            try await settings.loadBalancer(target.loadBalancer).asking { try await $0.setWeight(weight, of: target.server) }
            return nil
        case .awaitSessions(let target, let seconds, let leftover): return try await awaitSessions(target, seconds, leftover, notify)
        case .awaitTraffic(let target): return try await awaitTraffic(target)
        case .add(let target, let address, let keywords):
            try await settings.loadBalancer(target.loadBalancer).asking { try await $0.add(target.server, at: address, keywords: keywords) }
            return nil
        case .remove(let target):
            try await settings.loadBalancer(target.loadBalancer).asking { client in
                try await client.set(.maint, of: target.server)
                // Idle connections to it are closed a moment later.
                let limit = time.now().addingTimeInterval(settings.settleSeconds)
                while true {
                    do { return try await client.remove(target.server) } catch let error as HAProxyError where error.code == .refused {
                        guard time.now() < limit else { throw OperationError(.stopped, "\(target.server) is in maintenance, and stays: \(error)") }
                        try await time.sleep(Self.pause)
                    }
                }
            }
            return nil
        case .stage(let name): return try await stage(name)
        case .discard(let name):
            try await files(name).discard()
            return nil
        case .replace(let name): return try await files(name).replace()
        case .reload(let name): return try await reload(name)
        case .reapply(let name, let desired): return try await reapply(desired, name)
        case .awaitHealth(let name, let servers): return try await awaitHealth(servers, name)
        case .putBack(let name, let desired):
            try await files(name).putBack()
            let worker = try await reload(name)
            _ = try await reapply(desired, name)
            try await files(name).forgetBefore()
            return worker
        }
    }

    package func verify(_ step: LoadBalancerAction.Step) async throws {
        switch step.action {
        case .set(let target, let mode):
            let found = try await server(target).mode
            guard found == mode else { throw OperationError(.stopped, "\(target.server) is \(found.rawValue), and was set to \(mode.rawValue).") }
        case .setWeight(let target, let weight):
            let found = try await server(target).weight
            guard found == weight else { throw OperationError(.stopped, "\(target.server) has the weight \(found), and was given \(weight).") }
        default: break
        }
    }

    private func awaitSessions(
        _ target: LoadBalancerAction.Target, _ seconds: Double, _ leftover: LoadBalancerAction.Leftover, _ notify: @Sendable (String) -> Void
    ) async throws -> String {
        let limit = time.now().addingTimeInterval(seconds)
        var told = Int.max
        while true {
            let sessions = try await server(target).sessions
            if sessions == 0 { return "no sessions" }
            if time.now() >= limit { break }
            if sessions * 2 <= told {
                notify("\(sessions) sessions on \(target.server)")
                told = sessions
            }
            try await time.sleep(Self.pause)
        }
        let left = try await server(target).sessions
        guard leftover == .shutDown else { return "\(left) sessions go on after \(seconds.wholeSeconds) s" }
        try await settings.loadBalancer(target.loadBalancer).asking { try await $0.shutDownSessions(of: target.server) }
        let end = time.now().addingTimeInterval(settings.settleSeconds)
        while try await server(target).sessions > 0 {
            guard time.now() < end else { throw OperationError(.stopped, "\(target.server) keeps sessions that were shut down.") }
            try await time.sleep(Self.pause)
        }
        return "\(left) sessions were cut off after \(seconds.wholeSeconds) s"
    }

    private func awaitTraffic(_ target: LoadBalancerAction.Target) async throws -> String {
        let limit = time.now().addingTimeInterval(settings.settleSeconds)
        while true {
            let server = try await server(target)
            if server.isProven { return server.statusText }
            guard time.now() < limit else {
                let why = [server.check, server.lastCheck].compactMap(\.self).joined(separator: ", ")
                throw OperationError(
                    .stopped,
                    "\(target.server) is \(server.statusText) after \(settings.settleSeconds.wholeSeconds) s\(why.isEmpty ? "" : " (\(why))"). It stays as it is; mend it, and resume."
                )
            }
            try await time.sleep(Self.pause)
        }
    }

    // MARK: Configuration

    private func files(_ name: String) throws -> ConfigurationFiles {
        guard let candidate = settings.candidate else { throw OperationError(.invalid, "the run has no configuration to apply.") }
        return ConfigurationFiles(loadBalancer: try settings.loadBalancer(name), tag: candidate.tag)
    }

    private func stage(_ name: String) async throws -> String {
        guard let candidate = settings.candidate else { throw OperationError(.invalid, "the run has no configuration to apply.") }
        let text = try ConfigurationFiles.read(candidate)
        return try await files(name).stage(text)
    }

    /// Returns when a new worker serves, and no reload has failed.
    private func reload(_ name: String) async throws -> String {
        let loadBalancer = try settings.loadBalancer(name)
        let before = try await loadBalancer.askingMaster { try await $0.processes() }
        let answer = try await loadBalancer.askingMaster { try await $0.reload() }
        if case .failed(let log) = answer {
            throw OperationError(.stopped, "\(name): HAProxy does not load the configuration, and goes on with the old one: \(log.suffix(600))")
        }
        let limit = time.now().addingTimeInterval(settings.settleSeconds)
        while true {
            // The socket of the master is closed for a moment while it loads itself anew.
            let table = try? await loadBalancer.askingMaster { try await $0.processes() }
            if let table {
                if table.failedReloads > before.failedReloads {
                    throw OperationError(
                        .stopped,
                        "\(name): HAProxy does not load the configuration, and goes on with the old one. Its log says why (`haproxy -c` did not).")
                }
                if let worker = table.workers.first, worker.processID != before.workers.first?.processID {
                    return "worker \(worker.processID) took over from \(before.workers.first.map { "\($0.processID)" } ?? "none")"
                }
            }
            guard time.now() < limit else {
                throw OperationError(.stopped, "\(name): no new worker serves \(settings.settleSeconds.wholeSeconds) s after the reload.")
            }
            try await time.sleep(Self.pause)
        }
    }

    private func missing(_ desired: [LoadBalancerAction.Desired], in view: LoadBalancerView) -> [LoadBalancerAction.Desired] {
        desired.filter { wish in
            // What the new configuration has no more needs nothing.
            guard let server = view.server(wish.server) else { return false }
            return server.mode != wish.mode || wish.weight.map { $0 != server.weight } ?? false
        }
    }

    private func reapply(_ desired: [LoadBalancerAction.Desired], _ name: String) async throws -> String {
        let limit = time.now().addingTimeInterval(settings.settleSeconds)
        var applied = 0
        while true {
            do {
                let missing = missing(desired, in: try await viewOfWorker(name))
                if missing.isEmpty { return applied == 0 ? "nothing was lost" : "\(applied) servers asked again" }
                try await settings.loadBalancer(name).throughMaster.asking { client in
                    for wish in missing {
                        try await client.set(wish.mode, of: wish.server)
                        if let weight = wish.weight { try await client.setWeight(weight, of: wish.server) }
                    }
                }
                applied = missing.count
            } catch let error as HAProxyError where error.code == .unavailable && time.now() < limit {
                // The new worker opens its socket a moment after it is there.
            }
            guard time.now() < limit else { throw OperationError(.stopped, "\(name) does not keep what is asked of its servers.") }
            try await time.sleep(.milliseconds(50))
        }
    }

    /// Those that are not up, or not known to be.
    private func unhealthy(_ servers: [String], in view: LoadBalancerView) -> [String] {
        servers.compactMap { reference in
            guard let server = view.server(reference) else { return "\(reference) is unknown" }
            if server.isProven { return nil }
            let why = [server.check, server.lastCheck].compactMap(\.self).joined(separator: ", ")
            return "\(reference) is \(server.statusText)\(why.isEmpty ? "" : " (\(why))")"
        }
    }

    private func awaitHealth(_ servers: [String], _ name: String) async throws -> String {
        let limit = time.now().addingTimeInterval(settings.settleSeconds)
        while true {
            let complaints: [String]
            do { complaints = unhealthy(servers, in: try await viewOfWorker(name)) } catch let error as HAProxyError where error.isTransient {
                complaints = ["\(error)"]
            }
            if complaints.isEmpty { return "\(servers.count) servers are up" }
            guard time.now() < limit else {
                throw OperationError(.stopped, "\(name): after \(settings.settleSeconds.wholeSeconds) s \(complaints.joined(separator: "; "))")
            }
            try await time.sleep(Self.pause)
        }
    }
}
