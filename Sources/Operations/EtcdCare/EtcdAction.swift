package import Etcd
internal import Foundation
package import Maintenance

/// What drydock does to a live etcd cluster. A new member has no ID before it is added, so it is known by its peer URLs.
package enum EtcdAction: Codable, Sendable, Equatable {
    /// Remove the history before this revision, on every member.
    case compact(revision: Int64)
    case defragment(member: UInt64)
    /// Hand leadership from this member to the follower that is most up to date.
    case moveLeader(from: UInt64)
    /// Hand leadership to this member.
    case makeLeader(member: UInt64)
    /// Make sure that every database is smaller than this share of its quota.
    case requireSpace(share: Double)
    case disarmNoSpace
    /// Write a key, read it back, delete it.
    case proveWrite
    case addMember(peerURLs: [String], isLearner: Bool)
    /// Wait until the member with these peer URLs has started and has applied what the leader has.
    case awaitCaughtUp(peerURLs: [String])
    case promote(peerURLs: [String])
    case remove(member: UInt64)
    case removeAdded(peerURLs: [String])
    case checkConsistency

    /// The operation that the action belongs to must live with the NOSPACE alarm.
    package typealias Plan = Maintenance.Plan<EtcdAction>
    package typealias Step = Maintenance.Step<EtcdAction>
}

/// The bounds within which a cluster counts as settled, so that the next step may begin.
package struct CareLimits: Codable, Sendable, Equatable {
    /// Raft entries that a member may have still to apply.
    package var lag: UInt64 = 500
    /// How long a linearizable read may take, seconds.
    package var readSeconds: Double = 0.5
    /// How long to wait for the cluster to settle, seconds.
    package var patienceSeconds: Double = 120
    /// How long to wait for a new member to start and catch up, seconds.
    package var joinSeconds: Double = 600

    package init() {}
}

/// What a run needs besides its plan, kept in the journal so that it can be resumed. No secrets: the password is asked for again.
package struct EtcdRunSettings: Codable, Sendable, Equatable {
    package var endpoints: [String]
    package var authority: String?
    package var certificate: String?
    package var key: String?
    package var user: String?
    package var dialSeconds: Double
    package var commandSeconds: Double
    package var limits: CareLimits
    package var gate: Gate
    /// The alarms that stood when the run began: the gate does not wait for them, and stops at any other.
    package var alarms: [Alarm]
    /// Whether a full quota is what the run is about.
    package var toleratesNoSpace: Bool
    /// Whether a person took the risk that the quorum arithmetic warns of.
    package var acceptsRisk: Bool

    package init(
        configuration: EtcdConfiguration, limits: CareLimits, gate: Gate, alarms: [Alarm], toleratesNoSpace: Bool = false, acceptsRisk: Bool
    ) {
        endpoints = configuration.endpoints.map(\.description)
        authority = configuration.tls?.authority
        certificate = configuration.tls?.certificate
        key = configuration.tls?.key
        user = configuration.credentials?.user
        dialSeconds = configuration.dialTimeout.seconds
        commandSeconds = configuration.commandTimeout.seconds
        self.limits = limits
        self.gate = gate
        self.alarms = alarms
        self.toleratesNoSpace = toleratesNoSpace
        self.acceptsRisk = acceptsRisk
    }

    /// How to reach the cluster again.
    package func configuration(password: String?) throws -> EtcdConfiguration {
        EtcdConfiguration(
            endpoints: try endpoints.map { try Endpoint($0) },
            tls: authority == nil && certificate == nil && key == nil ? nil : .init(authority: authority, certificate: certificate, key: key),
            credentials: user.map { .init(user: $0, password: password ?? "") }, dialTimeout: .seconds(dialSeconds),
            commandTimeout: .seconds(commandSeconds))
    }
}
