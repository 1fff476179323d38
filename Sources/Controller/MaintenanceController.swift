internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import KubernetesRuntime
internal import Maintenance
package import Operations
internal import Synchronization

/// The controller: of several replicas one leads, follows the cluster, and keeps every NodeMaintenance true.
package final class MaintenanceController: Sendable {
    package struct Options: Sendable {
        /// Where it runs: its lease is there, and the namespace's annotation pauses everything.
        package var namespace = "drydock"
        /// Nil leads without asking, which only rehearsals may.
        package var election: LeaderElection?
        /// What to make of the environment where there is no NodeMaintenance.
        package var fallback: DefaultMaintenance?
        /// An agent that has not reported for so long is taken for lost, seconds.
        package var staleSeconds = NodeAgent.staleSeconds
        /// Everything is looked at again so often, seconds, whatever changed.
        package var resyncSeconds = 600.0
        /// Nil where ClusterUpgrades are not carried out.
        package var upgrader: UpgraderOptions?

        package init() {}
    }

    /// What the process can say of itself.
    package struct Standing: Sendable {
        package var isLeader = false
        package var isSynced = false
        package var reconciles = 0
        package var failures = 0
    }

    private let client: KubernetesClient
    private let web: WebClient
    private let options: Options
    private let log: ControllerLog
    private let standing = Mutex(Standing())
    private let view = Mutex<(view: MaintenanceView, crew: Crew)?>(nil)

    package init(_ client: KubernetesClient, web: WebClient, options: Options, log: ControllerLog = .silent) {
        self.client = client
        self.web = web
        self.options = options
        self.log = log
    }

    /// Leads when it is its turn, until it is cancelled or can lead no more.
    package func run() async throws {
        guard let election = options.election else { return try await lead(as: "rehearsal") }
        log(.info, "waits to lead", ["identity": election.identity, "lease": election.lease.description])
        try await election.lead(client, waiting: { self.log(.warning, "cannot ask for the lease: \($0)") }) {
            try await self.lead(as: election.identity)
        }
    }

    private enum Key: Hashable, Comparable, Sendable {
        case maintenance(String)
        case window(String)
    }

    private func lead(as leader: String) async throws {
        log(.info, "leads", ["identity": leader])
        standing.withLock { $0.isLeader = true }
        defer { standing.withLock { ($0.isLeader, $0.isSynced) = (false, false) } }
        let queue = WorkQueue<Key>(time: client.time)
        let changes = Bell()
        let view = MaintenanceView(client, namespace: options.namespace, interrupted: { self.log(.warning, $0) }) { changes.ring() }
        try await DrainDesk.working(client) { desk in
            try await view.following {
                let crew = Crew(view: view, desk: desk, web: self.web, leader: leader, log: self.log) { queue.add(.maintenance($0)) }
                self.view.withLock { $0 = (view, crew) }
                defer { self.view.withLock { $0 = nil } }
                let reconciler = Reconciler(
                    view: view, web: self.web, crew: crew, log: self.log, staleSeconds: self.options.staleSeconds)
                try await self.options.fallback?.apply(to: view)
                self.standing.withLock { $0.isSynced = true }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await crew.run() }
                    group.addTask { try await self.enqueue(queue, view, changes) }
                    group.addTask { try await self.reconcile(queue, reconciler) }
                    if let options = self.options.upgrader {
                        group.addTask { try await Upgrader(view: view, crew: crew, options: options, leader: leader, log: self.log).run() }
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
        }
    }

    /// Everything is looked at when anything changes: what concerns what is cheaper to look at than to keep track of.
    private func enqueue(_ queue: WorkQueue<Key>, _ view: MaintenanceView, _ changes: Bell) async throws {
        while true {
            let seen = changes.count()
            let orphans = view.runs.values.filter(\.isUnfinished).map(\.maintenance)
            for name in Set(view.maintenances.values.map(\.objectName.name) + orphans).sorted() { queue.add(.maintenance(name)) }
            for name in view.windows.values.map(\.objectName.name).sorted() { queue.add(.window(name)) }
            try await changes.wait(after: seen, seconds: options.resyncSeconds, client.time)
            // What comes together is looked at together.
            try await client.time.sleep(.milliseconds(500))
        }
    }

    private func reconcile(_ queue: WorkQueue<Key>, _ reconciler: Reconciler) async throws {
        try await queue.run { key in
            self.standing.withLock { $0.reconciles += 1 }
            switch key {
            case .maintenance(let name): return try await reconciler.reconcile(name)
            case .window(let name): return try await reconciler.reconcile(window: name)
            }
        } failed: { key, error, again in
            self.standing.withLock { $0.failures += 1 }
            // It is tried again; what stands in the way of a node is in its status.
            self.log(.warning, "\(error)", ["key": "\(key)", "again": Timestamp.time(again)])
        }
    }

    // MARK: What it says of itself

    /// Whether it follows the cluster, or waits for its turn to lead.
    package var isReady: Bool { standing.withLock { !$0.isLeader || $0.isSynced } }

    /// Prometheus' text format.
    package var metrics: String {
        let standing = standing.withLock { $0 }
        var metrics = MetricsText()
        func add(_ name: String, _ type: String, _ help: String, _ values: [(labels: [(String, String)], value: Double)]) {
            metrics.begin(.init("drydock_\(name)", type, help))
            for (labels, value) in values { metrics.add("drydock_\(name)", labels, value) }
        }
        add("controller_leader", "gauge", "Whether this process leads.", [([], standing.isLeader ? 1 : 0)])
        add("controller_reconciles_total", "counter", "How often a resource was looked at.", [([], Double(standing.reconciles))])
        add("controller_reconcile_failures_total", "counter", "How often that failed.", [([], Double(standing.failures))])
        guard let (view, crew) = view.withLock({ $0 }) else { return metrics.text }
        let counts = crew.counts
        add(
            "node_maintenances_total", "counter", "Nodes that were begun, by how it ended.",
            [
                ([("result", "begun")], Double(counts.begun)), ([("result", "done")], Double(counts.done)),
                ([("result", "failed")], Double(counts.failed)), ([("result", "given back")], Double(counts.givenBack)),
            ])
        let maintenances = view.maintenances.values.sorted { $0.objectName < $1.objectName }
        for (field, help) in [
            ("total", "Nodes that it selects."), ("current", "Nodes as they are meant to be."), ("pending", "Nodes that are due."),
            ("inWork", "Nodes in work."), ("failed", "Nodes whose run failed."), ("unknown", "Nodes of which nothing is known."),
        ] {
            let name = field == "inWork" ? "in_work" : field
            add(
                "maintenance_nodes_\(name)", "gauge", help,
                maintenances.map { ([("maintenance", $0.objectName.name)], Double($0["status"][field].count ?? 0)) })
        }
        return metrics.text
    }
}
