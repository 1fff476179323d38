internal import HAProxy
internal import Maintenance

/// Plans that move traffic away from servers, or back to them. Pure: made from what the load balancers said.
package struct TrafficPlan: Sendable {
    package var views: [LoadBalancerView]
    package var subject: String

    package init(views: [LoadBalancerView], subject: String) {
        self.views = views
        self.subject = subject
    }

    private typealias Step = LoadBalancerAction.Step
    private typealias Target = LoadBalancerAction.Target

    /// - Parameters:
    ///   - waitSeconds: how long sessions may take to end; nil not to look.
    ///   - isMaint: whether checks end, too, when the sessions have.
    package func drain(_ name: String, waitSeconds: Double?, then leftover: LoadBalancerAction.Leftover, isMaint: Bool) throws
        -> LoadBalancerAction.Plan
    {
        try plan("lb drain", name) { view, server in
            let target = Target(loadBalancer: view.loadBalancer, server: server.reference)
            var steps = [set(.drain, server, view, reason: "it is to be serviced", effect: "no new connections; those that are there go on")]
            if let waitSeconds { steps.append(wait(target, server, seconds: waitSeconds, then: leftover)) }
            if isMaint {
                steps.append(
                    Step(
                        id: "maint \(view.loadBalancer) \(server.reference)",
                        title: "put \(server.reference) into maintenance on \(view.loadBalancer)",
                        target: server.reference, reason: "its sessions are over", effect: "no connections and no checks",
                        undo: .by(.set(target, .drain), title: "drain it again"), isDisruptive: false, action: .set(target, .maint)))
            }
            return (steps, refusal(for: server, view))
        }
    }

    package func maint(_ name: String) throws -> LoadBalancerAction.Plan {
        try plan("lb maint", name) { view, server in
            (
                [
                    set(
                        .maint, server, view, reason: "it is to be serviced",
                        effect: "no new connections and no checks; what is connected stays so, unless `on-marked-down shutdown-sessions` ends it")
                ], refusal(for: server, view)
            )
        }
    }

    package func ready(_ name: String) throws -> LoadBalancerAction.Plan {
        try plan("lb ready", name) { view, server in
            let target = Target(loadBalancer: view.loadBalancer, server: server.reference)
            let set = Step(
                id: "ready \(view.loadBalancer) \(server.reference)", title: "open \(server.reference) on \(view.loadBalancer)",
                target: server.reference,
                reason: "it is in service again", effect: "new connections, once its checks pass",
                undo: .by(.set(target, server.mode), title: "set it to \(server.mode.rawValue) again"), isDisruptive: false,
                action: .set(target, .ready))
            return ([set, awaitTraffic(target)], nil)
        }
    }

    /// - Parameter weight: `30`, or `50%` of what the configuration says.
    package func weight(_ name: String, _ weight: String) throws -> LoadBalancerAction.Plan {
        try plan("lb weight", name) { view, server in
            let value = try Self.weight(weight, of: server)
            let target = Target(loadBalancer: view.loadBalancer, server: server.reference)
            let step = Step(
                id: "weight \(view.loadBalancer) \(server.reference)", title: "give \(server.reference) the weight \(value) on \(view.loadBalancer)",
                target: server.reference, reason: "it was asked for",
                effect: "its share of new connections changes from \(server.weight) to \(value)",
                undo: .by(.setWeight(target, server.weight), title: "give it \(server.weight) again"), isDisruptive: value == 0,
                action: .setWeight(target, value))
            return ([step], value == 0 ? refusal(for: server, view) : nil)
        }
    }

    /// Half of a weight of one would be none, and HAProxy drains a server without weight.
    static func weight(_ text: String, of server: LoadBalancerView.Server) throws -> Int {
        let isShare = text.hasSuffix("%")
        guard let number = Int(isShare ? text.dropLast() : text[...]), (0...(isShare ? 2560 : 256)).contains(number) else {
            throw OperationError(.invalid, "\"\(text)\" is no weight: give 0 to 256, or a share of the configuration's weight such as 50%.")
        }
        guard isShare else { return number }
        let value = server.initialWeight * number / 100
        guard value > 0 || number == 0, value <= 256 else {
            throw OperationError(
                .invalid,
                "\(text) of \(server.reference)'s weight \(server.initialWeight) is \(value)\(value == 0 ? ", which drains it. Use lb drain, or larger weights in the configuration." : ", and 256 is the most.")"
            )
        }
        return value
    }

    package func add(_ reference: String, address: String, keywords: [String]) throws -> LoadBalancerAction.Plan {
        var plan = LoadBalancerAction.Plan(operation: "lb add", subject: subject, steps: [])
        let parts = reference.split(separator: "/", omittingEmptySubsequences: false)
        let words = [reference, address] + keywords
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), words.allSatisfy({ !$0.isEmpty && !$0.contains(where: \.isWhitespace) }) else {
            throw OperationError(.invalid, "\"\(reference)\" at \"\(address)\" is no server: give BACKEND/SERVER and HOST:PORT.")
        }
        for view in views {
            guard view.backends.contains(where: { $0.name == parts[0] }) else {
                throw OperationError(
                    .invalid,
                    "\(view.loadBalancer) has no backend \(parts[0]) with servers. It has \(view.backends.map(\.name).joined(separator: ", ")).")
            }
            if view.server(reference) != nil {
                plan.remarks.append("\(view.loadBalancer) has \(reference) already")
                continue
            }
            let target = Target(loadBalancer: view.loadBalancer, server: reference)
            plan.steps.append(
                Step(
                    id: "add \(view.loadBalancer)", title: "add \(reference) at \(address) on \(view.loadBalancer)", target: reference,
                    reason: "it was asked for", effect: "new connections, once its checks pass", undo: .by(.remove(target), title: "remove it"),
                    isDisruptive: false, action: .add(target, address: address, keywords: keywords)))
            plan.steps.append(awaitTraffic(target))
        }
        if !plan.steps.isEmpty { plan.remarks.append("a reload forgets \(reference) unless the configuration has it, too: `drydock lb apply`") }
        return plan
    }

    package func remove(_ name: String, waitSeconds: Double, then leftover: LoadBalancerAction.Leftover) throws -> LoadBalancerAction.Plan {
        var plan = try plan("lb remove", name) { view, server in
            let target = Target(loadBalancer: view.loadBalancer, server: server.reference)
            let remove = Step(
                id: "remove \(view.loadBalancer) \(server.reference)", title: "delete \(server.reference) on \(view.loadBalancer)",
                target: server.reference, reason: "it was asked for", effect: "the server is unknown there until the next reload",
                undo: .impossible(because: "HAProxy forgets how it was configured: reload its configuration, or use lb add"), isDisruptive: true,
                action: .remove(target))
            return (
                [
                    set(.drain, server, view, reason: "what is deleted has no connections", effect: "no new connections; those that are there go on"),
                    wait(target, server, seconds: waitSeconds, then: leftover), remove,
                ], refusal(for: server, view)
            )
        }
        plan.remarks.append("a reload brings back what the configuration has: `drydock lb apply` with one that has it no more")
        return plan
    }

    // MARK: Parts

    private func plan(
        _ operation: String, _ name: String, _ make: (LoadBalancerView, LoadBalancerView.Server) throws -> ([LoadBalancerAction.Step], String?)
    ) throws -> LoadBalancerAction.Plan {
        var plan = LoadBalancerAction.Plan(operation: operation, subject: subject, steps: [])
        for view in views {
            for server in try view.servers(named: name) {
                let (steps, refusal) = try make(view, server)
                plan.steps += steps
                if let refusal { plan.refusals.append(refusal) }
            }
        }
        return plan
    }

    private func set(
        _ mode: ServerState.Mode, _ server: LoadBalancerView.Server, _ view: LoadBalancerView, reason: String, effect: String
    ) -> LoadBalancerAction.Step {
        let target = Target(loadBalancer: view.loadBalancer, server: server.reference)
        let title = mode == .maint ? "put \(server.reference) into maintenance" : "drain \(server.reference)"
        return Step(
            id: "\(mode.rawValue) \(view.loadBalancer) \(server.reference)", title: "\(title) on \(view.loadBalancer)", target: server.reference,
            reason: reason, effect: "\(effect) (\(server.sessions) now)",
            undo: .by(.set(target, server.mode), title: server.mode == .ready ? "open it again" : "set it to \(server.mode.rawValue) again"),
            isDisruptive: true, action: .set(target, mode))
    }

    private func wait(
        _ target: LoadBalancerAction.Target, _ server: LoadBalancerView.Server, seconds: Double, then leftover: LoadBalancerAction.Leftover
    ) -> LoadBalancerAction.Step {
        Step(
            id: "sessions \(target.loadBalancer) \(target.server)", title: "wait until \(target.server) has no sessions on \(target.loadBalancer)",
            target: target.server, reason: "who is connected is to finish",
            effect: leftover == .leave
                ? "none: what is left after \(seconds.wholeSeconds) s stays"
                : "what is left after \(seconds.wholeSeconds) s is cut off, and connects anew elsewhere",
            undo: .nothing(because: "sessions come back by themselves"), expectedSeconds: seconds, isDisruptive: leftover == .shutDown,
            action: .awaitSessions(target, seconds: seconds, then: leftover))
    }

    private func awaitTraffic(_ target: LoadBalancerAction.Target) -> LoadBalancerAction.Step {
        Step(
            id: "traffic \(target.loadBalancer) \(target.server)", title: "wait until \(target.server) takes traffic on \(target.loadBalancer)",
            target: target.server, reason: "a server that is open and down serves nobody", effect: "none",
            undo: .nothing(because: "it only looks"), expectedSeconds: 5, isDisruptive: false, action: .awaitTraffic(target))
    }

    /// Why a server may not go, or nil.
    private func refusal(for server: LoadBalancerView.Server, _ view: LoadBalancerView) -> String? {
        guard server.takesTraffic, view.others(beside: server).isEmpty else { return nil }
        let others = view.servers.filter { $0.backend == server.backend && $0.name != server.name }
        let why = others.isEmpty ? "it has no other" : others.map { "\($0.name) is \($0.statusText)" }.joined(separator: ", ")
        return "\(server.reference) is the last server on \(view.loadBalancer) that takes traffic (\(why)). Bring another up first."
    }
}
