package import Foundation

/// Which backups are kept: by age, by number, and one for each of so many hours, days, weeks, months and years, as the calendar has them in UTC.
///
/// What one rule keeps is kept. Without a rule everything is.
package struct Retention: Sendable, Equatable, Codable {
    /// Seconds.
    package var keepWithin: Double?
    package var keepLast: Int?
    package var hourly: Int?
    package var daily: Int?
    package var weekly: Int?
    package var monthly: Int?
    package var yearly: Int?

    package init() {}

    package var isEmpty: Bool { self == Retention() }

    /// A backup as the rules see it.
    package struct Candidate: Sendable, Equatable {
        package var id: String
        package var createdAt: Date
        /// Whether somebody has read it back whole.
        package var isVerified: Bool
        /// Until when its store keeps it from being deleted.
        package var lockedUntil: Date?

        package init(id: String, createdAt: Date, isVerified: Bool = false, lockedUntil: Date? = nil) {
            self.id = id
            self.createdAt = createdAt
            self.isVerified = isVerified
            self.lockedUntil = lockedUntil
        }
    }

    package struct Verdict: Sendable, Equatable {
        package var candidate: Candidate
        /// The rules that keep it; none means that it goes.
        package var keptBy: [String]
        package var isKept: Bool { !keptBy.isEmpty }
    }

    /// What is kept and why, newest first.
    package func judge(_ candidates: [Candidate], at now: Date) -> [Verdict] {
        let sorted = candidates.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
        var reasons = Array(repeating: [String](), count: sorted.count)
        if isEmpty { for index in sorted.indices { reasons[index].append("no rule says otherwise") } }
        for (index, backup) in sorted.enumerated() {
            if let keepWithin, now.timeIntervalSince(backup.createdAt) <= keepWithin { reasons[index].append("keep-within") }
            if let keepLast, index < keepLast { reasons[index].append("keep-last \(index + 1)/\(keepLast)") }
            // A clock that was wrong is no reason to delete.
            if backup.createdAt > now { reasons[index].append("it is from the future") }
            if let until = backup.lockedUntil, until > now { reasons[index].append("locked until \(until.formatted(.iso8601))") }
        }
        for (name, count, period) in periods {
            guard let count else { continue }
            // The newest of each period, as far back as there are periods.
            var seen: [String] = []
            for (index, backup) in sorted.enumerated() {
                let key = period(backup.createdAt)
                guard seen.last != key else { continue }
                guard seen.count < count else { break }
                seen.append(key)
                reasons[index].append("\(name) \(seen.count)/\(count)")
            }
        }
        if let newest = sorted.firstIndex(where: \.isVerified) {
            reasons[newest].append("the newest verified")
        }
        // Where none has been verified, nobody knows which one is good: the newest stays at least.
        else if !sorted.isEmpty {
            reasons[0].append("the newest, and none is verified")
        }
        return zip(sorted, reasons).map { Verdict(candidate: $0, keptBy: $1) }
    }

    private var periods: [(name: String, count: Int?, period: (Date) -> String)] {
        var calendar = Calendar(identifier: .iso8601)
        calendar.timeZone = .gmt
        func key(_ parts: Set<Calendar.Component>) -> (Date) -> String {
            { date in
                let found = calendar.dateComponents(parts, from: date)
                return parts.sorted { "\($0)" < "\($1)" }.map { "\(found.value(for: $0) ?? 0)" }.joined(separator: "-")
            }
        }
        return [
            ("hourly", hourly, key([.year, .month, .day, .hour])), ("daily", daily, key([.year, .month, .day])),
            ("weekly", weekly, key([.yearForWeekOfYear, .weekOfYear])), ("monthly", monthly, key([.year, .month])), ("yearly", yearly, key([.year])),
        ]
    }
}
