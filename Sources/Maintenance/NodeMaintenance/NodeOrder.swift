/// In which order nodes go.
package struct NodeOrder: Sendable, Equatable {
    package enum Zones: String, Sendable, Equatable, CaseIterable {
        /// Whatever their zones.
        case any = "Any"
        /// A zone is finished before the next begins.
        case oneAtATime = "OneAtATime"
        /// Round the zones, so that nodes which go at once are not all of one.
        case roundRobin = "RoundRobin"
    }

    package var zones = Zones.roundRobin
    /// Nodes that match the first selector go first, then those of the second, and so on; the others come last.
    package var first: [LabelSelector] = []
    /// A label whose number says which go first, the smaller first; nodes without it count as 0.
    package var priorityLabel: String?
    package var controlPlaneLast = true

    package init() {}

    package struct Place: Sendable, Equatable {
        package var name: String
        package var labels: [String: String]
        package var zone: String
        package var isControlPlane: Bool

        package init(name: String, labels: [String: String], zone: String, isControlPlane: Bool) {
            self.name = name
            self.labels = labels
            self.zone = zone
            self.isControlPlane = isControlPlane
        }
    }

    /// The nodes by rank (control plane, selectors, priority), zone and name.
    package func sort(_ nodes: [Place]) -> [String] {
        struct Rank: Hashable, Comparable {
            var controlPlane: Int
            var selector: Int
            var priority: Int64

            static func < (left: Rank, right: Rank) -> Bool {
                (left.controlPlane, left.selector, left.priority) < (right.controlPlane, right.selector, right.priority)
            }
        }
        let groups = Dictionary(grouping: nodes) { node in
            Rank(
                controlPlane: controlPlaneLast && node.isControlPlane ? 1 : 0,
                selector: first.firstIndex { $0.matches(node.labels) } ?? first.count,
                priority: priorityLabel.flatMap { node.labels[$0] }.flatMap { Int64($0) } ?? 0)
        }
        return groups.sorted { $0.key < $1.key }.flatMap { byZone($0.value) }
    }

    private func byZone(_ nodes: [Place]) -> [String] {
        let sorted = nodes.sorted { ($0.zone, $0.name) < ($1.zone, $1.name) }
        switch zones {
        case .any: return nodes.map(\.name).sorted()
        case .oneAtATime: return sorted.map(\.name)
        case .roundRobin:
            let zones = Dictionary(grouping: sorted, by: \.zone).sorted { $0.key < $1.key }.map { $0.value.map(\.name) }
            let longest = zones.map(\.count).max() ?? 0
            return (0..<longest).flatMap { index in zones.compactMap { index < $0.count ? $0[index] : nil } }
        }
    }
}
