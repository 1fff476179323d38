/// When a member is worth defragmenting: a condition over its sizes, in the notation that users of etcd-defrag know.
///
///     dbSizeFree > 200*1024*1024 || dbQuotaUsage > 0.8 && fragmentation >= 0.3
///
/// Names: `dbSize`, `dbSizeInUse`, `dbSizeFree` (their difference) and `dbQuota` in bytes; `dbQuotaUsage` (dbSize / dbQuota) and
/// `fragmentation` (dbSizeFree / dbSize) as fractions. Numbers may end in KiB, MiB or GiB. Operators, from the weakest: `||`, `&&`, `!`,
/// comparisons (`<` `<=` `>` `>=` `==` `!=`), `+` `-`, `*` `/` `%`; parentheses. A condition on a division by zero does not
/// hold, and neither does its negation.
package struct DefragRule: Sendable, Equatable, CustomStringConvertible {
    /// The sizes of one member, bytes.
    package struct Sizes: Sendable, Equatable {
        package var dbSize: Int64
        package var dbSizeInUse: Int64
        /// nil when nobody knows the quota.
        package var dbQuota: Int64?

        package init(dbSize: Int64, dbSizeInUse: Int64, dbQuota: Int64?) {
            self.dbSize = dbSize
            self.dbSizeInUse = dbSizeInUse
            self.dbQuota = dbQuota
        }

        package var dbSizeFree: Int64 { max(0, dbSize - dbSizeInUse) }
        /// The share of the file that is free, 0 to 1.
        package var fragmentation: Double { dbSize > 0 ? Double(dbSizeFree) / Double(dbSize) : 0 }
    }

    /// As it was written.
    package let description: String
    private let condition: Expression

    /// - Throws: `MaintenanceError` with the column of what cannot be understood.
    package init(_ text: String) throws(MaintenanceError) {
        description = text
        var parser = RuleParser(text)
        condition = try parser.parse()
    }

    package static func == (left: DefragRule, right: DefragRule) -> Bool { left.description == right.description }

    /// Whether the rule asks for the quota, which not every member tells.
    package var needsQuota: Bool { condition.names.contains { $0 == .dbQuota || $0 == .dbQuotaUsage } }

    /// Whether a member of these sizes is worth defragmenting. Without a known quota every comparison with it is false.
    package func matches(_ sizes: Sizes) -> Bool {
        if case .truth(let answer?) = condition.value(for: sizes) { return answer }
        return false
    }
}

extension DefragRule: Codable {
    package init(from decoder: any Decoder) throws { try self.init(try decoder.singleValueContainer().decode(String.self)) }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// What a rule was understood as.
indirect enum Expression: Sendable {
    enum Name: String, CaseIterable, Sendable { case dbSize, dbSizeInUse, dbSizeFree, dbQuota, dbQuotaUsage, fragmentation }

    enum Value {
        case number(Double)
        /// nil when it cannot be told.
        case truth(Bool?)
    }

    case number(Double)
    case name(Name)
    case not(Expression)
    case negative(Expression)
    case binary(String, Expression, Expression)

    /// Whether it is a condition rather than a number.
    var isCondition: Bool {
        switch self {
        case .number, .name, .negative: false
        case .not: true
        case .binary(let symbol, _, _): !["+", "-", "*", "/", "%"].contains(symbol)
        }
    }

    var names: [Name] {
        switch self {
        case .number: []
        case .name(let name): [name]
        case .not(let inner), .negative(let inner): inner.names
        case .binary(_, let left, let right): left.names + right.names
        }
    }

    /// A number that is not known (a division by zero, a quota that nobody tells) makes what is said of it unknown, its negation too.
    func value(for sizes: DefragRule.Sizes) -> Value {
        switch self {
        case .number(let number): return .number(number)
        case .name(let name): return .number(name.value(in: sizes))
        case .not(let inner): return .truth(inner.truth(for: sizes).map { !$0 })
        case .negative(let inner): return .number(-inner.number(for: sizes))
        case .binary("&&", let left, let right):
            let (a, b) = (left.truth(for: sizes), right.truth(for: sizes))
            return .truth(a == false || b == false ? false : a == nil || b == nil ? nil : true)
        case .binary("||", let left, let right):
            let (a, b) = (left.truth(for: sizes), right.truth(for: sizes))
            return .truth(a == true || b == true ? true : a == nil || b == nil ? nil : false)
        case .binary(let symbol, let left, let right):
            let (a, b) = (left.number(for: sizes), right.number(for: sizes))
            switch symbol {
            case "+": return .number(a + b)
            case "-": return .number(a - b)
            case "*": return .number(a * b)
            case "/": return .number(b == 0 ? .nan : a / b)
            case "%": return .number(b == 0 ? .nan : a.truncatingRemainder(dividingBy: b))
            case _ where a.isNaN || b.isNaN: return .truth(nil)
            case "<": return .truth(a < b)
            case "<=": return .truth(a <= b)
            case ">": return .truth(a > b)
            case ">=": return .truth(a >= b)
            case "==": return .truth(a == b)
            default: return .truth(a != b)
            }
        }
    }

    private func truth(for sizes: DefragRule.Sizes) -> Bool? {
        if case .truth(let truth) = value(for: sizes) { return truth }
        return nil
    }

    private func number(for sizes: DefragRule.Sizes) -> Double {
        if case .number(let number) = value(for: sizes) { return number }
        return .nan
    }
}

extension Expression.Name {
    func value(in sizes: DefragRule.Sizes) -> Double {
        let quota = sizes.dbQuota.map(Double.init) ?? .nan
        switch self {
        case .dbSize: return Double(sizes.dbSize)
        case .dbSizeInUse: return Double(sizes.dbSizeInUse)
        case .dbSizeFree: return Double(sizes.dbSizeFree)
        case .dbQuota: return quota
        case .dbQuotaUsage: return quota == 0 ? .nan : Double(sizes.dbSize) / quota
        case .fragmentation: return sizes.fragmentation
        }
    }
}
