package import Foundation

/// A schedule as a Kubernetes CronJob has it (robfig/cron v3, ParseStandard): five fields, or `@daily` and its like, or `@every 6h`.
///
/// Where both days are restricted, either is enough; where one begins with `*` or `?`, both must match, and a step beyond 1 counts as a restriction, as since
/// Kubernetes 1.21. A time that a clock skips when it is put forward does not come; one that it shows twice when it is put back comes twice.
package struct CronSchedule: Sendable, Equatable, CustomStringConvertible {
    /// As it was written.
    package let description: String
    private let rule: Rule

    private enum Rule: Sendable, Equatable {
        case fields(Fields)
        /// Seconds.
        case every(Double)
    }

    private struct Fields: Sendable, Equatable {
        var minutes: Field
        var hours: Field
        var days: Field
        var months: Field
        var weekdays: Field
    }

    /// The values of a field, as bits.
    private struct Field: Sendable, Equatable {
        var bits: UInt64
        /// Whether it says nothing: `*` or `?`.
        var isOpen: Bool

        func has(_ value: Int) -> Bool { bits >> UInt64(value) & 1 == 1 }
    }

    private static let macros = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    private static let weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// - Throws: `MaintenanceError` for what a CronJob would not take either.
    package init(_ text: String) throws(MaintenanceError) {
        let trimmed = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
        description = trimmed
        func fail(_ what: String) -> MaintenanceError {
            MaintenanceError("\"\(text)\" is no schedule: \(what). Write it as a CronJob has it, such as \"0 */6 * * *\" or @daily.")
        }
        if trimmed.hasPrefix("TZ=") || trimmed.hasPrefix("CRON_TZ=") { throw fail("the time zone has an option of its own, --time-zone") }
        if trimmed.hasPrefix("@every ") {
            guard let seconds = Duration.seconds(inGoText: trimmed.dropFirst("@every ".count)), seconds >= 1 else {
                throw fail("@every takes a time like 6h or 1h30m")
            }
            rule = .every(seconds.rounded(.down))
            return
        }
        if trimmed.hasPrefix("@"), Self.macros[trimmed] == nil { throw fail("\(trimmed) is unknown") }
        let words = (Self.macros[trimmed] ?? trimmed).split(separator: " ").map(String.init)
        guard words.count == 5 else { throw fail("it has \(words.count) fields, and five are meant: minute, hour, day, month, weekday") }
        func field(_ index: Int, _ name: String, _ range: ClosedRange<Int>, _ names: [String] = []) throws(MaintenanceError) -> Field {
            guard let field = Self.field(words[index], range, names) else {
                throw fail("the \(name) \"\(words[index])\" is not of \(range.lowerBound) to \(range.upperBound)")
            }
            return field
        }
        rule = .fields(
            Fields(
                minutes: try field(0, "minute", 0...59), hours: try field(1, "hour", 0...23), days: try field(2, "day", 1...31),
                months: try field(3, "month", 1...12, Self.months), weekdays: try field(4, "weekday", 0...6, Self.weekdays)))
    }

    private static func field(_ text: String, _ range: ClosedRange<Int>, _ names: [String]) -> Field? {
        func value(_ word: Substring) -> Int? {
            if let index = names.firstIndex(of: word.lowercased()) { return range.lowerBound + index }
            guard let first = word.first, first.isASCII, first.isNumber else { return nil }
            return Int(word)
        }
        var field = Field(bits: 0, isOpen: false)
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...2).contains(pieces.count) else { return nil }
            let ends = pieces[0].split(separator: "-", omittingEmptySubsequences: false)
            let isStar = ends == ["*"] || ends == ["?"]
            var (first, last) = (range.lowerBound, range.upperBound)
            if !isStar {
                guard (1...2).contains(ends.count), let start = value(ends[0]) else { return nil }
                first = start
                if ends.count == 2 {
                    guard let end = value(ends[1]) else { return nil }
                    last = end
                } else if pieces.count == 1 {
                    last = start
                }
            }
            var step = 1
            if pieces.count == 2 {
                guard let wanted = Int(pieces[1]), wanted > 0 else { return nil }
                step = wanted
            }
            guard range.contains(first), range.contains(last), first <= last else { return nil }
            if isStar, step == 1 { field.isOpen = true }
            for value in stride(from: first, through: last, by: step) { field.bits |= 1 << UInt64(value) }
        }
        return field
    }

    /// Ends the search, as robfig's does.
    private static let horizon = 5 * 366 * 86400

    /// When it is due next, after `time`.
    /// - Returns: nil when it is not within five years: `0 0 30 2 *`.
    package func next(after time: Date, in zone: TimeZone) -> Date? {
        let fields: Fields
        switch rule {
        case .every(let seconds): return Date(timeIntervalSince1970: (time.timeIntervalSince1970 + seconds).rounded(.down))
        case .fields(let these): fields = these
        }
        var moment = (Int(time.timeIntervalSince1970.rounded(.down)) / 60 + 1) * 60
        let end = moment + Self.horizon
        while moment < end {
            let local = moment + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment)))
            let (day, second) = local.quotientAndRemainder(dividingBy: 86400)
            guard matches(day, fields) else {
                moment = Self.start(after: day, from: moment + 86400 - second, zone)
                continue
            }
            guard fields.hours.has(second / 3600) else {
                moment += 3600 - second % 3600
                continue
            }
            guard fields.minutes.has(second / 60 % 60) else {
                moment += 60 - second % 60
                continue
            }
            return Date(timeIntervalSince1970: Double(moment))
        }
        return nil
    }

    /// Whether it goes by the clock on the wall, and not by time that has passed (`@every`).
    package var isByWallClock: Bool {
        if case .fields = rule { true } else { false }
    }

    /// As `next`, for what must not be left out and not be done twice, such as a window: a time that a clock skips comes at the first moment that it
    /// shows instead, and one that it shows twice comes the first time.
    package func nextOnce(after time: Date, in zone: TimeZone) -> Date? {
        // What the clock on the wall shows, taken for the time of a place where clocks are never changed.
        var wall = Date(timeIntervalSince1970: time.timeIntervalSince1970 + Double(zone.secondsFromGMT(for: time)))
        while let shown = next(after: wall, in: .gmt) {
            let moment = Self.moment(shownAs: Int(shown.timeIntervalSince1970), in: zone)
            if moment > time { return moment }
            wall = shown
        }
        return nil
    }

    /// The first moment at which a clock in `zone` shows this, or the first after it where it never does.
    /// - Parameter wall: what it shows, as seconds since 1970 on a clock that is never changed.
    static func moment(shownAs wall: Int, in zone: TimeZone) -> Date {
        func offset(_ moment: Int) -> Int { zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment))) }
        // Clocks are not changed twice within two days.
        let (before, after) = (offset(wall - 86400), offset(wall + 86400))
        for candidate in [wall - before, wall - after] where candidate + offset(candidate) == wall {
            return Date(timeIntervalSince1970: Double(candidate))
        }
        // It is skipped: the moment of the change lies between the two.
        var (low, high) = (wall - max(before, after), wall - min(before, after))
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if offset(middle) == before { low = middle } else { high = middle }
        }
        return Date(timeIntervalSince1970: Double(high))
    }

    /// When the day after `day` begins. A day in which clocks are put forward is shorter than others, and `guess` lies behind the beginning then.
    private static func start(after day: Int, from guess: Int, _ zone: TimeZone) -> Int {
        func local(_ moment: Int) -> Int { moment + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment))) }
        let early = guess - local(guess) % 86400
        return local(guess) / 86400 > day && local(early) / 86400 > day ? early : guess
    }

    /// - Parameter day: since 1970-01-01.
    private func matches(_ day: Int, _ fields: Fields) -> Bool {
        let (month, date) = Self.civil(day)
        guard fields.months.has(month) else { return false }
        let isDay = fields.days.has(date)
        // 1970-01-01 was a Thursday.
        let isWeekday = fields.weekdays.has((day + 4) % 7)
        return fields.days.isOpen || fields.weekdays.isOpen ? isDay && isWeekday : isDay || isWeekday
    }

    /// Month and day of a day since 1970-01-01, in the Gregorian calendar: years begin in March, so that the leap day is the last.
    private static func civil(_ day: Int) -> (month: Int, day: Int) {
        let shifted = day + 719_468
        let inEra = shifted % 146_097
        let year = (inEra - inEra / 1460 + inEra / 36524 - inEra / 146_096) / 365
        let inYear = inEra - (365 * year + year / 4 - year / 100)
        let march = (5 * inYear + 2) / 153
        return (march < 10 ? march + 3 : march - 9, inYear - (153 * march + 2) / 5 + 1)
    }
}
