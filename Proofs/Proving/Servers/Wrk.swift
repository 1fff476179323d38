internal import Foundation

/// What wrk, a load generator, counted.
package struct Wrk: Sendable, CustomStringConvertible {
    package var requests: Int
    package var perSecond: Double
    /// Connections that could not be made, answers that did not come whole, and answers with another status than 2xx and 3xx.
    package var failed: Int
    package var output: String

    package var description: String { "\(requests) requests, \(Int(perSecond))/s, \(failed) failed" }

    private static let program = "/usr/bin/wrk"

    /// Sends as many requests as get through for so long; on connections that are kept, or each on one of its own.
    package static func start(_ url: String, seconds: Int, connections: Int, keepsConnections: Bool = true) throws -> CommandRun.Running {
        let close = keepsConnections ? [] : ["-H", "Connection: close"]
        return try CommandRun.Running(
            program, ["--threads", "1", "--connections", "\(connections)", "--duration", "\(seconds)s", "--timeout", "5s"] + close + [url])
    }

    /// Waits for its end, and reads what it prints.
    package init(_ running: CommandRun.Running) async throws {
        let run = await running.finish()
        output = run.output
        func number(_ line: Substring, after word: String) -> Int? {
            guard let range = line.range(of: word) else { return nil }
            return Int(line[range.upperBound...].drop { !$0.isNumber }.prefix { $0.isNumber })
        }
        let lines = run.output.split(separator: "\n")
        guard let total = lines.first(where: { $0.contains(" requests in ") }),
            let requests = Int(total.drop { !$0.isNumber }.prefix { $0.isNumber })
        else { throw LocalEtcdCluster.Failure(description: "wrk: \(run.output)\(run.errors)") }
        self.requests = requests
        perSecond =
            lines.first { $0.hasPrefix("Requests/sec") }.flatMap { Double($0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)) } ?? 0
        var failed = 0
        if let errors = lines.first(where: { $0.contains("Socket errors") }) {
            for word in ["connect", "read", "write", "timeout"] { failed += number(errors, after: word) ?? 0 }
        }
        if let answers = lines.first(where: { $0.contains("Non-2xx") }) { failed += number(answers, after: "responses:") ?? 0 }
        self.failed = failed
    }
}
