internal import Foundation

/// What tells one run's files on hosts from those of others, also of one that begins in the same second: `20261126T010606-3fa8`.
enum RunTag {
    static func make() -> String {
        let time = Date().formatted(
            .iso8601.year().month().day().dateSeparator(.omitted).time(includingFractionalSeconds: false).timeSeparator(.omitted))
        return time + String(format: "-%04x", UInt32.random(in: 0...0xffff))
    }
}
