import Etcd
import Foundation
import Proving
import Testing

/// A real cluster and a drydock with a journal of its own to look after it.
struct EtcdDesk {
    let cluster: LocalEtcdCluster

    var environment: [String: String] { ["XDG_STATE_HOME": cluster.folder.appendingPathComponent("state").path] }

    /// Runs `drydock WORDS` on the cluster.
    func drydock(_ words: String, _ more: [String] = []) async throws -> CommandRun {
        try await BuiltProgram.run(arguments(words, more), environment: environment)
    }

    func arguments(_ words: String, _ more: [String] = []) -> [String] {
        words.split(separator: " ").map(String.init) + more + (words.hasPrefix("runs list") || words.hasPrefix("runs show") ? [] : cluster.flags)
    }

    /// Runs `drydock WORDS -o json`, which must end with `status`, and returns what it reports.
    func report(_ words: String, _ more: [String] = [], status: Int32 = 0) async throws -> [String: Any] {
        let run = try await drydock(words, more + ["-o", "json"])
        try #require(run.status == status, "\(words): \(run.status)\n\(run.output)\n\(run.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }

    /// The newest run of the journal, as `runs show` reports it.
    func newestRun() async throws -> [String: Any]? {
        let run = try await drydock("runs list", ["-o", "json"])
        return (try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])?.first
    }

    func connected<Result: Sendable>(_ body: (EtcdClient) async throws -> Result) async throws -> Result {
        try await EtcdClient.connected(try cluster.configuration, body: body)
    }

    /// Writes `bytes` of values and deletes every other key, so that compaction and defragmentation have something to give back.
    func makeGarbage(bytes: Int = 2 << 20) async throws {
        try await connected { client in
            let value = [UInt8](repeating: 0x67, count: 16 << 10)
            try await client.putAll((0..<bytes / value.count).map { ("/keep/\($0 % 2)/\($0)", value) })
            _ = try await client.delete(prefix: "/keep/1")
            // Followers apply later than the leader answers, and etcd commits to the file later still. Spares do not answer yet.
            var sizes: [Int64] = []
            while sizes.count < cluster.members.count || sizes.contains(where: { $0 <= bytes }) {
                sizes = await client.statuses().compactMap { try? $0.status.get().databaseSize }
            }
        }
    }

    /// The cluster's list of members.
    func members() async throws -> [Member] { try await connected { try await $0.members() } }

    /// The server of the member that leads.
    func leader() async throws -> LocalEtcdCluster.Member {
        let id = try await connected { client in
            await client.statuses().compactMap { try? $0.status.get() }.first { $0.isLeader }?.memberID
        }
        let name = try await members().first { $0.id == id }?.name
        return try #require((cluster.members + cluster.spares).first { $0.name == name })
    }
}

/// Runs `body` at a desk, with spare members joining as soon as they are listed.
func withDesk<Result: Sendable>(
    _ options: LocalEtcdCluster.Options, body: (EtcdDesk) async throws -> Result
) async throws -> Result {
    try await LocalEtcdCluster.running(options) { cluster in
        try await withThrowingTaskGroup(of: Void.self) { group in
            if options.spares > 0 { group.addTask { await cluster.startSparesWhenListed() } }
            defer { group.cancelAll() }
            return try await body(EtcdDesk(cluster: cluster))
        }
    }
}
