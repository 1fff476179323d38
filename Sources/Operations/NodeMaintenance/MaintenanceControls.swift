package import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import Maintenance

/// What people do with NodeMaintenances: look, foresee, start, pause, resume, abort. They say what is wanted; the controller does it.
package struct MaintenanceControls: Sendable {
    package let client: KubernetesClient
    /// Of the controller, whose annotation pauses everything.
    package let namespace: String
    /// Say what would be done, and do nothing.
    package let isRehearsal: Bool

    package init(client: KubernetesClient, namespace: String = "drydock", isRehearsal: Bool = false) {
        self.client = client
        self.namespace = namespace
        self.isRehearsal = isRehearsal
    }

    package struct Change: Encodable, Sendable, Equatable {
        /// `nodemaintenance/weekly`.
        package var object: String
        package var change: String
    }

    // MARK: Looking

    /// How one NodeMaintenance stands.
    package struct Overview: Encodable, Sendable {
        package struct NodeRow: Encodable, Sendable {
            package var node: String
            /// `current`, `due`, `in work`, `failed`, `unknown`.
            package var state: String
            package var detail: String
            package var since: Date?
            /// When it is expected to begin and to end.
            package var begins: Date?
            package var ends: Date?
            /// Of the forecast, from 1.
            package var window: Int?
        }

        package var name: String
        package var phase: String
        package var message: String
        package var window: String?
        package var opens: Date?
        package var closes: Date?
        package var maxUnavailable: String
        package var nodeSeconds: Double
        package var nodes: [NodeRow] = []
        package var blockers: [String] = []
        package var inThisWindow = 0
        package var leftForLater = 0
        /// Nodes that find no place in the windows that were looked at.
        package var unplaced: [String] = []

        package func count(_ state: String) -> Int { nodes.count { $0.state == state } }
    }

    /// - Parameter names: which; empty for all.
    /// - Throws: `OperationError.invalid` when one is not there.
    package func overviews(_ names: [String]) async throws -> [Overview] {
        let objects = try await maintenances(names)
        let windows = try await client.list(.maintenanceWindows)
        let nodes = try await client.list(Node.self).sorted { $0.name < $1.name }
        let agents = Dictionary(try await client.list(NodeAgent.self).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        let runs = Dictionary(try await client.list(MaintenanceRun.self).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        return objects.map { overview($0, windows, nodes, agents, runs) }
    }

    private func maintenances(_ names: [String]) async throws -> [JSON] {
        let all = try await client.list(.nodeMaintenances).sorted { $0.objectName < $1.objectName }
        for name in names where !all.contains(where: { $0.objectName.name == name }) {
            throw OperationError(.invalid, "there is no NodeMaintenance \(name). `kubectl get nodemaintenances` shows what there is.")
        }
        return names.isEmpty ? all : all.filter { names.contains($0.objectName.name) }
    }

    private func overview(
        _ object: JSON, _ windows: [JSON], _ nodes: [Node], _ agents: [String: NodeAgent], _ runs: [String: MaintenanceRun]
    ) -> Overview {
        let now = client.time.now()
        let status = object["status"]
        var overview = Overview(
            name: object.objectName.name, phase: status["phase"].string ?? "New", message: status["message"].string ?? "", maxUnavailable: "",
            nodeSeconds: 0)
        let policy: MaintenancePolicy
        do { policy = try MaintenancePolicy(object, among: windows) } catch {
            (overview.phase, overview.message) = ("Invalid", "\(error)")
            return overview
        }
        var progress = MaintenanceProgress(object)
        progress.observe(policy, at: now)
        let selected = nodes.filter { policy.selector.matches($0.labels) }
        let situations = selected.map { node in
            let run = runs[node.name]
            return Rollout.Situation(
                node, agent: agents[node.name], run: run,
                isInWork: run.map { $0.maintenance == policy.name && $0.isUnfinished && !$0.isFailed } ?? false, policy: policy, progress: progress,
                staleSeconds: NodeAgent.staleSeconds, at: now)
        }
        let rollout = Rollout(policy: policy, nodeSeconds: progress.expectedSeconds(policy))
        let forecast = rollout.forecast(situations, at: now)
        let visits = Dictionary(forecast.visits.map { ($0.node, $0) }, uniquingKeysWith: { $1 })
        overview.window = policy.window?.description
        overview.opens = policy.window?.nextOpening(after: now)
        overview.closes = policy.window?.remaining(at: now).map { now.addingTimeInterval($0) }
        overview.maxUnavailable = "\(policy.maxUnavailable) (\(policy.maxUnavailable.nodes(of: selected.count)) of \(selected.count))"
        overview.nodeSeconds = rollout.nodeSeconds
        overview.inThisWindow = forecast.inFirstWindow
        overview.unplaced = forecast.left
        overview.leftForLater = forecast.visits.count - forecast.inFirstWindow + forecast.left.count
        for situation in situations {
            var row = Overview.NodeRow(node: situation.name, state: "", detail: "")
            switch (situation.work, situation.need) {
            case (.inWork, _):
                let step = status["nodes"].elements.first { $0["name"].string == situation.name }
                row.state = "in work"
                row.detail = [step?["step"].string ?? runs[situation.name]?.step, step?["message"].string].compactMap(\.self).filter { !$0.isEmpty }
                    .joined(separator: ": ")
                row.since = runs[situation.name]?.startedAt
            case (.failed(let why), _): (row.state, row.detail) = ("failed", why)
            case (_, .current): row.state = "current"
            case (_, .due(let why)): (row.state, row.detail) = ("due", situation.pause.map { "paused: \($0)" } ?? situation.away ?? why)
            case (_, .unknown(let why)): (row.state, row.detail) = ("unknown", why)
            case (_, .silent): (row.state, row.detail) = ("unknown", "no agent has reported from it")
            }
            if let visit = visits[situation.name] { (row.begins, row.ends, row.window) = (visit.begins, visit.ends, visit.window + 1) }
            overview.nodes.append(row)
        }
        overview.blockers = status["blockers"].elements.map { blocker in
            "\(blocker["node"].string.map { "\($0): " } ?? "")\(blocker["reason"].string ?? "")"
        }
        return overview
    }

    // MARK: Doing

    /// Begins a round: nodes that go by rounds are due again. Takes the pause away.
    package func start(_ name: String) async throws -> [Change] {
        _ = try await maintenances([name])
        let stamp = Timestamp.time(client.time.now())
        let patch: JSON = [
            "metadata": ["annotations": [Annotations.requested: .string(stamp), Annotations.pause: .null]], "spec": ["paused": false],
        ]
        return [try await change(.nodeMaintenances, name, patch, "started", "would be started")]
    }

    /// - Parameter name: nil for everything.
    package func pause(_ name: String?, reason: String) async throws -> [Change] {
        let patch: JSON = ["metadata": ["annotations": [Annotations.pause: .string(reason)]]]
        guard let name else { return [try await change(.namespaces, namespace, patch, "paused: nothing begins any more", "would be paused")] }
        _ = try await maintenances([name])
        return [try await change(.nodeMaintenances, name, patch, "paused", "would be paused")]
    }

    /// Takes the pause away, and has nodes that failed tried again.
    /// - Parameter name: nil for everything: then only the pause of everything is taken away.
    package func resume(_ name: String?) async throws -> [Change] {
        let open: JSON = [Annotations.pause: .null]
        guard let name else {
            return [try await change(.namespaces, namespace, ["metadata": ["annotations": open]], "resumed", "would be resumed")]
        }
        _ = try await maintenances([name])
        var changes = [
            try await change(.nodeMaintenances, name, ["metadata": ["annotations": open], "spec": ["paused": false]], "resumed", "would be resumed")
        ]
        for run in try await runs(of: name) where run.isFailed {
            changes.append(
                try await change(
                    .maintenanceRuns, run.name,
                    ["metadata": ["annotations": [Annotations.resume: .string(Timestamp.time(client.time.now()))]]], "will be tried again",
                    "would be tried again"))
        }
        return changes
    }

    /// Pauses, and has the nodes in work, and those that failed, given back.
    /// - Parameter node: only this one, and without a pause.
    package func abort(_ name: String, node: String?, reason: String) async throws -> [Change] {
        _ = try await maintenances([name])
        var changes = node == nil ? try await pause(name, reason: reason) : []
        for run in try await runs(of: name) where run.isUnfinished && (node == nil || run.name == node) {
            changes.append(
                try await change(
                    .maintenanceRuns, run.name, ["metadata": ["annotations": [Annotations.abort: .string(reason)]]],
                    "will be given back: it is uncordoned", "would be given back"))
        }
        guard let node else { return changes }
        guard !changes.isEmpty else { throw OperationError(.invalid, "\(name) is not at work on \(node)") }
        // Or it would begin again at once.
        let patch: JSON = ["metadata": ["annotations": [Annotations.pause: .string(reason)]]]
        changes.insert(
            try await change(
                .nodes, node, patch, "is left alone until `kubectl annotate node \(node) \(Annotations.pause)-`", "would be left alone"), at: 0)
        return changes
    }

    private func runs(of name: String) async throws -> [MaintenanceRun] {
        let options = ListOptions(labels: LabelSelector([.init(Annotations.maintenance, .isIn, [name])]))
        return try await client.list(MaintenanceRun.self, options).sorted { $0.name < $1.name }
    }

    private func change(_ resource: Resource, _ name: String, _ patch: JSON, _ done: String, _ wouldBe: String) async throws -> Change {
        if !isRehearsal { try await client.patch(resource, ObjectName("", name), .merge(patch)) }
        return Change(object: "\(resource.kind.lowercased())/\(name)", change: isRehearsal ? wouldBe : done)
    }
}
