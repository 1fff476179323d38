internal import ArgumentParser
internal import Foundation
internal import Maintenance

/// Which backups are kept.
struct RetentionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Keep what is no older. (RETENTION_DAYS, in days)", valueName: "duration")) var keepWithin: DurationArgument?
    @Option(help: "Keep so many of the newest.") var keepLast: Int?
    @Option(help: "Keep one of each of so many hours.") var keepHourly: Int?
    @Option(help: "Keep one of each of so many days.") var keepDaily: Int?
    @Option(help: "Keep one of each of so many weeks.") var keepWeekly: Int?
    @Option(help: "Keep one of each of so many months.") var keepMonthly: Int?
    @Option(help: "Keep one of each of so many years.") var keepYearly: Int?

    func validate() throws {
        for count in [keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly] where (count ?? 1) < 1 {
            throw ValidationError("The rules keep one backup or more: \(count ?? 0) is none.")
        }
    }

    func retention(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Retention {
        var retention = Retention()
        retention.keepWithin = keepWithin?.duration.seconds
        if keepWithin == nil, let days = environment["RETENTION_DAYS"], !days.isEmpty {
            guard let number = Double(days), number > 0, number < 1e6 else {
                throw ValidationError("RETENTION_DAYS is \"\(days)\", not a number of days.")
            }
            retention.keepWithin = number * 86_400
        }
        (retention.keepLast, retention.hourly, retention.daily) = (keepLast, keepHourly, keepDaily)
        (retention.weekly, retention.monthly, retention.yearly) = (keepWeekly, keepMonthly, keepYearly)
        return retention
    }
}
