package import Maintenance

extension JSON {
    /// A number or a percentage, as in budgets and strategies (apimachinery's intstr.IntOrString); nil where there is none, or it is neither.
    package var intOrPercent: IntOrPercent? {
        switch self {
        case .integer(let value): .count(Int(Int32(clamping: value)))
        case .string(let text): IntOrPercent(text)
        default: nil
        }
    }
}
