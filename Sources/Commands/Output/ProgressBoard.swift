internal import Foundation
internal import Maintenance
internal import Synchronization

/// A line a node at the foot of the screen, drawn anew as the drain goes on. Silent when standard error is no screen.
final class ProgressBoard: Sendable {
    private let isEnabled: Bool
    private let drawn = Mutex(0)

    private static let interval = Duration.milliseconds(200)
    /// Lines at most, so that the board stays on the screen.
    private static let longest = 16

    init(_ output: OutputOptions) { isEnabled = !output.quiet && Terminal.isErrorInteractive }

    /// Draws what `progress` says for as long as `body` runs.
    func showing<Result: Sendable>(
        _ progress: @escaping @Sendable () -> [DrainMachine.Progress], body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard isEnabled else { return try await body() }
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.interval)
                    self.draw(progress())
                }
            }
            defer {
                group.cancelAll()
                draw([])
            }
            while let next = try await group.next() {
                if let result = next { return result }
            }
            throw CancellationError()
        }
    }

    /// Writes something above the board.
    func above(_ write: () -> Void) {
        guard isEnabled else { return write() }
        drawn.withLock { lines in
            erase(&lines)
            write()
        }
    }

    private func erase(_ lines: inout Int) {
        if lines > 0 { _ = Terminal.write("\u{1b}[\(lines)A\u{1b}[J", to: STDERR_FILENO) }
        lines = 0
    }

    private func draw(_ rows: [DrainMachine.Progress]) {
        let width = Terminal.width
        drawn.withLock { lines in
            erase(&lines)
            for row in rows.prefix(Self.longest) {
                _ = Terminal.write(String(Terminal.printable(Self.line(row)).prefix(max(20, width - 1))) + "\n", to: STDERR_FILENO)
                lines += 1
            }
            if rows.count > Self.longest {
                _ = Terminal.write("… and \(rows.count - Self.longest) more nodes\n", to: STDERR_FILENO)
                lines += 1
            }
        }
    }

    /// `worker-3  [=====>    ]  24/40 gone, 6 terminating, 10 wait for budget web/web`.
    static func line(_ row: DrainMachine.Progress) -> String {
        let filled = row.total > 0 ? row.gone * 10 / row.total : 10
        let bar = String(repeating: "=", count: filled) + (filled < 10 ? ">" : "") + String(repeating: " ", count: max(0, 9 - filled))
        var parts = ["\(row.gone)/\(row.total) gone"]
        if row.terminating > 0 { parts.append("\(row.terminating) terminating") }
        for (reason, count) in row.waiting.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) { parts.append("\(count) wait for \(reason)") }
        if row.unsettled > 0 { parts.append("waiting for replacements of \(row.unsettled) workload\(row.unsettled == 1 ? "" : "s")") }
        return "\(row.node)  [\(bar)]  \(parts.joined(separator: ", "))"
    }
}
