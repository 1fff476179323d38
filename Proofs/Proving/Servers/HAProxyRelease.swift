internal import Foundation

/// A real HAProxy that `make setup` installed.
package enum HAProxyRelease: String, Sendable, CaseIterable, CustomStringConvertible {
    case v2_6 = "2.6"
    case v2_8 = "2.8"

    package var description: String { "HAProxy \(rawValue)" }

    private static let tools = EtcdRelease.checkout.appendingPathComponent(".tools/haproxy-2.8.25")

    package var program: String { self == .v2_6 ? "/usr/sbin/haproxy" : Self.tools.appendingPathComponent("haproxy").path }

    /// 2.8 brings the libraries that it was built with.
    package var environment: [String: String] { self == .v2_6 ? [:] : ["LD_LIBRARY_PATH": Self.tools.path] }

    package var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    package static let missing = "HAProxy 2.6 or 2.8 is not installed: run `make setup`"

    /// Whether tests that need real load balancers run: on a laptop a missing one skips them, in CI it fails them.
    package static var mayRun: Bool { allCases.allSatisfy(\.isInstalled) || ProcessInfo.processInfo.environment["CI"] == "true" }
}
