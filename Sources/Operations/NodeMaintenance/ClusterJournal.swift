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

/// Keeps the run of one node in the cluster, as a MaintenanceRun: whoever leads next goes on with it. The object's name is the lock: one run a node.
package final class ClusterJournal: RunJournal {
    package let owner: RunOwner
    private let client: KubernetesClient
    private let maintenance: String
    private let node: Node
    /// As it was written last, so that it need not be read before every write.
    private let known = Mutex<JSON?>(nil)

    /// - Parameters:
    ///   - leader: the identity of the leader election.
    ///   - node: whom the run is about; it goes when the node does.
    package init(_ client: KubernetesClient, leader: String, maintenance: String, node: Node) {
        self.client = client
        self.maintenance = maintenance
        self.node = node
        owner = RunOwner(host: leader, processID: 0, processStart: 0, bootID: "", user: "")
    }

    package func begin(_ run: RunRecord) async throws {
        try await speaking {
            if let old = try await client.find(MaintenanceRun.self, node.objectName) {
                guard !old.isUnfinished else {
                    throw JournalError(
                        .locked, "the MaintenanceRun \(node.name) of \(old.maintenance) is not over: \(old.state?.rawValue ?? "begun")")
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
                throw JournalError(.locked, "a MaintenanceRun \(node.name) was begun at this moment")
            }
            created["status"] = Self.status(run)
            known.withLock { [created] in $0 = created }
            try await write { _ in }
        }
    }

    package func run(_ id: String) async throws -> RunRecord {
        try await speaking { try Self.record(try await read()) }
    }

    package func takeOver(_ id: String, takingLock: Bool, reopening: Bool, at now: Date) async throws -> RunRecord {
        try await speaking {
            try await read()
            return try Self.record(
                try await write { object in
                    if let state = MaintenanceRun(object).state, state.isOver {
                        throw JournalError(.invalid, "the MaintenanceRun \(id) is over: \(state.rawValue)")
                    }
                    object["status"]["state"] = .string(RunState.running.rawValue)
                    object["status"]["owner"] = .string(owner.host)
                    object["status"]["updatedAt"] = .string(Timestamp.time(now))
                    if object["status"]["steps"].isNull {
                        // It was created, and then nobody wrote on.
                        let steps = object["spec"]["plan"]["steps"].elements
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
                guard steps.indices.contains(position) else { throw JournalError(.invalid, "the MaintenanceRun \(run) has no step \(position)") }
                steps[position] = Self.json(step)
                object["status"]["steps"] = .array(steps)
                if step.state != .undone { object["status"]["step"] = .string(step.title) }
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
        guard let object = try await client.find(MaintenanceRun.self, node.objectName)?.json else {
            throw JournalError(.invalid, "there is no MaintenanceRun \(node.name)")
        }
        known.withLock { $0 = object }
        return object
    }

    /// Changes the object's status as it is now, whoever changed it meanwhile.
    @discardableResult
    private func write(_ change: (inout JSON) throws -> Void) async throws -> JSON {
        var attempts = 0
        while true {
            var object: JSON
            if let own = known.withLock({ $0 }) { object = own } else { object = try await read() }
            try change(&object)
            do {
                let written = try await client.replace(.maintenanceRuns, object, subresource: "status")
                known.withLock { $0 = written }
                return written
            } catch let error as APIStatus where error.code == 409 && attempts < 8 {
                attempts += 1
                try await read()
            } catch let error where attempts < 8 && Self.isDoubtful(error) {
                // Nobody knows whether it was written: what was read anew tells.
                attempts += 1
                try await client.time.sleep(.seconds(Double(attempts)))
                try await read()
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
                .locked, "the MaintenanceRun \(run.name) is no longer this leader's: it is \(run.state?.rawValue ?? "begun"), of \(run.owner)")
        }
    }

    @discardableResult
    private func speaking<Result>(_ body: () async throws -> Result) async throws -> Result {
        do { return try await body() } catch let error as APIStatus {
            throw JournalError(.system, "the MaintenanceRun \(node.name) cannot be read or written: \(error)")
        } catch let error as KubernetesError {
            throw JournalError(.system, "the MaintenanceRun \(node.name) cannot be read or written: \(error)")
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

    private static func record(_ object: JSON) throws -> RunRecord {
        let run = MaintenanceRun(object)
        let status = object["status"]
        return RunRecord(
            id: run.name, operation: object["spec"]["operation"].string ?? "", subject: object["spec"]["subject"].string ?? "",
            state: run.state ?? .running, startedAt: run.startedAt ?? .distantPast, updatedAt: run.updatedAt ?? .distantPast,
            message: status["message"].string, owner: RunOwner(host: run.owner, processID: 0, processStart: 0, bootID: "", user: ""),
            plan: object["spec"]["plan"].description, settings: object["spec"]["settings"].description,
            steps: status["steps"].elements.map { step in
                StepRecord(
                    id: step["id"].string ?? "", title: step["title"].string ?? "",
                    state: step["state"].string.flatMap(StepState.init) ?? .pending, attempts: step["attempts"].count ?? 0,
                    startedAt: Timestamp.date(step["startedAt"].string), endedAt: Timestamp.date(step["endedAt"].string),
                    evidence: step["evidence"].strings, result: step["result"].string)
            })
    }
}
