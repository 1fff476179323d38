internal import Foundation
package import Maintenance

/// What drydock does to the nodes of a cluster.
package enum NodeAction: Codable, Sendable, Equatable {
    /// Let no new pods come.
    case cordon(node: String)
    /// Take the pods away that are there.
    case drain(node: String)
    /// Let pods come again, if it was this run that kept them away.
    case uncordon(node: String)
    /// Run one replica more of a workload, elsewhere, so that its budget lets one go.
    case scaleUp(Workload)
    /// Back to as many replicas as before.
    case scaleBack(Workload)
    /// Start the workload's pods anew, elsewhere.
    case restart(Workload)

    package typealias Plan = Maintenance.Plan<NodeAction>
    package typealias Step = Maintenance.Step<NodeAction>
}

/// What makes a workload of one replica able to go.
package enum Surge: String, Codable, Sendable, CaseIterable {
    /// One replica more for the time of the run.
    case scale
    /// A rolling restart, which brings the new pod up before the old one ends.
    case restart
}

/// What a drain was asked for; kept in the journal, so that it can be resumed. No secrets: the kubeconfig is read again.
package struct NodeRunSettings: RunSettings, Equatable {
    /// Files, absolute.
    package var kubeconfigs: [String]
    package var context: String?
    package var options: DrainMachine.Options
    package var podSelector: LabelSelector?
    /// Seconds; nil for each pod's own.
    package var gracePeriodSeconds: Int?
    /// How many nodes of the cluster may be unavailable; nil to count only those of this run.
    package var maxUnavailable: IntOrPercent?
    /// Whether no control-plane node goes while another is away.
    package var respectsQuorum: Bool
    package var window: Window?
    package var maxSeconds: Double?
    /// How long the gate may hold a step up, seconds.
    package var patienceSeconds: Double
    /// Stands in the annotation of what this run cordoned.
    package var mark: String
    /// What a person gave as the reason.
    package var reason: String?

    package init(
        kubeconfigs: [String] = [], context: String? = nil, options: DrainMachine.Options = .init(), podSelector: LabelSelector? = nil,
        gracePeriodSeconds: Int? = nil, maxUnavailable: IntOrPercent? = nil, respectsQuorum: Bool = false, window: Window? = nil,
        maxSeconds: Double? = nil, patienceSeconds: Double = 600, mark: String = UUID().uuidString, reason: String? = nil
    ) {
        self.kubeconfigs = kubeconfigs
        self.context = context
        self.options = options
        self.podSelector = podSelector
        self.gracePeriodSeconds = gracePeriodSeconds
        self.maxUnavailable = maxUnavailable
        self.respectsQuorum = respectsQuorum
        self.window = window
        self.maxSeconds = maxSeconds
        self.patienceSeconds = patienceSeconds
        self.mark = mark
        self.reason = reason
    }
}

extension NodeRunSettings {
    var terms: DrainDesk.Terms { .init(options: options, podSelector: podSelector, gracePeriodSeconds: gracePeriodSeconds) }
}

extension IntOrPercent: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = IntOrPercent(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is neither a number nor a percentage")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension LabelSelector: Codable {
    package init(from decoder: any Decoder) throws { try self.init(parsing: try decoder.singleValueContainer().decode(String.self)) }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
