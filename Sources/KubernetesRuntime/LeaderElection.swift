package import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance

/// One of several processes leads, by a Lease (coordination.k8s.io/v1), as client-go's leader election does it.
///
/// Clocks of different machines are never compared: whether a lease ran out is judged by the time at which this process last saw it change.
package struct LeaderElection: Sendable {
    /// The Lease.
    package let lease: ObjectName
    /// This process: unique, `HOST_UUID`.
    package let identity: String
    /// How long a leader may be silent before another takes over, seconds.
    package var leaseSeconds = 15.0
    /// How long a leader tries to renew before it gives up, seconds; less than the lease.
    package var renewSeconds = 10.0
    /// Between two tries, seconds.
    package var retrySeconds = 2.0

    /// What is known of a Lease of another: its record, and when it was last seen to change.
    package struct Observation: Sendable, Equatable {
        package var record: JSON
        package var at: Date
    }

    package init(lease: ObjectName, identity: String = "\(ProcessInfo.processInfo.hostName)_\(UUID().uuidString.lowercased())") {
        self.lease = lease
        self.identity = identity
    }

    package enum Move: Sendable, Equatable {
        /// Another leads.
        case wait
        /// Write this record; nil for a Lease that is not there: create it.
        case write(JSON)
    }

    /// Pure: what to do about the Lease as it is.
    /// - Parameters:
    ///   - lease: nil when there is none.
    ///   - observation: kept by the caller between looks.
    package func move(_ lease: JSON?, _ observation: inout Observation?, at now: Date) -> Move {
        let stamp = JSON.string(Timestamp.microTime(now))
        let spec = lease?["spec"] ?? .null
        if observation?.record != spec { observation = Observation(record: spec, at: now) }
        let holder = spec["holderIdentity"].string ?? ""
        if !holder.isEmpty, holder != identity {
            let duration = spec["leaseDurationSeconds"].integer.map(Double.init) ?? leaseSeconds
            if let seen = observation?.at, seen.addingTimeInterval(duration) > now { return .wait }
        }
        var next = spec.isNull ? JSON.object(JSONObject()) : spec
        next["holderIdentity"] = .string(identity)
        next["leaseDurationSeconds"] = .integer(Int64(leaseSeconds))
        next["renewTime"] = stamp
        if holder != identity {
            next["acquireTime"] = stamp
            next["leaseTransitions"] = .integer(lease == nil ? 0 : (spec["leaseTransitions"].integer ?? 0) + 1)
        }
        return .write(next)
    }

    /// Waits until it leads, runs `body`, and gives the lease back at its end. When the lease cannot be renewed in time, `body` is cancelled and the
    /// call throws: a process that is not sure whether it leads must stop.
    /// - Parameter waiting: told why it does not lead yet, each time that it is something else: a server that does not answer.
    package func lead<Result: Sendable>(
        _ client: KubernetesClient, waiting: @escaping @Sendable (String) -> Void = { _ in }, body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        var observation: Observation?
        var began = client.time.now()
        var told = ""
        while true {
            began = client.time.now()
            // A server that does not answer is no reason to stop waiting for one's turn.
            do { if try await attempt(client, &observation) { break } } catch let error where Self.mayPass(error) {
                if told != "\(error)" { waiting("\(error)") }
                told = "\(error)"
            }
            try await client.time.sleep(.seconds(retrySeconds * Double.random(in: 1...2.2)))
        }
        let result: Swift.Result<Result, any Error>
        do {
            let value = try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await body() }
                group.addTask { [observation, began] in
                    try await keep(client, observation, since: began)
                    return nil
                }
                defer { group.cancelAll() }
                while let next = try await group.next() {
                    if let value = next { return value }
                }
                throw CancellationError()
            }
            result = .success(value)
        } catch { result = .failure(error) }
        await release(client)
        return try result.get()
    }

    private static func mayPass(_ error: any Error) -> Bool {
        if let error = error as? APIStatus { return error.isTransient || error.code >= 500 }
        return (error as? KubernetesError)?.isTransient ?? false
    }

    /// - Parameter since: when the attempt began that took the lease: it may have been written at any time after that.
    private func keep(_ client: KubernetesClient, _ first: Observation?, since began: Date) async throws {
        var observation = first
        var renewed = began
        while true {
            try await client.time.sleep(.seconds(retrySeconds))
            var reason = "another process holds it"
            let now = client.time.now()
            do {
                // An answer that comes too late is none.
                let left = renewSeconds - now.timeIntervalSince(renewed)
                let known = observation
                let attempted = try await within(left, client) {
                    var observation = known
                    let leads = try await attempt(client, &observation)
                    return (leads, observation)
                }
                if let (leads, seen) = attempted {
                    observation = seen
                    if leads {
                        renewed = now
                        continue
                    }
                } else {
                    reason = "the server does not answer"
                }
            } catch let error as APIStatus { reason = "\(error)" } catch let error as KubernetesError { reason = "\(error)" }
            guard client.time.now().timeIntervalSince(renewed) < renewSeconds else {
                throw KubernetesError(
                    .unavailable, "the lease \(lease) could not be renewed for \(Int(renewSeconds)) s: \(reason). This process leads no more.")
            }
        }
    }

    /// Nil when it takes longer.
    private func within<Value: Sendable>(
        _ seconds: Double, _ client: KubernetesClient, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value? {
        guard seconds > 0 else { return nil }
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await client.time.sleep(.seconds(seconds))
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    /// One look, and one write if it is this process's turn. Whether it leads.
    private func attempt(_ client: KubernetesClient, _ observation: inout Observation?) async throws -> Bool {
        let object = try await client.find(.leases, lease)
        guard case .write(let record) = move(object, &observation, at: client.time.now()) else { return false }
        do {
            let written: JSON
            if var object {
                object["spec"] = record
                written = try await client.replace(.leases, object)
            } else {
                let new: JSON = [
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": ["name": .string(lease.name), "namespace": .string(lease.namespace)], "spec": record,
                ]
                written = try await client.create(.leases, new)
            }
            observation = Observation(record: written["spec"], at: client.time.now())
            return true
        } catch let error as APIStatus where error.code == 409 { return false }
    }

    /// So that the next need not wait; where it fails the lease runs out by itself.
    private func release(_ client: KubernetesClient) async {
        guard var object = try? await client.get(.leases, lease), object["spec"]["holderIdentity"].string == identity else { return }
        let stamp = JSON.string(Timestamp.microTime(client.time.now()))
        object["spec"]["holderIdentity"] = ""
        object["spec"]["leaseDurationSeconds"] = 1
        object["spec"]["renewTime"] = stamp
        object["spec"]["acquireTime"] = stamp
        _ = try? await client.replace(.leases, object)
    }
}
