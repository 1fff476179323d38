internal import Foundation
internal import Operations

/// A real Prometheus with rules whose alerts fire, and a real Alertmanager that it tells, for as long as a closure runs.
package struct LocalPrometheus: Sendable {
    /// Of Prometheus, and of Alertmanager.
    package let url: String
    package let alertmanager: String

    /// - Parameter alerts: names and labels; those with `pending` set do not fire yet.
    package static func running<Result>(
        _ alerts: [(name: String, labels: [String: String], isPending: Bool)], body: (LocalPrometheus) async throws -> Result
    ) async throws -> Result {
        try await BuiltProgram.withFolder { folder in
            let ports = try FreePorts.take(2)
            let rules = alerts.map { alert in
                """
                      - alert: \(alert.name)
                        expr: vector(1)
                \(alert.isPending ? "        for: 1h\n" : "")        labels: {\(alert.labels.sorted { $0.key < $1.key }.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", "))}

                """
            }.joined()
            func write(_ name: String, _ text: String) throws -> String {
                let file = folder.appendingPathComponent(name)
                try Data(text.utf8).write(to: file)
                return file.path
            }
            _ = try write("rules.yml", "groups:\n  - name: test\n    interval: 200ms\n    rules:\n\(rules)")
            let configuration = try write(
                "prometheus.yml",
                """
                global: {evaluation_interval: 200ms}
                rule_files: [rules.yml]
                alerting:
                  alertmanagers: [{static_configs: [{targets: ["127.0.0.1:\(ports[1])"]}]}]

                """)
            let receiver = try write("alertmanager.yml", "route: {receiver: nobody, group_wait: 100ms}\nreceivers: [{name: nobody}]\n")
            let processes = [
                try CommandRun.Running(
                    "/usr/bin/prometheus-alertmanager",
                    [
                        "--config.file=\(receiver)", "--storage.path=\(folder.path)/alertmanager", "--web.listen-address=127.0.0.1:\(ports[1])",
                        "--cluster.listen-address=",
                    ]),
                try CommandRun.Running(
                    "/usr/bin/prometheus",
                    [
                        "--config.file=\(configuration)", "--storage.tsdb.path=\(folder.path)/data", "--web.listen-address=127.0.0.1:\(ports[0])",
                        "--rules.alert.resend-delay=1s",
                    ]),
            ]
            let outcome: Swift.Result<Result, any Error>
            do {
                let limit = ContinuousClock.now + .seconds(30)
                for (port, process) in zip([ports[1], ports[0]], processes) {
                    while true {
                        guard ContinuousClock.now < limit, process.isRunning else {
                            throw LocalEtcdCluster.Failure(description: "it does not serve: \(process.errorsSoFar.suffix(1000))")
                        }
                        let answer = try? await WebClient.connected { try await $0.send("GET", "http://127.0.0.1:\(port)/-/ready", nil, 5) }
                        if answer?.status == 200 { break }
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
                outcome = .success(
                    try await body(LocalPrometheus(url: "http://127.0.0.1:\(ports[0])", alertmanager: "http://127.0.0.1:\(ports[1])")))
            } catch { outcome = .failure(error) }
            for process in processes {
                process.send(SIGKILL)
                _ = await process.finish()
            }
            return try outcome.get()
        }
    }
}
