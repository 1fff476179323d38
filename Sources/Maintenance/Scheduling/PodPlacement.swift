/// Where a pod may be: what the scheduler reads in its spec. One value is shared by all pods of a template.
package final class PodPlacement: Sendable, Equatable {
    /// `topologySpreadConstraints` with `DoNotSchedule`.
    package struct Spread: Sendable, Equatable {
        package var maxSkew: Int
        package var topologyKey: String
        package var selector: LabelSelector

        package init(maxSkew: Int, topologyKey: String, selector: LabelSelector) {
            self.maxSkew = maxSkew
            self.topologyKey = topologyKey
            self.selector = selector
        }
    }

    /// A required term of pod affinity or anti-affinity.
    package struct Neighbour: Sendable, Equatable {
        package var topologyKey: String
        package var namespaces: [String]
        package var selector: LabelSelector

        package init(topologyKey: String, namespaces: [String], selector: LabelSelector) {
            self.topologyKey = topologyKey
            self.namespaces = namespaces
            self.selector = selector
        }
    }

    package let requests: Resources
    package let nodeSelector: [String: String]
    /// Required node affinity: one of these must match; nil for no such rule.
    package let nodeTerms: [LabelSelector]?
    package let tolerations: [Toleration]
    package let spreads: [Spread]
    package let affinity: [Neighbour]
    package let antiAffinity: [Neighbour]
    /// Higher goes first.
    package let priority: Int

    package init(
        requests: Resources = Resources(pods: 1), nodeSelector: [String: String] = [:], nodeTerms: [LabelSelector]? = nil,
        tolerations: [Toleration] = [], spreads: [Spread] = [], affinity: [Neighbour] = [], antiAffinity: [Neighbour] = [], priority: Int = 0
    ) {
        self.requests = requests
        self.nodeSelector = nodeSelector
        self.nodeTerms = nodeTerms
        self.tolerations = tolerations
        self.spreads = spreads
        self.affinity = affinity
        self.antiAffinity = antiAffinity
        self.priority = priority
    }

    package static let anywhere = PodPlacement()

    /// Whether it may be on some nodes only, by their labels.
    package var choosesNodes: Bool { !nodeSelector.isEmpty || nodeTerms != nil }

    package static func == (left: PodPlacement, right: PodPlacement) -> Bool {
        left === right
            || left.requests == right.requests && left.nodeSelector == right.nodeSelector && left.nodeTerms == right.nodeTerms
                && left.tolerations == right.tolerations && left.spreads == right.spreads && left.affinity == right.affinity
                && left.antiAffinity == right.antiAffinity && left.priority == right.priority
    }

    package func tolerates(_ taint: Taint) -> Bool { tolerations.contains { $0.tolerates(taint) } }

    /// Whether other pods matter for where it may be.
    package var looksAtPods: Bool { !spreads.isEmpty || !affinity.isEmpty || !antiAffinity.isEmpty }
}
