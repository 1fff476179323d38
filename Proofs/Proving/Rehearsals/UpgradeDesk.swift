package import ClusterTwin
internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
package import Maintenance
internal import NodeAccess
internal import Operations
package import Rehearsals
internal import Synchronization
internal import SystemPackage

/// A twin that is upgraded, what goes wrong meanwhile, and rules that must hold all the while.
package final class UpgradeDesk: Sendable {
    package let twin: Twin
    package let hosts: TwinHosts
    package let upgrade: UpgradeRehearsal
    package let first: KubernetesVersion
    private let watch: UpgradeWatch
    private let path: FilePath
    private let lives = Mutex(0)
    /// What is to go wrong; asked before and after everything that is done on a node.
    package let faults: UpgradeFaults

    /// - Parameters:
    ///   - hops: from `first` on.
    ///   - pods: in Deployments with a budget each.
    package init(
        in folder: String, from first: KubernetesVersion = .init(major: 1, minor: 23, patch: 0),
        hops: [KubernetesVersion] = [.init(major: 1, minor: 24, patch: 0)], controlPlanes: Int = 3, workers: Int = 3, pods: Int = 12,
        maxUnavailable: Int = 1, seed: UInt64 = 1
    ) throws {
        var options = TwinOptions()
        (options.minor, options.seed, options.writesLeases) = (first.minor, seed, false)
        let watch = UpgradeWatch()
        let twin = Twin(options: options) { watch.look() }
        twin.addNodes(controlPlanes, controlPlanes: controlPlanes, prefix: "cp")
        twin.addNodes(workers, prefix: "w")
        if pods > 0 { try twin.populate(pods: pods, size: 4) }
        let tag = "rehearsal"
        var drain = NodeRunSettings(options: .init(), maxUnavailable: .count(maxUnavailable), respectsQuorum: true, patienceSeconds: 900, mark: tag)
        drain.options.filters.ignoreDaemonSets = true
        drain.options.returns = true
        drain.options.replacementSeconds = 120
        var upgrade = try UpgradeRehearsal(twin, from: first, hops: hops, drain: drain, tag: tag)
        upgrade.parallel = maxUnavailable
        twin.advance(to: twin.now.addingTimeInterval(120))
        let faults = UpgradeFaults(twin)
        (self.twin, self.upgrade, self.first, self.watch, self.faults) = (twin, upgrade, first, watch, faults)
        path = FilePath("\(folder)/\(UUID().uuidString).sqlite")
        // Of a rehearsal that is not run: every life brings its own time.
        hosts = TwinHosts(
            twin, first, time: Rehearsal(twin).time, disturbances: { faults.disturbances($0) }, interfere: { try await faults.interfere($0, $1, $2) })
        watch.begin(twin, maxUnavailable: maxUnavailable)
    }

    /// How a life of the program ended.
    package enum End: Sendable {
        case done
        /// With its words.
        case stopped(String)
        case killed
        case stuck
    }

    /// One life of the program, which keeps a processor busy: on a thread of its own.
    /// - Parameters:
    ///   - diesAt: before which write to the journal it is killed, counted from 0; nil for never.
    package func live(
        _ beginning: UpgradeRehearsal.Beginning? = nil, diesAt: Int? = nil, killedAfter jobs: Int? = nil,
        gate: (@Sendable (RunTime) -> Gate)? = nil
    ) async throws -> (end: End, writes: Int) {
        try await onOwnThread { try self.liveHere(beginning, diesAt, jobs, gate) }
    }

    private func liveHere(
        _ beginning: UpgradeRehearsal.Beginning?, _ diesAt: Int?, _ jobs: Int?, _ gate: (@Sendable (RunTime) -> Gate)?
    ) throws -> (end: End, writes: Int) {
        let life = lives.withLock { life in
            life += 1
            return life
        }
        let owner = RunOwner(
            host: RunOwner.current.host, processID: 1, processStart: UInt64(life), bootID: "rehearsal \(life)", user: "rehearsal")
        let journal = MortalJournal(base: try Journal(path: path, owner: owner), diesAt: diesAt)
        let rehearsal = Rehearsal(twin)
        let time = rehearsal.time
        let known = try journal.base.runs().first
        let how = beginning ?? known.map { .resume($0.id) } ?? .begin
        hosts.move(to: time)
        let outcome = upgrade.run(
            rehearsal, on: hosts, how, journal: journal, killedAfter: jobs, gate: { gate?(time) ?? Gate() })
        let writes = journal.writes.withLock { $0 }
        switch outcome {
        case .killed: return (.killed, writes)
        case .stuck: return (.stuck, writes)
        case .ended(.success): return (.done, writes)
        case .ended(.failure(let error)):
            if journal.isDead { return (.killed, writes) }
            return (.stopped("\(error)"), writes)
        }
    }

    package var run: RunRecord? { get throws { try Journal(path: path).runs().first } }

    /// Rules that were broken until now.
    package var broken: [String] { watch.broken.withLock { $0 } }

    package func expectLoss(of node: String) { watch.lost.withLock { _ = $0.insert(node) } }

    /// What is not as it should be when everything is of `version` and nothing is left half done.
    package func complaints(at version: KubernetesVersion) -> [String] {
        var complaints: [String] = []
        for node in twin.objects(.nodes).map(Node.init) {
            if node.kubeletVersion != "\(version)" { complaints.append("the kubelet of \(node.name) is \(node.kubeletVersion)") }
            if node.isUnschedulable { complaints.append("\(node.name) is cordoned") }
            if node.isControlPlane, twin.staticPodVersion(of: node.name) != version {
                complaints.append("the static pods of \(node.name) are \(twin.staticPodVersion(of: node.name).map { "\($0)" } ?? "gone")")
            }
        }
        complaints += twin.brokenBudgets().map { "broken budget: \($0)" }
        return complaints
    }
}

/// What goes wrong on the hosts of a twin.
package final class UpgradeFaults: Sendable {
    package typealias Fault = @Sendable (_ twin: Twin, _ node: String) throws -> Void

    private struct State {
        /// By what is done and when: how often it still goes wrong, and how.
        var planned: [(what: String, node: String?, moment: TwinHosts.Moment, times: Int, fault: Fault)] = []
        var disturbances: [GateCheck] = []
        var met = 0
    }

    private let state = Mutex(State())
    private let twin: Twin

    init(_ twin: Twin) { self.twin = twin }

    /// - Parameters:
    ///   - what: the beginning of what is done: `install`, `kubeadm kube-apiserver`.
    ///   - times: how often.
    package func plan(_ what: String, on node: String? = nil, _ moment: TwinHosts.Moment, times: Int = 1, _ fault: @escaping Fault) {
        state.withLock { $0.planned.append((what, node, moment, times, fault)) }
    }

    package var hold: [GateCheck] {
        get { state.withLock { $0.disturbances } }
        set { state.withLock { $0.disturbances = newValue } }
    }

    /// How many things went wrong.
    package var met: Int { state.withLock { $0.met } }

    package func lift() {
        state.withLock { state in
            state.planned = []
            state.disturbances = []
        }
    }

    func disturbances(_ node: String) -> [GateCheck] { state.withLock { $0.disturbances } }

    func interfere(_ what: String, _ node: String, _ moment: TwinHosts.Moment) async throws {
        let fault = state.withLock { state -> Fault? in
            guard
                let index = state.planned.firstIndex(where: { plan in
                    plan.times > 0 && what.hasPrefix(plan.what) && plan.moment == moment && (plan.node == nil || plan.node == node)
                })
            else { return nil }
            state.planned[index].times -= 1
            state.met += 1
            return state.planned[index].fault
        }
        try fault?(twin, node)
    }
}

/// A journal whose process dies before a certain write: from then on nothing is written.
private final class MortalJournal: RunJournal {
    let base: Journal
    let diesAt: Int?
    let writes = Mutex(0)

    init(base: Journal, diesAt: Int?) { (self.base, self.diesAt) = (base, diesAt) }

    var owner: RunOwner { base.owner }
    var isDead: Bool { diesAt.map { diesAt in writes.withLock { $0 > diesAt } } ?? false }

    private func live() throws {
        let count = writes.withLock { writes in
            writes += 1
            return writes
        }
        if let diesAt, count > diesAt { throw JournalError(.system, "killed") }
    }

    func begin(_ run: RunRecord) async throws {
        try live()
        try base.begin(run)
    }

    func run(_ id: String) async throws -> RunRecord { try base.run(id) }

    func takeOver(_ id: String, takingLock: Bool, reopening: Bool, at now: Date) async throws -> RunRecord {
        try base.takeOver(id, takingLock: true, reopening: reopening, at: now)
    }

    func record(_ step: StepRecord, at position: Int, of run: String, now: Date) async throws {
        try live()
        try base.record(step, at: position, of: run, now: now)
    }

    func end(_ id: String, as state: RunState, message: String?, now: Date) async throws {
        try live()
        try base.end(id, as: state, message: message, now: now)
    }
}

/// Looks at the twin after every change, and notes every rule that is broken.
private final class UpgradeWatch: Sendable {
    let broken = Mutex<[String]>([])
    /// Nodes that were lost on purpose.
    let lost = Mutex<Set<String>>([])
    private let rules = Mutex<(twin: Twin, maxUnavailable: Int)?>(nil)

    func begin(_ twin: Twin, maxUnavailable: Int) { rules.withLock { $0 = (twin, maxUnavailable) } }

    func look() {
        guard let (twin, maxUnavailable) = rules.withLock({ $0 }) else { return }
        let lost = lost.withLock { $0 }
        let nodes = twin.objects(.nodes).map(Node.init)
        let away = nodes.filter { ($0.isUnschedulable || !$0.isReady) && !lost.contains($0.name) }
        func note(_ text: String) { broken.withLock { if !$0.contains(text) { $0.append(text) } } }
        if away.count > maxUnavailable { note("\(away.map(\.name).joined(separator: ", ")) are away together, and \(maxUnavailable) may be") }
        if away.count(where: \.isControlPlane) > 1 { note("several control planes are away together") }
        if lost.isEmpty { for budget in twin.brokenBudgets() { note("broken budget: \(budget.prefix { $0 != ":" })") } }
        // Versions that may not run together.
        let servers = nodes.filter(\.isControlPlane).compactMap { twin.staticPodVersion(of: $0.name) }
        for node in nodes {
            guard let kubelet = KubernetesVersion(node.kubeletVersion), let complaint = VersionSkew.complaint(.kubelet, kubelet, servers: servers)
            else { continue }
            note("the kubelet of \(node.name) (\(kubelet)): \(complaint)")
        }
        if let newest = servers.max(), let complaint = VersionSkew.complaint(.apiServer, newest, servers: servers) {
            note("API servers: \(complaint)")
        }
    }
}
