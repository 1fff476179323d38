import Foundation
import Proving
import Testing

/// What `drydock manifests backup` prints, on a real API server.
@Suite(.enabled(if: RealKubernetes.mayRun, Comment(rawValue: RealKubernetes.missing)), .timeLimit(.minutes(40)))
struct BackupJobTests {
    @Test func `A real API server takes every manifest, and refuses those of the scenarios`() async throws {
        try await RealKubernetes.running(nodes: 1) { cluster in
            func dryRun(_ text: String) async throws -> CommandRun {
                let file = cluster.folder.appendingPathComponent("\(UUID().uuidString).yaml")
                try Data(text.utf8).write(to: file)
                return try await CommandRun.run(
                    cluster.kubectl, ["--kubeconfig", cluster.kubeconfig.path, "apply", "--dry-run=server", "--validate=true", "-f", file.path])
            }
            for words in [
                ["all"], ["restore"], ["s3", "--recipient", "age1x", "--schedule", "15 3 * * MON-FRI", "--retention-days", "7"],
                ["volume", "--namespace", "default", "--storage", "1Gi", "--claim", "other"],
            ] {
                let printed = try await BuiltProgram.run(["manifests", "backup", "--kubernetes-version", "1.20"] + words)
                #expect(printed.status == 0, "\(printed.errors)")
                let taken = try await dryRun(printed.output)
                #expect(taken.status == 0, "\(words): \(taken.output)\(taken.errors)\n\(printed.output)")
                #expect(!taken.output.contains("unchanged"))
            }
            let scenario = """
                apiVersion: batch/v1
                kind: Job
                metadata: {name: cluster-restore, namespace: default}
                spec:
                  template:
                    spec:
                      containers:
                      - name: restore
                        image: restore-tool:v1
                        command: [/restore-script.sh]
                """
            let refused = try await dryRun(scenario)
            #expect(refused.status != 0 && refused.errors.contains("restartPolicy"), "\(refused.output)\(refused.errors)")
        }
    }

    @Test func `Newer clusters get the API of theirs, and a time zone where there is one`() async throws {
        let new = try await BuiltProgram.run(["manifests", "backup", "s3", "--time-zone", "Europe/Berlin"])
        #expect(
            new.status == 0 && new.output.contains("apiVersion: batch/v1\n") && new.output.contains("timeZone: \"Europe/Berlin\""), "\(new.output)")
        let old = try await BuiltProgram.run(["manifests", "backup", "s3", "--time-zone", "Europe/Berlin", "--kubernetes-version", "1.24"])
        #expect(old.status == 2 && old.errors.contains("1.25"), "\(old.errors)")
        #expect(try await BuiltProgram.run(["manifests", "backup", "s3", "--schedule", "0 0 * * 7"]).status == 2)
    }
}
