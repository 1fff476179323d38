extension Duration {
    /// Seconds with their fraction.
    package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    /// Seconds from what Go's time.ParseDuration takes, as far as hours, minutes and seconds go: `1h30m`, `90s`, `1.5h`. Nil for anything else.
    package static func seconds(inGoText text: some StringProtocol) -> Double? {
        var total = 0.0
        var rest = Substring(text)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits), let factor = ["h": 3600.0, "m": 60, "s": 1][String(unit)] else { return nil }
            total += number * factor
        }
        return total.isFinite ? total : nil
    }
}
