internal import Foundation
internal import Synchronization

/// A command that ran to its end, and what it said.
package struct CommandRun: Sendable {
    /// The exit code; for a process that a signal ended, 128 + the signal, as shells say it.
    package var status: Int32
    package var output: String
    package var errors: String

    /// Runs `executable`, found along PATH when it has no slash.
    /// - Parameter environment: added to our own, which loses its etcd settings.
    @discardableResult
    package static func run(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> CommandRun {
        let running = try Running(executable, arguments, environment: environment)
        return await running.finish()
    }

    /// A process that was started and writes to files, so that no pipe can fill up.
    package final class Running: Sendable {
        private let process: Process
        private let folder: URL
        private let ended: AsyncStream<Void>

        package var processID: Int32 { process.processIdentifier }

        package init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-run-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [executable] + arguments
            process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("ETCDCTL_") }.merging(environment) { $1 }
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = try Self.file(folder.appendingPathComponent("out"))
            process.standardError = try Self.file(folder.appendingPathComponent("err"))
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
            ended = stream
            process.terminationHandler = { _ in continuation.finish() }
            try process.run()
        }

        /// Runs a program for as long as `body` runs, and ends it.
        package static func whileRunning<Result>(
            _ executable: String, _ arguments: [String], environment: [String: String] = [:], body: (Running) async throws -> Result
        ) async throws -> Result {
            let running = try Running(executable, arguments, environment: environment)
            let outcome: Swift.Result<Result, any Error>
            do { outcome = .success(try await body(running)) } catch { outcome = .failure(error) }
            running.send(SIGKILL)
            _ = await running.finish()
            return try outcome.get()
        }

        package func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

        package var isRunning: Bool { process.isRunning }

        /// What it wrote to standard output up to now.
        package var outputSoFar: String { Self.text(folder.appendingPathComponent("out")) }

        /// What it wrote to standard error up to now.
        package var errorsSoFar: String { Self.text(folder.appendingPathComponent("err")) }

        /// Waits for the end.
        package func finish() async -> CommandRun {
            for await _ in ended {}
            process.waitUntilExit()
            defer { try? FileManager.default.removeItem(at: folder) }
            let code = process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus
            let run = CommandRun(status: code, output: outputSoFar, errors: errorsSoFar)
            // Whatever the program of ours is run for, it tells no secret.
            guard [BuiltProgram.path, BuiltProgram.proof].contains(process.arguments?.first), let secret = Secrets.told(in: run) else { return run }
            return CommandRun(status: 99, output: run.output, errors: "IT TOLD A SECRET (\(secret)): \(run.errors)")
        }

        private static func text(_ url: URL) -> String { (try? String(contentsOf: url, encoding: .utf8)) ?? "" }

        private static func file(_ url: URL) throws -> FileHandle {
            _ = FileManager.default.createFile(atPath: url.path, contents: nil)
            return try FileHandle(forWritingTo: url)
        }
    }
}
