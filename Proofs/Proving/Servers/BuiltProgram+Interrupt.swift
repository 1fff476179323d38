package import Foundation

extension BuiltProgram {
    /// The program of the proofs, which can interrupt drydock where no other can.
    package static let proof = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("drydock-proof").path

    /// Runs `drydock` under the proof program, which lists the boundaries of the journal in `list` and, at boundary number `at`, sends the
    /// process `signal`.
    package static func interrupted(
        at number: Int = 0, signal: Int32 = SIGKILL, list: URL? = nil, _ arguments: [String], environment: [String: String]
    ) async throws -> CommandRun {
        let options = ["--at", "\(number)", "--signal", "\(signal)"] + (list.map { ["--list", $0.path] } ?? [])
        return try await CommandRun.run(proof, ["interrupt"] + options + ["--"] + arguments, environment: environment)
    }

    /// Runs `drydock` until the boundary that reads `name`, performs `act` while the process stands still, and lets it go on to its end.
    /// - Returns: the run, and whether the boundary was reached.
    package static func pausing(
        at name: String, _ arguments: [String], environment: [String: String], act: (CommandRun.Running) async throws -> Void
    ) async throws -> (run: CommandRun, reached: Bool) {
        let running = try CommandRun.Running(
            proof, ["interrupt", "--named", name, "--signal", "\(SIGSTOP)", "--"] + arguments, environment: environment)
        var reached = false
        while running.isRunning {
            if isStopped(running.processID) {
                reached = true
                do { try await act(running) } catch {
                    running.send(SIGKILL)
                    throw error
                }
                running.send(SIGCONT)
                break
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        return (await running.finish(), reached)
    }

    /// State T of /proc/PID/stat (proc(5)).
    private static func isStopped(_ process: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8), let end = text.lastIndex(of: ")") else {
            return false
        }
        return text[end...].dropFirst(2).first == "T"
    }
}
