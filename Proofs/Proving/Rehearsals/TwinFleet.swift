package import ClusterTwin
internal import Controller
package import Foundation
internal import KubernetesAPI
package import KubernetesClient
internal import KubernetesRuntime
internal import Maintenance
internal import Operations
package import Synchronization

/// The hosts of a twin's nodes, with package managers that are simulated, and on each the agent as it is.
package final class TwinFleet: Sendable {
    /// What goes wrong with a host.
    package struct Character: Sendable {
        /// From the order to boot until the kubelet lives again, seconds.
        package var bootSeconds = 90.0
        package var updateSeconds = 60.0
        /// It never comes back from a reboot.
        package var isLost = false
        /// Its package manager fails.
        package var failsUpdates = false
        /// It has no agent.
        package var hasNoAgent = false

        package init() {}
    }

    fileprivate struct HostState {
        var packages: [NodeAgent.Report.Package] = []
        var rebootRequired = false
        var character = Character()
        var isUp = true
        var version = 1
    }

    package let twin: Twin
    fileprivate let hosts = Mutex<[String: HostState]>([:])
    fileprivate let bell = Bell()
    /// Every reboot, for the judge.
    package let reboots = Mutex<[(node: String, at: Date)]>([])
    /// Every command that was begun.
    package let commands = Mutex<[(node: String, words: [String])]>([])
    fileprivate let onDisturbance: @Sendable (String) -> Void

    /// - Parameter onDisturbance: told of each update and reboot when it begins.
    package init(_ twin: Twin, onDisturbance: @escaping @Sendable (String) -> Void = { _ in }) {
        self.twin = twin
        self.onDisturbance = onDisturbance
    }

    package func add(_ node: String, _ character: Character = Character()) { hosts.withLock { $0[node, default: HostState()].character = character } }

    /// Updates come out for a node.
    package func release(_ count: Int, on node: String, needsReboot: Bool, isSecurity: Bool = false) {
        hosts.withLock { hosts in
            guard var host = hosts[node] else { return }
            for index in 0..<count {
                let name = "package-\(index)"
                host.packages.removeAll { $0.name == name }
                host.packages.append(.init(name: name, from: "\(host.version)", to: "\(host.version + 1)", isSecurity: isSecurity))
            }
            host.version += 1
            if needsReboot { host.rebootRequired = false }
            host.packages = host.packages.map { package in
                var package = package
                if needsReboot, package.name == "package-0" { package.name = "linux-image" }
                return package
            }
            hosts[node] = host
        }
    }

    /// The node has to boot anew, whatever its packages.
    package func requireReboot(on node: String) { hosts.withLock { $0[node]?.rebootRequired = true } }

    /// Somebody other than an agent boots a node anew.
    package func reboot(_ node: String) async throws {
        let seconds = character(node).bootSeconds
        hosts.withLock { $0[node]?.rebootRequired = false }
        reboots.withLock { $0.append((node, twin.now)) }
        twin.reboot(node, seconds: seconds)
    }

    package func isCurrent(_ node: String) -> Bool { hosts.withLock { $0[node].map { $0.packages.isEmpty && !$0.rebootRequired } ?? true } }
    package func character(_ node: String) -> Character { hosts.withLock { $0[node]?.character ?? Character() } }

    /// Runs the agents of all nodes until it is cancelled.
    package func run(_ client: KubernetesClient, reportSeconds: Double) async throws {
        let names = hosts.withLock { $0.filter { !$0.value.character.hasNoAgent }.keys.sorted() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names { group.addTask { try await self.serve(name, client, reportSeconds) } }
            try await group.waitForAll()
        }
    }

    /// The agent lives as long as the host does.
    private func serve(_ node: String, _ client: KubernetesClient, _ reportSeconds: Double) async throws {
        while true {
            try await wait(for: node, isUp: true, client)
            try await withThrowingTaskGroup(of: Void.self) { group in
                var agent = HostAgent(client, node: node, host: TwinHost(fleet: self, node: node, time: client.time), version: "twin")
                agent.reportSeconds = reportSeconds
                group.addTask { [agent] in try await agent.run() }
                group.addTask { try await self.wait(for: node, isUp: false, client) }
                defer { group.cancelAll() }
                try await group.next()
            }
            // It went down.
            let character = character(node)
            guard !character.isLost else { continue }
            try await client.time.sleep(.seconds(character.bootSeconds + 1))
            setUp(node, true)
        }
    }

    private func wait(for node: String, isUp: Bool, _ client: KubernetesClient) async throws {
        while true {
            let seen = bell.count(node)
            if hosts.withLock({ $0[node]?.isUp }) == isUp { return }
            try await bell.wait(node, after: seen, seconds: nil, client.time)
        }
    }

    fileprivate func setUp(_ node: String, _ isUp: Bool) {
        hosts.withLock { $0[node]?.isUp = isUp }
        bell.ring(node)
    }

    /// Somebody mends a host: its package manager works, and where it is down it boots.
    package func mend(_ node: String) {
        hosts.withLock { hosts in
            hosts[node]?.character.failsUpdates = false
            hosts[node]?.character.isLost = false
        }
        if twin.object(.nodes, ObjectName("", node)).map({ !Node($0).isReady }) == true { twin.reboot(node, seconds: 60) }
        setUp(node, true)
    }

    /// Tasks of a rehearsal that was killed are gone: hosts that were on their way up are, in the cluster.
    package func settle() {
        hosts.withLock { hosts in for name in hosts.keys where hosts[name]?.character.isLost == false { hosts[name]?.isUp = true } }
    }
}

private struct TwinHost: AgentHost {
    let fleet: TwinFleet
    let node: String
    let time: RunTime

    func bootID() async throws -> String { fleet.twin.object(.nodes, ObjectName("", node))?["status"]["nodeInfo"]["bootID"].string ?? "" }

    func report(at now: Date) async -> NodeAgent.Report {
        var report = NodeAgent.Report(reportedAt: now)
        report.bootID = (try? await bootID()) ?? ""
        fleet.hosts.withLock { hosts in
            report.packages = hosts[node]?.packages ?? []
            report.rebootRequired = hosts[node]?.rebootRequired ?? false
        }
        return report
    }

    func update(_ order: NodeAgent.Order) async throws -> String {
        fleet.onDisturbance(node)
        let character = fleet.character(node)
        try await time.sleep(.seconds(character.updateSeconds))
        if character.failsUpdates { throw OperationError(.stopped, "dpkg: error processing package") }
        let choice = order.packages ?? PackageChoice()
        return fleet.hosts.withLock { hosts in
            guard var host = hosts[node] else { return "" }
            let taken = host.packages.filter { choice.takes($0.name, isSecurity: $0.isSecurity) }
            host.packages.removeAll { taken.contains($0) }
            if taken.contains(where: { $0.name == "linux-image" }) { host.rebootRequired = true }
            hosts[node] = host
            return "\(taken.count) updated"
        }
    }

    func run(_ words: [String], seconds: Double) async throws -> String {
        fleet.commands.withLock { $0.append((node, words)) }
        if words.first == "work" { try await time.sleep(.seconds(fleet.character(node).updateSeconds)) }
        return ""
    }

    func reboot() async throws {
        fleet.onDisturbance(node)
        let character = fleet.character(node)
        fleet.reboots.withLock { $0.append((node, fleet.twin.now)) }
        fleet.hosts.withLock { $0[node]?.rebootRequired = false }
        if character.isLost {
            fleet.twin.setAlive(node, false)
        } else {
            fleet.twin.reboot(node, seconds: character.bootSeconds)
        }
        fleet.setUp(node, false)
    }
}
