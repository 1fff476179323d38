package import Maintenance

/// What is done to a node that is seen to.
package enum MaintenanceAction: Codable, Sendable, Equatable {
    /// Silence its alerts, keep the autoscaler off, let no new pods come.
    case close
    case drain
    /// Have the agent do something.
    case order(NodeAgent.Order)
    /// Have the agent boot the host anew, and prove that it did.
    case reboot(NodeAgent.Order, MaintenancePolicy.RebootRule)
    /// Wait until the node is as it is meant to be.
    case check
    /// Watch it for so many seconds.
    case soak(Double)
    /// Let pods come again; the node is done.
    case open
    /// Let pods come again, though it is not done.
    case giveBack

    package typealias Plan = Maintenance.Plan<MaintenanceAction>
    package typealias Step = Maintenance.Step<MaintenanceAction>
}

/// What a run on a node was begun with, beside its plan.
package struct MaintenanceRunSettings: Codable, Sendable, Equatable {
    /// Stands in the annotation of the cordon and in silences.
    package var mark: String
    package var reason: String
    /// The updates that were pending, `NAME VERSION`: none of them may be so afterwards. What comes out meanwhile is for the next time.
    package var updates: [String]
    /// DaemonSets and static pods that were not ready there before: that they are not afterwards is not the run's doing.
    package var unready: [ObjectName]

    /// Where the node is silenced; nil for nowhere.
    package var alertmanager: String?

    package init(mark: String, reason: String, updates: [String], unready: [ObjectName], alertmanager: String?) {
        self.mark = mark
        self.reason = reason
        self.updates = updates
        self.unready = unready
        self.alertmanager = alertmanager
    }
}

extension MaintenancePolicy {
    /// The plan of one node.
    /// - Parameters:
    ///   - mark: unique to the run: its orders carry it.
    ///   - seconds: how long the node is expected to take.
    package func plan(node: String, mark: String, reason: String, seconds: Double) -> MaintenanceAction.Plan {
        var steps: [MaintenanceAction.Step] = []
        func add(
            _ id: String, _ title: String, effect: String, undo: Undo<MaintenanceAction> = .nothing(because: "nothing was changed"),
            share: Double = 0,
            isDisruptive: Bool = false, _ action: MaintenanceAction
        ) {
            steps.append(
                MaintenanceAction.Step(
                    id: id, title: title, target: node, reason: reason, effect: effect, undo: undo, expectedSeconds: seconds * share,
                    isDisruptive: isDisruptive, action: action))
        }
        // Each step asks for the time that it and those after it take.
        add(
            "cordon", "cordon \(node)", effect: "no new pods come, its alerts are silenced",
            undo: .by(.giveBack, title: "let pods come to \(node) again"), share: 1, isDisruptive: true, .close)
        if drain != nil {
            add(
                "drain", "drain \(node)", effect: "its pods run elsewhere, as their budgets allow",
                undo: .nothing(because: "the pods run elsewhere"), share: 0.9, isDisruptive: true, .drain)
        }
        let stays = Undo<MaintenanceAction>.nothing(because: "what was installed or run stays")
        switch action {
        case .osUpdate(let choice):
            let order = NodeAgent.Order(id: "\(mark)-update", kind: .update, packages: choice, timeoutSeconds: actionTimeoutSeconds)
            add("update", "update \(node)", effect: "packages are updated", undo: stays, share: 0.6, isDisruptive: true, .order(order))
        case .command(let words):
            let order = NodeAgent.Order(id: "\(mark)-command", kind: .command, command: words, timeoutSeconds: actionTimeoutSeconds)
            add(
                "command", "run a command on \(node)", effect: words.joined(separator: " "), undo: stays, share: 0.6, isDisruptive: true,
                .order(order))
        case .reboot, .none: break
        }
        if reboot != .never, action != .none {
            let order = NodeAgent.Order(id: "\(mark)-reboot", kind: .reboot, timeoutSeconds: rebootTimeoutSeconds)
            add(
                "reboot", "reboot \(node)\(reboot == .always ? "" : " if it is needed")", effect: "the host boots anew", undo: stays, share: 0.4,
                isDisruptive: true, .reboot(order, reboot))
        }
        add("check", "check \(node)", effect: "none", .check)
        if soakSeconds > 0 { add("soak", "watch \(node) for \(soakSeconds.wholeSeconds) s", effect: "none", .soak(soakSeconds)) }
        add("uncordon", "uncordon \(node)", effect: "new pods may come", .open)
        return MaintenanceAction.Plan(operation: "node maintenance", subject: "node \(node)", steps: steps)
    }
}
