internal import Foundation

/// A real kubectl that `make setup` put into .tools.
package enum Kubectl: String, Sendable, CaseIterable, CustomStringConvertible {
    /// Of Debian's kubernetes-client.
    case v1_20 = "kubectl-1.20"
    case v1_37 = "kubectl-1.37.1"

    package var description: String { rawValue }

    package var path: String { EtcdRelease.checkout.appendingPathComponent(".tools/\(rawValue)/kubectl").path }

    package var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }

    package static let missing = "kubectl 1.20 or 1.37 is not installed: run `make setup`"

    /// On a laptop a missing kubectl skips its tests, in CI it fails them.
    package static var mayRun: Bool { allCases.allSatisfy(\.isInstalled) || ProcessInfo.processInfo.environment["CI"] == "true" }

    /// Runs kubectl on the cluster of a kubeconfig.
    package func run(_ arguments: [String], kubeconfig: String) async throws -> CommandRun {
        try await CommandRun.run(path, arguments, environment: ["KUBECONFIG": kubeconfig, "HOME": "/nonexistent"])
    }
}
