package import Foundation
package import KubernetesAPI
package import Maintenance

/// What is known of one NodeMaintenance beside its policy, from its object.
package struct MaintenanceProgress: Sendable, Equatable {
    /// How long nodes have taken of late, seconds; nil where none was seen to.
    package var nodeSeconds: Double?
    package var rolloutStartedAt: Date?
    /// Nodes that were seen to before this are due, where the policy goes by rounds.
    package var roundStartedAt: Date?

    package init(_ object: JSON) {
        let status = object["status"]
        if case .number(let seconds) = status["nodeSeconds"] {
            nodeSeconds = seconds
        } else {
            nodeSeconds = status["nodeSeconds"].integer.map(Double.init)
        }
        rolloutStartedAt = Timestamp.date(status["rolloutStartedAt"].string)
        let requested = Timestamp.date(object["metadata"]["annotations"][Annotations.requested].string)
        let created = Timestamp.date(object["metadata"]["creationTimestamp"].string)
        roundStartedAt =
            [
                Timestamp.date(status["roundStartedAt"].string), requested, object["spec"]["windows"].elements.isEmpty ? created : nil,
            ].compactMap(\.self).max()
    }

    /// A window that is open begins a round.
    package mutating func observe(_ policy: MaintenancePolicy, at now: Date) {
        guard let open = policy.window?.interval(endingAfter: now), open.start <= now else { return }
        roundStartedAt = max(roundStartedAt ?? .distantPast, open.start)
    }

    /// How long the next node is expected to take, seconds.
    package func expectedSeconds(_ policy: MaintenancePolicy) -> Double { nodeSeconds ?? policy.expectedNodeSeconds + policy.soakSeconds }
}

extension Rollout.Situation {
    /// How a node stands.
    /// - Parameters:
    ///   - isInWork: whether somebody works on it now.
    ///   - staleSeconds: an agent that has not reported for so long is taken for lost.
    package init(
        _ node: Node, agent: NodeAgent?, run: MaintenanceRun?, isInWork: Bool, policy: MaintenancePolicy, progress: MaintenanceProgress,
        staleSeconds: Double, at now: Date
    ) {
        let doneAt = Timestamp.date(node.maintained[policy.name])
        self.init(
            place: NodeOrder.Place(name: node.name, labels: node.labels, zone: node.zone, isControlPlane: node.isControlPlane),
            need: Self.need(agent, policy, doneAt, progress, staleSeconds, now))
        pause = node.annotations[Annotations.pause].map { $0.isEmpty ? "by annotation" : $0 }
        if let begin = progress.rolloutStartedAt, let doneAt { isDone = doneAt >= begin }
        if !node.isReady {
            away = "it is not ready"
        } else if node.isUnschedulable {
            away = CordonMark(node)?.text ?? "somebody cordoned it"
        }
        if isInWork {
            work = .inWork
        } else if let run, run.maintenance == policy.name, run.isFailed {
            work = .failed("\(run.step.isEmpty ? "" : "\(run.step): ")\(run.message)")
        } else if let run, run.maintenance == policy.name, run.state == .rolledBack, let at = run.updatedAt {
            // Whatever stood in its way is not gone a second later.
            rest = Rest(until: at.addingTimeInterval(Self.restSeconds), reason: run.message)
        }
    }

    /// A node that was given back is left alone for so long, seconds.
    private static let restSeconds = 600.0

    private static func need(
        _ agent: NodeAgent?, _ policy: MaintenancePolicy, _ doneAt: Date?, _ progress: MaintenanceProgress, _ staleSeconds: Double, _ now: Date
    ) -> Need {
        if policy.isByRounds {
            guard let doneAt else { return .due("it was not seen to yet") }
            guard let round = progress.roundStartedAt, doneAt < round else { return .current }
            return .due("last seen to at \(Timestamp.time(doneAt))")
        }
        guard let report = agent?.report else { return .silent }
        guard now.timeIntervalSince(report.reportedAt) < staleSeconds else {
            return .unknown("its agent has not reported since \(Timestamp.time(report.reportedAt))")
        }
        var reasons: [String] = []
        if case .osUpdate(let choice) = policy.action {
            if choice.securityOnly, report.packageManager == "zypper" { return .unknown("securityOnly is not possible with zypper") }
            let updates = report.updates(choice)
            let security = updates.count(where: \.isSecurity)
            if !updates.isEmpty {
                reasons.append("\(updates.count) update\(updates.count == 1 ? "" : "s")\(security > 0 ? ", \(security) for security" : "")")
            }
        }
        if report.rebootRequired, policy.reboot != .never { reasons.append("a reboot is required") }
        if reasons.isEmpty, let message = report.message { return .unknown(message) }
        return reasons.isEmpty ? .current : .due(reasons.joined(separator: ", "))
    }
}
