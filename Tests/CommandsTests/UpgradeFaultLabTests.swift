import Foundation
import Proving
import Testing

/// What goes wrong in the middle of an upgrade of real nodes, and the way back over all of it: `make test-nodes-long`, for it takes half an hour.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(90)))
struct UpgradeFaultLabTests {
    @Test
    func `Killed ten times, cut off, booted, unplugged, with a full disk and a window that closes, an upgrade ends well, and is taken back whole`()
        async throws
    {
        let lab = try await RealNodes.settled()
        try await BuiltProgram.withFolder { folder in
            try await UpgradeLab.with(lab, in: folder) { desk in
                try #require(try await desk.complaints(at: "v1.20.2") == [], "another suite has left something")
                let troubles = [
                    UpgradeLab.Trouble("ssh is cut during kubeadm upgrade apply", at: "upgrade the control plane on cp1", after: .seconds(40)) {
                        lab in
                        // Those that run commands, and the connections that they share.
                        _ = try await CommandRun.run("pkill", ["-KILL", "-f", "--", "^ssh(:? .*drydock-ssh-|.*\(lab.folder))"])
                    },
                    .init("a control plane boots by itself between two steps", at: "fetch the images of v1.21.0 to cp3") { lab in
                        _ = try await lab.run(["ssh", "cp3", "systemctl reboot"])
                    },
                    .init(
                        "a control plane boots by itself in the middle of a step", at: "install kubelet and kubectl v1.21.0 on cp2",
                        after: .seconds(2)
                    ) { lab in
                        _ = try await lab.run(["ssh", "cp2", "systemctl reboot"])
                    },
                    .init("the plug of a worker is pulled", at: "install kubelet and kubectl v1.21.0 on w1", after: .seconds(3)) { lab in
                        _ = try await lab.run(["ssh", "w1", "systemctl reboot -ff"])
                    },
                    .init("the disk of a worker is full", at: "fetch the images of v1.21.0 to w2") { lab in
                        try await lab.on(
                            "w2",
                            """
                            cp -a /var/lib/dpkg /var/lib/dpkg.kept
                            mount -t tmpfs -o size=$(($(du -sk /var/lib/dpkg | cut -f 1) + 64))k tmpfs /var/lib/dpkg
                            cp -a /var/lib/dpkg.kept/. /var/lib/dpkg/ || :
                            dd if=/dev/zero of=/var/lib/dpkg/full bs=1k 2>/dev/null || :
                            """)
                    },
                ]
                // Anywhere, but for the last steps, which may be over before it is killed.
                let steps = (1...60).shuffled().prefix(10).sorted()
                // For two minutes, in the middle, no node may be begun.
                let closing = Date().addingTimeInterval(240)
                let window = "0 0 * * * 24h; not \(closing.formatted(.iso8601))..\(closing.addingTimeInterval(120).formatted(.iso8601))"
                let ((status, lives, waits, kills, left), broken, _) = try await desk.watchingBudgets {
                    try await desk.struggle(apply: desk.apply(to: "v1.21.0") + ["--window", window, "--stay"], through: troubles, kills: steps) {
                        stopped in
                        // It says why, and how to go on.
                        #expect(stopped.contains("runs resume") || stopped.contains("Wait for it"), "\(stopped)")
                        // Whoever is on call mends what is said.
                        _ = try await lab.run(["ssh", "w2", "if mountpoint -q /var/lib/dpkg; then umount -l /var/lib/dpkg; fi"])
                        _ = try? await lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout", "180s")
                    }
                }
                print("\(lives) lives")
                #expect(status == 0 && kills.isEmpty, "after \(lives) lives, not killed at \(kills)")
                #expect(waits > 0, "nobody waited for the window to open")
                #expect(left.isEmpty, "these did not happen: \(left)")
                #expect(broken.isEmpty, "\(broken)")
                #expect(try await desk.complaints(at: "v1.21.0") == [])
                print(try await desk.drydock(["upgrade", "status"]).output)

                // The way back over all of it: what was written since is listed, and lost.
                try await lab.kubectl("-n", desk.namespace, "create", "configmap", "later")
                let refused = try await desk.drydock(["upgrade", "rollback", "--restore-etcd", "--accept-older-etcd"])
                #expect(
                    refused.status == 4 && refused.output.contains("configmaps: ") && refused.output.contains("later"),
                    "\(refused.output)\(refused.errors)")
                let cut = try desk.running(["upgrade", "rollback", "--restore-etcd", "--accept-older-etcd", "--accept-loss"])
                // Killed while there is no API that anybody could ask.
                let isAway = try await eventually(within: 900) {
                    !cut.isRunning ? false : cut.errorsSoFar.contains("make sure that nothing of it runs") ? true : nil
                }
                #expect(isAway == true, "\(cut.errorsSoFar.suffix(600))")
                cut.send(SIGKILL)
                _ = await cut.finish()
                let back = try await desk.drydock(["upgrade", "resume"])
                print(back.output)
                try #require(back.status == 0, "\(back.output)\(back.errors)")
                #expect(try await desk.complaints(at: "v1.20.2") == [])
                #expect(
                    try await !lab.kubectl("-n", desk.namespace, "get", "configmaps", "-o", "name").contains("later"), "etcd's data is the backup's")
                let lost = try await desk.drydock(["upgrade", "status"])
                #expect(lost.output.contains("lost:") && lost.output.contains("configmaps"), "\(lost.output)")
            }
        }
    }
}
