/// Disruption budgets, and quickly those that cover a pod: most selectors name one label and its value, and are looked up by that.
package struct BudgetIndex: Sendable {
    private struct Label: Hashable, Sendable {
        var namespace: String
        var key: String
        var value: String
    }

    private var budgets: [ObjectName: DisruptionBudget] = [:]
    private var byLabel: [Label: Set<ObjectName>] = [:]
    /// Budgets whose selectors name no single value, by namespace.
    private var others: [String: Set<ObjectName>] = [:]

    package init() {}

    package subscript(name: ObjectName) -> DisruptionBudget? { budgets[name] }

    package var all: some Collection<DisruptionBudget> { budgets.values }

    private static func label(_ budget: DisruptionBudget) -> Label? {
        guard let rule = budget.selector?.requirements.first(where: { $0.operation == .isIn && $0.values.count == 1 }) else { return nil }
        return Label(namespace: budget.name.namespace, key: rule.key, value: rule.values[0])
    }

    /// - Returns: what stood there before.
    @discardableResult
    package mutating func set(_ budget: DisruptionBudget) -> DisruptionBudget? {
        let before = budgets.updateValue(budget, forKey: budget.name)
        guard before == nil || before?.selector != budget.selector else { return before }
        if let before { unfile(before) }
        if let label = Self.label(budget) {
            byLabel[label, default: []].insert(budget.name)
        } else {
            others[budget.name.namespace, default: []].insert(budget.name)
        }
        return before
    }

    @discardableResult
    package mutating func remove(_ name: ObjectName) -> DisruptionBudget? {
        guard let before = budgets.removeValue(forKey: name) else { return nil }
        unfile(before)
        return before
    }

    private mutating func unfile(_ budget: DisruptionBudget) {
        if let label = Self.label(budget) { byLabel[label]?.remove(budget.name) } else { others[budget.name.namespace]?.remove(budget.name) }
    }

    /// The budgets that cover a pod, in the order of their names.
    package func covering(_ pod: PodFacts) -> [DisruptionBudget] {
        var found: [DisruptionBudget] = []
        func look(_ names: Set<ObjectName>?) {
            for name in names ?? [] { if let budget = budgets[name], budget.covers(pod) { found.append(budget) } }
        }
        for (key, value) in pod.labels { look(byLabel[Label(namespace: pod.name.namespace, key: key, value: value)]) }
        if !others.isEmpty { look(others[pod.name.namespace]) }
        return found.count > 1 ? found.sorted { $0.name < $1.name } : found
    }
}
