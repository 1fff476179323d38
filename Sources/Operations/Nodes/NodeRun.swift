internal import Foundation
package import Journal
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance

/// Carries out the steps of a drain against a live cluster.
package struct NodeRun: RunOperation {
    package let client: KubernetesClient
    package let settings: NodeRunSettings
    let desk: DrainDesk

    /// Watches the cluster for as long as `body` works with a runner.
    package static func working<Result: Sendable>(
        _ client: KubernetesClient, _ settings: NodeRunSettings, journal: Journal, gate: @escaping @Sendable () -> Gate,
        notify: @escaping @Sendable (RunEvent) -> Void = { _ in },
        body: @escaping @Sendable (Runner<NodeRun>, DrainDesk) async throws -> Result
    ) async throws -> Result {
        try await DrainDesk.working(client) { desk in
            let run = NodeRun(client: client, settings: settings, desk: desk)
            let runner = Runner(
                operation: run, journal: journal, gate: gate, patience: .seconds(settings.patienceSeconds), time: client.time, notify: notify)
            return try await body(runner, desk)
        }
    }

    private func node(_ name: String) async throws -> Node? { try await client.find(Node.self, ObjectName("", name)) }

    // MARK: The gate's conditions

    package func checks(before step: NodeAction.Step) async throws -> [GateCheck] {
        let name: String
        switch step.action {
        case .cordon(let node), .drain(let node): name = node
        default: return []
        }
        return desk.claim(name, settings)
    }

    /// Pure: what the gate is told before a node goes, when nodes look like this and steps have begun on those that are claimed.
    static func checks(on name: String, nodes: NodesAway, claimed: Set<String>, settings: NodeRunSettings) -> [GateCheck] {
        var checks: [GateCheck] = []
        func list(_ names: [String]) -> String {
            "\(names.sorted().prefix(5).joined(separator: ", "))\(names.count > 5 ? ", …" : "") \(names.count == 1 ? "is" : "are") away"
        }
        if let allowed = settings.maxUnavailable?.nodes(of: nodes.total) {
            let others = claimed.union(nodes.away).subtracting([name])
            checks.append(
                GateCheck("unavailable nodes", others.count < allowed ? .holds : .notYet, "\(list(Array(others))), and \(allowed) may be"))
        }
        if settings.respectsQuorum, nodes.controlPlane.contains(name) {
            let away = claimed.union(nodes.away).intersection(nodes.controlPlane).subtracting([name])
            checks.append(GateCheck("control plane", away.isEmpty ? .holds : .notYet, list(Array(away))))
        }
        return checks
    }

    // MARK: Look, act, verify

    package func evidence(before step: NodeAction.Step) async throws -> [String: String] {
        guard case .scaleUp(let workload) = step.action else { return [:] }
        return ["replicas": "\(try await replicas(workload).wanted)"]
    }

    package func isAlreadySo(_ step: NodeAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .cordon(let name):
            guard let node = try await node(name) else { return "the node is gone" }
            guard node.isUnschedulable else { return nil }
            guard let mark = CordonMark(node) else { return "it is cordoned, not by drydock" }
            return mark.mark == settings.mark ? "cordoned" : mark.text
        case .drain(let name):
            guard try await node(name) != nil else { return "the node is gone" }
            let outcome = settings.options.filters.sort(try await desk.pods(on: name, settings.podSelector), at: client.time.now())
            return outcome.taken.isEmpty && outcome.refusals.isEmpty ? "no pods to evict" : nil
        case .uncordon(let name):
            guard let node = try await node(name) else { return "the node is gone" }
            guard node.isUnschedulable else { return "it takes pods" }
            return CordonMark(node)?.mark == settings.mark ? nil : "it was cordoned by somebody else, and stays so"
        case .scaleUp(let workload):
            // Whether an attempt scaled it up the annotation tells.
            guard let from = try await surgedFrom(workload) else { return nil }
            let replicas = try await replicas(workload)
            return replicas.wanted > from && replicas.ready > from ? "\(replicas.wanted) replicas" : nil
        case .scaleBack(let workload): return try await surgedFrom(workload) == nil ? "it has as many replicas as it is meant to have" : nil
        case .restart: return nil
        }
    }

    package func act(_ step: NodeAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .cordon(let name):
            guard let node = try await node(name) else { throw OperationError(.stopped, "the node \(name) is gone") }
            let mark = CordonMark(mark: settings.mark, by: CordonMark.currentUser, at: client.time.now(), reason: settings.reason)
            return try await client.cordon(node, mark) ? nil : "it was cordoned by somebody else at this moment"
        case .drain(let name):
            await client.note("DrydockDrain", "drydock drains the node for \(CordonMark.currentUser)", on: name)
            do {
                let result = try await desk.drain(name, settings.terms, notify: notify)
                await client.note("DrydockDrained", result, on: name)
                return result
            } catch let error as OperationError {
                await client.note("DrydockDrainFailed", error.description, on: name, isWarning: true)
                throw error
            }
        case .uncordon(let name):
            guard let node = try await node(name) else { return "the node is gone" }
            desk.release(name, seen: try await client.uncordon(node))
            return nil
        case .scaleUp(let workload): return try await scaleUp(workload)
        case .scaleBack(let workload):
            return try await scaleBack(workload)
        case .restart(let workload): return try await restart(workload)
        }
    }

    package func changedNothing(_ error: any Error) -> Bool {
        guard let error = error as? OperationError else { return false }
        return error.code == .refused
    }

    package func verify(_ step: NodeAction.Step) async throws {
        guard case .cordon(let name) = step.action, let node = try await node(name) else { return }
        guard node.isUnschedulable else { throw OperationError(.stopped, "\(name) takes pods again: somebody uncordoned it") }
    }

    // MARK: Workloads

    /// How many replicas a workload had before the run made them more.
    private static let surgedFrom = "drydock.dev/surged-from"

    private func replicas(_ workload: Workload) async throws -> (wanted: Int, ready: Int) {
        let object = try await client.get(workload.resource, workload.name)
        return (object["spec"]["replicas"].count ?? 1, object["status"]["readyReplicas"].count ?? 0)
    }

    private func surgedFrom(_ workload: Workload) async throws -> Int? {
        let object = try await client.get(workload.resource, workload.name)
        return object["metadata"]["annotations"][Self.surgedFrom].string.flatMap { Int($0) }
    }

    /// Writes how many replicas a workload has and what they were before, if it is as it was read.
    /// - Parameter replicas: nil to leave them.
    private func scale(_ workload: Workload, read object: JSON, to replicas: Int?, surgedFrom: Int?) async throws {
        let mark = JSONObject([.init(name: Self.surgedFrom, value: surgedFrom.map { .string("\($0)") } ?? .null)])
        var patch: JSON = ["metadata": ["resourceVersion": object["metadata"]["resourceVersion"], "annotations": .object(mark)]]
        if let replicas { patch["spec"]["replicas"] = JSON(replicas) }
        try await client.patch(workload.resource, workload.name, .merge(patch))
    }

    /// Tries again when somebody else, such as its controller, writes the workload meanwhile.
    private func changing<Result>(_ workload: Workload, _ body: (JSON) async throws -> Result) async throws -> Result {
        var attempts = 0
        while true {
            let object = try await client.get(workload.resource, workload.name)
            do { return try await body(object) } catch let error as APIStatus where error.code == 409 && attempts < 5 { attempts += 1 }
        }
    }

    private func scaleUp(_ workload: Workload) async throws -> String {
        let from = try await changing(workload) { object in
            let wanted = object["spec"]["replicas"].count ?? 1
            // After a kill the annotation says where it began.
            if let known = object["metadata"]["annotations"][Self.surgedFrom].string.flatMap({ Int($0) }) { return known }
            try await scale(workload, read: object, to: wanted + 1, surgedFrom: wanted)
            return wanted
        }
        return try await wait("one replica more of \(workload)") {
            let now = try await replicas(workload)
            return now.ready > from ? "\(from + 1) replicas" : nil
        }
    }

    /// Only what the run added is taken away: whoever scaled the workload meanwhile meant it.
    private func scaleBack(_ workload: Workload) async throws -> String? {
        try await changing(workload) { object in
            guard let from = object["metadata"]["annotations"][Self.surgedFrom].string.flatMap({ Int($0) }) else { return nil }
            let now = object["spec"]["replicas"].count ?? 1
            let isOurs = now == from + 1
            try await scale(workload, read: object, to: isOurs ? from : nil, surgedFrom: nil)
            return isOurs ? "\(from) replica\(from == 1 ? "" : "s")" : "it was scaled to \(now) meanwhile, and stays so"
        }
    }

    private func restart(_ workload: Workload) async throws -> String {
        let stamp = Timestamp.time(client.time.now())
        try await client.patch(workload.resource, workload.name, Workload.restarting("kubectl.kubernetes.io/restartedAt", stamp))
        return try await wait("the restart of \(workload)") {
            workload.rollout(of: try await client.get(workload.resource, workload.name)) == nil ? "restarted" : nil
        }
    }

    /// Looks until something is so, as long as replacements are waited for.
    private func wait(_ what: String, _ look: () async throws -> String?) async throws -> String {
        let limit = client.time.now().addingTimeInterval(settings.options.replacementSeconds)
        while true {
            if let result = try await look() { return result }
            guard client.time.now() < limit else {
                throw OperationError(
                    .stopped, "\(what) did not come within \(settings.options.replacementSeconds.wholeSeconds) s; `kubectl describe` tells why")
            }
            try await client.time.sleep(.milliseconds(500))
        }
    }
}
