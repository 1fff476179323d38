package import Foundation

/// A command on a node that goes on when the connection is lost, and tells its end to whoever asks later: what takes minutes must not depend on a line.
///
/// It lives in a folder of the run on the node: its script, its process, what it printed and its exit code. One that still runs is waited for and never
/// begun a second time; one of which nothing is left but the beginning was cut off with its host.
package struct NodeJob: Sendable {
    package let access: NodeAccess
    /// Absolute, on the node; made for root alone.
    package let folder: String
    /// How long the node may be unreachable, and a job may run.
    package var patience: Duration

    package init(_ access: NodeAccess, folder: String, patience: Duration) {
        self.access = access
        self.folder = folder
        self.patience = patience
    }

    /// How often a node that is not reachable is asked again.
    private static let pause = Duration.seconds(1)
    /// The last line of every script: without it something is missing.
    private static let end = "# end of the script"

    /// Runs a script to its end, also over lost connections, and returns what it printed.
    /// - Parameters:
    ///   - name: of the job, in the run: letters, digits, dots and dashes.
    ///   - script: POSIX; can be run again from its beginning when its host went down in the middle.
    ///   - notify: is told of lost connections.
    /// - Throws: `NodeError`: `.failed` with what it printed last and its exit code; `.unreachable` when the node was away for longer than `patience`.
    package func run(_ name: String, _ script: String, notify: @Sendable (String) -> Void = { _ in }) async throws -> String {
        let began = Date()
        // An attempt that is asked for again because its answer was lost is not begun twice.
        let attempt = UUID().uuidString
        let input = Array("set -eu\n\(script)\n\(Self.end)\n".utf8)
        return try await overLostConnections(name, notify) { isBegun in
            if !isBegun.isSo, try await access.answer(Self.starting(path(name), attempt), input: input).hasPrefix("running") {
                notify("\(name) still runs on \(access.name), and is waited for")
            }
            isBegun.isSo = true
            let (state, output) = Self.split(try await access.answer(Self.waiting(path(name))))
            switch state {
            case "running": return nil
            case "0":
                record(script, began, status: 0, output)
                return output
            case "cut": throw NodeError(.interrupted, "\(access.name): \(name) was cut off: its host went down, or somebody ended it")
            default:
                record(script, began, status: Int(state) ?? -1, output)
                let said = output.split(whereSeparator: \.isNewline).suffix(6).joined(separator: "; ")
                throw NodeError(.failed, "\(access.name): \(name) ended with exit code \(state): \(said)")
            }
        }
    }

    /// Waits for a job that an earlier attempt began, if it still runs.
    /// - Returns: whether one ran.
    package func attach(_ name: String, notify: @Sendable (String) -> Void = { _ in }) async throws -> Bool {
        guard try await access.answer(Self.asking(path(name))).hasPrefix("running") else { return false }
        notify("\(name) still runs on \(access.name), and is waited for")
        return try await overLostConnections(name, notify) { isBegun in
            isBegun.isSo = true
            return try await access.answer(Self.waiting(path(name))).hasPrefix("running") ? nil : true
        }
    }

    private struct Begun { var isSo = false }

    /// Looks until there is something to return.
    private func overLostConnections<Result>(
        _ name: String, _ notify: @Sendable (String) -> Void, _ look: (inout Begun) async throws -> Result?
    ) async throws -> Result {
        let limit = ContinuousClock.now + patience
        var begun = Begun()
        var isTold = false
        while true {
            do {
                if let result = try await look(&begun) { return result }
                isTold = false
            } catch let error as NodeError where error.code == .unreachable {
                // Who is not let in, or does not know the host, will not be later.
                guard ContinuousClock.now < limit, !error.isFinal else { throw error }
                if !isTold { notify("\(access.name) is not reachable\(begun.isSo ? "; \(name) goes on there" : ""), and is asked again") }
                isTold = true
                try await Task.sleep(for: Self.pause)
                continue
            }
            guard ContinuousClock.now < limit else {
                throw NodeError(
                    .stillRunning, "\(access.name): \(name) still runs after \(patience.components.seconds) s. It goes on there: \(path(name))/out")
            }
        }
    }

    /// How a job of this name ended; nil where none has.
    package func exitCode(_ name: String) async throws -> Int? {
        let file = NodeAccess.quoted("\(path(name))/code")
        return Int(try await access.answer("if [ -e \(file) ]; then cat \(file); fi").trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }

    private func record(_ script: String, _ began: Date, status: Int, _ output: String) {
        NodeAccess.recorder?(
            RemoteCommand(
                node: access.name, script: script, startedAt: began, seconds: Date().timeIntervalSince(began), status: .exited(status), output: output
            ))
    }

    private static func split(_ text: String) -> (state: String, output: String) {
        let line = text.prefix { $0 != "\n" }
        return (String(line), String(text.dropFirst(line.count + 1)))
    }

    /// Whether the process that is written down still runs, and is not another of the same number.
    private static func isAlive(_ folder: String) -> String {
        """
        alive() {
            read -r pid since boot <\(folder)/process || return 1
            [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)" = "$since" ]
        } 2>/dev/null
        """
    }

    private static func starting(_ path: String, _ attempt: String) -> String {
        let folder = NodeAccess.quoted(path)
        // The job writes down who it is before it does anything.
        let job =
            "cd / && echo $$ $(sed \"s/^.*) //\" /proc/$$/stat | cut -d \" \" -f 20) $(cat /proc/sys/kernel/random/boot_id) >\(folder)/process; sh \(folder)/script; echo $? >\(folder)/code.part; mv \(folder)/code.part \(folder)/code"
        return """
            umask 077
            \(isAlive(folder))
            mkdir -p \(folder)
            if [ "$(cat \(folder)/attempt 2>/dev/null)" = \(attempt) ] && [ -s \(folder)/process ]; then cat >/dev/null; exit 0; fi
            if [ ! -e \(folder)/code ] && alive; then cat >/dev/null; echo running; exit 0; fi
            rm -f \(folder)/attempt \(folder)/code \(folder)/process \(folder)/out
            cat >\(folder)/script
            [ "$(tail -n 1 \(folder)/script)" = "\(end)" ] || { echo "the script did not arrive whole" >&2; exit 1; }
            echo \(attempt) >\(folder)/attempt
            setsid sh -c \(NodeAccess.quoted(job)) </dev/null >\(folder)/out 2>&1 &
            left=150
            while [ $left -gt 0 ]; do if [ -s \(folder)/process ]; then exit 0; fi; left=$((left - 1)); sleep 0.2; done
            echo "the job did not begin within 30 s" >&2
            exit 1
            """
    }

    private static func asking(_ path: String) -> String {
        let folder = NodeAccess.quoted(path)
        return "\(isAlive(folder))\nif [ ! -e \(folder)/code ] && alive; then echo running; fi"
    }

    /// Says after some time at most how it stands, and when it has ended what it printed.
    private static func waiting(_ path: String) -> String {
        let folder = NodeAccess.quoted(path)
        return """
            \(isAlive(folder))
            left=40
            while [ ! -e \(folder)/code ] && alive; do
                if [ $left -eq 0 ]; then echo running; exit 0; fi
                left=$((left - 1))
                sleep 0.5
            done
            if [ -e \(folder)/code ]; then cat \(folder)/code; tail -c 60000 \(folder)/out; else echo cut; fi
            """
    }
}

/// A command that was run on a node, as a run keeps it.
package struct RemoteCommand: Sendable, Codable, Equatable {
    package enum Status: Sendable, Codable, Equatable {
        case exited(Int)
        /// The connection was lost, or never came about.
        case unreachable
    }

    package var node: String
    package var script: String
    package var startedAt: Date
    package var seconds: Double
    package var status: Status
    /// Its end; without what looks like a secret.
    package var output: String

    package init(node: String, script: String, startedAt: Date, seconds: Double, status: Status, output: String) {
        self.node = node
        self.script = Self.masked(script)
        self.startedAt = startedAt
        self.seconds = seconds
        self.status = status
        self.output = String(Self.masked(output).suffix(8000))
    }

    /// Private keys, bootstrap tokens, bearer tokens and what stands behind the name of a secret.
    static func masked(_ text: String) -> String {
        var text = text
        let name = "[A-Za-z0-9_-]*(password|passwd|token|secret|certificate-key|client-key-data|access[_-]?key|credentials?)[A-Za-z0-9_-]*"
        for (pattern, replacement) in [
            ("-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)", "[key]"),
            // What is left of one whose beginning is not there any more.
            ("^[\\s\\S]*?-----END [A-Z ]*PRIVATE KEY-----", "[key]"),
            ("\\b[a-z0-9]{6}\\.[a-z0-9]{16}\\b", "[token]"), ("\\beyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*", "[token]"),
            ("(?i)(authorization:? *[\"']?(bearer|basic) +)[^\\s\"']+", "$1[secret]"), ("://[^/\\s:@]+:[^/\\s@]+@", "://[secret]@"),
            ("(?i)(\(name)[\"']?\\s*[=:]\\s*[\"']?)[^\\s\"',;}]+", "$1[secret]"), ("(?i)(--\(name) +[\"']?)[^\\s\"',;}]+", "$1[secret]"),
            ("[A-Za-z0-9+/]{200,}={0,2}", "[data]"),
        ] { text = text.replacingOccurrences(of: pattern, with: replacement, options: .regularExpression) }
        return text
    }
}
