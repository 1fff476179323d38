internal import Foundation
internal import HAProxy
internal import Maintenance
internal import NodeAccess

/// Holds load balancers still for a moment: what clients send waits at the door, and what is under way behind it comes to its end.
///
/// Reads that are under way when etcd's leadership moves fail, and API servers hand that on: status 500, `etcdserver: leader changed` (seen with API server 1.20.2
/// and etcd 3.5.1). There is no other way to have none of them.
enum TrafficHold {
    /// However it goes, traffic goes on after this time.
    private static let longest = 1
    /// For requests that are under way.
    private static let settling = Duration.milliseconds(150)

    /// Runs `body` while all of them are still; those that cannot be held are not.
    static func holding(_ loadBalancers: [LoadBalancer], _ body: @escaping @Sendable () async -> Void) async throws {
        var found: [(access: NodeAccess, processes: String)] = []
        for loadBalancer in loadBalancers {
            let processes = try await processes(of: loadBalancer)
            guard !processes.isEmpty, processes.allSatisfy({ $0 > 1 }) else {
                throw OperationError(.stopped, "\(loadBalancer.name) does not say which process it is.")
            }
            found.append((loadBalancer.access, processes.map(String.init).joined(separator: " ")))
        }
        try await holding(found[...], body)
    }

    private static func holding(_ found: ArraySlice<(access: NodeAccess, processes: String)>, _ body: @escaping @Sendable () async -> Void)
        async throws
    {
        guard let (access, processes) = found.first else { return await body() }
        let (held, hold) = AsyncStream.makeStream(of: Void.self)
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { hold.finish() }
                // The end of what it reads lets traffic go on. So does, before anything is held, somebody in a session of his own: whatever becomes of this one.
                try await access.run(
                    """
                    trap '' HUP INT TERM PIPE
                    setsid sh -c 'sleep \(longest); kill -CONT \(processes)' </dev/null >/dev/null 2>&1 &
                    kill -STOP \(processes) || :
                    echo held || :
                    timeout \(longest) cat >/dev/null || :
                    kill -CONT \(processes) || :
                    """, send: { _ in for await _ in ended {} }, receive: { _ in hold.yield() })
            }
            for await _ in held { break }
            try? await Task.sleep(for: settling)
            try await holding(found.dropFirst(), body)
            end.finish()
            try await group.waitForAll()
        }
    }

    /// All workers: after a reload, the old one goes on with the connections that it has.
    private static func processes(of loadBalancer: LoadBalancer) async throws -> [Int] {
        guard loadBalancer.master != nil else {
            return try await loadBalancer.asking { try await $0.info()["Pid"].flatMap { Int($0) } }.map { [$0] } ?? []
        }
        let table = try await loadBalancer.askingMaster { try await $0.processes() }
        return (table.workers + table.oldWorkers).map(\.processID)
    }
}
