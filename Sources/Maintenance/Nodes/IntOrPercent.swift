/// A number, or a share of one: `3`, `20%` (apimachinery's intstr.IntOrString).
package enum IntOrPercent: Sendable, Hashable, CustomStringConvertible {
    case count(Int)
    /// Hundredths.
    case percent(Int)

    /// Nil for what is neither.
    package init?(_ text: String) {
        if text.hasSuffix("%") {
            guard let percent = Int(text.dropLast()), (0...1_000_000).contains(percent) else { return nil }
            self = .percent(percent)
        } else {
            // As the API has it: 32 bits.
            guard let count = Int32(text) else { return nil }
            self = .count(Int(count))
        }
    }

    package var description: String {
        switch self {
        case .count(let count): "\(count)"
        case .percent(let percent): "\(percent)%"
        }
    }

    /// The number that it means of `total`; a share that does not come out even is rounded as told (GetScaledValueFromIntOrPercent).
    package func value(of total: Int, roundingUp: Bool) -> Int {
        switch self {
        case .count(let count): count
        case .percent(let percent):
            // Totals have 31 bits, and percents are a million at most.
            (percent * total + (roundingUp ? 99 : 0)) / 100
        }
    }

    /// How many nodes may be unavailable at once: a share is rounded down, and is one at least, unless it is 0.
    package func nodes(of total: Int) -> Int {
        switch self {
        case .count(let count): max(0, count)
        case .percent(0): 0
        case .percent: max(1, value(of: total, roundingUp: false))
        }
    }
}
