import Foundation
import Proving
import Testing

/// What goes wrong in the middle of an upgrade of real nodes, and the way back over all of it: `make test-nodes-long`, for it takes half an hour.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(90)))
struct UpgradeFaultLabTests {
    /// What happens when a run comes to a step for the first time.
    private struct Trouble {
        var name: String
        /// The beginning of the step's title.
        var step: String
        /// How long after its beginning, seconds.
        var after: Double
        var body: (UpgradeLab, CommandRun.Running) async throws -> Void
    }

    @Test func `Killed ten times, cut off, booted, unplugged and with a full disk, an upgrade ends well, and is taken back whole`() async throws {
        let lab = try #require(RealNodes())
        try await BuiltProgram.withFolder { folder in
            try await UpgradeLab.with(lab, in: folder) { desk in
                try #require(try await desk.complaints(at: "v1.20.2") == [], "another suite has left something")
                var troubles = [
                    Trouble(name: "ssh is cut during kubeadm upgrade apply", step: "upgrade the control plane on cp1", after: 40) { desk, _ in
                        for _ in 0..<3 {
                            _ = try await CommandRun.run("pkill", ["-KILL", "-f", "--", "^ssh .*\(desk.lab.folder)"])
                            try await Task.sleep(for: .seconds(2))
                        }
                    },
                    Trouble(name: "a control plane boots by itself between two steps", step: "fetch the images of v1.21.0 to cp3", after: 0) { desk, _ in
                        _ = try await desk.lab.run(["ssh", "cp3", "systemctl reboot"])
                    },
                    Trouble(name: "dpkg has no room", step: "install kubelet and kubectl v1.21.0 on w1", after: 0) { desk, _ in
                        try await desk.lab.on("w1", "cp -a /var/lib/dpkg /var/lib/dpkg.kept; size=$(du -sk /var/lib/dpkg | cut -f 1); mount -t tmpfs -o size=$((size + 64))k tmpfs /var/lib/dpkg; cp -a /var/lib/dpkg.kept/. /var/lib/dpkg/ || :; dd if=/dev/zero of=/var/lib/dpkg/full bs=1k 2>/dev/null || :")
                    },
                    Trouble(name: "a worker boots by itself", step: "configure the kubelet of w1", after: 0) { desk, _ in
                        _ = try await desk.lab.run(["ssh", "w1", "systemctl reboot"])
                    },
                    Trouble(name: "the plug of a worker is pulled", step: "install kubelet and kubectl v1.21.0 on w2", after: 4) { desk, _ in
                        _ = try await desk.lab.run(["ssh", "w2", "systemctl reboot -ff"])
                    },
                ]
                var kills = 0
                var lives = 0
                var status: Int32 = -1
                let (_, broken, _) = try await desk.watchingBudgets {
                    while lives < 40, status != 0 {
                        lives += 1
                        let words = lives == 1 ? desk.apply(to: "v1.21.0") : ["upgrade", "resume"] + desk.probe
                        let running = try desk.running(words)
                        // Some lives end by a kill at any moment.
                        let killAt = kills < 10 ? ContinuousClock.now + .seconds(.random(in: 15...75)) : nil
                        while running.isRunning {
                            let said = running.errorsSoFar
                            if let index = troubles.firstIndex(where: { said.contains("] \($0.step)") }) {
                                let trouble = troubles.remove(at: index)
                                print("life \(lives): \(trouble.name)")
                                try await Task.sleep(for: .seconds(trouble.after))
                                try await trouble.body(desk, running)
                            }
                            if let killAt, ContinuousClock.now > killAt {
                                print("life \(lives): killed at \(said.split(separator: "\n").last { $0.hasPrefix("[") } ?? "its beginning")")
                                running.send(SIGKILL)
                                kills += 1
                                break
                            }
                            try await Task.sleep(for: .milliseconds(200))
                        }
                        let run = await running.finish()
                        status = run.status
                        guard status != 0, status != 128 + SIGKILL else { continue }
                        print("life \(lives) stopped: \(run.errors.suffix(700))")
                        // It says why, and how to go on.
                        #expect(run.errors.contains("runs resume") || run.errors.contains("Wait for it"), "\(run.errors.suffix(700))")
                        // Whoever is on call mends what is said.
                        _ = try await desk.lab.run(["ssh", "w1", "if mountpoint -q /var/lib/dpkg; then umount -l /var/lib/dpkg; fi"])
                        _ = try? await desk.lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "180s")
                    }
                }
                print("\(kills) kills, \(lives) lives")
                #expect(status == 0 && kills >= 10, "after \(lives) lives, \(kills) kills")
                #expect(troubles.isEmpty, "these did not happen: \(troubles.map(\.name))")
                #expect(broken.isEmpty, "\(broken)")
                #expect(try await desk.complaints(at: "v1.21.0") == [])
                print(try await desk.drydock(["upgrade", "status"]).output)

                // The way back over all of it: what was written since is listed, and lost.
                try await lab.kubectl("-n", desk.namespace, "create", "configmap", "later")
                let refused = try await desk.drydock(["upgrade", "rollback", "--restore-etcd", "--accept-older-etcd"])
                #expect(refused.status == 4 && refused.output.contains("configmaps: ") && refused.output.contains("later"), "\(refused.output)\(refused.errors)")
                let back = try await desk.drydock(["upgrade", "rollback", "--restore-etcd", "--accept-older-etcd", "--accept-loss"])
                print(back.output)
                try #require(back.status == 0, "\(back.output)\(back.errors)")
                #expect(try await desk.complaints(at: "v1.20.2") == [])
                #expect(try await !lab.kubectl("-n", desk.namespace, "get", "configmaps", "-o", "name").contains("later"), "etcd's data is the backup's")
                let lost = try await desk.drydock(["upgrade", "status"])
                #expect(lost.output.contains("lost:") && lost.output.contains("configmaps"), "\(lost.output)")
            }
        }
    }
}
