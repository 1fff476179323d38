internal import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import Synchronization

/// What a probe asks, again and again.
package struct ProbeTarget: Sendable {
    package enum Connection: String, Sendable {
        /// A connection a request: what a load balancer does with newcomers.
        case new
        /// Connections that are used again: what it does with those that are there.
        case kept
        /// One answer that never ends.
        case watch
    }

    /// Where an access came from, and comes from again when somebody has changed the files: certificates and authorities are replaced.
    package struct Origin: Sendable {
        /// Kubeconfigs.
        var files: [String]
        var find: @Sendable () throws -> ClusterAccess

        package init(files: [String], find: @escaping @Sendable () throws -> ClusterAccess) {
            self.files = files
            self.find = find
        }

        /// Other than before when a file is another one.
        fileprivate var stamp: [Date?] {
            files.map { try? FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date }
        }
    }

    package var name: String
    package var access: ClusterAccess
    /// nil for what stays as it is.
    package var origin: Origin?
    package var request: APIRequest
    package var connection: Connection
    /// HTTP's status codes that are well.
    package var expected: ClosedRange<Int>

    package init(
        name: String, access: ClusterAccess, origin: Origin? = nil, request: APIRequest, connection: Connection,
        expected: ClosedRange<Int> = 200...299
    ) {
        self.name = name
        self.origin = origin
        self.access = access
        self.request = request
        self.connection = connection
        self.expected = expected
    }

    /// Whether an API server serves: its own judgement on new connections, a read of an object that every cluster has, and a watch of it.
    package static func ofCluster(_ origin: Origin) throws -> [ProbeTarget] {
        let access = try origin.find()
        return [
            ProbeTarget(name: "readyz", access: access, origin: origin, request: APIRequest(.get, "/readyz"), connection: .new),
            ProbeTarget(
                name: "get", access: access, origin: origin, request: APIRequest(.get, "/api/v1/namespaces/kube-system"), connection: .kept),
            ProbeTarget(
                name: "watch", access: access, origin: origin,
                request: APIRequest(
                    .get, "/api/v1/namespaces",
                    query: ["watch": "true", "allowWatchBookmarks": "true", "fieldSelector": "metadata.name=kube-system"]),
                connection: .watch),
        ]
    }
}

/// Asks a service at a steady rate, whatever it answers, and remembers how that went. Requests are due at fixed times: one that is late because another
/// hung counts from when it was due, so that a stall shows in the percentiles as it would for those who wait.
package final class Probe: Sendable {
    package struct Options: Sendable {
        /// Requests a second and target.
        package var rate = 10.0
        /// How long one answer may take.
        package var timeout = Duration.seconds(5)
        package var budget = ErrorBudget.failures(0)

        package init() {}
    }

    /// Seconds without an answer after which nothing more is disturbed until it comes.
    private static let longWait = 2.0
    /// Failures that are kept with their times; more are only counted.
    private static let mostFailures = 1000

    private struct Seen {
        var target: ProbeReport.Target
        var latencies = LatencyHistogram()
        var lastAnswer: ContinuousClock.Instant
        /// Requests under way, and when they were due.
        var waiting: [Int: ContinuousClock.Instant] = [:]
    }

    private let options: Options
    private let started = Date()
    private let began = ContinuousClock.now
    private let seen: Mutex<[Seen]>
    private let line: Mutex<ProbeReport>
    /// Whether no new requests are made.
    private let isOver = Atomic(false)

    private init(_ targets: [ProbeTarget], _ options: Options) {
        self.options = options
        let now = ContinuousClock.now
        line = Mutex(ProbeReport(startedAt: started, seconds: 0, rate: options.rate, targets: [], isBudgetBurnt: false))
        seen = Mutex(
            targets.map { target in
                Seen(
                    target: .init(
                        name: target.name, url: target.access.server.absoluteString + target.request.target, connection: target.connection.rawValue),
                    lastAnswer: now)
            })
    }

    /// Probes for as long as `body` works.
    /// - Returns: what came of the body, and what the probe saw.
    package static func watching<Result: Sendable>(
        _ targets: [ProbeTarget], _ options: Options, body: (Probe) async throws -> Result
    ) async throws -> (result: Result, report: ProbeReport) {
        let probe = Probe(targets, options)
        return try await withThrowingTaskGroup(of: Void.self) { watchers in
            let outcome: Swift.Result<Result, any Error>
            outcome = try await withThrowingTaskGroup(of: Void.self) { askers in
                for (index, target) in targets.enumerated() {
                    if target.connection == .watch {
                        watchers.addTask { try await probe.run(target, index) }
                    } else {
                        askers.addTask { try await probe.run(target, index) }
                    }
                }
                let outcome: Swift.Result<Result, any Error>
                do { outcome = .success(try await body(probe)) } catch { outcome = .failure(error) }
                // What is under way comes to its end: a request that nobody answers any more has failed, too.
                probe.isOver.store(true, ordering: .relaxed)
                // What could not even begin, such as a certificate that cannot be read, is an error of its own.
                do { try await askers.waitForAll() } catch is CancellationError {} catch  where (try? outcome.get()) != nil { throw error } catch {}
                return outcome
            }
            let report = probe.report
            watchers.cancelAll()
            do { try await watchers.waitForAll() } catch is CancellationError {} catch  where (try? outcome.get()) != nil { throw error } catch {}
            return (try outcome.get(), report)
        }
    }

    /// What was seen until now.
    package var report: ProbeReport {
        let now = ContinuousClock.now
        let targets = seen.withLock { all in
            all.map { seen in
                var target = seen.target
                (target.p50, target.p90) = (seen.latencies.quantile(0.5), seen.latencies.quantile(0.9))
                (target.p99, target.p999) = (seen.latencies.quantile(0.99), seen.latencies.quantile(0.999))
                target.longest = seen.latencies.total > 0 ? seen.latencies.longest : nil
                // A watch that is open is silent when nothing changes.
                if target.connection != ProbeTarget.Connection.watch.rawValue {
                    target.longestGapSeconds = max(target.longestGapSeconds, (now - seen.lastAnswer).seconds)
                }
                return target
            }
        }
        var report = line.withLock { $0 }
        (report.seconds, report.targets) = ((now - began).seconds, targets)
        report.isBudgetBurnt = options.budget.isBurnt(
            failed: report.failed, requests: report.requests, perMinute: options.rate * 60 * Double(targets.count))
        return report
    }

    /// For the gate of a run: nothing more is disturbed once too much has failed.
    package var gateCheck: GateCheck {
        let report = report
        let now = ContinuousClock.now
        let oldest = seen.withLock { all in all.flatMap(\.waiting.values).min() }.map { (now - $0).seconds } ?? 0
        guard oldest < Self.longWait else {
            return GateCheck("probe", .notYet, "a request waits for its answer for \(Int(oldest)) s")
        }
        let last = report.targets.flatMap(\.failures).max { $0.time < $1.time }
        return GateCheck(
            "probe", report.isBudgetBurnt ? .fails : .holds,
            "\(report.failed) of \(report.requests) requests failed\(last.map { ", the last at \($0.time.formatted(.iso8601)): \($0.error)" } ?? "")")
    }

    // MARK: Asking

    /// Asks until it is cancelled. When the files that say how have changed, requests go on at their times by the new ones, and those under way come to their
    /// end by the old ones.
    private func run(_ target: ProbeTarget, _ index: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var (target, count) = (target, 0)
            while !Task.isCancelled {
                let stamp = target.origin?.stamp
                let (ends, end) = AsyncStream.makeStream(of: Int.self)
                group.addTask { [target, count] in
                    defer { end.finish() }
                    try await self.run(target, index, from: count, while: { target.origin?.stamp == stamp }) { end.yield($0) }
                }
                // One that is over, or has failed, has said nothing: its error is the group's.
                guard let next = await ends.first(where: { _ in true }) else { break }
                count = next
                // A file that is being written cannot be read yet.
                if let access = try? target.origin?.find() { target.access = access }
            }
            try await group.waitForAll()
        }
    }

    /// - Parameters:
    ///   - first: which of the requests, all of which are due at their times, comes first.
    ///   - isCurrent: asked before each.
    ///   - leave: told which would be next, when it is for somebody else.
    private func run(
        _ target: ProbeTarget, _ index: Int, from first: Int, while isCurrent: @escaping @Sendable () -> Bool,
        leave: @escaping @Sendable (Int) -> Void
    ) async throws {
        switch target.connection {
        case .watch:
            try await HTTPTransport.connected(target.access) { try await watch(target, index, $0, while: isCurrent) }
            leave(0)
        case .new:
            try await HTTPTransport.connected(target.access, patience: options.timeout, usesPerConnection: 1) { transport in
                try await ask(target, index, from: first, while: isCurrent, leave: leave) {
                    try await transport.send(target.request)
                }
            }
        case .kept:
            try await HTTPTransport.connected(target.access, patience: options.timeout) { transport in
                try await HTTPTransport.connected(target.access, patience: options.timeout, usesPerConnection: 1) { fresh in
                    try await ask(target, index, from: first, while: isCurrent, leave: leave) {
                        do { return try await transport.send(target.request) } catch let error as KubernetesError where error.brokeOff {
                            self.seen.withLock { $0[index].target.resent += 1 }
                            return try await fresh.send(target.request)
                        }
                    }
                }
            }
        }
    }

    private func ask(
        _ target: ProbeTarget, _ index: Int, from first: Int, while isCurrent: @Sendable () -> Bool, leave: @Sendable (Int) -> Void,
        _ send: @escaping @Sendable () async throws -> APIResponse
    ) async throws {
        let clock = ContinuousClock()
        try await withThrowingDiscardingTaskGroup { group in
            var count = first
            while !Task.isCancelled {
                let due = began + .seconds(Double(count) / options.rate)
                while !isOver.load(ordering: .relaxed), clock.now < due { try await clock.sleep(until: min(due, clock.now + .milliseconds(200))) }
                guard !isOver.load(ordering: .relaxed) else { return }
                guard isCurrent() else { return leave(count) }
                let number = count
                count += 1
                seen.withLock { $0[index].waiting[number] = due }
                group.addTask {
                    defer { self.seen.withLock { _ = $0[index].waiting.removeValue(forKey: number) } }
                    do {
                        let response = try await send()
                        try Task.checkCancellation()
                        let isWell = target.expected.contains(response.status)
                        self.note(index, since: due, complaint: isWell ? nil : Self.complaint(response))
                    } catch {
                        // A request that the end of the probe cut off says nothing.
                        guard !Task.isCancelled, !(error is CancellationError) else { return }
                        self.note(index, since: due, complaint: "\(error)")
                    }
                }
            }
        }
    }

    /// What was answered: of /readyz the checks that have failed, which are lines that begin with `[-]`, and else what the server says of it.
    private static func complaint(_ response: APIResponse) -> String {
        let failed = (response.body.string ?? "").split(separator: "\n").filter { $0.hasPrefix("[-]") }
        let said = failed.isEmpty ? response.body["message"].string ?? "" : failed.joined(separator: ", ")
        return "HTTP status \(response.status)" + (said.isEmpty ? "" : ": \(said.prefix(200))")
    }

    private func note(_ index: Int, since due: ContinuousClock.Instant, complaint: String?) {
        let now = ContinuousClock.now
        let took = (now - due).seconds
        line.withLock { $0.note(at: (due - began).seconds, took: complaint == nil ? took : nil) }
        seen.withLock { all in
            all[index].target.requests += 1
            guard let complaint else {
                all[index].latencies.add(seconds: took)
                all[index].target.longestGapSeconds = max(all[index].target.longestGapSeconds, (now - all[index].lastAnswer).seconds)
                all[index].lastAnswer = now
                return
            }
            all[index].target.failed += 1
            if all[index].target.failures.count < Self.mostFailures {
                all[index].target.failures.append(.init(time: Date(), seconds: took, error: complaint))
            }
        }
    }

    /// Keeps a watch open. That it ends is in the nature of watches; how long it takes to have another is what matters.
    /// Returns when it ended and is to be opened with another access.
    private func watch(_ target: ProbeTarget, _ index: Int, _ transport: HTTPTransport, while isCurrent: @Sendable () -> Bool) async throws {
        var lostAt: ContinuousClock.Instant? = ContinuousClock.now
        while !Task.isCancelled, isCurrent() {
            var complaint: String?
            do {
                // What is there already is told at once, so the first event says that it is open.
                try await transport.stream(target.request) { _ in
                    let now = ContinuousClock.now
                    self.seen.withLock { all in
                        if let lost = lostAt {
                            all[index].target.requests += 1
                            all[index].latencies.add(seconds: (now - lost).seconds)
                            if all[index].target.requests > 1 {
                                all[index].target.longestGapSeconds = max(all[index].target.longestGapSeconds, (now - lost).seconds)
                            }
                        }
                        all[index].lastAnswer = now
                    }
                    lostAt = nil
                }
            } catch is CancellationError { return } catch { complaint = "\(error)" }
            guard !Task.isCancelled else { return }
            let wasOpen = lostAt == nil
            if wasOpen {
                seen.withLock { $0[index].target.interruptions += 1 }
                lostAt = ContinuousClock.now
            } else {
                // One that cannot even be opened has failed.
                note(index, since: lostAt ?? .now, complaint: complaint ?? "it ended before it began")
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}
