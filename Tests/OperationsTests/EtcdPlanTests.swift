import Foundation
import Maintenance
import Testing

@testable import Etcd
@testable import Operations

/// A cluster as it might say it is.
private struct Imagined {
    var name: String
    var isLeader = false
    var isLearner = false
    var isDown = false
    var applied: UInt64 = 1000
    var size: Int64 = 100 << 20
    var inUse: Int64 = 50 << 20
    var quota: Int64? = 2 << 30
    var readSeconds = 0.01
    var errors: [String] = []
}

private func view(_ members: [Imagined], alarms: [Alarm] = []) throws -> ClusterView {
    let leader = members.firstIndex { $0.isLeader }
    func id(_ index: Int) -> UInt64 { UInt64(index + 1) }
    let views = try members.enumerated().map { index, imagined in
        let endpoint = try Endpoint("http://10.0.0.\(index + 1):2379")
        let status = MemberStatus(
            endpoint: endpoint, clusterID: 0xc, memberID: id(index), version: "3.5.1", leaderID: leader.map(id) ?? 0, isLearner: imagined.isLearner,
            databaseSize: imagined.size, databaseSizeInUse: imagined.inUse, revision: 5000, raftTerm: 2, raftIndex: 1000,
            raftAppliedIndex: imagined.applied, databaseQuota: imagined.quota, errors: imagined.errors)
        return ClusterView.MemberView(
            member: Member(
                id: id(index), name: imagined.name, peerURLs: ["http://10.0.0.\(index + 1):2380"], clientURLs: [endpoint.description],
                isLearner: imagined.isLearner),
            endpoint: endpoint, status: imagined.isDown ? .failure(EtcdError(.unavailable, "it is down")) : .success(status),
            read: imagined.isDown || imagined.isLearner ? nil : .success(.seconds(imagined.readSeconds)))
    }
    return ClusterView(clusterID: 0xc, members: views, alarms: alarms)
}

private let three = [Imagined(name: "a"), Imagined(name: "b", isLeader: true), Imagined(name: "c")]

@Suite struct DefragPlanTests {
    @Test func `Followers go first, leadership moves, the leader goes last, learners stay out`() throws {
        let plan = try DefragPlan().make(try view(three + [Imagined(name: "l", isLearner: true)]))
        #expect(
            plan.steps.map(\.title) == [
                "defragment a", "defragment c", "hand leadership from b to the follower that is most up to date", "defragment b",
            ])
        #expect(plan.remarks.count == 1 && plan.remarks[0].hasPrefix("l is left out: a learner"))
        #expect(plan.refusals.isEmpty && plan.steps.allSatisfy(\.isDisruptive))
        #expect(try JSONDecoder().decode(EtcdAction.Plan.self, from: JSONEncoder().encode(plan)) == plan)
    }

    @Test func `Rules, sizes and names choose the members, and what is left out is said`() throws {
        var members = three
        members[0].inUse = 99 << 20
        var plan = DefragPlan()
        plan.rule = try DefragRule("fragmentation > 0.3")
        #expect(try plan.make(try view(members)).steps.map(\.target) == ["c", "b", "b"])
        plan = DefragPlan()
        plan.minFragmentation = 0.3
        #expect(try plan.make(try view(members)).remarks == ["a is left out: 1 % of it are free, less than --min-fragmentation"])
        plan = DefragPlan()
        plan.only = ["c"]
        #expect(try plan.make(try view(members)).steps.map(\.target) == ["c"])
        plan.only = ["nobody"]
        #expect(throws: OperationError.self) { try plan.make(try view(members)) }
        plan = DefragPlan()
        plan.minSize = 1 << 30
        #expect(try plan.make(try view(members)).steps.isEmpty)
        members[1].quota = nil
        plan = DefragPlan()
        plan.rule = try DefragRule("dbQuotaUsage > 0.01")
        #expect(throws: OperationError.self) { try plan.make(try view(members)) }
        plan.quota = 1 << 30
        #expect(try plan.make(try view(members)).steps.count == 4)
    }

    @Test func `Compaction comes first, keeps what it is told to keep, and is left out when there is nothing to remove`() throws {
        var plan = DefragPlan()
        plan.keepRevisions = 1000
        let made = try plan.make(try view(three))
        #expect(made.steps[0].action == .compact(revision: 4000))
        if case .impossible = made.steps[0].undo {} else { Issue.record("history does not come back") }
        plan.keepRevisions = 6000
        #expect(try plan.make(try view(three)).steps[0].action != .compact(revision: -1000))
    }

    @Test func `A cluster that cannot do without a member is refused, unless a person takes the risk`() throws {
        var members = three
        members[2].isDown = true
        #expect(try DefragPlan().make(try view(members)).refusals.count == 1)
        let one = [Imagined(name: "a", isLeader: true)]
        #expect(try DefragPlan().make(try view(one)).refusals.first?.contains("--accept-risk") == true)
        var plan = DefragPlan()
        plan.acceptsRisk = true
        #expect(try plan.make(try view(one)).refusals.isEmpty)
        let alarm = Alarm(memberID: 1, kind: .noSpace)
        let full = try view([Imagined(name: "a", isLeader: true, errors: ["memberID:1 alarm:NOSPACE "])], alarms: [alarm])
        #expect(try SpaceRecoveryPlan().make(full).refusals.isEmpty, "it takes no writes anyway")
    }
}

@Suite struct EtcdGateTests {
    private func settings(alarms: [Alarm] = [], toleratesNoSpace: Bool = false, acceptsRisk: Bool = false) throws -> EtcdRunSettings {
        EtcdRunSettings(
            configuration: EtcdConfiguration(
                endpoints: [try Endpoint("http://a:1")], credentials: .init(user: "root", password: "secret")), view: try view(three, alarms: alarms),
            toleratesNoSpace: toleratesNoSpace, acceptsRisk: acceptsRisk)
    }

    private func decide(_ view: ClusterView, _ action: EtcdAction, _ settings: EtcdRunSettings) -> Gate.Decision {
        Gate().decide(
            expectedSeconds: 1, now: Date(), checks: EtcdRun.checks(view: view, action: action, settings: settings))
    }

    private func isWait(_ decision: Gate.Decision, _ text: String) -> Bool {
        if case .wait(let reasons) = decision { return reasons.contains { $0.contains(text) } }
        return false
    }

    private func isStop(_ decision: Gate.Decision, _ text: String) -> Bool {
        if case .stop(let reasons) = decision { return reasons.contains { $0.contains(text) } }
        return false
    }

    @Test func `The gate opens for a healthy cluster and waits for one that settles`() throws {
        let defrag = EtcdAction.defragment(member: 1)
        #expect(decide(try view(three), defrag, try settings()) == .go)
        var members = three
        members[2].isDown = true
        #expect(isWait(decide(try view(members), defrag, try settings()), "c: it is down"))
        members = three
        members[2].applied = 400
        #expect(isWait(decide(try view(members), defrag, try settings()), "600 entries"))
        members = three
        members[2].readSeconds = 0.8
        #expect(isWait(decide(try view(members), defrag, try settings()), "read latency"))
        // The member that is worked on may lag: its turn is to come.
        members = three
        members[0].applied = 400
        #expect(decide(try view(members), defrag, try settings()) == .go)
    }

    @Test func `A new alarm stops a run, an old one and the one that it is about do not`() throws {
        let alarm = Alarm(memberID: 3, kind: .noSpace)
        let full = try view(three, alarms: [alarm])
        let defrag = EtcdAction.defragment(member: 1)
        #expect(isStop(decide(full, defrag, try settings()), "NOSPACE was raised for c"))
        #expect(decide(full, defrag, try settings(alarms: [alarm])) == .go)
        #expect(decide(full, defrag, try settings(toleratesNoSpace: true)) == .go)
        let corrupt = try view(three, alarms: [Alarm(memberID: 3, kind: .corrupt)])
        #expect(isStop(decide(corrupt, defrag, try settings(toleratesNoSpace: true)), "CORRUPT"))
    }

    @Test func `The gate does the quorum arithmetic again`() throws {
        #expect(isStop(decide(try view(three), .remove(member: 1), try settings()), "one failure away"))
        #expect(decide(try view(three), .remove(member: 1), try settings(acceptsRisk: true)) == .go)
        var members = three
        members[2].isDown = true
        #expect(decide(try view(members), .remove(member: 3), try settings()) == .go, "a dead member may be removed")
        #expect(isWait(decide(try view(members), .remove(member: 1), try settings()), "quorum"))
        #expect(decide(try view(members), .remove(member: 3, mustBeDead: true), try settings()) == .go)
        #expect(isStop(decide(try view(three), .remove(member: 3, mustBeDead: true), try settings(acceptsRisk: true)), "healthy again"))
        var five = three + [Imagined(name: "d"), Imagined(name: "e")]
        five[3].isDown = true
        five[4].isDown = true
        #expect(decide(try view(five), .remove(member: 4), try settings()) == .go, "of two dead members one may be removed")
    }

    @Test func `Space is recovered with what is left when a member is dead`() throws {
        let alarm = Alarm(memberID: 1, kind: .noSpace)
        var members = three
        for index in members.indices { members[index].errors = ["memberID:1 alarm:NOSPACE "] }
        members[2].isDown = true
        let plan = try SpaceRecoveryPlan().make(try view(members, alarms: [alarm]))
        #expect(plan.refusals.isEmpty && !plan.steps.contains { $0.action == .defragment(member: 3) }, "\(plan.refusals)")
        #expect(isWait(decide(try view(members, alarms: [alarm]), .defragment(member: 1), try settings(toleratesNoSpace: true)), "c: it is down"))
        let settings = EtcdRunSettings(
            configuration: EtcdConfiguration(endpoints: [try Endpoint("http://a:1")]), view: try view(members, alarms: [alarm]),
            toleratesNoSpace: true)
        #expect(decide(try view(members, alarms: [alarm]), .defragment(member: 1), settings) == .go)
    }

    @Test func `What is kept for a resumed run holds no secret`() throws {
        let json = String(decoding: try JSONEncoder().encode(try settings()), as: UTF8.self)
        #expect(json.contains("root") && !json.contains("secret"))
    }
}

@Suite struct MembershipPlanTests {
    private func refusals(_ change: MembershipPlan.Change, _ members: [Imagined], acceptsRisk: Bool = false) throws -> [String] {
        try MembershipPlan(change, acceptsRisk: acceptsRisk).make(try view(members)).refusals
    }

    private let url = ["http://10.0.0.9:2380"]

    @Test func `The arithmetic is done before anything is sent`() throws {
        #expect(try refusals(.add(peerURLs: url, isLearner: true), three).isEmpty)
        #expect(try refusals(.add(peerURLs: url, isLearner: false), three).first?.contains("--learner") == true)
        #expect(try refusals(.remove("a"), three).count == 1)
        #expect(try refusals(.remove("a"), three, acceptsRisk: true).isEmpty)
        #expect(try refusals(.remove("a"), three + [Imagined(name: "d")]).isEmpty)
        #expect(try refusals(.replace("a", peerURLs: url), three).isEmpty)
        // The run waits until the learner is healthy.
        #expect(try refusals(.promote("l"), three + [Imagined(name: "l", isLearner: true, isDown: true)]).isEmpty)
        #expect(try refusals(.remove("only"), [Imagined(name: "only", isLeader: true)]).count == 1)
        #expect(
            try refusals(.remove("only"), [Imagined(name: "only", isLeader: true)], acceptsRisk: true).isEmpty == false, "that is no risk but an end")
    }

    @Test func `Without a leader nothing is changed, whatever the risk`() throws {
        let headless = three.map { Imagined(name: $0.name) }
        #expect(try refusals(.add(peerURLs: url, isLearner: true), headless, acceptsRisk: true).count == 1)
    }

    @Test func `A healthy member goes after its successor, a dead one before`() throws {
        let healthy = try MembershipPlan(.replace("b", peerURLs: url)).make(try view(three))
        #expect(healthy.steps.map(\.id) == ["add", "catch-up", "promote", "move-leader", "remove", "consistency"])
        var members = three
        members[2].isDown = true
        #expect(try refusals(.replace("c", peerURLs: url), members).first?.contains("--remove-first") == true)
        let dead = try MembershipPlan(.replace("c", peerURLs: url, removesFirst: true)).make(try view(members))
        #expect(dead.steps.map(\.id) == ["remove", "add", "catch-up", "promote", "consistency"] && dead.refusals.isEmpty)
        #expect(dead.steps[0].action == .remove(member: 3, mustBeDead: true))
        members[0].isDown = true
        #expect(try refusals(.replace("c", peerURLs: url, removesFirst: true), members).isEmpty == false, "two of three are down")
        let learner = three + [Imagined(name: "l", isLearner: true)]
        #expect(try refusals(.add(peerURLs: url, isLearner: true), learner).first?.contains("one at a time") == true)
    }

    @Test(arguments: [["nowhere"], ["ftp://a:1"], ["http://a"], ["http://10.0.0.1:2380"], []])
    func `Peer URLs that cannot be are refused`(_ urls: [String]) throws {
        #expect(throws: OperationError.self) { try MembershipPlan(.add(peerURLs: urls, isLearner: true)).make(try view(three)) }
    }
}
