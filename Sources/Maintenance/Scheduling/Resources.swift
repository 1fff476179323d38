/// Amounts of what pods ask for and nodes have.
package struct Resources: Sendable, Hashable {
    /// Thousandths of a processor.
    package var cpu: Int64
    /// Bytes.
    package var memory: Int64
    /// Places for pods.
    package var pods: Int64
    /// Everything else, by name: `nvidia.com/gpu`, `ephemeral-storage`.
    package var others: [String: Int64]

    package init(cpu: Int64 = 0, memory: Int64 = 0, pods: Int64 = 0, others: [String: Int64] = [:]) {
        self.cpu = cpu
        self.memory = memory
        self.pods = pods
        self.others = others
    }

    private static func add(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? (right < 0 ? .min : .max) : sum
    }

    package static func += (left: inout Resources, right: Resources) {
        left.cpu = add(left.cpu, right.cpu)
        left.memory = add(left.memory, right.memory)
        left.pods = add(left.pods, right.pods)
        for (name, amount) in right.others { left.others[name] = add(left.others[name, default: 0], amount) }
    }

    package static func -= (left: inout Resources, right: Resources) {
        left.cpu = add(left.cpu, -max(right.cpu, .min + 1))
        left.memory = add(left.memory, -max(right.memory, .min + 1))
        left.pods = add(left.pods, -max(right.pods, .min + 1))
        for (name, amount) in right.others { left.others[name] = add(left.others[name, default: 0], -max(amount, .min + 1)) }
    }

    package mutating func formMaximum(_ other: Resources) {
        cpu = max(cpu, other.cpu)
        memory = max(memory, other.memory)
        pods = max(pods, other.pods)
        for (name, amount) in other.others { others[name] = max(others[name, default: 0], amount) }
    }

    /// What of `request` is more than this, by name; empty when it fits. What is not asked for does not matter.
    package func missing(for request: Resources) -> [String] {
        var names: [String] = []
        if request.cpu > 0, request.cpu > cpu { names.append("cpu") }
        if request.memory > 0, request.memory > memory { names.append("memory") }
        if request.pods > 0, request.pods > pods { names.append("pods") }
        for (name, amount) in request.others.sorted(by: { $0.key < $1.key }) where amount > 0 && amount > others[name, default: 0] {
            names.append(name)
        }
        return names
    }

    package func fits(_ request: Resources) -> Bool {
        (request.cpu <= 0 || request.cpu <= cpu) && (request.memory <= 0 || request.memory <= memory) && (request.pods <= 0 || request.pods <= pods)
            && (request.others.isEmpty || missing(for: request).isEmpty)
    }
}

/// A mark of a node that keeps pods away (core/v1 Taint).
package struct Taint: Sendable, Hashable {
    package var key: String
    package var value: String
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
    package var effect: String

    package init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }

    /// Put by the node controller on a cordoned node.
    package static let unschedulable = Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule")
}

/// Which taints a pod does not mind (core/v1 Toleration).
package struct Toleration: Sendable, Hashable {
    /// Empty, with `exists`, for every key.
    package var key: String
    package var value: String
    package var exists: Bool
    /// Empty for every effect.
    package var effect: String
    /// How long a NoExecute taint is borne; nil for ever.
    package var seconds: Double?

    package init(key: String = "", value: String = "", exists: Bool = false, effect: String = "", seconds: Double? = nil) {
        self.key = key
        self.value = value
        self.exists = exists
        self.effect = effect
        self.seconds = seconds
    }

    package func tolerates(_ taint: Taint) -> Bool {
        (effect.isEmpty || effect == taint.effect) && (key.isEmpty ? exists : key == taint.key) && (exists || value == taint.value)
    }
}
