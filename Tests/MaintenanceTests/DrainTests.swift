import Foundation
@testable import Maintenance
import Testing

private let start = Date(timeIntervalSince1970: 1_800_000_000)

private func pod(
    _ name: String, on node: String = "n1", owner: String? = "ReplicaSet/a", ready: Bool = true, phase: PodFacts.Phase = .running,
    labels: [String: String] = ["app": "a"],
    change: (inout PodFacts) -> Void = { _ in }
) -> PodFacts {
    let parts = owner?.split(separator: "/").map(String.init)
    var pod = PodFacts(
        name: ObjectName("ns", name), uid: "uid-\(name)", node: node, phase: phase, isReady: ready, gracePeriodSeconds: 5,
        controller: parts.map { .init(kind: $0[0], name: $0[1], uid: $0[1]) }, labels: labels, startupSeconds: 2)
    change(&pod)
    return pod
}

private func budget(_ name: String, max: Int? = nil, min: Int? = nil, healthy: Int, expected: Int, app: String = "a") -> DisruptionBudget {
    var budget = DisruptionBudget(
        name: ObjectName("ns", name), selector: LabelSelector([.init("app", .isIn, [app])]), minAvailable: min.map(IntOrPercent.count),
        maxUnavailable: max.map(IntOrPercent.count))
    budget.status = .init(currentHealthy: healthy, desiredHealthy: max.map { expected - $0 } ?? min ?? 0, expectedPods: expected)
    return budget
}

struct DrainFilterTests {
    private func verdict(_ pod: PodFacts, _ change: (inout DrainFilters) -> Void = { _ in }) -> DrainFilters.Verdict {
        var filters = DrainFilters()
        change(&filters)
        return filters.verdict(on: pod, at: start)
    }

    @Test func `The five filters speak kubectl's words, in its order`() {
        #expect(verdict(pod("a")) == .take(warning: nil))
        let daemon = pod("d", owner: "DaemonSet/d")
        #expect(verdict(daemon) == .refuse("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"))
        #expect(verdict(daemon) { $0.ignoreDaemonSets = true } == .leave(warning: "ignoring DaemonSet-managed Pods"))
        #expect(verdict(pod("d", owner: "DaemonSet/d", phase: .succeeded)) == .take(warning: nil), "a finished one goes")
        let orphan = pod("o", owner: "DaemonSet/o") { $0.controllerExists = false }
        #expect(verdict(orphan) == .refuse("daemonsets.apps \"o\" not found"))
        #expect(verdict(orphan) { $0.force = true } == .take(warning: "daemonsets.apps \"o\" not found"))
        #expect(
            verdict(pod("m", owner: nil) { $0.isMirror = true }) == .leave(warning: nil),
            "a mirror pod is passed over before it is missed a controller")
        let local = pod("l") { $0.hasEmptyDir = true }
        #expect(verdict(local) == .refuse("Pods with local storage (use --delete-emptydir-data to override)"))
        #expect(verdict(local) { $0.deleteEmptyDirData = true } == .take(warning: "deleting Pods with local storage"))
        let bare = pod("b", owner: nil)
        #expect(verdict(bare) == .refuse("Pods that declare no controller (use --force to override)"))
        #expect(verdict(bare) { $0.force = true } == .take(warning: "deleting Pods that declare no controller"))
        #expect(verdict(pod("b", owner: nil, phase: .failed)) == .take(warning: nil))
        let late = pod("t") { $0.deletion = start.addingTimeInterval(-20) }
        #expect(verdict(late) { $0.skipWaitForDeleteTimeoutSeconds = 10 } == .leave(warning: nil))
        #expect(verdict(late) { $0.skipWaitForDeleteTimeoutSeconds = 30 } == .take(warning: nil))
    }
}

struct DisruptionBudgetTests {
    @Test(
        arguments: [
            ("10%", nil, 240, 216), ("10%", nil, 7, 6), ("0", nil, 5, 5), ("30%", nil, 1, 0), (nil, "50%", 5, 3), (nil, "100%", 4, 4),
            (nil, "2", 5, 2), ("200%", nil, 3, 0),
        ] as [(String?, String?, Int, Int)])
    func `Desired healthy pods are worked out as the controller does`(_ max: String?, _ min: String?, _ scale: Int, _ desired: Int) throws {
        let budget = DisruptionBudget(
            name: ObjectName("n", "b"), selector: nil, minAvailable: min.flatMap { IntOrPercent($0) },
            maxUnavailable: max.flatMap { IntOrPercent($0) })
        #expect(try #require(budget.expectation(matched: scale, scale: scale)).desired == desired)
    }

    @Test func `A pod without controller makes all but a number fail`() {
        let percent = DisruptionBudget(name: ObjectName("n", "b"), selector: nil, maxUnavailable: .percent(50))
        #expect(percent.expectation(matched: 2, scale: nil) == nil)
        #expect(
            DisruptionBudget(name: ObjectName("n", "b"), selector: nil, minAvailable: .count(1)).expectation(matched: 2, scale: nil)?.expected == 2)
    }

    @Test func `The server's answers follow its rules`() {
        let tight = budget("b", max: 1, healthy: 2, expected: 3)
        #expect(tight.answer(to: pod("a")) == .exhausted)
        #expect(tight.answer(to: pod("a", phase: .pending)) == .allowed(takesOne: false))
        #expect(tight.answer(to: pod("a", ready: false)) == .allowed(takesOne: false), "not ready, and enough others are")
        #expect(budget("b", max: 1, healthy: 1, expected: 3).answer(to: pod("a", ready: false)) == .exhausted)
        var lenient = budget("b", max: 1, healthy: 1, expected: 3)
        lenient.alwaysAllowsUnhealthy = true
        #expect(lenient.answer(to: pod("a", ready: false)) == .allowed(takesOne: false))
        var new = budget("b", max: 1, healthy: 3, expected: 3)
        new.isObserved = false
        #expect(new.answer(to: pod("a")) == .notObserved)
    }

    @Test func `Nodes that may be away are rounded down, and are one at least`() {
        #expect(IntOrPercent("20%")?.nodes(of: 6) == 1 && IntOrPercent("5%")?.nodes(of: 3) == 1 && IntOrPercent("0%")?.nodes(of: 9) == 0)
        #expect(IntOrPercent("2")?.nodes(of: 1) == 2 && IntOrPercent("x") == nil && IntOrPercent("-5%") == nil)
    }
}

struct DrainMachineTests {
    @Test func `Unready pods go first, and others as the budget has room`() {
        var machine = DrainMachine()
        let pods = [pod("p1"), pod("p2"), pod("p3", ready: false)] + (0..<2).map { pod("q\($0)", on: "n2") }
        for pod in pods { machine.apply(pod) }
        machine.apply(budget("b", max: 1, healthy: 4, expected: 4))
        _ = machine.begin("n1", .init(), present: Array(pods.prefix(3)), at: start)
        #expect(machine.step(at: start).evictions.map(\.name.name) == ["p3", "p1"], "one from the budget, and the one that it does not hold")
        machine.answered("uid-p1", .accepted, at: start)
        machine.answered("uid-p3", .accepted, at: start)
        #expect(machine.step(at: start).evictions.isEmpty)
        #expect(machine.progress(of: "n1")?.waiting == ["budget ns/b": 1])
        machine.apply(budget("b", max: 1, healthy: 3, expected: 4))
        #expect(machine.step(at: start).evictions.isEmpty, "no room yet")
        machine.apply(budget("b", max: 1, healthy: 4, expected: 4))
        #expect(machine.step(at: start).evictions.map(\.name.name) == ["p2"], "as soon as there is room")
    }

    @Test func `A node is drained when its pods are gone and others are ready in their place`() {
        var machine = DrainMachine()
        let pods = [pod("p1"), pod("p2", on: "n2")]
        machine.apply(pods[1])
        _ = machine.begin("n1", .init(), present: [pods[0]], at: start)
        #expect(machine.step(at: start).evictions.count == 1)
        machine.answered("uid-p1", .accepted, at: start)
        machine.remove("uid-p1")
        machine.apply(pod("p3", on: "n2", ready: false))
        #expect(machine.step(at: start).finished.isEmpty && machine.progress(of: "n1")?.unsettled == 1)
        machine.apply(pod("p3", on: "n2"))
        let finished = machine.step(at: start).finished
        #expect(finished.map(\.node) == ["n1"] && finished.first?.result == .drained(pods: 1, remark: nil) && machine.isIdle)
    }

    @Test func `Two budgets on one pod fail it, the time-out names what was waited for`() {
        var machine = DrainMachine()
        machine.apply(budget("b1", max: 1, healthy: 3, expected: 3))
        machine.apply(budget("b2", max: 1, healthy: 3, expected: 3))
        _ = machine.begin("n1", .init(), present: [pod("p1")], at: start)
        guard case .failed(let reason)? = machine.step(at: start).finished.first?.result else { return #expect(Bool(false), "it should have failed") }
        #expect(reason.contains("more than one disruption budget covers it (ns/b1, ns/b2)"))

        var options = DrainMachine.Options()
        options.timeoutSeconds = 60
        var slow = DrainMachine()
        slow.apply(budget("b", max: 0, healthy: 3, expected: 3))
        _ = slow.begin("n1", options, present: [pod("p1")], at: start)
        #expect(slow.step(at: start).finished.isEmpty)
        slow.tick()
        guard case .failed(let late)? = slow.step(at: start.addingTimeInterval(61)).finished.first?.result else {
            return #expect(Bool(false), "it should have failed")
        }
        #expect(late.contains("not drained within 60 s: ns/p1: budget ns/b"))
    }

    @Test func `A blocked answer waits for the budget, and asks again if nothing is heard`() {
        var machine = DrainMachine()
        machine.apply(budget("b", max: 1, healthy: 3, expected: 3))
        _ = machine.begin("n1", .init(), present: [pod("p1")], at: start)
        #expect(machine.step(at: start).evictions.count == 1)
        machine.answered("uid-p1", .blocked("needs 2 healthy pods"), at: start)
        #expect(machine.step(at: start.addingTimeInterval(1)).evictions.isEmpty)
        #expect(machine.step(at: start.addingTimeInterval(6)).evictions.count == 1, "the numbers may be older than the truth")
    }
}

struct ReplacementsTests {
    @Test func `A node waits for as many pods as it gave away, whatever others give away meanwhile`() {
        var replacements = Replacements()
        replacements.follow("web", for: "a", unready: 1)
        replacements.lost("web", for: "a")
        replacements.follow("web", for: "b", unready: 7)
        replacements.lost("web", for: "b")
        replacements.lost("web", for: "a")
        replacements.lost("other", for: "a")
        #expect(replacements.gained("web") == nil, "the one that was not ready before the first drain")
        #expect(replacements.gained("web") == nil, "a's first")
        #expect(replacements.unsettled("b") == ["web"])
        #expect(replacements.gained("web") == "b")
        #expect(replacements.unsettled("a") == ["web"])
        replacements.lost("web", for: nil)
        #expect(replacements.gained("web") == "a")
        #expect(replacements.gained("web") == nil && replacements.gained("web") == nil)
        replacements.lost("web", for: "b")
        replacements.forget("b")
        #expect(replacements.unsettled("b").isEmpty && replacements.gained("web") == nil)
    }
}

struct DrainForecastTests {
    private func forecast(
        _ pods: [PodFacts], _ budgets: [DisruptionBudget], nodes: [String] = ["n1"], parallel: Int = 1, returns: Bool = false, all: [NodeFacts]? = nil
    ) -> DrainForecast {
        let everything = all ?? ["n1", "n2", "n3"].map { NodeFacts(name: $0) }
        return DrainForecast.make(
            .init(nodes: nodes, parallel: parallel, returns: returns, options: .init()), nodes: everything, pods: pods, budgets: budgets, at: start)
    }

    @Test func `Budgets are counted together over all nodes`() {
        let pods = (0..<6).map { pod("p\($0)", on: $0 < 3 ? "n1" : "n2") }
        let forecast = forecast(pods, [budget("b", max: 2, healthy: 6, expected: 6)], nodes: ["n1", "n2"], parallel: 2)
        #expect(forecast.blocked.isEmpty && forecast.pods.allSatisfy { $0.evictedAfter != nil })
        #expect(forecast.pods.count { $0.evictedAfter == 0 } == 2, "two at once, though two nodes are drained")
        #expect(forecast.nodes.allSatisfy { $0.ends != nil } && forecast.seconds >= 6)
    }

    @Test func `What can never go is named with its reason`() {
        func reason(_ budgets: [DisruptionBudget], _ pods: [PodFacts] = [pod("p1"), pod("p2", on: "n2")]) -> String {
            forecast(pods, budgets).blocked.first?.reason ?? ""
        }
        #expect(reason([budget("b", max: 0, healthy: 2, expected: 2)]).contains("ns/b has maxUnavailable 0"))
        #expect(reason([budget("b", min: 2, healthy: 2, expected: 2)]).contains("ns/b (minAvailable 2) wants 2 healthy pods of 2"))
        #expect(
            reason([budget("b1", max: 1, healthy: 2, expected: 2), budget("b2", max: 1, healthy: 2, expected: 2)]).contains(
                "more than one disruption budget"))
        let ill = [pod("p1"), pod("p2", on: "n2", ready: false)]
        #expect(reason([budget("b", max: 1, healthy: 1, expected: 2)], ill).contains("pods that are not ready"))
        #expect(reason([], [pod("p1", owner: nil)]).contains("declare no controller"))
        #expect(reason([], [pod("p1") { $0.hasEmptyDir = true }]).contains("local storage"))
    }

    @Test func `Pods that fit nowhere are told`() {
        let large = PodPlacement(requests: Resources(cpu: 3000, pods: 1))
        let pods = [pod("p1") { $0.placement = large }, pod("p2", on: "n2") { $0.placement = large }]
        let forecast = forecast(pods, [], all: ["n1", "n2"].map { NodeFacts(name: $0) })
        #expect(forecast.unplaced.count == 1 && forecast.unplaced[0].reason.contains("Insufficient cpu"), "\(forecast.unplaced)")
    }

    @Test func `A rolling maintenance gives nodes back and ends`() {
        let pods = (0..<9).map { pod("p\($0)", on: "n\($0 % 3 + 1)") }
        let forecast = forecast(pods, [budget("b", max: 1, healthy: 9, expected: 9)], nodes: ["n1", "n2", "n3"], returns: true)
        #expect(forecast.blocked.isEmpty && forecast.nodes.count == 3 && forecast.nodes.allSatisfy { $0.ends != nil })
    }
}

struct ClusterCapacityTests {
    @Test func `Taints, selectors, room, spread and anti-affinity keep pods away`() {
        var capacity = ClusterCapacity()
        capacity.set(NodeFacts(name: "a", labels: ["zone": "1", "disk": "ssd"], allocatable: Resources(cpu: 1000, memory: 1 << 30, pods: 3)))
        capacity.set(
            NodeFacts(
                name: "b", labels: ["zone": "2"], taints: [Taint(key: "gpu", effect: "NoSchedule")],
                allocatable: Resources(cpu: 4000, memory: 1 << 30, pods: 3)))
        capacity.set(NodeFacts(name: "c", labels: ["zone": "2"], isUnschedulable: true))
        func choose(_ placement: PodPlacement, _ labels: [String: String] = [:]) -> ClusterCapacity.Choice {
            capacity.choose(namespace: "n", labels: labels, placement: placement)
        }
        #expect(choose(.anywhere) == .node("a"))
        #expect(choose(PodPlacement(nodeSelector: ["disk": "nvme"])).message(nodes: 3)?.contains("didn't match node selector") == true)
        #expect(choose(PodPlacement(requests: Resources(cpu: 2000, pods: 1))).message(nodes: 3)?.contains("Insufficient cpu") == true)
        #expect(choose(PodPlacement(requests: Resources(cpu: 2000, pods: 1), tolerations: [Toleration(key: "gpu", exists: true)])) == .node("b"))
        let alone = PodPlacement(antiAffinity: [.init(topologyKey: "zone", namespaces: [], selector: LabelSelector([.init("app", .isIn, ["x"])]))])
        capacity.bind("1", namespace: "n", labels: ["app": "x"], placement: alone, to: "a")
        if case .node = choose(alone, ["app": "x"]) { #expect(Bool(false), "zone 1 has one, and zone 2 is closed") }
        capacity.release("1")
        #expect(choose(alone, ["app": "x"]) == .node("a"))
        let spread = PodPlacement(
            tolerations: [Toleration(exists: true)],
            spreads: [.init(maxSkew: 1, topologyKey: "zone", selector: LabelSelector([.init("app", .isIn, ["y"])]))])
        capacity.bind("2", namespace: "n", labels: ["app": "y"], placement: spread, to: "a")
        #expect(choose(spread, ["app": "y"]) != .node("a"))
    }
}
