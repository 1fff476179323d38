internal import KubernetesAPI
internal import Maintenance

/// Pods by what they are asked for: their node, their owner, their namespace.
struct PodIndex {
    private(set) var facts: [ObjectName: PodFacts] = [:]
    private(set) var byNode: [String: Set<ObjectName>] = [:]
    private(set) var byOwner: [String: Set<ObjectName>] = [:]
    private(set) var byNamespace: [String: Set<ObjectName>] = [:]
    /// How many pods of an owner neither go nor have ended, and how many of them are ready.
    private(set) var tallies: [String: Tally] = [:]
    /// What templates say of where pods may be, by owner; of owners whose pods are all alike.
    private var placements: [String: PodPlacement] = [:]

    struct Tally: Sendable {
        var live = 0
        var ready = 0

        fileprivate mutating func add(_ pod: PodFacts, _ sign: Int) {
            guard !pod.isTerminating, !pod.isFinished else { return }
            live += sign
            if pod.isReady { ready += sign }
        }
    }

    subscript(name: ObjectName) -> PodFacts? { facts[name] }

    func owned(by uid: String) -> [PodFacts] { (byOwner[uid] ?? []).compactMap { facts[$0] } }

    func onNode(_ node: String) -> [PodFacts] { (byNode[node] ?? []).compactMap { facts[$0] } }

    func inNamespace(_ namespace: String) -> [PodFacts] { (byNamespace[namespace] ?? []).compactMap { facts[$0] } }

    mutating func read(_ object: JSON) -> PodFacts {
        let pod = Pod(object)
        guard let owner = pod.controller, owner.kind == "ReplicaSet" else { return pod.facts() }
        if let known = placements[owner.uid] { return pod.facts(placement: known) }
        let placement = PodPlacement(pod)
        placements[owner.uid] = placement
        return pod.facts(placement: placement)
    }

    mutating func set(_ pod: PodFacts) {
        let before = facts.updateValue(pod, forKey: pod.name)
        if let owner = before?.controller?.uid, let before { tallies[owner]?.add(before, -1) }
        if let owner = pod.controller?.uid { tallies[owner, default: Tally()].add(pod, 1) }
        if before?.node != pod.node {
            if let node = before?.node { byNode[node]?.remove(pod.name) }
            if let node = pod.node { byNode[node, default: []].insert(pod.name) }
        }
        if before?.controller?.uid != pod.controller?.uid {
            if let owner = before?.controller?.uid { byOwner[owner]?.remove(pod.name) }
            if let owner = pod.controller?.uid { byOwner[owner, default: []].insert(pod.name) }
        }
        if before == nil { byNamespace[pod.name.namespace, default: []].insert(pod.name) }
    }

    mutating func remove(_ name: ObjectName) {
        guard let pod = facts.removeValue(forKey: name) else { return }
        if let node = pod.node { byNode[node]?.remove(name) }
        if let owner = pod.controller?.uid {
            tallies[owner]?.add(pod, -1)
            byOwner[owner]?.remove(name)
            if byOwner[owner]?.isEmpty == true {
                byOwner[owner] = nil
                tallies[owner] = nil
                placements[owner] = nil
            }
        }
        byNamespace[name.namespace]?.remove(name)
    }
}
