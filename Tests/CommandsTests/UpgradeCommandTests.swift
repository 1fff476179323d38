import Foundation
import Proving
import Testing

/// `drydock upgrade` and `drydock rehearse upgrade` as people type them, against a served twin.
struct UpgradeCommandTests {
    private func withTwin(_ version: String, _ body: (_ folder: URL, _ drydock: ([String]) async throws -> CommandRun) async throws -> Void)
        async throws
    {
        try await BuiltProgram.withFolder { folder in
            let kubeconfig = folder.appendingPathComponent("twin.yaml").path
            try await CommandRun.Running.whileRunning(
                BuiltProgram.path,
                [
                    "twin", "serve", "--nodes", "6", "--control-planes", "3", "--pods", "40", "--kubernetes-version", version, "--kubeconfig-out",
                    kubeconfig,
                ]
            ) { _ in
                let isThere = try await eventually(within: 60) { FileManager.default.fileExists(atPath: kubeconfig) ? true : nil }
                try #require(isThere == true)
                let environment = ["XDG_STATE_HOME": folder.path, "HOME": folder.path, "KUBECONFIG": kubeconfig]
                try await body(folder) { try await BuiltProgram.run($0, environment: environment) }
            }
        }
    }

    @Test func `A rehearsal says how long an upgrade takes and what holds it up, and writes it down`() async throws {
        try await withTwin("1.23") { folder, drydock in
            let files = ["html", "md", "json"].map { folder.appendingPathComponent("run.\($0)").path }
            let run = try await drydock(["rehearse", "upgrade", "--to", "v1.25.0", "-q"] + files.flatMap { ["--report", $0] })
            #expect([0, 3].contains(run.status), "\(run.output)\(run.errors)")
            for words in ["the upgrade takes", "rehearsed in", "BUDGET", "v1.25.0", "done"] {
                #expect(run.output.contains(words), "\(words): \(run.output)")
            }
            let page = try String(contentsOfFile: files[0], encoding: .utf8)
            #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<svg") && !page.contains("http://") && !page.contains("<script"))
            // Nobody takes it for the real one.
            #expect(page.contains("Rehearsal of the upgrade") && !page.contains("upgrade rollback"), "\(page)")
            #expect(try String(contentsOfFile: files[1], encoding: .utf8).hasPrefix("# Rehearsal of the upgrade "))
            let json = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: files[2]))) as? [String: Any])
            #expect(json["state"] as? String == "done")
            for file in files { #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600) }
            let plan = try await drydock(["upgrade", "plan", "--cluster-only", "--to", "v1.25.0"])
            #expect(plan.output.contains("v1.23.0 -> v1.24.0 -> v1.25.0"), "the real one is as it was: \(plan.output)")
        }
    }

    @Test func `What cannot be is refused with what to write instead, and what cannot be read is told of`() async throws {
        try await withTwin("1.24") { folder, drydock in
            func expect(_ words: [String], _ status: Int32, _ said: String) async throws {
                let run = try await drydock(words)
                #expect(run.status == status && (run.output + run.errors).contains(said), "\(words): \(run.status) \(run.output)\(run.errors)")
            }
            try await expect(["upgrade", "plan", "--cluster-only", "--to", "v1.23.5"], 2, "cannot be downgraded")
            try await expect(["upgrade", "plan", "--cluster-only", "--to", "1.25"], 2, "three numbers")
            try await expect(["upgrade", "apply", "--to", "v1.25.0"], 2, "--no-backup")
            try await expect(["upgrade", "apply", "--to", "v1.25.0", "--location", folder.path, "--recipient", "age1abc"], 2, "--identity")
            try await expect(
                ["upgrade", "apply", "--to", "v1.25.0", "--no-backup", "--context", "a", "--addon-hook", "/bin/true"], 2, "current context")
            for command in ["status", "pause", "resume", "rollback", "abort"] { try await expect(["upgrade", command], 2, "has no upgrade") }
            try await expect(["upgrade", "status", "nothing"], 2, "there is no run")
            let manifests = folder.appendingPathComponent("manifests")
            try FileManager.default.createDirectory(at: manifests, withIntermediateDirectories: true)
            try Data("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: {{ .Values.name }}}\n".utf8).write(
                to: manifests.appendingPathComponent("template.yaml"))
            try Data(String(repeating: "[", count: 100_000).utf8).write(to: manifests.appendingPathComponent("broken.yaml"))
            try Data([0xff, 0xfe, 0x00]).write(to: manifests.appendingPathComponent("binary.yml"))
            let plan = try await drydock(["upgrade", "plan", "--cluster-only", "--to", "v1.25.0", "--manifests", manifests.path])
            #expect(plan.status == 4 && plan.output.contains("template.yaml"), "\(plan.output)\(plan.errors)")
            for words in ["what nobody could look at", "broken.yaml", "binary.yml"] {
                #expect(plan.output.contains(words), "\(words): \(plan.output)")
            }
            try await expect(["upgrade", "plan", "--cluster-only", "--to", "v1.25.0", "--quota-for", "x y: z"], 2, "no namespace")
            let audit = folder.appendingPathComponent("audit.log")
            try Data(
                """
                {"user":{"username":"system:apiserver"},"userAgent":"kube-apiserver/v1.24.0","objectRef":{"resource":"flowschemas","apiGroup":"flowcontrol.apiserver.k8s.io","apiVersion":"v1beta2"},"annotations":{"k8s.io/deprecated":"true"}}
                {"user":{"username":"bob"},"userAgent":"old/1 (x)","stageTimestamp":"2026-11-25T10:00:00.123456Z","objectRef":{"resource":"cronjobs","apiGroup":"batch","apiVersion":"v1beta1"},"annotations":{"k8s.io/deprecated":"true"}}
                """.utf8
            ).write(to: audit)
            let asked = try await drydock(["upgrade", "plan", "--cluster-only", "--to", "v1.29.0", "--audit-log", audit.path])
            #expect(asked.output.contains("bob with old/1") && asked.output.contains("2026-11-25T10:00:00Z"), "\(asked.output)")
            #expect(!asked.output.contains("system:apiserver"), "the cluster's own parts are upgraded with it: \(asked.output)")
        }
    }

    @Test func `A second plan finds no more than the first: drydock's own look is not somebody's use`() async throws {
        try await withTwin("1.24") { _, drydock in
            let plans = try await [
                drydock(["upgrade", "plan", "--cluster-only", "--to", "v1.25.0"]), drydock(["upgrade", "plan", "--cluster-only", "--to", "v1.25.0"]),
            ]
            for plan in plans { #expect(!plan.output.contains("is without it"), "\(plan.output)") }
        }
    }
}
