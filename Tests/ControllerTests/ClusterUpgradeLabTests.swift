import Foundation
import KubernetesAPI
import Maintenance
import Operations
import Proving
import Testing

/// A ClusterUpgrade on real nodes: the controller is a pod of the cluster that it upgrades, and reaches nodes by Jobs.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .serialized, .timeLimit(.minutes(80)))
struct ClusterUpgradeLabTests {
    @Test func `The controller upgrades the cluster that it runs in, though its own pods are moved, and takes it back`() async throws {
        let lab = try await RealNodes.settled()
        try await BuiltProgram.withFolder { folder in
            try await UpgradeLab.with(lab, in: folder) { desk in
                try #require(try await desk.complaints(at: "v1.20.2") == [], "another suite has left something")
                let image = try await lab.load(in: folder)
                let made = try await BuiltProgram.run([
                    "manifests", "controller", "--upgrades", "--kubernetes-version", "1.20", "--image", image, "--api-server", RealNodes.apiServer,
                ])
                let manifests = folder.appendingPathComponent("controller.yaml")
                try Data(made.output.utf8).write(to: manifests)
                try await lab.kubectl("apply", "--server-side", "-f", manifests.path)
                try await lab.kubectl("-n", "drydock", "rollout", "status", "deployment/drydock-controller", "--timeout", "120s")
                do { try await upgradeAndBack(lab, desk, folder) } catch {
                    print(try await logs(lab))
                    throw error
                }
                try await lab.kubectl("delete", "--ignore-not-found", "-f", manifests.path, "--timeout", "120s")
            }
        }
    }

    private func upgradeAndBack(_ lab: RealNodes, _ desk: UpgradeLab, _ folder: URL) async throws {
        let upgrade = folder.appendingPathComponent("upgrade.yaml")
        func write(_ version: String) async throws {
            try Data(
                """
                apiVersion: drydock.dev/v1alpha1
                kind: ClusterUpgrade
                metadata: {name: minor}
                spec: {version: "\(version)", ignorePreflightErrors: all, noBackup: true, drain: {deleteEmptyDirData: true}}

                """.utf8
            ).write(to: upgrade)
            try await lab.kubectl("apply", "-f", upgrade.path)
        }
        // What cannot be is said, and nothing is begun.
        try await write("v1.19.0")
        let refused = try await eventually(within: 120, every: 1) { try await look(lab).message.contains("cannot be downgraded") ? true : nil }
        #expect(refused == true)

        let before = try await leader(lab)
        let (states, broken, looks) = try await desk.watchingBudgets { () -> [String] in
            try await write("v1.21.0")
            _ = try await eventually(within: 600, every: 1) { try? await look(lab).step.contains("upgrade the control plane on cp1") ? true : nil }
            let asked = try await desk.drydock(["upgrade", "pause", "clusterupgrade/minor"])
            #expect(asked.status == 0, "\(asked.errors)")
            let paused = try await state(lab, within: 900) { $0 == "stopped" }
            #expect(try await look(lab).message.contains("asked the run to stop here"))
            let status = try await desk.drydock(["upgrade", "status", "clusterupgrade/minor"])
            #expect(status.status == 0 && status.output.contains("v1.20.2 -> v1.21.0") && status.output.contains("stopped"), "\(status.output)")
            #expect(try await lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.unschedulable}").isEmpty, "nothing is left closed")
            #expect(try await desk.drydock(["upgrade", "resume", "clusterupgrade/minor"]).status == 0)
            return [paused, try await state(lab, within: 1800) { $0 != "running" && $0 != "stopped" }]
        }
        #expect(states == ["stopped", "done"])
        #expect(broken.isEmpty && looks > 50, "\(broken)")
        try await settles(desk, at: "v1.21.0")
        print("\(looks) looks at the budgets; \(before) led at the beginning, \(try await leader(lab)) at the end")
        print(try await lab.kubectl("get", "clusterupgrades"))
        _ = try await eventually(within: 60, every: 1) { try await lab.kubectl("-n", "drydock", "get", "jobs", "-o", "name").isEmpty ? true : nil }
        #expect(try await lab.kubectl("-n", "drydock", "get", "jobs", "-o", "name").isEmpty, "no privileged Job is left")

        let back = try await desk.drydock(["upgrade", "rollback", "clusterupgrade/minor", "--keep-data"])
        #expect(back.status == 0, "\(back.errors)")
        let end = try await state(lab, within: 2400) { $0 == "rolledBack" }
        #expect(end == "rolledBack")
        try await settles(desk, at: "v1.20.2")
    }

    /// Nobody waits here for the load balancer, which looks for itself.
    private func settles(_ desk: UpgradeLab, at version: String) async throws {
        _ = try await eventually(within: 120, every: 5) { try await desk.complaints(at: version).isEmpty ? true : nil }
        #expect(try await desk.complaints(at: version) == [])
    }

    private struct Sight {
        var state = ""
        var step = ""
        var message = ""
    }

    private func look(_ lab: RealNodes) async throws -> Sight {
        let status = try JSON(parsing: try await lab.kubectl("get", "clusterupgrade", "minor", "-o", "json"))["status"]
        return Sight(state: status["state"].string ?? "", step: status["step"].string ?? "", message: status["message"].string ?? "")
    }

    /// The state as soon as it is as wanted; the last one that was seen where it does not come to that, or somebody has to look.
    private func state(_ lab: RealNodes, within seconds: Double, _ isWanted: (String) -> Bool) async throws -> String {
        var told = ""
        var last = ""
        _ = try await eventually(within: seconds, every: 1) { () -> Bool? in
            guard let status = try? JSON(parsing: try await lab.kubectl("get", "clusterupgrade", "minor", "-o", "json"))["status"] else { return nil }
            last = status["state"].string ?? ""
            let line = "\(status["progress"].string ?? "") \(last): \(status["step"].string ?? "") \(status["message"].string ?? "")"
            if line != told { print(line) }
            told = line
            return isWanted(last) || status["failed"] == true ? true : nil
        }
        return last
    }

    private func leader(_ lab: RealNodes) async throws -> String {
        try await lab.kubectl("-n", "drydock", "get", "lease", "drydock-controller", "-o", "jsonpath={.spec.holderIdentity}")
    }

    private func logs(_ lab: RealNodes) async throws -> String {
        try await lab.run(["kubectl", "-n", "drydock", "logs", "-l", "app.kubernetes.io/component=drydock-controller", "--tail=60"]).output
    }
}
