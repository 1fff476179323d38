package import HAProxy
package import Maintenance

/// What can be done to a server or to the configuration of a load balancer.
package enum LoadBalancerAction: Codable, Sendable, Equatable {
    package typealias Plan = Maintenance.Plan<LoadBalancerAction>
    package typealias Step = Maintenance.Step<LoadBalancerAction>

    /// A server as HAProxy names it, `backend/server`, and the load balancer that has it.
    package struct Target: Codable, Sendable, Equatable {
        package var loadBalancer: String
        package var server: String
    }

    /// What sessions get that are still there when nobody waits for them any longer.
    package enum Leftover: String, Codable, Sendable {
        case leave
        case shutDown
    }

    /// What an administrator asked of a server at run time.
    package struct Desired: Codable, Sendable, Equatable {
        package var server: String
        package var mode: ServerState.Mode
        /// nil for what the configuration says.
        package var weight: Int?
    }

    case set(Target, ServerState.Mode)
    case awaitSessions(Target, seconds: Double, then: Leftover)
    case awaitTraffic(Target)
    case setWeight(Target, Int)
    case add(Target, address: String, keywords: [String])
    case remove(Target)

    /// Brings the new configuration to the host, and has HAProxy read it.
    case stage(loadBalancer: String)
    case discard(loadBalancer: String)
    /// Gives it its name; the old one is kept.
    case replace(loadBalancer: String)
    /// Loads it into a new worker.
    case reload(loadBalancer: String)
    /// Asks again for what was asked at run time, which a reload forgets.
    case reapply(loadBalancer: String, [Desired])
    case awaitHealth(loadBalancer: String, servers: [String])
    /// The old configuration, loaded, with what was asked at run time.
    case putBack(loadBalancer: String, [Desired])
}

/// What a run on load balancers was asked for.
package struct LoadBalancerRunSettings: RunSettings, Equatable {
    package var loadBalancers: [LoadBalancer]
    package var window: Window?
    package var maxSeconds: Double?
    /// How long a server or a worker may take to be well.
    package var settleSeconds: Double
    /// A new configuration; it may hold passwords, so only its place is kept.
    package var candidate: Candidate?

    package struct Candidate: Codable, Sendable, Equatable {
        /// On this machine.
        package var path: String
        /// Hexadecimal: what is applied is what was planned.
        package var digest: String
        /// Tells this run's files from those of others.
        package var tag: String
    }

    package init(
        loadBalancers: [LoadBalancer], window: Window? = nil, maxSeconds: Double? = nil, settleSeconds: Double = 60, candidate: Candidate? = nil
    ) {
        self.loadBalancers = loadBalancers
        self.window = window
        self.maxSeconds = maxSeconds
        self.settleSeconds = settleSeconds
        self.candidate = candidate
    }

    func loadBalancer(_ name: String) throws -> LoadBalancer {
        guard let found = loadBalancers.first(where: { $0.name == name }) else {
            throw OperationError(.invalid, "the run knows no load balancer \(name).")
        }
        return found
    }

    /// What the lock of a run is on.
    package var subject: String { "haproxy of \(loadBalancers.map(\.name).joined(separator: ", "))" }
}
