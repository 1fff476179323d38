import Foundation
import Proving
import Testing

/// `drydock upgrade` on a real kubeadm cluster of real hosts: systemd, sshd, apt, containerd, kubelets, with its load balancer in front.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(60)))
struct UpgradeLabTests {
    @Test func `All five nodes go to the next minor, nobody notices, no budget is broken, and packages are held as before`() async throws {
        let lab = try await RealNodes.settled()
        try await BuiltProgram.withFolder { folder in
            try await UpgradeLab.with(lab, in: folder) { desk in
                try #require(try await desk.complaints(at: "v1.20.2") == [], "another suite has left something")
                let planned = try await desk.drydock(["upgrade", "plan", "--to", "v1.21.0", "--no-backup"] + desk.front)
                #expect([0, 3].contains(planned.status), "\(planned.output)\(planned.errors)")
                print(planned.output)

                let began = ContinuousClock.now
                let ((paused, run), broken, looks) = try await desk.watchingBudgets {
                    let first = try desk.running(desk.apply(to: "v1.21.0"))
                    _ = try await eventually(within: 300) {
                        !first.isRunning || first.errorsSoFar.contains("upgrade the control plane on cp1") ? true : nil
                    }
                    let asked = try await desk.drydock(["upgrade", "pause"])
                    #expect(asked.status == 0, "\(asked.errors)")
                    let paused = await first.finish()
                    return (paused, try await desk.drydock(["upgrade", "resume"] + desk.probe))
                }
                // It stops between two nodes, and nothing is left closed.
                #expect(
                    paused.status == 4 && paused.errors.contains("asked the run to stop here") && paused.errors.contains("runs resume"),
                    "\(paused.errors)")
                #expect(paused.output.contains("100.0000% of"), "0 failed requests: \(paused.output)")
                print(paused.output)
                print("upgraded in \(ContinuousClock.now - began); the budgets were looked at \(looks) times")
                print(run.output)
                try #require(run.status == 0, "\(run.output)\(run.errors)")
                #expect(run.output.contains("100.0000% of"), "0 failed requests")
                #expect(broken.isEmpty && looks > 50, "\(broken)")
                #expect(try await desk.complaints(at: "v1.21.0") == [])

                let report = folder.appendingPathComponent("report.html")
                let status = try await desk.drydock(["upgrade", "status", "--report", report.path])
                #expect(status.status == 0 && status.output.contains("66 of 66 steps"), "\(status.output)\(status.errors)")
                let page = try String(contentsOf: report, encoding: .utf8)
                for words in ["<svg", "kubeadm upgrade apply", "requests failed", "lab/20", "began"] { #expect(page.contains(words), "\(words)") }
                #expect(!page.contains("PRIVATE KEY"))
            }
        }
    }
}
