package import Foundation

/// A real etcd that `make setup` installed.
package enum EtcdRelease: String, Sendable, CaseIterable, CustomStringConvertible {
    case v3_4 = "3.4"
    case v3_5 = "3.5"

    package var description: String { "etcd \(rawValue)" }

    /// The checkout that this file was compiled in.
    package static let checkout = URL(fileURLWithPath: #filePath)  // Proofs/Proving/Servers/EtcdRelease.swift
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let tools = checkout.appendingPathComponent(".tools/etcd-3.5.1")

    /// The server.
    package var server: String { self == .v3_5 ? Self.tools.appendingPathComponent("etcd").path : "/usr/bin/etcd" }

    /// The tool that reads and restores snapshot files: etcdutl since 3.5.
    package var snapshotTool: String {
        self == .v3_5 ? Self.tools.appendingPathComponent("etcdutl").path : "/usr/bin/etcdctl"
    }

    package var etcdctl: String { self == .v3_5 ? Self.tools.appendingPathComponent("etcdctl").path : "/usr/bin/etcdctl" }

    package var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: server) }

    /// Why tests against real servers are skipped, where they are.
    package static let missing = "etcd 3.4 or 3.5.1 is not installed: run `make setup`"

    /// Whether tests that need real servers run: on a laptop a missing server skips them, in CI it fails them.
    package static var mayRun: Bool {
        allCases.allSatisfy(\.isInstalled) || ProcessInfo.processInfo.environment["CI"] == "true"
    }
}
