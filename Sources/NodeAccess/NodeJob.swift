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
        let limit = ContinuousClock.now + patience
        var isBegun = false
        while true {
            do {
                // What an earlier attempt has left is not this one's end; what still runs is.
                if !isBegun { try await access.perform(Self.starting(path(name)), input: Array("set -eu\n\(script)\n\(Self.end)\n".utf8)) }
                isBegun = true
                let answer = try await access.answer(Self.waiting(path(name)))
                let (state, output) = Self.split(answer)
                switch state {
                case "running": break
                case "0":
                    record(script, began, status: 0, output)
                    return output
                case "cut": throw NodeError(.interrupted, "\(access.name): \(name) was cut off: its host went down, or somebody ended it")
                default:
                    record(script, began, status: Int(state) ?? -1, output)
                    let said = output.split(whereSeparator: \.isNewline).suffix(6).joined(separator: "; ")
                    throw NodeError(.failed, "\(access.name): \(name) ended with exit code \(state): \(said)")
                }
            } catch let error as NodeError where error.code == .unreachable {
                guard ContinuousClock.now < limit else { throw error }
                notify("\(access.name) is not reachable; \(name) goes on there, and is asked for again")
                try await Task.sleep(for: Self.pause)
                continue
            }
            guard ContinuousClock.now < limit else {
                throw NodeError(
                    .failed, "\(access.name): \(name) still runs after \(patience.components.seconds) s. It goes on there: \(path(name))/out")
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

    private static func starting(_ path: String) -> String {
        let folder = NodeAccess.quoted(path)
        // The job writes down who it is before it does anything.
        let job =
            "cd / && echo $$ $(sed \"s/^.*) //\" /proc/$$/stat | cut -d \" \" -f 20) $(cat /proc/sys/kernel/random/boot_id) >\(folder)/process; sh \(folder)/script; echo $? >\(folder)/code.part; mv \(folder)/code.part \(folder)/code"
        return """
            umask 077
            \(isAlive(folder))
            mkdir -p \(folder)
            if [ ! -e \(folder)/code ] && alive; then exit 0; fi
            rm -f \(folder)/code \(folder)/process \(folder)/out
            cat >\(folder)/script
            [ "$(tail -n 1 \(folder)/script)" = "\(end)" ] || { echo "the script did not arrive whole" >&2; exit 1; }
            setsid sh -c \(NodeAccess.quoted(job)) </dev/null >\(folder)/out 2>&1 &
            for i in 1 2 3 4 5 6 7 8 9 10; do if [ -s \(folder)/process ]; then exit 0; fi; sleep 0.2; done
            """
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
        for (pattern, replacement) in [
            ("-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)", "[key]"),
            ("\\b[a-z0-9]{6}\\.[a-z0-9]{16}\\b", "[token]"),
            ("\\beyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*", "[token]"),
            ("(?i)(certificate-key|password|token)([ =:]+)[^\\s\"']+", "$1$2[secret]"),
        ] { text = text.replacingOccurrences(of: pattern, with: replacement, options: .regularExpression) }
        return text
    }
}
