import Foundation
import Maintenance
import Testing

struct RetentionTests {
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    private func candidates(everyHours hours: Int, count: Int) -> [Retention.Candidate] {
        (0..<count).map { .init(id: "\($0)", createdAt: now.addingTimeInterval(-Double($0 * hours) * 3600)) }
    }

    @Test func `Each rule keeps its own, and what any keeps stays`() {
        var rules = Retention()
        rules.keepLast = 2
        rules.daily = 3
        rules.monthly = 2
        let verdicts = rules.judge(candidates(everyHours: 6, count: 200), at: now)
        let kept = verdicts.filter(\.isKept)
        #expect(kept.prefix(2).count { $0.keptBy.contains { $0.hasPrefix("keep-last") } } == 2)
        #expect(verdicts.count { $0.keptBy.contains { $0.hasPrefix("daily") } } == 3)
        #expect(verdicts.count { $0.keptBy.contains { $0.hasPrefix("monthly") } } == 2)
        #expect(kept.count <= 2 + 3 + 2 && verdicts.count == 200)
        var within = Retention()
        within.keepWithin = 30 * 86_400
        #expect(within.judge(candidates(everyHours: 24, count: 60), at: now).count(where: \.isKept) == 31)
    }

    @Test func `Nothing goes without a rule, under a lock, from the future, or as the last that is known to be good`() {
        let many = candidates(everyHours: 24, count: 10)
        let none = Retention().judge(many, at: now)
        #expect(none.count(where: \.isKept) == 10)
        var rules = Retention()
        rules.keepWithin = 1
        var backups = candidates(everyHours: 24, count: 10).dropFirst().map { $0 }
        backups[3].lockedUntil = now + 10
        backups[5].isVerified = true
        backups[7].isVerified = true
        backups.append(.init(id: "future", createdAt: now + 3600))
        let kept = rules.judge(backups, at: now).filter(\.isKept).map(\.candidate.id)
        #expect(kept == ["future", backups[3].id, backups[5].id])
        var old = candidates(everyHours: 24, count: 5)
        for index in old.indices { old[index].createdAt -= 86_400 }
        #expect(rules.judge(old, at: now).count(where: \.isKept) == 1, "the newest, since nobody knows which is good")
        #expect(rules.judge([], at: now).isEmpty)
    }
}
