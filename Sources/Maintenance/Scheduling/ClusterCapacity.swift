/// The nodes of a cluster, what is bound to them, and where one more pod could go: kube-scheduler's filters (requests, node selector and
/// affinity, taints, pod affinity and anti-affinity, topology spread) and its preference for the least allocated node.
///
/// Used by the twin's scheduler, and to say whether the pods of a drained node fit on the nodes that stay.
package struct ClusterCapacity: Sendable {
    private struct NodeState: Sendable {
        var facts: NodeFacts
        var free: Resources
        /// As the scheduler counts for its preference: pods that ask for nothing count 100m and 200 MB.
        var allocated: (cpu: Int64, memory: Int64)
        var pods: Int
    }

    private struct Bound: Sendable {
        var node: String
        var namespace: String
        var labels: [String: String]
        var placement: PodPlacement
    }

    /// Pods of certain namespaces with certain labels, counted by the value of a node label.
    private struct Group: Hashable, Sendable {
        var namespaces: [String]
        var selector: LabelSelector
        var topologyKey: String

        func covers(_ namespace: String, _ labels: [String: String]) -> Bool { namespaces.contains(namespace) && selector.matches(labels) }
    }

    private var nodes: [NodeState] = []
    private var positions: [String: Int] = [:]
    private var bound: [String: Bound] = [:]
    /// Pods that a group covers, by domain.
    private var members: [Group: [String: Int]] = [:]
    /// Pods that must not be near those that a group covers, by domain.
    private var adversaries: [Group: [String: Int]] = [:]
    private var cursor = 0

    /// How many nodes that would do are looked at, of a large cluster.
    package static let sample = 100

    package init() {}

    // MARK: What is there

    package mutating func set(_ node: NodeFacts) {
        if let position = positions[node.name] {
            let relabelled = nodes[position].facts.labels != node.labels
            nodes[position].free -= nodes[position].facts.allocatable
            nodes[position].free += node.allocatable
            nodes[position].facts = node
            if relabelled { recount() }
        } else {
            positions[node.name] = nodes.count
            nodes.append(NodeState(facts: node, free: node.allocatable, allocated: (0, 0), pods: 0))
            // Pods that were bound to a node which nobody had told of yet.
            var isOccupied = false
            for pod in bound.values where pod.node == node.name {
                take(pod, 1)
                isOccupied = true
            }
            if isOccupied { recount() }
        }
    }

    package mutating func removeNode(_ name: String) {
        guard let position = positions.removeValue(forKey: name) else { return }
        nodes.swapAt(position, nodes.count - 1)
        nodes.removeLast()
        if position < nodes.count { positions[nodes[position].facts.name] = position }
        recount()
    }

    /// Notes that a pod is bound to a node.
    package mutating func bind(_ uid: String, namespace: String, labels: [String: String], placement: PodPlacement, to node: String) {
        if bound[uid] != nil { release(uid) }
        let pod = Bound(node: node, namespace: namespace, labels: labels, placement: placement)
        bound[uid] = pod
        take(pod, 1)
        count(pod, 1)
    }

    /// Notes that a pod is gone, or has ended.
    package mutating func release(_ uid: String) {
        guard let pod = bound.removeValue(forKey: uid) else { return }
        take(pod, -1)
        count(pod, -1)
    }

    private mutating func take(_ pod: Bound, _ sign: Int64) {
        guard let position = positions[pod.node] else { return }
        let requests = pod.placement.requests
        if sign > 0 { nodes[position].free -= requests } else { nodes[position].free += requests }
        nodes[position].allocated.cpu += sign * (requests.cpu > 0 ? requests.cpu : 100)
        nodes[position].allocated.memory += sign * (requests.memory > 0 ? requests.memory : 200 << 20)
        nodes[position].pods += Int(sign)
    }

    private func domain(_ node: String, _ key: String) -> String? {
        if key == "kubernetes.io/hostname" { return node }
        return positions[node].flatMap { nodes[$0].facts.labels[key] }
    }

    private mutating func count(_ pod: Bound, _ sign: Int) {
        for group in members.keys where group.covers(pod.namespace, pod.labels) {
            if let domain = domain(pod.node, group.topologyKey) { members[group]?[domain, default: 0] += sign }
        }
        for neighbour in pod.placement.antiAffinity {
            let group = Self.group(neighbour, pod.namespace)
            if let domain = domain(pod.node, group.topologyKey) { adversaries[group, default: [:]][domain, default: 0] += sign }
        }
    }

    private mutating func recount() {
        for group in members.keys { members[group] = [:] }
        adversaries = [:]
        for pod in bound.values { count(pod, 1) }
    }

    private static func group(_ neighbour: PodPlacement.Neighbour, _ namespace: String) -> Group {
        Group(
            namespaces: neighbour.namespaces.isEmpty ? [namespace] : neighbour.namespaces, selector: neighbour.selector,
            topologyKey: neighbour.topologyKey)
    }

    private mutating func domains(of group: Group) -> [String: Int] {
        if let known = members[group] { return known }
        var counts: [String: Int] = [:]
        for pod in bound.values where group.covers(pod.namespace, pod.labels) {
            if let domain = domain(pod.node, group.topologyKey) { counts[domain, default: 0] += 1 }
        }
        members[group] = counts
        return counts
    }

    // MARK: Where one more could go

    package enum Choice: Sendable, Equatable {
        case node(String)
        /// Why each node is none, and how many there are of that kind.
        case none([String: Int])

        /// As the scheduler's event says it: `0/5 nodes are available: 3 Insufficient cpu, 2 node(s) were unschedulable.`
        package func message(nodes: Int) -> String? {
            guard case .none(let reasons) = self else { return nil }
            let parts = reasons.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            return parts.isEmpty ? "no nodes available to schedule pods" : "0/\(nodes) nodes are available: \(parts.joined(separator: ", "))."
        }
    }

    package var nodeCount: Int { nodes.count }

    /// - Parameter excluded: nodes that are about to go, by name.
    package mutating func choose(
        namespace: String, labels: [String: String], placement: PodPlacement, excluding excluded: Set<String> = []
    ) -> Choice {
        var rules = Rules()
        if placement.looksAtPods || !adversaries.isEmpty { rules = makeRules(namespace, labels, placement) }
        var reasons: [String: Int] = [:]
        var best: (score: Double, position: Int)?
        var found = 0
        for step in 0..<nodes.count {
            let position = (cursor + step) % nodes.count
            if let reason = obstacle(at: position, placement, rules, excluded) {
                reasons[reason, default: 0] += 1
                continue
            }
            let score = score(at: position, placement)
            if best.map({ score > $0.score }) ?? true { best = (score, position) }
            found += 1
            if found == Self.sample {
                cursor = (position + 1) % nodes.count
                break
            }
        }
        guard let best else { return .none(reasons) }
        return .node(nodes[best.position].facts.name)
    }

    /// Whether a pod may be on one certain node, as its DaemonSet asks: nil, or the reason.
    package func obstacle(on node: String, placement: PodPlacement) -> String? {
        guard let position = positions[node] else { return "node(s) not found" }
        return obstacle(at: position, placement, Rules(), [])
    }

    /// As `obstacle`, for a pod that is there already, so that room does not matter, nor taints that only keep new pods away.
    package func mismatch(on node: String, placement: PodPlacement) -> String? {
        guard let position = positions[node] else { return "node(s) not found" }
        return Self.matches(nodes[position].facts, placement) ? nil : "node(s) didn't match node selector"
    }

    /// What other pods mean for a pod, by topology key: domains that it must keep out of, or be in.
    private struct Rules {
        var forbidden: [String: (domains: Set<String>, reason: String)] = [:]
        var wanted: [(key: String, domains: Set<String>)] = []
        /// Every node must have these labels.
        var keys: [String] = []

        var areNone: Bool { forbidden.isEmpty && wanted.isEmpty && keys.isEmpty }
    }

    private mutating func makeRules(_ namespace: String, _ labels: [String: String], _ placement: PodPlacement) -> Rules {
        var rules = Rules()
        func forbid(_ key: String, _ domains: some Sequence<String>, _ reason: String) {
            rules.forbidden[key, default: ([], reason)].domains.formUnion(domains)
        }
        for neighbour in placement.antiAffinity {
            let group = Self.group(neighbour, namespace)
            forbid(group.topologyKey, domains(of: group).filter { $0.value > 0 }.keys, "node(s) didn't match pod affinity/anti-affinity rules")
        }
        for (group, counts) in adversaries where group.covers(namespace, labels) {
            forbid(group.topologyKey, counts.filter { $0.value > 0 }.keys, "node(s) didn't satisfy existing pods anti-affinity rules")
        }
        for neighbour in placement.affinity {
            let group = Self.group(neighbour, namespace)
            let present = Set(domains(of: group).filter { $0.value > 0 }.keys)
            // The first of its kind may be anywhere when it is one of those that it looks for.
            if present.isEmpty, group.covers(namespace, labels) {
                rules.keys.append(group.topologyKey)
            } else {
                rules.wanted.append((group.topologyKey, present))
            }
        }
        for spread in placement.spreads {
            let counts = domains(of: Group(namespaces: [namespace], selector: spread.selector, topologyKey: spread.topologyKey))
            var least = Int.max
            var eligible: Set<String> = []
            for node in nodes where Self.matches(node.facts, placement) {
                guard let domain = spread.topologyKey == "kubernetes.io/hostname" ? node.facts.name : node.facts.labels[spread.topologyKey] else {
                    continue
                }
                eligible.insert(domain)
                least = min(least, counts[domain, default: 0])
            }
            let itself = spread.selector.matches(labels) ? 1 : 0
            forbid(
                spread.topologyKey, eligible.filter { counts[$0, default: 0] + itself - least > spread.maxSkew },
                "node(s) didn't match pod topology spread constraints")
            rules.keys.append(spread.topologyKey)
        }
        return rules
    }

    private static func matches(_ node: NodeFacts, _ placement: PodPlacement) -> Bool {
        placement.nodeSelector.allSatisfy { node.labels[$0.key] == $0.value }
            && placement.nodeTerms.map { terms in terms.contains { $0.matches(node.labels) } } ?? true
    }

    private func obstacle(at position: Int, _ placement: PodPlacement, _ rules: Rules, _ excluded: Set<String>) -> String? {
        // Read in place: a copy would count references up and down for every node that is looked at.
        if !excluded.isEmpty, excluded.contains(nodes[position].facts.name) { return "node(s) are to be drained" }
        if nodes[position].facts.isUnschedulable, !placement.tolerates(.unschedulable) { return "node(s) were unschedulable" }
        for taint in nodes[position].facts.taints
        where taint.effect != "PreferNoSchedule" && taint != .unschedulable && !placement.tolerates(taint) {
            return "node(s) had taint {\(taint.key): \(taint.value)}, that the pod didn't tolerate"
        }
        if placement.choosesNodes, !Self.matches(nodes[position].facts, placement) { return "node(s) didn't match node selector" }
        if !nodes[position].free.fits(placement.requests) {
            let missing = nodes[position].free.missing(for: placement.requests)
            return missing == ["pods"] ? "Too many pods" : "Insufficient \(missing.first ?? "")"
        }
        if rules.areNone { return nil }
        let name = nodes[position].facts.name
        for (key, rule) in rules.forbidden {
            if let domain = domain(name, key), rule.domains.contains(domain) { return rule.reason }
        }
        for (key, domains) in rules.wanted {
            guard let domain = domain(name, key), domains.contains(domain) else { return "node(s) didn't match pod affinity rules" }
        }
        for key in rules.keys where domain(name, key) == nil {
            return "node(s) didn't match pod topology spread constraints (missing required label)"
        }
        return nil
    }

    /// More for the node of which less is taken, and less for one with a taint that asks to be passed over.
    private func score(at position: Int, _ placement: PodPlacement) -> Double {
        let cpu = Double(nodes[position].allocated.cpu + max(placement.requests.cpu, 100)) / Double(max(1, nodes[position].facts.allocatable.cpu))
        let memory =
            Double(nodes[position].allocated.memory + max(placement.requests.memory, 200 << 20))
            / Double(max(1, nodes[position].facts.allocatable.memory))
        var score = -(cpu + memory) / 2 - Double(nodes[position].pods) / 1000
        for taint in nodes[position].facts.taints where taint.effect == "PreferNoSchedule" && !placement.tolerates(taint) { score -= 1 }
        return score
    }
}
