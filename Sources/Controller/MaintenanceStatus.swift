internal import Foundation
internal import KubernetesAPI
internal import Maintenance
internal import Operations

/// What a NodeMaintenance's status says.
struct MaintenanceStatus: Sendable {
    var phase = ""
    var message = ""
    var counts: [(name: String, count: Int)] = []
    var nextTry: Date?
    var progress: MaintenanceProgress
    var blockers: [Rollout.Blocker] = []
    var nodes: [JSON] = []
    var forecast = JSON.null

    /// More blockers and nodes than this are not named.
    private static let most = 50

    /// What was known before.
    init(_ object: JSON) { progress = MaintenanceProgress(object) }

    /// How long nodes have taken: the latest count most.
    mutating func learn(_ durations: [Double]) {
        for seconds in durations { progress.nodeSeconds = ((progress.nodeSeconds ?? seconds) * 0.7 + seconds * 0.3).rounded() }
    }

    /// Draws the conclusion.
    /// - Returns: when a rollout comes to its end by this, what people are told.
    mutating func conclude(
        _ policy: MaintenancePolicy, _ situations: [Rollout.Situation], _ decision: Rollout.Decision, _ forecast: MaintenanceForecast, crew: Crew,
        at now: Date
    ) -> String? {
        let due = situations.count { $0.isDue && $0.work == .idle }
        let inWork = situations.count { $0.work == .inWork }
        let failed = situations.filter { if case .failed = $0.work { true } else { false } }
        let current = situations.count { $0.need == .current && $0.work == .idle }
        let unknown = situations.count(where: { $0.work == .idle }) - due - current
        counts = [
            ("total", situations.count), ("current", current), ("pending", due), ("inWork", inWork), ("failed", failed.count), ("unknown", unknown),
        ]
        blockers = decision.blockers
        nextTry = decision.nextTry
        let waits = decision.blockers.first { $0.node == nil } ?? decision.blockers.first
        if !failed.isEmpty {
            phase = "Failed"
            message = "\(failed[0].name) failed; `drydock maintenance status \(policy.name)` says what to do"
        } else if inWork > 0 {
            phase = "Working"
            message =
                situations.filter { $0.work == .inWork }.prefix(3).map(\.name).joined(separator: ", ") + (inWork > 3 ? " and \(inWork - 3) more" : "")
        } else if policy.pause != nil, due > 0 {
            phase = "Paused"
            message = policy.pause ?? ""
        } else if due > 0 {
            phase = "Waiting"
            message = waits.map { "\($0.node.map { "\($0): " } ?? "")\($0.reason)" } ?? ""
        } else if unknown > 0 {
            phase = "Unknown"
            message = waits.map { "\($0.node.map { "\($0): " } ?? "")\($0.reason)" } ?? ""
        } else {
            phase = "Current"
            message = ""
        }
        nodes = situations.filter { $0.work != .idle }.prefix(Self.most).map { situation in
            if case .failed(let why) = situation.work {
                return ["name": .string(situation.name), "state": "Failed", "message": .string(String(why.prefix(1000)))]
            }
            let standing = crew.standing(of: situation.name)
            return [
                "name": .string(situation.name), "state": "InWork", "step": JSON(standing?.step),
                "since": JSON(standing.map { Timestamp.time($0.since) }),
                "message": JSON(standing?.note),
            ]
        }
        // To ten minutes: nobody knows it better, and a status that changes with every look is written with every look.
        let end = forecast.left.isEmpty ? forecast.visits.map(\.ends).max() : nil
        let rounded = end.map { Date(timeIntervalSince1970: ($0.timeIntervalSince1970 / 600).rounded(.up) * 600) }
        self.forecast = [
            "thisWindow": JSON(forecast.inFirstWindow), "left": JSON(forecast.visits.count - forecast.inFirstWindow + forecast.left.count),
            "endsAt": JSON(failed.isEmpty && policy.pause == nil ? rounded.map(Timestamp.time) : nil),
        ]
        guard progress.rolloutStartedAt != nil, inWork == 0 else { return nil }
        let isClosed = policy.window.map { $0.remaining(at: now) == nil } ?? false
        guard due == 0 || isClosed || !failed.isEmpty else { return nil }
        let done = situations.count(where: \.isDone)
        progress.rolloutStartedAt = nil
        let rest = due == 0 ? "" : ", \(due) are left\(waits.map { ": \($0.reason)" } ?? "")"
        return "\(done) nodes are done\(failed.isEmpty ? "" : ", \(failed.count) failed")\(rest)"
    }

    // MARK: As JSON

    func json(_ object: JSON, at now: Date) -> JSON {
        var members: [JSONObject.Member] = counts.map { .init(name: $0.name, value: JSON($0.count)) }
        func add(_ name: String, _ value: JSON) { members.append(.init(name: name, value: value)) }
        add("observedGeneration", object["metadata"]["generation"])
        add("phase", JSON(nonEmpty: phase))
        add("message", JSON(nonEmpty: message))
        add("nextTry", JSON(nextTry.map(Timestamp.time)))
        add("nodeSeconds", progress.nodeSeconds.map { JSON(Int($0)) } ?? .null)
        add("rolloutStartedAt", JSON(progress.rolloutStartedAt.map(Timestamp.time)))
        add("roundStartedAt", JSON(progress.roundStartedAt.map(Timestamp.time)))
        add(
            "blockers",
            .array(
                blockers.prefix(Self.most).map { blocker in
                    var json: JSON = ["reason": .string(String(blocker.reason.prefix(500)))]
                    if let node = blocker.node { json["node"] = .string(node) }
                    return json
                }))
        add("nodes", .array(nodes.map(\.withoutNulls)))
        add("forecast", forecast)
        func condition(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String) -> JSON {
            Self.condition(type, isTrue, reason, message, object, now)
        }
        add(
            "conditions",
            .array([
                condition("Accepted", true, "Valid", ""),
                condition("Progressing", phase == "Working", phase.isEmpty ? "Unknown" : phase, message),
                condition("Degraded", phase == "Failed", phase == "Failed" ? "NodeFailed" : "AsExpected", phase == "Failed" ? message : ""),
            ]))
        return .object(JSONObject(members))
    }

    /// The status of one whose spec is not valid.
    static func invalid(_ message: String, _ object: JSON, at now: Date) -> JSON {
        let stale = ["total", "current", "pending", "inWork", "failed", "unknown", "nextTry", "blockers", "nodes", "forecast"]
        return .object(
            JSONObject(
                [
                    .init(name: "observedGeneration", value: object["metadata"]["generation"]), .init(name: "phase", value: "Invalid"),
                    .init(name: "message", value: .string(message)),
                    .init(name: "conditions", value: [condition("Accepted", false, "Invalid", message, object, now)]),
                ] + stale.map { .init(name: $0, value: .null) }))
    }

    /// Its time is that of its last change, which the object that was read tells.
    private static func condition(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String, _ object: JSON, _ now: Date) -> JSON {
        let old = object["status"]["conditions"].elements.first { $0["type"].string == type }
        let status = isTrue ? "True" : "False"
        let isSame = old?["status"].string == status
        let condition: JSON = [
            "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message),
            "observedGeneration": object["metadata"]["generation"],
            "lastTransitionTime": isSame ? old?["lastTransitionTime"] ?? .null : .string(Timestamp.time(now)),
        ]
        return condition.withoutNulls
    }
}
