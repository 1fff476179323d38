internal import Foundation
internal import Maintenance
internal import Synchronization

/// A bar on standard error for work that is measured in bytes: how much, how fast, how long still. Draws nothing where no person
/// looks on.
final class ProgressBar: Sendable {
    private struct State {
        var done: Int64 = 0
        var total: Int64
        var lastDrawn: ContinuousClock.Instant
        var isVisible = false
    }

    private let label: String
    private let isEnabled: Bool
    private let started: ContinuousClock.Instant
    private let state: Mutex<State>

    /// Work that is over before this is not worth a bar.
    private static let patience: Duration = .milliseconds(500)
    private static let interval: Duration = .milliseconds(100)

    init(_ label: String, total: Int64 = 0, options: OutputOptions) {
        self.label = label
        isEnabled = !options.quiet && Terminal.isErrorInteractive
        started = .now
        state = Mutex(State(total: total, lastDrawn: started))
    }

    /// Notes that `count` bytes more are done.
    func advance(by count: Int) { update { $0.done += Int64(count) } }

    /// Notes that `done` of `total` bytes are done.
    func set(done: Int, total: Int) {
        update {
            $0.done = Int64(done)
            $0.total = Int64(total)
        }
    }

    /// Takes the bar off the screen.
    func finish() {
        state.withLock { state in
            if state.isVisible { _ = Terminal.write("\r\u{1b}[K", to: STDERR_FILENO) }
            state.isVisible = false
        }
    }

    private func update(_ change: (inout State) -> Void) {
        guard isEnabled else { return }
        state.withLock { state in
            change(&state)
            let now = ContinuousClock.now
            guard now - started > Self.patience, now - state.lastDrawn > Self.interval else { return }
            state.lastDrawn = now
            state.isVisible = true
            let line = Self.line(label, done: state.done, total: state.total, elapsed: now - started, width: Terminal.width)
            _ = Terminal.write("\r\u{1b}[K\(line)", to: STDERR_FILENO)
        }
    }

    /// `verify  [=====>    ]  45%  512.0 MiB of 1.1 GiB  1.6 GiB/s  0:03 left`, at most `width` columns.
    static func line(_ label: String, done: Int64, total: Int64, elapsed: Duration, width: Int) -> String {
        let seconds = max(elapsed.seconds, 0.001)
        let rate = Double(done) / seconds
        let share = total > 0 ? min(1, Double(done) / Double(total)) : 0
        let left = rate > 0 ? Int(max(0, Double(total - done)) / rate) : 0
        let figures =
            String(format: "%3d%%  ", Int(share * 100)) + "\(Bytes.text(done)) of \(Bytes.text(total))  \(Bytes.text(Int64(rate)))/s  "
            + String(format: "%d:%02d left", left / 60, left % 60)
        let room = min(40, width - label.count - figures.count - 7)
        guard room >= 5 else { return String("\(label)  \(figures)".prefix(max(0, width - 1))) }
        let filled = Int(share * Double(room))
        let bar = String(repeating: "=", count: filled) + (filled < room ? ">" : "") + String(repeating: " ", count: max(0, room - filled - 1))
        return "\(label)  [\(bar)]  \(figures)"
    }
}
