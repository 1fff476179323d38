/// An amount of a resource: `500m`, `2`, `1.5Gi`, `1e3` (apimachinery's resource.Quantity).
package struct Quantity: Sendable, Hashable, Comparable {
    /// In thousandths, rounded up; amounts too large count as the largest there is.
    package var thousandths: Int64

    package init(thousandths: Int64) { self.thousandths = thousandths }

    package static let zero = Quantity(thousandths: 0)

    /// The amount in whole units, rounded up.
    package var units: Int64 { thousandths >= 0 ? thousandths / 1000 + (thousandths % 1000 > 0 ? 1 : 0) : thousandths / 1000 }

    /// Nil for what is no quantity.
    package init?(_ text: String) {
        let suffixes: [(String, Double)] = [
            ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50), ("Ei", 0x1p60), ("n", 1e-9), ("u", 1e-6), ("m", 1e-3),
            ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18), ("", 1),
        ]
        guard let last = text.utf8.last, text.utf8.count <= 64 else { return nil }
        if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(last), let whole = Int64(text) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: 1000)
            thousandths = overflow ? (whole < 0 ? .min : .max) : product
            return
        }
        guard let (suffix, factor) = suffixes.first(where: { text.hasSuffix($0.0) }),
            text.dropLast(suffix.count).allSatisfy({ $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }),
            let number = Double(text.dropLast(suffix.count)),
            number.isFinite
        else { return nil }
        let value = (number * factor * 1000).rounded(.up)
        thousandths = value >= 0x1p63 ? .max : value <= -0x1p63 ? .min : Int64(value)
    }

    package static func < (left: Quantity, right: Quantity) -> Bool { left.thousandths < right.thousandths }

    package static func + (left: Quantity, right: Quantity) -> Quantity {
        let (sum, overflow) = left.thousandths.addingReportingOverflow(right.thousandths)
        return Quantity(thousandths: overflow ? (right.thousandths < 0 ? .min : .max) : sum)
    }
}

extension JSON {
    /// A quantity, written as a string or as a number; zero where there is none.
    package var quantity: Quantity {
        switch self {
        case .string(let text): Quantity(text) ?? .zero
        case .integer(let value): Quantity(String(value)) ?? .zero
        case .number(let value): Quantity("\(value)") ?? .zero
        default: .zero
        }
    }
}
