import Foundation
@testable import KubernetesClient
import KubernetesAPI
import Synchronization
import Testing

struct CredentialTests {
    private final class Clock: Sendable {
        private let time = Mutex(Date(timeIntervalSince1970: 1_800_000_000))
        var now: Date { time.withLock { $0 } }
        func pass(_ seconds: Double) { time.withLock { $0 += seconds } }
    }

    private func withFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-credentials-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    @Test func `A token file is read anew after a minute, and when the server refuses`() async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("token")
            let clock = Clock()
            let source = CredentialSource(.file(file.path), now: { clock.now })
            func write(_ token: String) throws { try Data("\(token)\n".utf8).write(to: file) }
            try write("one")
            #expect(try await source.header() == "Bearer one")
            try write("two")
            #expect(try await source.header() == "Bearer one")
            clock.pass(61)
            #expect(try await source.header() == "Bearer two")
            try write("three")
            #expect(await source.invalidate())
            #expect(try await source.header() == "Bearer three")
            // While it is exchanged the file is not there.
            try FileManager.default.removeItem(at: file)
            clock.pass(61)
            #expect(try await source.header() == "Bearer three")
            let other = CredentialSource(.file(file.path))
            await #expect(throws: KubernetesError.self) { try await other.header() }
        }
    }

    /// A plugin that counts how often it is asked, and answers with `status`.
    private func plugin(_ folder: URL, status: String, exit code: Int = 0) throws -> (plugin: CredentialPlugin, asked: () -> Int) {
        let log = folder.appendingPathComponent("asked")
        let script = folder.appendingPathComponent("login")
        let text = """
            #!/bin/sh
            echo "$MARK $1 $KUBERNETES_EXEC_INFO" >> \(log.path)
            echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": \(status)}'
            exit \(code)
            """
        try Data(text.utf8).write(to: script)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: script.path)
        let plugin = CredentialPlugin(
            command: script.path, arguments: ["get"], environment: ["MARK": "mark"], apiVersion: "client.authentication.k8s.io/v1",
            cluster: ["server": "https://a"], hint: "Install it.")
        return (plugin, { (try? String(contentsOf: log, encoding: .utf8))?.split(separator: "\n").count ?? 0 })
    }

    @Test func `A plugin is asked once for all who wait, and again when its token ends`() async throws {
        try await withFolder { folder in
            let clock = Clock()
            let (plugin, asked) = try plugin(
                folder, status: "{\"token\": \"t\", \"expirationTimestamp\": \"\(Timestamp.time(clock.now.addingTimeInterval(100)))\"}")
            let source = CredentialSource(.plugin(plugin), now: { clock.now })
            try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<8 { group.addTask { try await source.header() } }
                for try await header in group { #expect(header == "Bearer t") }
            }
            #expect(asked() == 1)
            let log = try String(contentsOf: folder.appendingPathComponent("asked"), encoding: .utf8)
            #expect(log.hasPrefix("mark get {") && log.contains(#""server":"https://a""#) && log.contains("client.authentication.k8s.io/v1"))
            clock.pass(101)
            _ = try await source.header()
            #expect(asked() == 2)
            _ = await source.invalidate()
            _ = try await source.header()
            #expect(asked() == 3)
        }
    }

    @Test func `A plugin may hand out a client certificate, and one that fails is named with its hint`() async throws {
        try await withFolder { folder in
            let source = CredentialSource(.plugin(try plugin(folder, status: #"{"clientCertificateData": "cert", "clientKeyData": "key"}"#).plugin))
            #expect(try await source.identity() == Identity(certificate: Array("cert".utf8), key: Array("key".utf8)))
            #expect(try await source.header() == nil)
            for (status, code) in [("{\"token\": \"secret\"}", 1), ("{}", 0), ("{\"token\": \"\"}", 0)] {
                let broken = CredentialSource(.plugin(try plugin(folder, status: status, exit: code).plugin))
                let error = await #expect(throws: KubernetesError.self) { try await broken.header() }
                #expect(error?.description.contains("login") == true && error?.description.contains("Install it.") == true)
                #expect(error?.description.contains("secret") == false)
            }
            var missing = try plugin(folder, status: "{}").plugin
            missing.command = "drydock-no-such-plugin"
            let source2 = CredentialSource(.plugin(missing))
            let error = await #expect(throws: KubernetesError.self) { try await source2.header() }
            #expect(error?.description.contains("cannot be run") == true)
        }
    }
}
