import Etcd
import Foundation
import Proving
import Testing
import Maintenance

/// The runs whose every boundary and every step is disturbed.
enum DisturbedRun: String, CaseIterable, Sendable {
    case defrag, recoverSpace, replace

    var options: LocalEtcdCluster.Options {
        switch self {
        case .defrag: .init(members: 3)
        case .recoverSpace: .init(members: 3, arguments: ["--quota-backend-bytes", "\(12 << 20)"])
        case .replace: .init(members: 3, spares: 1)
        }
    }

    /// Brings the cluster into the state that the run is for, and returns the command.
    func prepare(_ desk: EtcdDesk) async throws -> String {
        switch self {
        case .defrag:
            try await desk.makeGarbage()
            return "etcd defrag --compact --keep-revisions 0"
        case .recoverSpace:
            let value = [UInt8](repeating: 1, count: 256 << 10)
            let error = await #expect(throws: EtcdError.self) {
                try await desk.connected { client in
                    for count in 0..<400 { _ = try await client.put([("/same/\(count % 2)", value)]) }
                }
            }
            try #require(error?.code == .noSpace, "\(error.map { "\($0)" } ?? "")")
            return "etcd recover-space"
        case .replace:
            // The server that is not in the list takes the place of one that is.
            let names = try await desk.members().map(\.name)
            let free = try #require((desk.cluster.members + desk.cluster.spares).first { !names.contains($0.name) })
            let old = try #require(names.sorted().first)
            return "etcd member replace \(old) --peer-url \(free.peerURL) --join-timeout 60s"
        }
    }

    /// Whether the cluster is as an undisturbed run leaves it.
    func expectDone(_ desk: EtcdDesk, members before: [Member], _ comment: String) async throws {
        let health = try await desk.drydock("etcd health --cluster")
        #expect(health.status == 0, "\(comment): \(health.output)")
        let consistency = try await desk.drydock("etcd consistency")
        #expect(consistency.status == 0, "\(comment): \(consistency.output)")
        let members = try await desk.members()
        switch self {
        case .defrag, .recoverSpace:
            #expect(Set(members.map(\.id)) == Set(before.map(\.id)), "\(comment)")
            let sizes = try await desk.connected { client in await client.statuses().compactMap { try? $0.status.get().databaseSize } }
            #expect(sizes.count == 3 && sizes.allSatisfy { $0 < (self == .defrag ? 3 : 4) << 20 }, "\(comment): \(sizes)")
            #expect(try await desk.connected { try await $0.put([("/after", [1])]) } > 0, "\(comment)")
        case .replace:
            #expect(members.count == 3 && members.allSatisfy { $0.isStarted && !$0.isLearner }, "\(comment): \(members)")
            let kept = Set(members.map(\.id)).intersection(before.map(\.id))
            #expect(kept.count == 2, "\(comment): one left and one came, not more")
        }
    }
}

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)), .timeLimit(.minutes(60)))
struct EtcdRunTests {
    @Test(arguments: DisturbedRun.allCases)
    func `Killed at every boundary of its journal, a run is resumed to the end of an undisturbed one, and nothing is done twice`(
        _ disturbed: DisturbedRun
    ) async throws {
        try await withDesk(disturbed.options) { desk in
            let list = desk.cluster.folder.appendingPathComponent("boundaries")
            var before = try await desk.members()
            let whole = try await BuiltProgram.interrupted(
                list: list, desk.arguments(try await disturbed.prepare(desk)), environment: desk.environment)
            try #require(whole.status == 0, "\(whole.errors)")
            try await disturbed.expectDone(desk, members: before, "undisturbed")
            let boundaries = try String(contentsOf: list, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(boundaries.count >= 20 && boundaries.first?.hasPrefix("before begin") == true)
            for number in 1...boundaries.count {
                before = try await desk.members()
                let command = desk.arguments(try await disturbed.prepare(desk))
                let counts = try await desk.defragmentations()
                let killed = try await BuiltProgram.interrupted(at: number, list: list, command, environment: desk.environment)
                let reached = try String(contentsOf: list, encoding: .utf8).split(separator: "\n").last.map(String.init) ?? ""
                let comment = "\(disturbed.rawValue), boundary \(number), \(reached)"
                // Another leader means another number of steps.
                guard killed.status != 0 else { continue }
                try #require(killed.status == 128 + 9, "\(comment): \(killed.status) \(killed.errors)")
                let run = try await desk.newestRun()
                if run == nil || run?["state"] as? String == "done" {
                    // Killed before the journal knew of the run, or after it knew of its end: there is nothing to resume.
                    if reached.hasPrefix("before begin") {
                        try #require(try await BuiltProgram.run(command, environment: desk.environment).status == 0, "\(comment)")
                    }
                } else {
                    let id = try #require(run?["id"] as? String)
                    let resumed = try await desk.report("runs resume \(id)")
                    let steps = try #require(resumed["steps"] as? [[String: Any]])
                    #expect(steps.allSatisfy { ["done", "alreadySo"].contains($0["state"] as? String) }, "\(comment): \(steps)")
                    // Whatever had been done before the kill was not begun a second time, except what only looks or proves.
                    let twice = Set(steps.filter { ($0["attempts"] as? Int ?? 0) > 1 }.compactMap { $0["id"] as? String })
                        .subtracting(["catch-up", "require-space", "prove-write", "consistency"])
                    #expect(twice.allSatisfy { reached == "after started \($0)" }, "\(comment): \(twice) began twice")
                }
                try await disturbed.expectDone(desk, members: before, comment)
                // The servers themselves count.
                if disturbed != .replace {
                    let now = try await desk.defragmentations()
                    #expect(now == counts.mapValues { $0 + 1 }, "\(comment): \(counts) became \(now)")
                }
            }
        }
    }

    private static let takesAll = ProcessInfo.processInfo.environment["DRYDOCK_FAULTS"] == "all"

    enum Fault: String, CaseIterable, Sendable { case stop, kill, restart }

    @Test(arguments: DisturbedRun.allCases, Fault.allCases)
    func `A member that is stopped, killed or restarted during any step leaves the cluster serving, and the run goes on to its end`(
        _ disturbed: DisturbedRun, _ fault: Fault
    ) async throws {
        try await withDesk(disturbed.options) { desk in
            let seed = UInt64.random(in: 0...UInt64.max)
            var generator = SplitMix(seed: seed)
            let steps = try await disturbed.stepIDs(desk)
            // One step by chance; `make faults` takes them all, which lasts half an hour.
            let chosen = Self.takesAll ? steps : Array(steps.shuffled(using: &generator).prefix(1))
            print("seed \(seed): \(fault) during \(chosen) of \(disturbed)")
            var disturbedSteps = 0
            for step in chosen {
                let comment = "\(disturbed.rawValue), \(fault.rawValue) during \(step)"
                let before = try await desk.members()
                let command = try await disturbed.prepare(desk) + " --settle-timeout 8s --max-latency 2s"
                var hurt: LocalEtcdCluster.Member?
                let (run, reached) = try await BuiltProgram.pausing(
                    at: "after started \(step)", desk.arguments(command), environment: desk.environment
                ) { _ in
                    let victim = try await desk.victim(of: step)
                    hurt = victim
                    if fault == .stop { desk.cluster.signal(victim, SIGSTOP) } else { await desk.cluster.stop(victim) }
                    if fault == .restart { try desk.cluster.start(victim) }
                }
                // The plan may have other members in it than the one before; what was not reached was not disturbed.
                guard reached, let victim = hurt else {
                    try #require(run.status == 0, "\(comment): \(run.errors)")
                    continue
                }
                disturbedSteps += 1
                #expect(try await desk.hasLeader(), "\(comment): nobody leads")
                if fault == .stop { desk.cluster.signal(victim, SIGCONT) }
                let names = try await desk.members().map(\.name)
                if fault == .kill, names.contains(victim.name) { try desk.cluster.start(victim) }
                try await desk.untilHealthy()
                if run.status != 0 {
                    let newest = try #require(try await desk.newestRun())
                    let state = newest["state"] as? String
                    // A definite no to the first step leaves nothing behind, and nothing to resume: the command is given again.
                    let isOver = state == "cancelled" && run.errors.contains("before it changed anything")
                    #expect(isOver || state == "stopped" && run.errors.contains("drydock runs resume"), "\(comment): \(run.errors)")
                    let again = isOver ? command : "runs resume \(try #require(newest["id"] as? String))"
                    let resumed = try await desk.drydock(again)
                    try #require(resumed.status == 0, "\(comment): \(run.errors)\n\(resumed.errors)")
                }
                try await disturbed.expectDone(desk, members: before, comment)
            }
            #expect(disturbedSteps > 0)
        }
    }
}

extension DisturbedRun {
    /// The steps of a run on this cluster as it is.
    fileprivate func stepIDs(_ desk: EtcdDesk) async throws -> [String] {
        let plan = try await desk.report(try await prepare(desk) + " --dry-run")
        let steps = try #require(plan["steps"] as? [[String: Any]]).compactMap { $0["id"] as? String }
        // The space that this took is needed by the first run.
        if self == .recoverSpace { try #require(try await desk.drydock("etcd recover-space").status == 0) }
        return steps
    }
}

extension EtcdDesk {
    /// How often each member was defragmented since it started, by its own count.
    fileprivate func defragmentations() async throws -> [String: Int64] {
        try await connected { client in
            var counts: [String: Int64] = [:]
            for member in try await client.members() {
                guard let url = member.clientURLs.first else { continue }
                counts[member.name] = try await client.metrics(at: Endpoint(url)).defragmentations
            }
            return counts
        }
    }

    /// The member that a step works on; the leader where it works on none.
    fileprivate func victim(of step: String) async throws -> LocalEtcdCluster.Member {
        let id = step.hasPrefix("defragment-") ? UInt64(step.dropFirst(11), radix: 16) : nil
        guard let id, let name = try await members().first(where: { $0.id == id })?.name else { return try await leader() }
        return try #require((cluster.members + cluster.spares).first { $0.name == name })
    }

    /// Whether the others serve, an election granted.
    fileprivate func hasLeader() async throws -> Bool {
        for _ in 0..<20 where try await !drydock("etcd health --cluster").output.contains("no member leads") { return true }
        return false
    }

    /// Returns when every listed member serves again; an alarm may stand until the run is resumed.
    fileprivate func untilHealthy() async throws {
        var health = ""
        for _ in 0..<60 {
            let run = try await drydock("etcd health --cluster")
            if run.status == 0 || run.output.contains("alarm NOSPACE") && run.output.contains("(3 of 3 voters healthy") { return }
            health = run.output
        }
        Issue.record("the cluster does not become healthy: \(health)")
    }
}
