import Foundation
import Testing

@testable import Maintenance

@Suite struct QuorumTests {
    /// voters and healthy voters before and after, and whether it is refused.
    @Test(arguments: [
        (3, 3, 2, 2, true),  // remove one of three healthy
        (3, 2, 2, 2, false),  // remove the dead one of three: the repair
        (3, 2, 2, 1, true),  // remove a healthy one while another is dead
        (3, 3, 4, 3, true),  // add a voter that has not started
        (3, 3, 4, 4, false),  // promote a learner that has caught up
        (4, 4, 3, 3, false),  // remove one of four
        (5, 5, 4, 4, false), (5, 4, 4, 3, true), (1, 1, 2, 2, false),  // grow from one
        (1, 1, 2, 1, true),  // add an unstarted voter to one
        (2, 2, 1, 1, false), (3, 1, 2, 1, true),
    ])
    func `What brings a cluster to or near the loss of its quorum is refused`(voters: Int, healthy: Int, then: Int, thenHealthy: Int, refused: Bool) {
        let before = Quorum(voters: voters, healthyVoters: healthy)
        let refusal = before.refusal(of: "it", leadingTo: Quorum(voters: then, healthyVoters: thenHealthy))
        #expect((refusal != nil) == refused, "\(refusal ?? "allowed")")
    }
}

@Suite struct HashConsensusTests {
    private func judge(_ answers: [(UInt64, UInt32, Int64)], members: Int) -> [UInt64: HashConsensus.Verdict] {
        HashConsensus(answers.map { .init(memberID: $0.0, hash: $0.1, compactRevision: $0.2) }, members: members).verdicts
    }

    @Test func `The majority is the truth`() {
        #expect(judge([(1, 7, 5), (2, 7, 5), (3, 8, 5)], members: 3) == [1: .agrees, 2: .agrees, 3: .differs])
        #expect(judge([(1, 7, 5), (2, 7, 5), (3, 7, 5)], members: 3) == [1: .agrees, 2: .agrees, 3: .agrees])
    }

    @Test func `Without a majority nobody is accused`() {
        #expect(judge([(1, 7, 5), (2, 8, 5), (3, 9, 5)], members: 3) == [1: .unknown, 2: .unknown, 3: .unknown])
        #expect(judge([(1, 7, 5), (2, 8, 5)], members: 2) == [1: .unknown, 2: .unknown])
        // Two of five that agree are no majority of five.
        #expect(judge([(1, 7, 5), (2, 7, 5), (3, 8, 5)], members: 5) == [1: .unknown, 2: .unknown, 3: .unknown])
    }

    @Test func `Members that are compacted elsewhere are not compared`() {
        #expect(judge([(1, 7, 5), (2, 7, 5), (3, 8, 6)], members: 3) == [1: .agrees, 2: .agrees, 3: .unknown])
        #expect(judge([], members: 3) == [:])
    }
}

@Suite struct DefragRuleTests {
    private let sizes = DefragRule.Sizes(dbSize: 1000 << 20, dbSizeInUse: 400 << 20, dbQuota: 2000 << 20)

    @Test(arguments: [
        ("dbSizeFree > 200*1024*1024", true), ("dbSizeFree > 700MiB", false), ("dbSize >= 1000MiB && dbSize <= 1000MiB", true),
        ("fragmentation > 0.5", true), ("dbQuotaUsage > 0.8 || dbSizeFree > 200*1024*1024", true), ("dbQuotaUsage == 0.5", true),
        ("!(dbSize > 1)", false), ("dbSize - dbSizeInUse == dbSizeFree", true), ("-1 < 0", true), ("1 + 2 * 3 == 7", true),
        ("(1 + 2) * 3 == 9", true),
        ("10 - 4 - 3 == 3", true), ("7 % 4 == 3", true), ("1 / 0 > 0", false), ("!(dbSize / 0 > 1)", false), ("!(1 / 0 > 0) || 1 < 2", true),
        ("1 / 0 != 1", false), ("dbSize*100/dbQuota > 80", false),
        ("0.1GiB < dbSize", true), ("1 < 2 || 1 / 0 > 0", true),
    ])
    func `Rules are understood as users of etcd-defrag write them`(rule: String, matches: Bool) throws {
        #expect(try DefragRule(rule).matches(sizes) == matches)
    }

    @Test(arguments: [
        "", "dbSize", "1 + 1", "dbSize >", "dbSize > 1 > 2", "dbsize > 1", "(dbSize > 1", "dbSize > 1)", "dbSize > 1 &&", "dbSize & 1", "1 && 2",
        "!dbSize", "-(1 > 2) > 1", "dbSize > 1e", "dbSize > 1XiB", "dbSize = 1", String(repeating: "(", count: 200) + "1 > 0",
        String(repeating: "!", count: 100) + "(1 > 0)", String(repeating: "1 + ", count: 400) + "1 > 0",
    ])
    func `What is no rule is refused, with its column`(_ rule: String) {
        #expect { try DefragRule(rule) } throws: { "\($0)".contains("column") }
    }

    @Test func `Random text never crashes the parser`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = Lehmer(state: seed | 1)
        let pieces = [
            "dbSize", "dbQuota", "(", ")", "&&", "||", "!", "<", ">=", "==", "+", "-", "*", "/", "%", "1", "0.5", "3MiB", " ", "é", "\u{0}",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0...12, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            guard let rule = try? DefragRule(text) else { continue }
            _ = rule.matches(sizes)
        }
        print("seed \(seed)")
    }

    @Test func `Without a known quota nothing that asks for it holds`() throws {
        let unknown = DefragRule.Sizes(dbSize: 10, dbSizeInUse: 5, dbQuota: nil)
        #expect(try !DefragRule("dbQuota > 0").matches(unknown) && !DefragRule("dbQuotaUsage != 3").matches(unknown))
        #expect(try DefragRule("dbQuotaUsage > 1").needsQuota && !DefragRule("dbSize > 1").needsQuota)
    }

    private struct Lehmer: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }
}
