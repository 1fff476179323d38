import ClusterTwin
import Controller
import Foundation
import KubernetesAPI
import KubernetesClient
import KubernetesRuntime
import Maintenance
import NodeAccess
import Operations
import Proving
import Rehearsals
import Testing

/// ClusterUpgrades as the controller carries them out, on a twin's clock: the same plan, gate, runner and drains as those of the command line.
@Suite(.timeLimit(.minutes(15)))
struct ClusterUpgradeTests {
    private static let before = KubernetesVersion(major: 1, minor: 23, patch: 0)
    private static let after = KubernetesVersion(major: 1, minor: 24, patch: 0)

    private struct Stage: Sendable {
        let desk: UpgradeDesk
        let client: KubernetesClient
        let restarts: Bell
        let rehearsal: Rehearsal

        var upgrade: ClusterUpgrade { ClusterUpgrade(desk.twin.object(.clusterUpgrades, ObjectName("", "minor")) ?? .null) }
        var over: Int { ClusterJournal.record(of: upgrade.json)?.steps.count { $0.state.isOver } ?? 0 }

        /// The leader is gone from one moment to the other, and another leads.
        func replaceLeader() { restarts.ring() }

        func create(_ spec: JSON) async throws {
            try await client.create(
                .clusterUpgrades,
                ["apiVersion": .string(Resource.clusterUpgrades.apiVersion), "kind": "ClusterUpgrade", "metadata": ["name": "minor"], "spec": spec])
        }

        func change(_ change: JSON) async throws { try await client.patch(.clusterUpgrades, ObjectName("", "minor"), .merge(change)) }

        func pass(_ seconds: Double) async throws { try await rehearsal.letPass(seconds: seconds) }

        func until(_ what: String, _ look: () -> Bool) async throws {
            for _ in 0..<30000 {
                if look() { return }
                try await pass(1)
            }
            throw LocalEtcdCluster.Failure(description: "it did not come about that \(what): \(upgrade.json["status"]["state"]) \(upgrade.message)")
        }

        func untilOver() async throws { try await until("it is over") { upgrade.state?.isOver == true || upgrade.isFailed } }
    }

    private func rehearse(_ body: @escaping @Sendable (Stage) async throws -> Void) async throws {
        try await BuiltProgram.withFolder { folder in
            let desk = try UpgradeDesk(in: folder.path, workers: 3, pods: 12)
            for definition in try CustomResources.definitions() { try desk.twin.create(definition) }
            try desk.twin.create(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "drydock"]])
            try desk.twin.create([
                "apiVersion": .string(Resource.maintenanceWindows.apiVersion), "kind": "MaintenanceWindow", "metadata": ["name": "never"],
                "spec": ["openings": [["schedule": "0 0 29 2 *", "duration": "1m"]]],
            ])
            let rehearsal = Rehearsal(desk.twin)
            let time = rehearsal.time
            desk.hosts.move(to: time)
            let upgrader = UpgraderOptions(
                plan: { upgrade, window, client in
                    let asked = try upgrade.request(window) { NodeAccess(name: $0, way: .local) }
                    guard asked.target == Self.after else { throw OperationError(.invalid, "\(asked.target) cannot be had") }
                    var made = try await desk.upgrade.plan(client, on: desk.hosts)
                    made.settings.window = window
                    return made
                }, hosts: { _ in desk.hosts })
            let outcome = try await onOwnThread {
                rehearsal.run {
                    let client = KubernetesClient(transport: TwinTransport(desk.twin, time: time), rate: nil, time: time)
                    let restarts = Bell()
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask {
                            try await oneAfterTheOther(until: restarts, time) {
                                var options = MaintenanceController.Options()
                                options.upgrader = upgrader
                                try await MaintenanceController(client, web: WebClient { _, _, _, _ in .init(status: 200) }, options: options).run()
                            }
                        }
                        group.addTask { try await body(Stage(desk: desk, client: client, restarts: restarts, rehearsal: rehearsal)) }
                        defer { group.cancelAll() }
                        try await group.next()
                    }
                }
            }
            guard case .ended(.success) = outcome else {
                Issue.record("\(outcome)")
                return
            }
        }
    }

    @Test func `Though its leader is replaced again and again, an upgrade goes on to its end, and back`() async throws {
        try await rehearse { stage in
            try await stage.create(["version": "v1.24.0", "noBackup": true])
            var replaced = 0
            for place in [1, 3, 6, 10, 15, 21, 28] {
                try await stage.until("\(place) steps are over") { stage.over >= place || stage.upgrade.state?.isOver == true }
                stage.replaceLeader()
                replaced += 1
            }
            try await stage.untilOver()
            #expect(stage.upgrade.state == .done && replaced == 7, "\(stage.upgrade.message)")
            #expect(stage.desk.complaints(at: Self.after) == [] && stage.desk.broken == [])
            #expect(stage.upgrade.json["status"]["progress"] == .string("\(stage.over)/\(stage.over)"))
            try await stage.change(["spec": ["rollBack": true]])
            try await stage.until("it is being taken back") { stage.upgrade.state == .running }
            stage.replaceLeader()
            try await stage.until("it is back") { stage.upgrade.state == .rolledBack || stage.upgrade.isFailed }
            #expect(stage.upgrade.state == .rolledBack, "\(stage.upgrade.message)")
            #expect(stage.desk.complaints(at: Self.before) == [] && stage.desk.broken == [])
        }
    }

    @Test func `What is asked in the middle counts: a pause of everything, the way back, another version, an abort before it began`() async throws {
        try await rehearse { stage in
            func pauseAll(_ reason: JSON) async throws {
                let change: JSON = ["metadata": ["annotations": [Annotations.pause: reason]]]
                try await stage.client.patch(.namespaces, ObjectName("", "drydock"), .merge(change))
            }
            try await pauseAll("a freeze")
            try await stage.create(["version": "v1.24.0", "noBackup": true])
            try await stage.pass(120)
            #expect(stage.upgrade.state == nil)
            try await pauseAll(.null)
            try await stage.until("it has begun") { stage.over >= 3 }
            try await pauseAll("a freeze")
            try await stage.until("it has stopped") { stage.upgrade.state == .stopped }
            #expect(!stage.upgrade.isFailed)
            try await pauseAll(.null)
            try await stage.until("it goes on by itself") { stage.over >= 6 }
            let all = ClusterJournal.record(of: stage.upgrade.json)?.steps.count ?? 0
            // What is asked for once is done once: this is no leave for a failure that comes later.
            try await stage.change(["metadata": ["annotations": [Annotations.resume: "a person"]]])
            try await stage.change(["spec": ["rollBack": true]])
            var most = 0
            try await stage.until("it is back") {
                most = max(most, stage.over)
                return stage.upgrade.state == .rolledBack || stage.upgrade.isFailed
            }
            #expect(stage.upgrade.state == .rolledBack && most < all - 5, "\(stage.upgrade.message): \(most) of \(all)")
            #expect(stage.desk.complaints(at: Self.before) == [] && stage.desk.broken == [])
            #expect(stage.upgrade.annotations[Annotations.resume] == nil)
            try await stage.change(["metadata": ["annotations": [Annotations.abort: "a person"]], "spec": ["rollBack": false]])
            try await stage.until("it is said") { stage.upgrade.message.contains("aborted it before it began") }
            try await stage.pass(700)
            #expect(stage.upgrade.state == .rolledBack, "what was aborted does not begin")
            try await stage.change(["spec": ["soak": "2s"]])
            try await stage.until("another spec is another upgrade") { stage.upgrade.state == .running && stage.over > 2 }
            try await stage.change(["spec": ["version": "v1.25.0"]])
            try await stage.until("the one that was begun is finished, and the other is looked at") {
                stage.upgrade.state == .done && stage.upgrade.message.contains("cannot be had")
            }
            #expect(stage.desk.complaints(at: Self.after) == [] && stage.desk.broken == [])
        }
    }

    @Test func `Paused it stops between two nodes and goes on; what is forbidden is said; what fails waits for a person; what is aborted stays`()
        async throws
    {
        try await rehearse { stage in
            try await stage.create(["version": "v1.24.0"])
            try await stage.until("it is said") { stage.upgrade.message.contains("neither backup nor noBackup") }
            try await stage.change(["spec": ["noBackup": true, "version": "v1.25.0"]])
            try await stage.until("it is said") { stage.upgrade.message.contains("cannot be had") }
            #expect(stage.upgrade.state == nil)
            try await stage.change(["spec": ["version": "v1.24.0", "windows": ["nowhere"]]])
            try await stage.pass(30)
            #expect(stage.upgrade.state == nil)
            try await stage.change(["spec": ["windows": ["never"]]])
            try await stage.pass(3600)
            #expect(stage.upgrade.state == nil, "the window is closed")
            try await stage.change(["spec": ["windows": .null]])
            try await stage.until("it has begun") { stage.over >= 3 }
            try await stage.change(["spec": ["paused": true]])
            try await stage.until("it has stopped") { stage.upgrade.state == .stopped }
            #expect(!stage.upgrade.isFailed && stage.upgrade.message.contains("asked the run to stop here"), "\(stage.upgrade.message)")
            #expect(stage.desk.twin.objects(.nodes).map(Node.init).allSatisfy { !$0.isUnschedulable }, "nothing is left closed")
            let reached = stage.over
            try await stage.pass(1800)
            #expect(stage.over == reached)
            stage.desk.faults.plan("install kubelet", .before, times: 99) { throw NodeError(.failed, "\($1): no space left on device") }
            try await stage.change(["spec": ["paused": false]])
            try await stage.until("it has failed") { stage.upgrade.isFailed }
            #expect(stage.upgrade.state == .stopped && stage.upgrade.message.contains("no space left"), "\(stage.upgrade.message)")
            try await stage.pass(1800)
            #expect(stage.upgrade.isFailed, "nobody tries again what a person has not looked at")
            stage.desk.faults.lift()
            try await stage.change(["metadata": ["annotations": [Annotations.resume: "a person"]]])
            try await stage.until("it goes on") { stage.over > reached + 3 }
            try await stage.change(["spec": ["paused": true]])
            try await stage.until("it has stopped") { stage.upgrade.state == .stopped }
            try await stage.change(["metadata": ["annotations": [Annotations.abort: "a person"]]])
            try await stage.until("it is given up") { stage.upgrade.state == .abandoned }
            try await stage.change(["spec": ["paused": false, "soak": "1m"]])
            try await stage.untilOver()
            try await stage.until("another spec is another upgrade") { stage.upgrade.state == .done }
            #expect(stage.desk.complaints(at: Self.after) == [] && stage.desk.broken == [])
        }
    }
}

/// `drydock upgrade … clusterupgrade/NAME` as people type it, against a served twin.
struct ClusterUpgradeCommandTests {
    @Test func `Commands show, pause, resume and take back what the controller does, and refuse what it cannot`() async throws {
        try await ServedTwin.running(
            fill: { twin in for definition in try CustomResources.definitions() { try twin.create(definition) } }
        ) { served in
            let name = ObjectName("", "minor")
            func upgrade() -> JSON { served.twin.object(.clusterUpgrades, name) ?? .null }
            func expect(_ words: [String], _ status: Int32, _ said: String) async throws {
                let folder = served.kubeconfig.deletingLastPathComponent().path
                let run = try await BuiltProgram.run(
                    ["upgrade"] + words, environment: ["KUBECONFIG": served.kubeconfig.path, "XDG_STATE_HOME": folder, "HOME": folder])
                #expect(run.status == status && (run.output + run.errors).contains(said), "\(words): \(run.status) \(run.output)\(run.errors)")
            }
            try await expect(["status", "clusterupgrade/minor"], 2, "has no ClusterUpgrade minor")
            try served.twin.create([
                "apiVersion": .string(Resource.clusterUpgrades.apiVersion), "kind": "ClusterUpgrade", "metadata": ["name": "minor"],
                "spec": ["version": "v1.24.0", "noBackup": true],
            ])
            try await expect(["status", "clusterupgrade/minor"], 2, "has not begun")
            try await expect(["pause", "clusterupgrade/minor"], 0, "stops when its node is done")
            #expect(upgrade()["spec"]["paused"] == true)
            try await expect(["resume", "clusterupgrade/minor"], 0, "goes on")
            #expect(upgrade()["spec"]["paused"] == false && !upgrade()["metadata"]["annotations"][Annotations.resume].isNull)
            try await expect(["abort", "clusterupgrade/minor"], 4, "has not stopped")
            try await expect(["rollback", "clusterupgrade/minor"], 4, "--keep-data")
            try await expect(["rollback", "clusterupgrade/minor", "--keep-data"], 0, "is taken back")
            #expect(upgrade()["spec"]["rollBack"] == true)
        }
    }
}
