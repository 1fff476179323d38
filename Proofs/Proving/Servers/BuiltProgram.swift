package import Foundation

/// The `drydock` that stands beside the running program: built together with it.
package enum BuiltProgram {
    package static let path: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("drydock").path
    }()

    /// Runs `drydock` to its end. Nothing of the caller's etcd settings reaches it.
    package static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> CommandRun {
        try await CommandRun.run(path, arguments, environment: environment)
    }

    /// A temporary folder for as long as `body` runs.
    package static func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-proof-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(folder)
    }
}
