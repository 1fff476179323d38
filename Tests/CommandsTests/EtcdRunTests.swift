import Etcd
import Foundation
import Proving
import Testing

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

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)))
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
                    // Whatever had been done before the kill was not begun a second time.
                    let twice = steps.filter { ($0["attempts"] as? Int ?? 0) > 1 }.compactMap { $0["id"] as? String }
                    #expect(twice.isEmpty || reached == "after started \(twice[0])", "\(comment): \(twice) began twice")
                }
                try await disturbed.expectDone(desk, members: before, comment)
            }
        }
    }
}
