package import Foundation

/// When maintenance is allowed: certain hours on certain days, in one time zone.
///
/// Written `[DAYS] HH:MM-HH:MM [ZONE]`: `22:00-06:00`, `Sat,Sun 01:00-05:00`, `Mon-Fri 22:00-02:00 Europe/Berlin`. The days are those on
/// which the window opens; a window whose end is not after its start ends on the next day. Without a zone it is UTC.
///
/// Hours are wall-clock hours: where clocks are put forward, an opening that does not exist that night moves to the first minute that does;
/// where they are put back, the window opens at the first of the two.
package struct Window: Sendable, Equatable, CustomStringConvertible {
    /// As it was written.
    package let description: String
    /// Days on which it opens, 1 for Sunday to 7 for Saturday, as Foundation counts.
    package let weekdays: Set<Int>
    /// Minutes after midnight.
    package let start: Int
    package let end: Int
    package let zone: TimeZone

    private static let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// - Throws: `MaintenanceError` for what is no window.
    package init(_ text: String) throws(MaintenanceError) {
        func fail(_ what: String) -> MaintenanceError {
            MaintenanceError("\"\(text)\" is no maintenance window: \(what). Write it like \"Sat,Sun 01:00-05:00 Europe/Berlin\".")
        }
        var words = text.split(separator: " ").map(String.init)
        guard (1...3).contains(words.count) else { throw fail("it has \(words.count) words") }
        description = words.joined(separator: " ")
        var days = Set(1...7)
        if !words[0].contains(":") {
            guard let parsed = Self.days(words.removeFirst()) else { throw fail("the days are not like Mon-Fri or Sat,Sun") }
            days = parsed
        }
        guard let hours = words.first?.split(separator: "-", omittingEmptySubsequences: false), hours.count == 2,
            let start = Self.minutes(hours[0]), let end = Self.minutes(hours[1])
        else { throw fail("the hours are not like 22:00-06:00") }
        guard start != end else { throw fail("it begins when it ends; leave the window out to allow any time") }
        guard words.count <= 2 else { throw fail("it has too many words") }
        let zoneName = words.count == 2 ? words[1] : "UTC"
        guard let zone = TimeZone(identifier: zoneName) else { throw fail("this machine does not know the time zone \(zoneName)") }
        weekdays = days
        self.start = start
        self.end = end
        self.zone = zone
    }

    /// Seconds until it closes, or nil when it is closed at `now`.
    package func remaining(at now: Date) -> TimeInterval? {
        openings(around: now).first { $0.opens <= now && now < $0.closes }.map { $0.closes.timeIntervalSince(now) }
    }

    /// When it opens next, if that is within eight days, as it always is.
    package func nextOpening(after now: Date) -> Date? { openings(around: now).map(\.opens).filter { $0 > now }.min() }

    /// The openings from the day before `now` to eight days after it.
    private func openings(around now: Date) -> [(opens: Date, closes: Date)] {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let today = calendar.startOfDay(for: now)
        return (-1...8).compactMap { offset in
            guard let day = calendar.date(byAdding: .day, value: offset, to: today), weekdays.contains(calendar.component(.weekday, from: day)),
                let lastDay = end > start ? day : calendar.date(byAdding: .day, value: 1, to: day),
                let opens = calendar.date(bySettingHour: start / 60, minute: start % 60, second: 0, of: day),
                let closes = calendar.date(bySettingHour: end / 60, minute: end % 60, second: 0, of: lastDay), closes > opens
            else { return nil }
            return (opens, closes)
        }
    }

    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 2, parts[1].count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...23).contains(hour), (0...59).contains(minute)
        else { return nil }
        return hour * 60 + minute
    }

    private static func days(_ text: String) -> Set<Int>? {
        func day(_ name: some StringProtocol) -> Int? { names.firstIndex(of: name.lowercased()).map { $0 + 1 } }
        var days: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard let first = ends.first.flatMap({ day($0) }), let last = ends.last.flatMap({ day($0) }), ends.count <= 2 else { return nil }
            var next = first
            days.insert(next)
            while next != last {
                next = next % 7 + 1
                days.insert(next)
            }
        }
        return days
    }
}

extension Window: Codable {
    package init(from decoder: any Decoder) throws { try self.init(try decoder.singleValueContainer().decode(String.self)) }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
