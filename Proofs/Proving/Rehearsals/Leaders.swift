package import KubernetesRuntime
package import Maintenance

/// One life after the other: each works until the bell rings, from one moment to the other, and another begins. Ends with the first life that ends by itself, or
/// fails.
package func oneAfterTheOther(until restarts: Bell, _ time: RunTime, life: @escaping @Sendable () async throws -> Void) async throws {
    while true {
        let isReplaced = try await withThrowingTaskGroup(of: Bool.self) { group in
            let seen = restarts.count()
            group.addTask {
                try await life()
                return false
            }
            group.addTask {
                try await restarts.wait(after: seen, seconds: nil, time)
                return true
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
        guard isReplaced else { return }
    }
}
