package import Foundation

/// Times as the Kubernetes API writes them.
///
/// `Time` (creationTimestamp and most others) is RFC 3339 without fraction; `MicroTime` (Lease, events.k8s.io) demands exactly six fractional
/// digits: a real 1.20.2 refuses `…10Z` and `….5Z` with 400.
package enum Timestamp {
    /// `2026-11-22T10:49:08Z`; the fraction is cut off, as Go's formatter does.
    package static func time(_ date: Date) -> String { text(secondsAndMicroseconds(date).seconds) + "Z" }

    /// `2026-11-22T10:45:12.500000Z`.
    package static func microTime(_ date: Date) -> String {
        let (seconds, microseconds) = secondsAndMicroseconds(date)
        let digits = String(microseconds)
        return "\(text(seconds)).\(String(repeating: "0", count: 6 - digits.count))\(digits)Z"
    }

    /// Reads either form, and any offset; nil for what is no time.
    package static func date(_ text: String?) -> Date? {
        guard let text else { return nil }
        var scanner = Scanner(text.utf8[...])
        guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"), let day = scanner.digits(2),
            scanner.skip("T") || scanner.skip("t"), let hour = scanner.digits(2), scanner.skip(":"), let minute = scanner.digits(2),
            scanner.skip(":"),
            let second = scanner.digits(2), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var fraction = 0.0
        if scanner.skip(".") {
            var scale = 0.1
            while let digit = scanner.digits(1) {
                fraction += Double(digit) * scale
                scale /= 10
            }
        }
        var offset = 0
        if !scanner.skip("Z"), !scanner.skip("z") {
            let sign = scanner.skip("+") ? 1 : scanner.skip("-") ? -1 : 0
            guard sign != 0, let hours = scanner.digits(2), scanner.skip(":"), let minutes = scanner.digits(2) else { return nil }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        guard scanner.rest.isEmpty else { return nil }
        let seconds = days(year: year, month: month, day: day) * 86400 + hour * 3600 + minute * 60 + second - offset
        return Date(timeIntervalSince1970: Double(seconds) + fraction)
    }

    private static func secondsAndMicroseconds(_ date: Date) -> (seconds: Int, microseconds: Int) {
        // Years 1 to 9999, what RFC 3339 can say.
        let bounded = min(max(date.timeIntervalSince1970, -62_135_596_800), 253_402_300_799)
        // Doubles of this size are exact to a quarter of a microsecond.
        let microseconds = Int((bounded * 1_000_000).rounded())
        let seconds = microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000
        return (seconds, microseconds - seconds * 1_000_000)
    }

    private static func text(_ seconds: Int) -> String {
        let day = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400
        let second = seconds - day * 86400
        let (year, month, date) = civil(day)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let digits = String(year)
        return
            "\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)-\(two(month))-\(two(date))T\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
    }

    // The proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.

    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ day: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    private struct Scanner {
        var rest: Substring.UTF8View

        init(_ text: Substring.UTF8View) { rest = text }

        mutating func digits(_ count: Int) -> Int? {
            let found = rest.prefix(count)
            guard found.count == count, found.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
            rest = rest.dropFirst(count)
            return found.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest = rest.dropFirst()
            return true
        }
    }
}
