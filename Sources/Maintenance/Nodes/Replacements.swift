/// Which pods went for the sake of which node, and which of them have been replaced: of each workload the one that went first is replaced by the
/// pod that becomes ready first. So a node that is drained waits for as many pods as it gave away, whatever others give away meanwhile.
struct Replacements: Sendable {
    /// The pods that a workload lacks, in the order in which they went: for which node; nil for those that went without a drain.
    private var missing: [String: [String?]] = [:]
    private var nodes: [String: Set<String>] = [:]
    /// How many pods of each workload went for a node and have not been replaced.
    private var owed: [String: [String: Int]] = [:]

    /// From now on the workload's pods count for the node.
    /// - Parameter unready: how many of its pods are not ready as it is, if it was not followed before.
    mutating func follow(_ workload: String, for node: String, unready: Int) {
        if missing[workload] == nil { missing[workload] = Array(repeating: nil, count: max(0, unready)) }
        nodes[workload, default: []].insert(node)
        owed[node, default: [:]][workload, default: 0] += 0
    }

    /// A ready pod is ready no more, or is going.
    /// - Parameter node: for whose sake, where that is a node that is drained.
    mutating func lost(_ workload: String, for node: String?) {
        guard missing[workload] != nil else { return }
        let payer = node.flatMap { owed[$0] == nil ? nil : $0 }
        missing[workload]?.append(payer)
        if let payer { owed[payer]?[workload, default: 0] += 1 }
    }

    /// A pod has become ready.
    /// - Returns: the node that was the last to miss it, and misses nothing more.
    mutating func gained(_ workload: String) -> String? {
        guard missing[workload]?.isEmpty == false, let node = missing[workload]?.removeFirst(), let left = owed[node]?[workload] else { return nil }
        owed[node]?[workload] = max(0, left - 1)
        return unsettled(node).isEmpty ? node : nil
    }

    /// Nobody waits for the node any more.
    mutating func forget(_ node: String) {
        for workload in owed.removeValue(forKey: node)?.keys ?? [:].keys {
            nodes[workload]?.remove(node)
            if nodes[workload]?.isEmpty == true {
                nodes[workload] = nil
                missing[workload] = nil
            }
        }
    }

    /// The workloads that have not replaced what went for a node.
    func unsettled(_ node: String) -> [String] { owed[node, default: [:]].compactMap { $0.value > 0 ? $0.key : nil } }
}
