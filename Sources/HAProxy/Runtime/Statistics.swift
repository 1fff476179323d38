/// One row of `show stat`: a frontend, a backend, a server, or a listener (HAProxy management guide, section 9.1).
package struct Statistics: Sendable, Equatable {
    package enum Kind: Int, Sendable {
        case frontend = 0
        case backend
        case server
        case listener
    }

    /// Whether traffic goes there. HAProxy's words carry more behind the first: `UP 1/3`, `DRAIN 1/3`, `MAINT (via kube/cp1)`, `MAINT(resolution)`.
    package enum Status: String, Sendable, Codable {
        case up = "UP"
        case down = "DOWN"
        /// Checks pass, and the server itself asked for no new traffic.
        case noBalancing = "NOLB"
        case maintenance = "MAINT"
        case drain = "DRAIN"
        case noCheck = "no check"
        case open = "OPEN"
        case unknown

        init(_ text: Substring) {
            let word = text.prefix { $0.isLetter }
            self = word == "no" ? .noCheck : Status(rawValue: String(word)) ?? .unknown
        }

        /// Whether new connections go there.
        package var takesTraffic: Bool { self == .up || self == .noCheck || self == .open }
    }

    package var proxy: String
    /// `FRONTEND`, `BACKEND`, or the server's name.
    package var server: String
    package var kind: Kind
    package var status: Status
    /// HAProxy's own words: `DOWN 1/2`.
    package var statusText: String
    /// Sessions at the moment.
    package var sessions: Int
    package var mostSessions: Int
    package var sessionLimit: Int?
    package var totalSessions: Int
    package var queued: Int
    /// Sessions begun in the last second.
    package var rate: Int
    package var bytesIn: Int
    package var bytesOut: Int
    package var connectionErrors: Int
    package var responseErrors: Int
    package var retries: Int
    package var redispatches: Int
    package var weight: Int
    package var isBackup: Bool
    package var failedChecks: Int
    /// How often it went down.
    package var transitions: Int
    /// Seconds since its state changed last.
    package var sinceLastChange: Int?
    /// Seconds in all.
    package var downtime: Int?
    /// `L4OK`, `L7STS`, …; without the `* ` of a check that is under way.
    package var check: String?
    package var checkCode: Int?
    /// Milliseconds.
    package var checkDuration: Int?
    /// What the last check found, for people.
    package var lastCheck: String?
    /// `10.0.0.1:6443`.
    package var address: String?
    /// `tcp` or `http`.
    package var mode: String?
    /// How a backend balances.
    package var algorithm: String?

    /// Parses the answer to `show stat`.
    /// - Throws: `HAProxyError` `.malformed`.
    package static func parse(_ text: String) throws -> [Statistics] {
        let table = try CSVTable(text)
        return try table.rows.map { row in
            func field(_ name: String) -> Substring? {
                guard let column = table.columns[name], column < row.count, !row[column].isEmpty else { return nil }
                return row[column]
            }
            func number(_ name: String) -> Int? { field(name).flatMap { Int($0) } }
            guard let type = number("type"), let kind = Kind(rawValue: type) else {
                throw HAProxyError(
                    .malformed, "a row of `show stat` has the type \"\(field("type") ?? "")\": it was cut off, or is of another program.")
            }
            var check = field("check_status")
            if let text = check, text.hasPrefix("* ") { check = text.dropFirst(2) }
            return Statistics(
                proxy: String(field("pxname") ?? ""), server: String(field("svname") ?? ""), kind: kind, status: Status(field("status") ?? ""),
                statusText: String(field("status") ?? ""), sessions: number("scur") ?? 0, mostSessions: number("smax") ?? 0,
                sessionLimit: number("slim"), totalSessions: number("stot") ?? 0, queued: number("qcur") ?? 0, rate: number("rate") ?? 0,
                bytesIn: number("bin") ?? 0, bytesOut: number("bout") ?? 0, connectionErrors: number("econ") ?? 0,
                responseErrors: number("eresp") ?? 0, retries: number("wretr") ?? 0, redispatches: number("wredis") ?? 0,
                weight: number("weight") ?? 0, isBackup: (number("bck") ?? 0) > 0, failedChecks: number("chkfail") ?? 0,
                transitions: number("chkdown") ?? 0, sinceLastChange: number("lastchg"), downtime: number("downtime"), check: check.map(String.init),
                checkCode: number("check_code"), checkDuration: number("check_duration"), lastCheck: field("last_chk").map(String.init),
                address: field("addr").map(String.init), mode: field("mode").map(String.init), algorithm: field("algo").map(String.init))
        }
    }
}
