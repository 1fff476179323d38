internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import KubernetesRuntime
package import Maintenance
internal import Synchronization

/// Drains nodes of a live cluster: watches pods and budgets, lets the drain's machine decide, and sends the evictions it asks for.
///
/// Works while `working` runs its body; several nodes may be drained at once, and share what is watched.
package final class DrainDesk: Sendable {
    /// How a node is drained.
    package struct Terms: Sendable, Equatable {
        package var options: DrainMachine.Options
        /// Only the pods with these labels; nil for all.
        package var podSelector: LabelSelector?
        /// Seconds; nil for each pod's own.
        package var gracePeriodSeconds: Int?

        package init(options: DrainMachine.Options, podSelector: LabelSelector? = nil, gracePeriodSeconds: Int? = nil) {
            self.options = options
            self.podSelector = podSelector
            self.gracePeriodSeconds = gracePeriodSeconds
        }
    }

    private struct State {
        var machine = DrainMachine()
        /// Of the nodes that are drained.
        var terms: [String: Terms] = [:]
        var waiting: [String: CheckedContinuation<DrainMachine.Result, any Error>] = [:]
        var failure: (any Error)?
        var nodes = NodesAway()
        /// Nodes on which steps were let begin, until they are given back.
        var claimed: Set<String> = []
        /// How many lists of nodes' pods are on their way, and the pods that were seen to go since the first of them began: a list may be older than
        /// what the watch has told.
        var listings = 0
        var gone: Set<String> = []

        mutating func endListing() {
            listings -= 1
            if listings == 0 { gone = [] }
        }
    }

    private let client: KubernetesClient
    private let evictionVersion: String?
    private let state: Mutex<State>
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// How often clocks are looked at: time-outs, and pauses that a server asked for.
    private static let tick = Duration.milliseconds(500)

    private init(_ client: KubernetesClient, evictionVersion: String?) {
        self.client = client
        self.evictionVersion = evictionVersion
        state = Mutex(State())
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Watches the cluster for as long as `body` runs.
    package static func working<Result: Sendable>(
        _ client: KubernetesClient, body: @escaping @Sendable (DrainDesk) async throws -> Result
    ) async throws -> Result {
        let discovery = try await client.discover()
        let desk = DrainDesk(client, evictionVersion: discovery.evictionVersion)
        let policy = try discovery.resource(.podDisruptionBudgets, versions: ["v1", "v1beta1"])
        let budgets = Informer<Void>(Watcher(client: client, resource: policy), keep: { _ in }, onEvent: { desk.seeBudget($0) })
        let nodes = Informer<Void>(Watcher(client: client, resource: .nodes), keep: { _ in }, onEvent: { desk.seeNode($0) })
        let pods = Informer<Void>(Watcher(client: client, resource: .pods), keep: { _ in }, onEvent: { desk.seePod($0) })
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            for informer in [nodes, budgets, pods] {
                group.addTask {
                    // How a cancellation ends is for the body to say.
                    do { try await informer.run() } catch  where !(error is CancellationError) { desk.fail(error) } catch {}
                    return nil
                }
            }
            group.addTask {
                await desk.evict()
                return nil
            }
            group.addTask {
                try await nodes.synced()
                try await budgets.synced()
                try await pods.synced()
                return try await body(desk)
            }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let result = next { return result }
            }
            throw CancellationError()
        }
    }

    // MARK: Seeing

    private func seePod(_ event: Informer<Void>.Event) {
        state.withLock { state in
            switch event {
            // Where a pod may run is of no concern here.
            case .applied(let object): state.machine.apply(Pod(object).facts(placement: .anywhere))
            case .deleted(let object):
                let uid = Pod(object).uid
                state.machine.remove(uid)
                if state.listings > 0 { state.gone.insert(uid) }
            }
        }
        signal.yield()
    }

    private func seeNode(_ event: Informer<Void>.Event) {
        state.withLock { state in
            switch event {
            case .applied(let object): state.nodes.apply(Node(object))
            case .deleted(let object): state.nodes.remove(object.objectName.name)
            }
        }
    }

    /// Says whether a node may go. Who is let go has the place at once, so that two who ask together do not both get the last one.
    func claim(_ name: String, _ settings: NodeRunSettings) -> [GateCheck] {
        state.withLock { state in
            let checks = NodeRun.checks(on: name, nodes: state.nodes, claimed: state.claimed, settings: settings)
            if checks.allSatisfy({ $0.outcome == .holds }) { state.claimed.insert(name) }
            return checks
        }
    }

    /// The node is worked on no more.
    /// - Parameter node: as it was seen last, where that is known before the watch tells.
    func release(_ name: String, seen node: Node? = nil) {
        state.withLock { state in
            state.claimed.remove(name)
            if let node { state.nodes.apply(node) }
        }
    }

    private func seeBudget(_ event: Informer<Void>.Event) {
        state.withLock { state in
            switch event {
            case .applied(let object): state.machine.apply(PodDisruptionBudget(object).budget)
            case .deleted(let object): state.machine.removeBudget(object.objectName)
            }
        }
        signal.yield()
    }

    private func fail(_ error: any Error) {
        let waiting = state.withLock { state in
            state.failure = error
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume(throwing: error) }
    }

    // MARK: Evicting

    private func evict() async {
        await withDiscardingTaskGroup { group in
            for await _ in signals {
                let now = client.time.now()
                let (evictions, ended) = state.withLock {
                    state -> ([PodFacts], [(CheckedContinuation<DrainMachine.Result, any Error>, DrainMachine.Result)]) in
                    let work = state.machine.step(at: now)
                    return (work.evictions, work.finished.compactMap { end in state.waiting.removeValue(forKey: end.node).map { ($0, end.result) } })
                }
                for (continuation, result) in ended { continuation.resume(returning: result) }
                for pod in evictions { group.addTask { await self.evict(pod) } }
            }
        }
    }

    private func evict(_ pod: PodFacts) async {
        let terms = state.withLock { $0.terms[pod.node ?? ""] }
        let answer: DrainMachine.Answer
        do {
            if terms?.options.disablesEviction == true {
                try await client.delete(.pods, pod.name, DeleteOptions(gracePeriodSeconds: terms?.gracePeriodSeconds, uid: pod.uid))
            } else {
                try await client.evict(pod.name, uid: pod.uid, version: evictionVersion ?? "v1", gracePeriodSeconds: terms?.gracePeriodSeconds)
            }
            answer = .accepted
        } catch let error as APIStatus { answer = Self.answer(error) } catch let error as KubernetesError where error.isTransient {
            answer = .later(5, error.description)
        } catch is CancellationError { answer = .later(5, "interrupted") } catch { answer = .failed("\(error)") }
        let now = client.time.now()
        state.withLock { $0.machine.answered(pod.uid, answer, at: now) }
        signal.yield()
    }

    /// What a refusal means for the pod (facts of the eviction subresource).
    static func answer(_ status: APIStatus) -> DrainMachine.Answer {
        if status.isNotFound { return .gone }
        if status.isBlockedByBudget { return .blocked(status.causes.first?.message ?? status.message) }
        // Another pod has taken the name: the one that was meant is gone.
        if status.code == 409, status.message.contains("UID in the precondition") { return .gone }
        if status.code == 409 || status.isTransient { return .later(Double(status.retryAfterSeconds ?? 2), status.description) }
        if status.isNamespaceTerminating { return .later(5, status.description) }
        return .failed(status.description)
    }

    // MARK: Draining

    /// Drains a node that is cordoned.
    /// - Parameter notify: told the warnings of the filters.
    /// - Returns: what came of it, for people.
    /// - Throws: `OperationError` when the filters refuse, or pods cannot go.
    package func drain(_ node: String, _ terms: Terms, notify: @escaping @Sendable (String) -> Void) async throws -> String {
        try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask { try await self.goAway(node, terms, notify: notify) }
            group.addTask {
                while true {
                    try await self.client.time.sleep(Self.tick)
                    self.state.withLock { $0.machine.tick() }
                    self.signal.yield()
                }
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() ?? nil else { throw CancellationError() }
            return result
        }
    }

    private func goAway(_ node: String, _ terms: Terms, notify: @Sendable (String) -> Void) async throws -> String {
        state.withLock {
            $0.listings += 1
            $0.terms[node] = terms
        }
        defer { state.withLock { $0.terms[node] = nil } }
        let present: [PodFacts]
        do { present = try await pods(on: node, terms.podSelector) } catch {
            state.withLock { $0.endListing() }
            throw error
        }
        let now = client.time.now()
        let result = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<DrainMachine.Result, any Error>) in
                let outcome = state.withLock { state -> Result<DrainFilters.Outcome, any Error> in
                    let left = present.filter { !state.gone.contains($0.uid) }
                    state.endListing()
                    if let failure = state.failure { return .failure(failure) }
                    let outcome = state.machine.begin(node, terms.options, present: left, at: now)
                    if outcome.refusals.isEmpty { state.waiting[node] = continuation }
                    return .success(outcome)
                }
                switch outcome {
                case .failure(let error): continuation.resume(throwing: error)
                case .success(let outcome) where !outcome.refusals.isEmpty:
                    continuation.resume(throwing: OperationError(.refused, "\(node): \(outcome.refusalLines.joined(separator: "; "))"))
                case .success(let outcome):
                    if let warning = outcome.warningLine { notify("\(node): \(warning)") }
                    signal.yield()
                    if Task.isCancelled { abandon(node) }
                }
            }
        } onCancel: {
            abandon(node)
        }
        switch result {
        case .drained(let count, let remark):
            return "\(count) pod\(count == 1 ? "" : "s") gone\(remark.map { "; \($0)" } ?? "")"
        case .failed(let reason): throw OperationError(.stopped, "\(node) is cordoned and not drained: \(reason)")
        }
    }

    private func abandon(_ node: String) {
        let continuation = state.withLock { state in
            state.machine.abandon(node)
            return state.waiting.removeValue(forKey: node)
        }
        continuation?.resume(throwing: CancellationError())
    }

    /// The pods of a node as a list says that is made now, finalised for the filters.
    package func pods(on node: String, _ selector: LabelSelector?) async throws -> [PodFacts] {
        let options = ListOptions(fields: .equal("spec.nodeName", node))
        var pods = try await client.list(Pod.self, options).map { $0.facts(placement: .anywhere) }
        if let selector { pods = pods.filter { selector.matches($0.labels) } }
        var exists: [ObjectName: Bool] = [:]
        for index in pods.indices where pods[index].controller?.kind == "DaemonSet" && !pods[index].isFinished {
            let set = ObjectName(pods[index].name.namespace, pods[index].controller?.name ?? "")
            if exists[set] == nil { exists[set] = try await client.find(.daemonSets, set) != nil }
            pods[index].controllerExists = exists[set] ?? true
        }
        return pods
    }

    /// How far the nodes are that are being drained.
    package var progress: [DrainMachine.Progress] {
        state.withLock { state in state.machine.activeNodes.compactMap { state.machine.progress(of: $0) } }
    }
}
