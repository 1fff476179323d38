/// What the master answers to `reload` (HAProxy management guide, section 9.4): nothing up to 2.6, which reloads on its own time; since 2.7
/// `Success=1` or `Success=0`, a line `--`, and what the new worker logged.
package enum ReloadAnswer: Sendable, Equatable {
    /// Only `show proc` tells what came of it.
    case unknown
    case loaded
    case failed(log: String)

    /// - Throws: `HAProxyError` `.malformed` for anything else: no master says it.
    package init(parsing text: String) throws {
        let lines = text.split(separator: "\n").map(\.trimmingSpaces).filter { !$0.isEmpty }
        switch lines.first {
        case nil: self = .unknown
        case "Success=1": self = .loaded
        case "Success=0": self = .failed(log: lines.dropFirst().filter { $0 != "--" }.joined(separator: "\n"))
        case let line?: throw HAProxyError(.malformed, "the master answers to `reload`: \"\(line.prefix(120))\".")
        }
    }
}
