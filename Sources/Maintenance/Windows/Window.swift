package import Foundation

/// When maintenance is allowed: openings, less blackouts.
///
/// Written as openings and blackouts with `;` between them:
///
/// - `[DAYS] HH:MM-HH:MM [ZONE]`: `22:00-06:00`, `Sat,Sun 01:00-05:00`, `Mon-Fri 22:00-02:00 Europe/Berlin`;
/// - `CRON LENGTH [ZONE]`: `0 2 * * SAT 4h Europe/Berlin`;
/// - `not DATE..DATE [ZONE]`, both days included: `not 2026-12-20..2027-01-02`.
///
/// An opening belongs to the day on which it begins: one whose end is not after its start ends on the next day. Without a zone it is UTC.
/// Times are those of the clock on the wall: where clocks are put forward, an opening that does not exist that night begins at the first minute that
/// does; where they are put back, it begins at the first of the two. A length is time that passes.
package struct Window: Sendable, Equatable, CustomStringConvertible {
    package enum Length: Sendable, Equatable {
        /// Seconds.
        case lasting(Double)
        /// Until the clock shows this many minutes after midnight, on the day of the start or the next.
        case until(Int)
    }

    package struct Opening: Sendable, Equatable {
        package var start: CronSchedule
        package var length: Length
        package var zone: TimeZone

        /// - Throws: `MaintenanceError` for a schedule that has no place on the wall, or a length that is none.
        package init(start: CronSchedule, length: Length, zone: TimeZone) throws(MaintenanceError) {
            guard start.isByWallClock else { throw MaintenanceError("\"\(start)\" opens at no time of the day: write a cron schedule") }
            if case .lasting(let seconds) = length, !(60...longest).contains(seconds) {
                throw MaintenanceError("it lasts \(seconds.wholeSeconds) s, and a minute to a week is meant")
            }
            self.start = start
            self.length = length
            self.zone = zone
        }

        fileprivate func end(of start: Date) -> Date {
            switch length {
            case .lasting(let seconds): return start.addingTimeInterval(seconds)
            case .until(let minutes):
                let wall = Int(start.timeIntervalSince1970) + zone.secondsFromGMT(for: start)
                let midnight = wall - wall % 86400
                let sameDay = midnight + minutes * 60
                return CronSchedule.moment(shownAs: sameDay > wall ? sameDay : sameDay + 86400, in: zone)
            }
        }

        /// The first opening that ends after `time`.
        fileprivate func interval(endingAfter time: Date) -> DateInterval? {
            let before: Double = if case .lasting(let seconds) = length { seconds } else { 2 * 86400 }
            var from = time.addingTimeInterval(-before - 1)
            while let start = self.start.nextOnce(after: from, in: zone) {
                let end = self.end(of: start)
                if end > time, end > start { return DateInterval(start: start, end: end) }
                from = start
            }
            return nil
        }
    }

    /// When it is closed whatever else is written.
    package struct Blackout: Sendable, Equatable {
        package var start: Date
        package var end: Date

        package init(start: Date, end: Date) {
            self.start = start
            self.end = end
        }

        /// - Parameters:
        ///   - first: a day, `2026-12-20`, from its beginning on; or a moment as RFC 3339 has it.
        ///   - last: a day, to its end; or a moment.
        /// - Throws: `MaintenanceError` for what is neither, or ends before it begins.
        package init(from first: String, through last: String, zone: TimeZone) throws(MaintenanceError) {
            guard let start = Self.moment(first, zone, days: 0), let end = Self.moment(last, zone, days: 1) else {
                throw MaintenanceError("a blackout is from a day to a day, like 2026-12-20 and 2027-01-02, or from a moment to a moment")
            }
            guard start < end else { throw MaintenanceError("the blackout from \(first) to \(last) ends before it begins") }
            self.init(start: start, end: end)
        }

        private static func moment(_ text: String, _ zone: TimeZone, days: Int) -> Date? {
            if let moment = try? Date(text, strategy: .iso8601) { return moment }
            guard text.utf8.count == 10, let midnight = try? Date("\(text)T00:00:00Z", strategy: .iso8601) else { return nil }
            return CronSchedule.moment(shownAs: Int(midnight.timeIntervalSince1970) + days * 86400, in: zone)
        }
    }

    /// A week.
    package static let longest = 7 * 86400.0

    /// As it was written.
    package let description: String
    package let openings: [Opening]
    /// In the order of their starts.
    package let blackouts: [Blackout]

    /// - Parameter description: for people, and what `init(_:)` makes the same of.
    package init(_ openings: [Opening], except blackouts: [Blackout], description: String) {
        self.openings = openings
        self.blackouts = blackouts.sorted { $0.start < $1.start }
        self.description = description
    }

    // MARK: Questions

    /// Seconds until it closes, or nil when it is closed at `now`.
    package func remaining(at now: Date) -> TimeInterval? {
        interval(endingAfter: now).flatMap { $0.start <= now ? $0.end.timeIntervalSince(now) : nil }
    }

    /// When it opens next; nil where it does not within five years.
    package func nextOpening(after now: Date) -> Date? {
        guard let first = interval(endingAfter: now) else { return nil }
        return first.start > now ? first.start : interval(endingAfter: first.end).map(\.start)
    }

    /// The first time in which it is open without a break and which ends after `time`. One that has no end is cut after a month.
    package func interval(endingAfter time: Date) -> DateInterval? {
        var from = time
        while let whole = union(endingAfter: from) {
            var start = whole.start
            for blackout in blackouts where blackout.end > start && blackout.start < whole.end {
                if blackout.start > start, blackout.start > time { return DateInterval(start: start, end: blackout.start) }
                start = blackout.end
            }
            if start < whole.end, whole.end > time { return DateInterval(start: start, end: whole.end) }
            from = max(whole.end, start)
        }
        return nil
    }

    /// Openings that touch each other, as one.
    private func union(endingAfter time: Date) -> DateInterval? {
        guard var whole = openings.compactMap({ $0.interval(endingAfter: time) }).min(by: { $0.start < $1.start }) else { return nil }
        let limit = max(time, whole.start).addingTimeInterval(31 * 86400)
        var grows = true
        while grows, whole.end < limit {
            grows = false
            for opening in openings {
                if let next = opening.interval(endingAfter: whole.end), next.start <= whole.end {
                    whole.end = next.end
                    grows = true
                }
            }
        }
        return whole
    }
}

// MARK: As text

extension Window {
    /// - Throws: `MaintenanceError` for what is no window.
    package init(_ text: String) throws(MaintenanceError) {
        var openings: [Opening] = []
        var blackouts: [Blackout] = []
        var descriptions: [String] = []
        for part in text.split(separator: ";") {
            let words = part.split(separator: " ").map(String.init)
            do throws(MaintenanceError) {
                switch words.count {
                case 1... where words[0] == "not": blackouts.append(try Self.blackout(words))
                case 6...: openings.append(try Self.byCron(words[..<5], words[5...]))
                case 2... where words[0].hasPrefix("@"): openings.append(try Self.byCron(words[..<1], words[1...]))
                default: openings.append(try Self.byHours(words))
                }
            } catch {
                throw MaintenanceError(
                    "\"\(text)\" is no maintenance window: \(error.description). Write it like \"Sat,Sun 01:00-05:00 Europe/Berlin\" or \"0 2 * * SAT 4h\"."
                )
            }
            descriptions.append(words.joined(separator: " "))
        }
        guard !openings.isEmpty else {
            throw MaintenanceError("\"\(text)\" is no maintenance window: it never opens. Write it like \"Sat,Sun 01:00-05:00 Europe/Berlin\".")
        }
        self.init(openings, except: blackouts, description: descriptions.joined(separator: "; "))
    }

    /// - Throws: `MaintenanceError` for a time zone that this machine does not know.
    package static func zone(_ name: String?) throws(MaintenanceError) -> TimeZone {
        guard let name else { return .gmt }
        guard let zone = TimeZone(identifier: name) else { throw MaintenanceError("this machine does not know the time zone \(name)") }
        return zone
    }

    private static func blackout(_ words: [String]) throws(MaintenanceError) -> Blackout {
        guard (2...3).contains(words.count), let dots = words[1].range(of: "..") else {
            throw MaintenanceError("a blackout is like \"not 2026-12-20..2027-01-02\"")
        }
        return try Blackout(
            from: String(words[1][..<dots.lowerBound]), through: String(words[1][dots.upperBound...]), zone: zone(words.count == 3 ? words[2] : nil))
    }

    private static func byCron(_ schedule: ArraySlice<String>, _ rest: ArraySlice<String>) throws(MaintenanceError) -> Opening {
        guard let length = rest.first, rest.count <= 2 else { throw MaintenanceError("it has too many words") }
        guard let seconds = Duration.seconds(inGoText: length) else { throw MaintenanceError("\(length) is no length like 4h or 90m") }
        return try Opening(
            start: CronSchedule(schedule.joined(separator: " ")), length: .lasting(seconds), zone: zone(rest.count == 2 ? rest.last : nil))
    }

    private static func byHours(_ words: [String]) throws(MaintenanceError) -> Opening {
        guard (1...3).contains(words.count) else { throw MaintenanceError("it has \(words.count) words") }
        var words = words
        var days = "*"
        if !words[0].contains(":") {
            guard let parsed = Self.days(words.removeFirst()) else { throw MaintenanceError("the days are not like Mon-Fri or Sat,Sun") }
            days = parsed.sorted().map(String.init).joined(separator: ",")
        }
        guard let hours = words.first?.split(separator: "-", omittingEmptySubsequences: false), hours.count == 2,
            let start = minutes(hours[0]), let end = minutes(hours[1])
        else { throw MaintenanceError("the hours are not like 22:00-06:00") }
        guard start != end else { throw MaintenanceError("it begins when it ends; leave the window out to allow any time") }
        guard words.count <= 2 else { throw MaintenanceError("it has too many words") }
        return try Opening(
            start: CronSchedule("\(start % 60) \(start / 60) * * \(days)"), length: .until(end), zone: zone(words.count == 2 ? words[1] : nil))
    }

    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 2, parts[1].count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...23).contains(hour), (0...59).contains(minute)
        else { return nil }
        return hour * 60 + minute
    }

    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// 0 for Sunday; a range may go over the end of the week.
    private static func days(_ text: String) -> Set<Int>? {
        func day(_ name: some StringProtocol) -> Int? { dayNames.firstIndex(of: name.lowercased()) }
        var days: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard let first = ends.first.flatMap({ day($0) }), let last = ends.last.flatMap({ day($0) }), ends.count <= 2 else { return nil }
            var next = first
            days.insert(next)
            while next != last {
                next = (next + 1) % 7
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
