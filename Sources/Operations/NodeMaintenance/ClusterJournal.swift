package import Foundation
internal import Journal
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import Synchronization

/// The custom resource MaintenanceRun: the run that is on the node of its name, or was last.
package struct MaintenanceRun: KubernetesObject {
    package static let resource = Resource.maintenanceRuns
    package var json: JSON
    package init(_ json: JSON) { self.json = json }

    package var maintenance: String { json["spec"]["maintenance"].string ?? "" }
    /// Nil for one that nobody has written down as begun yet.
    package var state: RunState? { json["status"]["state"].string.flatMap(RunState.init) }
    /// Of the leader that carries it out.
    package var owner: String { json["status"]["owner"].string ?? "" }
    package var message: String { json["status"]["message"].string ?? "" }
    package var step: String { json["status"]["step"].string ?? "" }
    package var isFailed: Bool { json["status"]["failed"].bool ?? false }
    package var retries: Int { json["status"]["retries"].count ?? 0 }
    package var startedAt: Date? { Timestamp.date(json["status"]["startedAt"].string) ?? creation }
    package var updatedAt: Date? { Timestamp.date(json["status"]["updatedAt"].string) }
    package var isUnfinished: Bool { state?.isOver != true }

    /// Without what is most of its bytes.
    func withoutPlan() -> MaintenanceRun {
        var json = json
        json["spec"]["plan"] = .null
        json["status"]["steps"] = .null
        json["metadata"]["managedFields"] = .null
        return MaintenanceRun(json)
    }
}

/// Keeps a run in the cluster: whoever leads next goes on with it. The object's name is the lock: one run a node, one a ClusterUpgrade.
package final class ClusterJournal: RunJournal {
    /// Whose run it is, and so where it stands.
    private enum Place: Sendable {
        /// In a MaintenanceRun of the node's name, which goes when the node does.
        case node(Node, maintenance: String)
        /// In the ClusterUpgrade itself.
        case upgrade(String)

        var resource: Resource {
            switch self {
            case .node: .maintenanceRuns
            case .upgrade: .clusterUpgrades
            }
        }
        var name: ObjectName {
            switch self {
            case .node(let node, _): node.objectName
            case .upgrade(let name): ObjectName("", name)
            }
        }
        /// Where its plan stands: nobody but the controller writes it.
        var part: String {
            switch self {
            case .node: "spec"
            case .upgrade: "status"
            }
        }
        var text: String { "the \(resource.kind) \(name.name)" }
    }

    package let owner: RunOwner
    private let client: KubernetesClient
    private let place: Place
    /// As it was written last, so that it need not be read before every write.
    private let known = Mutex<JSON?>(nil)

    /// The most that an object may have, bytes: etcd takes 1.5 MiB.
    /// The steps' times and results come to the plan.
    private static let largest = 640 << 10

    /// Of a node.
    /// - Parameters:
    ///   - leader: the identity of the leader election.
    ///   - node: whom the run is about; it goes when the node does.
    package convenience init(_ client: KubernetesClient, leader: String, maintenance: String, node: Node) {
        self.init(client, leader, .node(node, maintenance: maintenance))
    }

    /// Of a ClusterUpgrade.
    package convenience init(_ client: KubernetesClient, leader: String, upgrade: String) { self.init(client, leader, .upgrade(upgrade)) }

    private init(_ client: KubernetesClient, _ leader: String, _ place: Place) {
        self.client = client
        self.place = place
        owner = RunOwner(host: leader, processID: 0, processStart: 0, bootID: "", user: "")
    }

    package func begin(_ run: RunRecord) async throws {
        try await speaking {
            switch place {
            case .node(let node, let maintenance): try await create(run, on: node, maintenance)
            case .upgrade:
                guard run.plan.utf8.count + run.settings.utf8.count < Self.largest else {
                    throw JournalError(
                        .invalid,
                        "a plan of \(run.plan.utf8.count >> 10) KiB has no room in \(place.text): upgrade so many nodes with `drydock upgrade apply`")
                }
                try await read()
                var status = Self.status(run)
                (status["operation"], status["subject"]) = (.string(run.operation), .string(run.subject))
                (status["plan"], status["settings"]) = (try JSON(parsing: run.plan), try JSON(parsing: run.settings))
                try await write { [status] object in
                    let found = MaintenanceRun(object)
                    guard found.state?.isOver ?? true || found.owner == owner.host else {
                        throw JournalError(.locked, "\(place.text) is not over: \(found.state?.rawValue ?? ""), of \(found.owner)")
                    }
                    status.object?.members.forEach { object["status"][$0.name] = $0.value }
                    for field in ["message", "step", "failed", "retries"] { object["status"][field] = .null }
                }
            }
        }
    }

    private func create(_ run: RunRecord, on node: Node, _ maintenance: String) async throws {
        if let old = try await client.find(MaintenanceRun.self, node.objectName) {
            guard !old.isUnfinished else {
                throw JournalError(.locked, "\(place.text) of \(old.maintenance) is not over: \(old.state?.rawValue ?? "begun")")
            }
            try await client.delete(.maintenanceRuns, node.objectName, DeleteOptions(uid: old.uid))
        }
        let object: JSON = [
            "apiVersion": .string(Resource.maintenanceRuns.apiVersion), "kind": "MaintenanceRun",
            "metadata": [
                "name": .string(node.name), "labels": [Annotations.maintenance: .string(maintenance)],
                "ownerReferences": [["apiVersion": "v1", "kind": "Node", "name": .string(node.name), "uid": .string(node.uid)]],
            ],
            "spec": [
                "maintenance": .string(maintenance), "operation": .string(run.operation), "subject": .string(run.subject),
                "plan": try JSON(parsing: run.plan), "settings": try JSON(parsing: run.settings),
            ],
        ]
        var created: JSON
        do { created = try await client.create(.maintenanceRuns, object) } catch let error as APIStatus where error.code == 409 {
            throw JournalError(.locked, "\(place.text) was begun at this moment")
        }
        created["status"] = Self.status(run)
        known.withLock { [created] in $0 = created }
        try await write { _ in }
    }

    package func run(_ id: String) async throws -> RunRecord {
        try await speaking { try record(try await read()) }
    }

    package func takeOver(_ id: String, takingLock: Bool, reopening: Bool, at now: Date) async throws -> RunRecord {
        try await speaking {
            try await read()
            return try record(
                try await write { object in
                    if let state = MaintenanceRun(object).state, state.isOver, !(reopening && state == .done) {
                        throw JournalError(.invalid, "\(place.text) is over: \(state.rawValue)")
                    }
                    object["status"]["state"] = .string(RunState.running.rawValue)
                    object["status"]["owner"] = .string(owner.host)
                    if case .upgrade = place { for field in ["message", "failed"] { object["status"][field] = .null } }
                    object["status"]["updatedAt"] = .string(Timestamp.time(now))
                    if object["status"]["steps"].isNull {
                        // It was created, and then nobody wrote on.
                        let steps = object[place.part]["plan"]["steps"].elements
                        object["status"]["steps"] = .array(steps.map { ["id": $0["id"], "title": $0["title"], "state": "pending"] })
                        object["status"]["startedAt"] = .string(Timestamp.time(now))
                    }
                })
        }
    }

    package func record(_ step: StepRecord, at position: Int, of run: String, now: Date) async throws {
        try await speaking {
            try await write { object in
                try checkOwns(object)
                var steps = object["status"]["steps"].elements
                guard steps.indices.contains(position) else { throw JournalError(.invalid, "\(place.text) has no step \(position)") }
                steps[position] = Self.json(step)
                object["status"]["steps"] = .array(steps)
                if step.state != .undone { object["status"]["step"] = .string(step.title) }
                if case .upgrade = place {
                    object["status"]["progress"] = .string("\(steps.count { ["done", "alreadySo"].contains($0["state"].string) })/\(steps.count)")
                }
                object["status"]["updatedAt"] = .string(Timestamp.time(now))
            }
        }
    }

    package func end(_ id: String, as state: RunState, message: String?, now: Date) async throws {
        try await speaking {
            try await write { object in
                try checkOwns(object)
                object["status"]["state"] = .string(state.rawValue)
                if let message { object["status"]["message"] = JSON(nonEmpty: String(message.prefix(2000))) }
                if state == .done {
                    object["status"]["step"] = .null
                    object["status"]["message"] = .null
                }
                object["status"]["updatedAt"] = .string(Timestamp.time(now))
            }
        }
    }

    /// Notes whether a run that stopped failed, and how often it was tried again.
    /// - Parameter message: why; nil for what is written already.
    package func judge(failed: Bool, retries: Int, message: String? = nil) async throws {
        try await speaking {
            try await read()
            try await write { object in
                object["status"]["failed"] = .bool(failed)
                object["status"]["retries"] = JSON(retries)
                if let message { object["status"]["message"] = JSON(nonEmpty: String(message.prefix(2000))) }
            }
        }
    }

    // MARK: Reading and writing

    @discardableResult
    private func read() async throws -> JSON {
        guard let object = try await client.find(place.resource, place.name) else {
            throw JournalError(.invalid, "there is no \(place.resource.kind) \(place.name.name)")
        }
        known.withLock { $0 = object }
        return object
    }

    /// Changes the object's status as it is now, whoever changed it meanwhile.
    @discardableResult
    private func write(_ change: (inout JSON) throws -> Void) async throws -> JSON {
        var attempts = 0
        while true {
            do {
                var object: JSON
                if let own = known.withLock({ $0 }) { object = own } else { object = try await read() }
                try change(&object)
                let written = try await client.replace(place.resource, object, subresource: "status")
                known.withLock { $0 = written }
                return written
            } catch let error as APIStatus where error.code == 409 && attempts < 8 {
                attempts += 1
                try await read()
            } catch let error where attempts < 8 && Self.isDoubtful(error) {
                // Nobody knows whether it was written: what is read anew tells.
                attempts += 1
                try await client.time.sleep(.seconds(Double(attempts)))
                known.withLock { $0 = nil }
            }
        }
    }

    private static func isDoubtful(_ error: any Error) -> Bool {
        if let error = error as? APIStatus { return error.isTransient || error.code >= 500 }
        return (error as? KubernetesError)?.isTransient ?? false
    }

    /// Another leader's run must not be written over.
    private func checkOwns(_ object: JSON) throws {
        let run = MaintenanceRun(object)
        guard run.owner == owner.host, run.state == .running else {
            throw JournalError(
                .locked, "\(place.text) is no longer this leader's: it is \(run.state?.rawValue ?? "begun"), of \(run.owner)")
        }
    }

    @discardableResult
    private func speaking<Result>(_ body: () async throws -> Result) async throws -> Result {
        do { return try await body() } catch let error as APIStatus {
            throw JournalError(.system, "\(place.text) cannot be read or written: \(error)")
        } catch let error as KubernetesError {
            throw JournalError(.system, "\(place.text) cannot be read or written: \(error)")
        }
    }

    // MARK: As JSON

    private static func status(_ run: RunRecord) -> JSON {
        [
            "state": .string(run.state.rawValue), "owner": .string(run.owner.host), "startedAt": .string(Timestamp.time(run.startedAt)),
            "updatedAt": .string(Timestamp.time(run.updatedAt)), "steps": .array(run.steps.map(json)),
        ]
    }

    private static func json(_ step: StepRecord) -> JSON {
        var json: JSON = [
            "id": .string(step.id), "title": .string(step.title), "state": .string(step.state.rawValue), "attempts": JSON(step.attempts),
        ]
        if let date = step.startedAt { json["startedAt"] = .string(Timestamp.time(date)) }
        if let date = step.endedAt { json["endedAt"] = .string(Timestamp.time(date)) }
        if let result = step.result, !result.isEmpty { json["result"] = .string(String(result.prefix(2000))) }
        if !step.evidence.isEmpty { json["evidence"] = JSON(step.evidence) }
        return json
    }

    /// A run as it stands in a ClusterUpgrade; nil where none has begun.
    package static func record(of upgrade: JSON) -> RunRecord? {
        MaintenanceRun(upgrade).state == nil ? nil : record(upgrade, part: "status")
    }

    private func record(_ object: JSON) throws -> RunRecord { Self.record(object, part: place.part) }

    private static func record(_ object: JSON, part: String) -> RunRecord {
        let run = MaintenanceRun(object)
        let status = object["status"]
        return RunRecord(
            id: run.name, operation: object[part]["operation"].string ?? "", subject: object[part]["subject"].string ?? "",
            state: run.state ?? .running, startedAt: run.startedAt ?? .distantPast, updatedAt: run.updatedAt ?? .distantPast,
            message: status["message"].string, owner: RunOwner(host: run.owner, processID: 0, processStart: 0, bootID: "", user: ""),
            plan: object[part]["plan"].description, settings: object[part]["settings"].description,
            steps: status["steps"].elements.map { step in
                StepRecord(
                    id: step["id"].string ?? "", title: step["title"].string ?? "",
                    state: step["state"].string.flatMap(StepState.init) ?? .pending, attempts: step["attempts"].count ?? 0,
                    startedAt: Timestamp.date(step["startedAt"].string), endedAt: Timestamp.date(step["endedAt"].string),
                    evidence: step["evidence"].strings, result: step["result"].string)
            })
    }
}
