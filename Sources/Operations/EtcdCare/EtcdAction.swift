package import Etcd
internal import Foundation
package import Maintenance

/// What drydock does to a live etcd cluster. A new member has no ID before it is added, so it is known by its peer URLs.
package enum EtcdAction: Codable, Sendable, Equatable {
    /// Remove the history before this revision, on every member.
    case compact(revision: Int64)
    case defragment(member: MemberID)
    /// Hand leadership from this member to the follower that is most up to date.
    case moveLeader(from: MemberID)
    /// Hand leadership to this member.
    case makeLeader(member: MemberID)
    /// Make sure that every database is smaller than this share of its quota.
    case requireSpace(share: Double)
    case disarmNoSpace
    /// Write a key, read it back, delete it.
    case proveWrite
    case addMember(peerURLs: [String], isLearner: Bool)
    /// Wait until the member with these peer URLs has started and has applied what the leader has.
    case awaitCaughtUp(peerURLs: [String])
    case promote(peerURLs: [String])
    /// - mustBeDead: the plan counts on it, so it must still be dead when its turn comes.
    case remove(member: MemberID, mustBeDead: Bool = false)
    case removeAdded(peerURLs: [String])
    case checkConsistency

    package typealias Plan = Maintenance.Plan<EtcdAction>
    package typealias Step = Maintenance.Step<EtcdAction>
}

/// A member's ID in plans and journals: written in hexadecimal, as etcd prints it, because most readers of JSON lose digits of a 64-bit number.
package struct MemberID: Codable, Sendable, Hashable, ExpressibleByIntegerLiteral {
    package var value: UInt64

    package init(_ value: UInt64) { self.value = value }

    package init(integerLiteral value: UInt64) { self.value = value }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = UInt64(try container.decode(String.self), radix: 16) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a member's ID is a hexadecimal number")
        }
        self.value = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value.memberText)
    }
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
package struct EtcdRunSettings: RunSettings, Equatable {
    package var endpoints: [String]
    package var authority: String?
    package var certificate: String?
    package var key: String?
    package var user: String?
    package var dialSeconds: Double
    package var commandSeconds: Double
    package var limits: CareLimits
    package var window: Window?
    /// How long the run may take each time that it is begun or resumed, seconds; nil for as long as it takes.
    package var maxSeconds: Double?
    /// The alarms that stood when the run began: the gate does not wait for them, and stops at any other.
    package var alarms: [Alarm]
    /// Members that were down when the run began, and that it does without.
    package var absent: [UInt64]
    /// The members' quota where they do not tell it, bytes.
    package var quota: Int64?
    /// Whether a full quota is what the run is about.
    package var toleratesNoSpace: Bool
    /// Whether a person took the risk that the quorum arithmetic warns of.
    package var acceptsRisk: Bool

    /// The settings of a run that begins on a cluster that looks like `view`.
    package init(
        configuration: EtcdConfiguration, view: ClusterView, limits: CareLimits = CareLimits(), window: Window? = nil, maxSeconds: Double? = nil,
        quota: Int64? = nil, toleratesNoSpace: Bool = false, acceptsRisk: Bool = false
    ) {
        endpoints = configuration.endpoints.map(\.description)
        // The run may be resumed from another folder.
        func absolute(_ path: String?) -> String? { path.map { URL(fileURLWithPath: $0).path } }
        authority = absolute(configuration.tls?.authority)
        certificate = absolute(configuration.tls?.certificate)
        key = absolute(configuration.tls?.key)
        user = configuration.credentials?.user
        dialSeconds = configuration.dialTimeout.seconds
        commandSeconds = configuration.commandTimeout.seconds
        self.limits = limits
        self.window = window
        self.maxSeconds = maxSeconds
        // In an outage what is left has to do.
        absent = toleratesNoSpace ? view.voters.filter { !$0.isHealthy }.map(\.member.id) : []
        self.quota = quota
        alarms = view.alarms
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
