import Foundation
import KubernetesAPI
import Proving
import Testing

/// The image that `make image` packs.
@Suite(.enabled(if: AptRoot.mayRun, Comment(rawValue: "running what is in an image takes root")), .timeLimit(.minutes(5)))
struct ImageTests {
    @Test func `The image holds all that the program needs, and leads the controller where no arguments are given`() async throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Scripts/image").standardizedFileURL
            .path
        try await BuiltProgram.withFolder { folder in
            let packed = try await CommandRun.run(script, [BuiltProgram.path, "drydock.dev/drydock:test", "\(folder.path)/image.tar"])
            try #require(packed.status == 0, "\(packed.errors)")
            let unpacked = try await CommandRun.run(
                "/bin/sh", ["-euc", "cd \(folder.path); tar -xf image.tar; mkdir root; tar -xf layer.tar -C root; cat manifest.json"])
            try #require(unpacked.status == 0, "\(unpacked.errors)")
            let manifest = try #require(try JSON(parsing: unpacked.output).elements.first)
            let file = folder.appendingPathComponent(try #require(manifest["Config"].string))
            let config = try JSON(parsing: String(contentsOf: file, encoding: .utf8))["config"]
            let user = try #require(config["User"].string)
            #expect(user == "65532:65532", "not root")
            let words = (config["Entrypoint"].elements + config["Cmd"].elements).compactMap(\.string)
            #expect(words == ["/usr/bin/drydock", "controller"])

            /// As a container starts it: its own root, user, processes and environment.
            func start(_ words: [String]) async throws -> CommandRun {
                let begin = "mkdir -p $0/proc; mount -t proc proc $0/proc; exec env -i /usr/sbin/chroot --userspec=\(user) $0 \"$@\""
                return try await CommandRun.run(
                    "/usr/bin/unshare", ["--mount", "--pid", "--fork", "/bin/sh", "-euc", begin, "\(folder.path)/root"] + words)
            }
            // There is no way into a cluster here.
            let led = try await start(words)
            #expect(led.status == 2 && led.errors.contains("kubeconfig"), "\(led.status): \(led.errors)")
            let version = try await start(["/usr/bin/drydock", "--version"])
            let expected = try await BuiltProgram.run(["--version"])
            #expect(version.status == 0 && version.output == expected.output, "\(version.errors)")
        }
    }
}
