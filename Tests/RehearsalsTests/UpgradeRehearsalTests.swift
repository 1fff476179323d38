import ClusterTwin
import Foundation
import KubernetesAPI
import Maintenance
import NodeAccess
import Operations
import Proving
import Rehearsals
import Testing

/// `drydock upgrade` on a twin, whose clock jumps: the same plan, gate, runner and drains as on a real cluster.
@Suite(.timeLimit(.minutes(15)))
struct UpgradeRehearsalTests {
    private static func version(_ minor: Int) -> KubernetesVersion { KubernetesVersion(major: 1, minor: minor, patch: 0) }

    @Test func `Over two minors every node is upgraded, one control plane at a time, and no budget is broken`() async throws {
        try await BuiltProgram.withFolder { folder in
            let desk = try UpgradeDesk(in: folder.path, hops: [Self.version(24), Self.version(25)], workers: 5, pods: 40, maxUnavailable: 2)
            let (end, _) = try await desk.live()
            guard case .done = end else {
                Issue.record("\(end)")
                return
            }
            #expect(desk.complaints(at: Self.version(25)) == [])
            #expect(desk.broken == [])
        }
    }

    @Test func `Killed before any write to the journal, an upgrade goes on to its end, and back to where it began`() async throws {
        try await BuiltProgram.withFolder { folder in
            let whole = try await UpgradeDesk(in: folder.path, workers: 2, pods: 8).live()
            guard case .done = whole.end else {
                Issue.record("\(whole.end)")
                return
            }
            for place in 1..<whole.writes {
                let forth = try UpgradeDesk(in: folder.path, workers: 2, pods: 8)
                guard case .killed = try await forth.live(diesAt: place).end else {
                    Issue.record("\(place): it was not killed")
                    continue
                }
                let (end, _) = try await forth.live()
                guard case .done = end else {
                    Issue.record("\(place): \(end)")
                    continue
                }
                #expect(
                    forth.complaints(at: Self.version(24)) == [] && forth.broken == [],
                    "\(place): \(forth.complaints(at: Self.version(24))) \(forth.broken)")
                let back = try UpgradeDesk(in: folder.path, workers: 2, pods: 8)
                _ = try await back.live(diesAt: place)
                let id = try #require(try back.run?.id)
                let (returned, _) = try await back.live(.rollBack(id))
                guard case .done = returned else {
                    Issue.record("\(place), back: \(returned)")
                    continue
                }
                #expect(
                    back.complaints(at: Self.version(23)) == [] && back.broken == [],
                    "\(place), back: \(back.complaints(at: Self.version(23))) \(back.broken)")
            }
        }
    }

    /// What can go wrong on a host, and how it shows.
    struct Fault: Sendable, CustomTestStringConvertible {
        var name: String
        var what: String
        var node: String?
        var moment = TwinHosts.Moment.before
        var times = 1
        /// Words that the reason must have; empty where the run goes on by itself.
        var reason: [String] = []
        var isLost = false
        var fault: UpgradeFaults.Fault

        var testDescription: String { name }
    }

    private static func cut(_ node: String) -> NodeError { NodeError(.unreachable, "\(node) cannot be reached by ssh: connection lost") }

    static let faults: [Fault] = [
        Fault(name: "the connection is lost before kubeadm is installed", what: "install kubeadm", reason: ["cannot be reached"]) { throw cut($1) },
        Fault(name: "the connection is lost after kubeadm was installed", what: "install kubeadm", moment: .after, reason: ["cannot be reached"]) {
            throw cut($1)
        },
        Fault(name: "the connection is lost in the middle of the static pods", what: "kubeadm kube-controller", reason: ["cannot be reached"]) {
            throw cut($1)
        },
        Fault(name: "the connection is lost at the end of kubeadm", what: "kubeadm ends", moment: .after, reason: ["cannot be reached"]) {
            throw cut($1)
        },
        Fault(name: "the connection is lost when the kubelet starts", what: "start kubelet", moment: .after, reason: ["cannot be reached"]) {
            throw cut($1)
        },
        Fault(name: "apt's lock is held for longer than anybody waits", what: "install kubelet", reason: ["dpkg frontend lock"]) { _, node in
            throw NodeError(
                .failed, "\(node): packages ended with exit code 100: E: Could not get lock /var/lib/dpkg/lock-frontend (dpkg frontend lock)")
        },
        Fault(name: "the disk is full", what: "fetch images", reason: ["no space left"]) { _, node in
            throw NodeError(.failed, "\(node): images ended with exit code 1: no space left on device")
        },
        Fault(name: "kubeadm apply fails before it changes anything", what: "kubeadm preflight", reason: ["preflight"]) { _, node in
            throw NodeError(.failed, "\(node): control-plane ended with exit code 1: [preflight] Some fatal errors occurred")
        },
        Fault(name: "kubeadm apply fails in the middle", what: "kubeadm kube-scheduler", reason: ["couldn't upgrade control plane", "run now"]) {
            _, node in
            throw NodeError(.failed, "\(node): control-plane ended with exit code 1: couldn't upgrade control plane")
        },
        Fault(name: "the kubelet does not come back", what: "start kubelet", node: "w-0004", reason: ["kubelet"], isLost: true) { twin, node in
            twin.setAlive(node, false)
        },
        Fault(name: "a worker boots by itself while it is upgraded", what: "install kubelet", node: "w-0004", moment: .after) { twin, node in
            twin.reboot(node, seconds: 40)
        },
        Fault(name: "a control plane boots by itself between two steps", what: "kubeadm ends", node: "cp-0002", moment: .after) { twin, node in
            twin.reboot(node, seconds: 60)
        },
        Fault(
            name: "a worker's plug is pulled while it is upgraded", what: "install kubelet", node: "w-0005", reason: ["cannot be reached"],
            isLost: true
        ) { twin, node in
            twin.setAlive(node, false)
            throw cut(node)
        },
    ]

    @Test(arguments: faults)
    func `What goes wrong on a host stops the run with its reason and the next command, and it goes on, or back`(fault: Fault) async throws {
        try await BuiltProgram.withFolder { folder in
            for goesOn in [true, false] {
                let desk = try UpgradeDesk(in: folder.path, pods: 12)
                if fault.isLost, let node = fault.node { desk.expectLoss(of: node) }
                if fault.name.contains("boots by itself"), let node = fault.node { desk.expectLoss(of: node) }
                desk.faults.plan(fault.what, on: fault.node, fault.moment, times: fault.times, fault.fault)
                let (end, _) = try await desk.live()
                #expect(desk.faults.met > 0, "it never went wrong")
                switch end {
                case .done: #expect(fault.reason.isEmpty, "it went on although \(fault.name)")
                case .stopped(let message):
                    for words in fault.reason { #expect(message.contains(words), "\(message)") }
                    #expect(message.contains("runs resume") || message.contains("runs rollback"), "it does not say how to go on: \(message)")
                default: Issue.record("\(end)")
                }
                desk.faults.lift()
                for node in desk.twin.objects(.nodes) { desk.twin.setAlive(Node(node).name, true) }
                desk.twin.advance(to: desk.twin.now.addingTimeInterval(120))
                let target = goesOn ? Self.version(24) : Self.version(23)
                let again = try await desk.live(goesOn ? nil : .rollBack(try #require(try desk.run?.id)))
                if case .done = end, goesOn {
                } else {
                    guard case .done = again.end else {
                        Issue.record("\(goesOn ? "on" : "back"): \(again.end)")
                        continue
                    }
                }
                #expect(desk.complaints(at: target) == [], "\(goesOn ? "on" : "back")")
                #expect(desk.broken == [], "\(goesOn ? "on" : "back")")
            }
        }
    }

    @Test func `While a member of etcd is lost no control plane goes, and the run says what it waits for`() async throws {
        try await BuiltProgram.withFolder { folder in
            let desk = try UpgradeDesk(in: folder.path)
            desk.faults.hold = [GateCheck("etcd quorum", .notYet, "2 of 3 members are well, without cp-0003")]
            let (end, _) = try await desk.live()
            guard case .stopped(let message) = end else {
                Issue.record("\(end)")
                return
            }
            #expect(message.contains("etcd quorum") && message.contains("without cp-0003"), "\(message)")
            #expect(desk.twin.staticPodVersion(of: "cp-0001") == Self.version(23))
            desk.faults.lift()
            guard case .done = try await desk.live().end else {
                Issue.record("it does not go on")
                return
            }
            #expect(desk.complaints(at: Self.version(24)) == [] && desk.broken == [])
        }
    }

    @Test func `A window that closes ends the run between two nodes, and the next one goes on`() async throws {
        try await BuiltProgram.withFolder { folder in
            let desk = try UpgradeDesk(in: folder.path, pods: 12)
            var windows = 0
            var isDone = false
            while windows < 40, !isDone {
                windows += 1
                let (end, _) = try await desk.live(gate: { [opened = desk.twin.now] _ in Gate(deadline: opened.addingTimeInterval(420)) })
                switch end {
                case .done: isDone = true
                case .stopped(let message):
                    #expect(message.contains("are left of the time"), "\(message)")
                    // No node is left closed, or half way.
                    for node in desk.twin.objects(.nodes).map(Node.init) {
                        #expect(!node.isUnschedulable, "\(node.name) is left cordoned")
                    }
                default: Issue.record("\(end)")
                }
            }
            #expect(isDone && windows > 1, "\(windows) windows")
            #expect(desk.complaints(at: Self.version(24)) == [] && desk.broken == [])
        }
    }

    @Test func `An upgrade that is done is taken back node by node, and nobody notices`() async throws {
        try await BuiltProgram.withFolder { folder in
            let desk = try UpgradeDesk(in: folder.path, hops: [Self.version(24), Self.version(25)], pods: 16)
            let (first, _) = try await desk.live()
            guard case .done = first else {
                Issue.record("\(first)")
                return
            }
            let id = try #require(try desk.run?.id)
            let (end, _) = try await desk.live(.rollBack(id))
            guard case .done = end else {
                Issue.record("\(end)")
                return
            }
            #expect(desk.complaints(at: Self.version(23)) == [] && desk.broken == [], "\(desk.complaints(at: Self.version(23))) \(desk.broken)")
            let configuration =
                desk.twin.object(.configMaps, ObjectName("kube-system", "kubeadm-config"))?["data"]["ClusterConfiguration"].string ?? ""
            #expect(configuration.contains("kubernetesVersion: v1.23.0"))
        }
    }
}
