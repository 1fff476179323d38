import Foundation
import Testing

@testable import Maintenance

private func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

private func node(
    _ name: String, _ need: Rollout.Situation.Need = .due("updates"), work: Rollout.Situation.Work = .idle, away: String? = nil, pause: String? = nil,
    isDone: Bool = false, rest: Rollout.Situation.Rest? = nil, zone: String = "", labels: [String: String] = [:], isControlPlane: Bool = false
) -> Rollout.Situation {
    var situation = Rollout.Situation(
        place: .init(name: name, labels: labels, zone: zone, isControlPlane: isControlPlane), need: need, work: work, away: away, pause: pause,
        isDone: isDone)
    situation.rest = rest
    return situation
}

struct RolloutTests {
    private func decide(
        _ situations: [Rollout.Situation], at now: String = "2026-11-21T02:00:00Z", _ change: (inout MaintenancePolicy) -> Void = { _ in }
    ) throws -> Rollout.Decision {
        var policy = MaintenancePolicy(name: "weekly")
        change(&policy)
        return Rollout(policy: policy, nodeSeconds: 600).decide(situations, at: try date(now))
    }

    @Test func `The budget counts nodes that are away for any reason`() throws {
        let nodes = [node("a"), node("b", .current, away: "it is not ready"), node("c"), node("d", work: .inWork), node("e")]
        #expect(try decide(nodes) { $0.maxUnavailable = .count(2) }.candidates.isEmpty)
        let three = try decide(nodes) { $0.maxUnavailable = .count(3) }
        #expect(three.candidates == ["a", "c", "e"] && three.room == 1)
        #expect(try decide(nodes) { $0.maxUnavailable = .count(2) }.blockers.map(\.reason) == ["b, d are away, and 2 may be"])
        #expect(try decide([node("a")]) { $0.maxUnavailable = .percent(1) }.room == 1, "a share is one at least")
        #expect(try decide([node("a")]) { $0.maxUnavailable = .percent(0) }.blockers.map(\.reason) == ["maxUnavailable 0% lets no node go"])
    }

    @Test func `What failed stops the rollout, and nobody touches what others took away`() throws {
        let failed = try decide([node("a"), node("b", work: .failed("dpkg: error"))]) { $0.maxUnavailable = .count(5) }
        #expect(failed.candidates.isEmpty && failed.blockers.contains(.init(node: "b", "dpkg: error")))
        let left = try decide([node("a", away: "somebody cordoned it"), node("b", pause: "a demo")]) { $0.maxUnavailable = .count(5) }
        #expect(left.candidates.isEmpty)
        #expect(left.blockers == [.init(node: "a", "it is left alone: somebody cordoned it"), .init(node: "b", "paused: a demo")])
        let unknown = try decide([node("a", .unknown("no agent has reported from it"))])
        #expect(unknown.candidates.isEmpty && unknown.blockers == [.init(node: "a", "no agent has reported from it")])
        let silent = try decide([node("a", .silent)])
        #expect(silent == unknown)
        #expect(try decide([node("a", .current)]).blockers.isEmpty)
        #expect(try decide([node("a")]) { $0.pause = "holidays" }.blockers.map(\.reason) == ["paused: holidays"])
    }

    @Test func `First reports are waited for, and what was given back rests`() throws {
        let nodes = [node("a"), node("b", .silent), node("c", .unknown("its agent has not reported since noon"))]
        func waiting(at now: String, _ nodes: [Rollout.Situation]) throws -> Rollout.Decision {
            Rollout(policy: MaintenancePolicy(name: "weekly"), nodeSeconds: 600, reportsBy: try date("2026-11-21T02:05:00Z"))
                .decide(nodes, at: try date(now))
        }
        let reports = try date("2026-11-21T02:05:00Z")
        let early = try waiting(at: "2026-11-21T02:04:59Z", nodes)
        #expect(early.candidates.isEmpty && early.nextTry == reports)
        #expect(early.blockers.contains { $0.node == nil && $0.reason.hasPrefix("1 agent has not reported yet") })
        #expect(try waiting(at: "2026-11-21T02:05:00Z", nodes).candidates == ["a"], "not for ever")
        #expect(try waiting(at: "2026-11-21T02:00:00Z", [node("a"), nodes[2]]).candidates == ["a"], "who reported once is not waited for")

        let rest = Rollout.Situation.Rest(until: try date("2026-11-21T02:10:00Z"), reason: "the window closed")
        let resting = try decide([node("a", rest: rest), node("b")], at: "2026-11-21T02:09:59Z")
        #expect(resting.candidates == ["b"] && resting.nextTry == rest.until)
        #expect(resting.blockers.contains { $0.node == "a" && $0.reason.hasPrefix("it was given back: the window closed") })
        #expect(try decide([node("a", rest: rest)], at: "2026-11-21T02:10:00Z").candidates == ["a"])
    }

    @Test func `A window that is closed, or too short for a node, says when the next try is`() throws {
        let window = try Window("0 2 * * SAT 4h")
        let closed = try decide([node("a")], at: "2026-11-20T12:00:00Z") { $0.window = window }
        #expect(closed.candidates.isEmpty)
        #expect(closed.nextTry == (try date("2026-11-21T02:00:00Z")))
        let short = try decide([node("a")], at: "2026-11-21T05:55:00Z") { $0.window = window }
        #expect(short.candidates.isEmpty && short.blockers[0].reason.contains("closes in 300 s"))
        #expect(short.nextTry == (try date("2026-11-28T02:00:00Z")))
        #expect(try decide([node("a")], at: "2026-11-21T05:50:00Z") { $0.window = window }.candidates == ["a"])
    }

    @Test func `Canaries go first, and until they are done nobody else does`() throws {
        func canary(_ nodes: [Rollout.Situation]) throws -> Rollout.Decision {
            try decide(nodes) {
                $0.maxUnavailable = .count(10)
                $0.canaries = 2
            }
        }
        #expect(try canary([node("a"), node("b"), node("c")]).room == 2)
        #expect(try canary([node("a", work: .inWork), node("b"), node("c")]).room == 1)
        #expect(try canary([node("a", work: .inWork), node("b", .current, isDone: true), node("c")]).candidates.isEmpty)
        #expect(try canary([node("a", .current, isDone: true), node("b", .current, isDone: true), node("c")]).candidates == ["c"])
    }

    @Test func `Nodes go by control plane, selectors, priority, zones and names`() {
        let nodes = [
            node("cp", zone: "a", isControlPlane: true), node("a2", zone: "a"), node("a1", zone: "a"), node("b1", zone: "b"),
            node("test", zone: "b", labels: ["tier": "test"]), node("late", zone: "a", labels: ["p": "9"]),
            node("early", zone: "b", labels: ["p": "-1"]),
        ].map(\.place)
        var order = NodeOrder()
        order.first = [LabelSelector([.init("tier", .isIn, ["test"])])]
        order.priorityLabel = "p"
        #expect(order.sort(nodes) == ["test", "early", "a1", "b1", "a2", "late", "cp"])
        order.zones = .oneAtATime
        #expect(order.sort(nodes) == ["test", "early", "a1", "a2", "b1", "late", "cp"])
        order.zones = .any
        order.controlPlaneLast = false
        #expect(order.sort(nodes) == ["test", "early", "a1", "a2", "b1", "cp", "late"])
    }

    @Test func `The forecast says which node goes when, what is left for the next window, and what never fits`() throws {
        let now = try date("2026-11-21T04:00:00Z")
        func forecast(
            _ count: Int, parallel: Int = 2, canaries: Int = 0, seconds: Double = 3600, busy: [Date] = [], window: String? = "0 2 * * SAT 4h"
        ) throws
            -> MaintenanceForecast
        {
            MaintenanceForecast(
                nodes: (1...count).map { "n\($0)" }, busy: busy, parallel: parallel, canaries: canaries, nodeSeconds: seconds,
                window: try window.map { try Window($0) }, at: now)
        }
        // Two hours are left: two at once, twice; the fifth waits for a week.
        let five = try forecast(5)
        #expect(five.visits.map(\.window) == [0, 0, 0, 0, 1] && five.inFirstWindow == 4 && five.left.isEmpty)
        #expect(five.visits[4].begins == (try date("2026-11-28T02:00:00Z")))
        #expect(five.visits[2].begins == (try date("2026-11-21T05:00:00Z")))
        #expect(try forecast(3, canaries: 1).visits[1].begins == date("2026-11-21T05:00:00Z"), "the canary is alone")
        #expect(try forecast(2, parallel: 1, busy: [now.addingTimeInterval(1800)]).visits[0].begins == now.addingTimeInterval(1800))
        #expect(try forecast(2, seconds: 5 * 3600).left == ["n1", "n2"], "a node that takes longer than any window")
        #expect(try forecast(2, parallel: 0).left == ["n1", "n2"])
        #expect(try forecast(100, parallel: 10, window: nil).visits.map(\.ends).max() == now.addingTimeInterval(10 * 3600))
    }
}
