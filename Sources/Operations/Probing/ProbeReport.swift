package import Foundation

/// What a probe saw: the proof that a service was there, or when it was not.
package struct ProbeReport: Codable, Sendable, Equatable {
    package struct Failure: Codable, Sendable, Equatable {
        package var time: Date
        package var seconds: Double
        package var error: String
    }

    package struct Target: Codable, Sendable, Equatable {
        package var name: String
        package var url: String
        /// `new`: a connection a request; `kept`: connections that are used again; `watch`: one that stays open.
        package var connection: String
        package var requests = 0
        package var failed = 0
        /// Requests whose connection had been used before and ended before the answer: they were sent once more on a new one, as clients do.
        package var resent = 0
        /// Of a watch: how often it ended and was opened again.
        package var interruptions = 0
        /// Seconds, of requests that were answered, from the moment at which they were due.
        package var p50: Double?
        package var p90: Double?
        package var p99: Double?
        package var p999: Double?
        package var longest: Double?
        /// The longest time without an answer, seconds.
        package var longestGapSeconds = 0.0
        /// The first of them.
        package var failures: [Failure] = []
    }

    /// Some seconds of it, all targets together, for a graph.
    package struct Moment: Codable, Sendable, Equatable {
        package var requests = 0
        package var failed = 0
        /// Seconds, of what was answered.
        package var longest = 0.0

        mutating func add(_ other: Moment) {
            requests += other.requests
            failed += other.failed
            longest = max(longest, other.longest)
        }
    }

    package var startedAt: Date
    package var seconds: Double
    /// Requests a second and target.
    package var rate: Double
    package var targets: [Target]
    /// Whether more failed than may.
    package var isBudgetBurnt: Bool
    /// From the start on, each of `momentSeconds`; by when requests were due.
    package var moments: [Moment] = []
    package var momentSeconds = 1.0

    /// Takes a request in; what has become too long for a graph is drawn together.
    mutating func note(at seconds: Double, took: Double?) {
        while seconds / momentSeconds >= Double(Self.mostMoments) {
            moments = stride(from: 0, to: moments.count, by: 2).map { index in
                var moment = moments[index]
                if index + 1 < moments.count { moment.add(moments[index + 1]) }
                return moment
            }
            momentSeconds *= 2
        }
        let index = Int(max(0, seconds) / momentSeconds)
        while moments.count <= index { moments.append(Moment()) }
        moments[index].add(Moment(requests: 1, failed: took == nil ? 1 : 0, longest: took ?? 0))
    }

    private static let mostMoments = 600

    package var requests: Int { targets.reduce(0) { $0 + $1.requests } }
    package var failed: Int { targets.reduce(0) { $0 + $1.failed } }
    package var resent: Int { targets.reduce(0) { $0 + $1.resent } }
    /// 0 to 1; where nothing was asked, nothing is proven.
    package var availability: Double { requests == 0 ? 0 : 1 - Double(failed) / Double(requests) }
    package var longestGapSeconds: Double { targets.map(\.longestGapSeconds).max() ?? 0 }
}

/// How much may go wrong before somebody has to look.
package enum ErrorBudget: Sendable, Equatable {
    case failures(Int)
    /// 0 to 1; of the requests that were made, or of a minute's, whichever are more: one of the first ten is no tenth of a day.
    case share(Double)

    func isBurnt(failed: Int, requests: Int, perMinute: Double) -> Bool {
        switch self {
        case .failures(let most): failed > most
        case .share(let share): Double(failed) > share * max(Double(requests), perMinute)
        }
    }
}
