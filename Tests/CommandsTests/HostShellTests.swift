import Foundation
import NodeAccess
import Proving
import Testing

/// What the pod of a node shell does with an order, as root on this machine.
@Suite(.enabled(if: geteuid() == 0, "chroot takes root"), .timeLimit(.minutes(5)))
struct HostShellTests {
    private func order(_ json: String) -> [UInt8] { FramedInput.framed(Array(json.utf8)) }

    private func shell(_ input: [UInt8], in folder: URL) async throws -> CommandRun {
        let file = folder.appendingPathComponent("input-\(UUID().uuidString)")
        try Data(input).write(to: file)
        return try await CommandRun.run("/bin/sh", ["-c", "exec \(BuiltProgram.path) host-shell --once --root / <\(file.path)"])
    }

    @Test func `A command reads what follows, and its output, its complaints and its exit code are its own`() async throws {
        try await BuiltProgram.withFolder { folder in
            let many = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
            let counted = try await shell(
                order(#"{"words":["sh","-c","wc -c; echo said >&2; exit 7"]}"#) + FramedInput.framed(many) + FramedInput.end, in: folder)
            #expect(counted.status == 7 && counted.output == "3000000\n" && counted.errors == "said\n", "\(counted.output)\(counted.errors)")
            let killed = try await shell(order(#"{"words":["sh","-c","kill -9 $$"]}"#) + FramedInput.end, in: folder)
            #expect(killed.status == 137)
            // One that does not read, and ends.
            let deaf = try await shell(order(#"{"words":["true"]}"#) + FramedInput.framed(many) + FramedInput.end, in: folder)
            #expect(deaf.status == 0)
        }
    }

    @Test func `What is cut off is not taken for the whole`() async throws {
        try await BuiltProgram.withFolder { folder in
            let target = folder.appendingPathComponent("written").path
            let words = order(#"{"words":["sh","-c","( cat >\#(target).part; mv \#(target).part \#(target) ); true"]}"#)
            let whole = words + FramedInput.framed(Array("all of it".utf8)) + FramedInput.end
            for cut in [whole.count - 1, whole.count - 4, whole.count - 6, words.count + 2, words.count] {
                let run = try await shell(Array(whole.prefix(cut)), in: folder)
                #expect(run.status != 0 && !FileManager.default.fileExists(atPath: target), "\(cut) of \(whole.count)")
            }
            #expect(try await shell(whole, in: folder).status == 0)
            #expect(try String(contentsOfFile: target, encoding: .utf8) == "all of it")
        }
    }

    @Test func `A port of the host is reached, and one on which nobody listens is an error`() async throws {
        try await BuiltProgram.withFolder { folder in
            let kubeconfig = folder.appendingPathComponent("twin.yaml").path
            try await CommandRun.Running.whileRunning(BuiltProgram.path, ["twin", "serve", "--nodes", "1", "--kubeconfig-out", kubeconfig]) { _ in
                _ = try await eventually(within: 60) { FileManager.default.fileExists(atPath: kubeconfig) ? true : nil }
                let text = try String(contentsOfFile: kubeconfig, encoding: .utf8)
                let port = try #require(text.firstMatch(of: /127\.0\.0\.1:([0-9]+)/)?.1)
                let request = "GET /version HTTP/1.1\r\nHost: twin\r\nConnection: close\r\n\r\n"
                let answer = try await shell(
                    order(#"{"connect":"127.0.0.1:\#(port)"}"#) + FramedInput.framed(Array(request.utf8)) + FramedInput.end, in: folder)
                #expect(answer.status == 0 && answer.output.contains("gitVersion"), "\(answer.output)\(answer.errors)")
            }
            let nobody = try await shell(order(#"{"connect":"127.0.0.1:1"}"#) + FramedInput.end, in: folder)
            #expect(nobody.status != 0 && nobody.errors.contains("Nobody answers at 127.0.0.1:1"), "\(nobody.errors)")
            for input in [[], [0], order("{"), order("{}"), order(#"{"words":[]}"#), order(#"{"connect":"nowhere"}"#), [255, 255, 255, 255, 1]] {
                let run = try await shell(input, in: folder)
                #expect(run.status != 0 && run.status < 128 && !run.errors.isEmpty, "\(input): \(run.status)")
            }
        }
    }
}
