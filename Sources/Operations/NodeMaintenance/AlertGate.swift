package import Foundation
internal import KubernetesAPI
package import Maintenance

/// Asks Prometheus whether alerts fire, by an instant query. Where it does not answer, that holds nodes up as well.
package struct AlertGate: Sendable {
    package let web: WebClient
    package let rule: MaintenancePolicy.AlertRule

    package init(web: WebClient, rule: MaintenancePolicy.AlertRule) {
        self.web = web
        self.rule = rule
    }

    /// - Parameter excused: names and addresses of nodes that are in work: what fires because of them is expected, and silenced.
    package func check(excused: Set<String>) async -> GateCheck {
        let name = "alerts"
        do {
            let query = rule.countsPending ? "ALERTS" : "ALERTS{alertstate=\"firing\"}"
            let answer = try await web.send("GET", "\(Self.trimmed(rule.url))/api/v1/query?query=\(query.queryValue)", nil, 10)
            guard answer.status == 200 else { return GateCheck(name, .notYet, "Prometheus answers \(answer.status)") }
            let json = try answer.json
            guard json["status"].string == "success", json["data"]["resultType"].string == "vector" else {
                return GateCheck(name, .notYet, "Prometheus answers \(json["error"].string ?? "something else than a vector")")
            }
            let ignore = try rule.ignore.map { try Regex($0) }
            var firing: Set<String> = []
            for sample in json["data"]["result"].elements where sample["value"][1].string != "0" {
                let metric = sample["metric"].strings
                let alert = metric["alertname"] ?? "?"
                if let ignore, try ignore.wholeMatch(in: alert) != nil { continue }
                if Self.concerns(metric, excused) { continue }
                firing.insert(alert)
            }
            guard !firing.isEmpty else { return GateCheck(name, .holds) }
            let names = firing.sorted()
            return GateCheck(name, .notYet, "\(names.prefix(5).joined(separator: ", "))\(names.count > 5 ? " and \(names.count - 5) more" : "") fire")
        } catch is CancellationError { return GateCheck(name, .notYet, "interrupted") } catch {
            return GateCheck(name, .notYet, "they cannot be asked for: \(error)")
        }
    }

    /// Whether an alert is about one of these nodes: by `node`, or by `instance` with or without a port.
    private static func concerns(_ metric: [String: String], _ names: Set<String>) -> Bool {
        if let node = metric["node"], names.contains(node) { return true }
        guard let instance = metric["instance"] else { return false }
        let host = instance.hasPrefix("[") ? String(instance.dropFirst().prefix { $0 != "]" }) : String(instance.prefix { $0 != ":" })
        return names.contains(instance) || names.contains(host)
    }

    static func trimmed(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }
}

/// Silences of Alertmanager (API v2) for a node that is in work. Each has an end of its own, so that one which is forgotten does not stay.
package struct Silences: Sendable {
    package let web: WebClient
    /// Of Alertmanager.
    package let url: String

    package init(web: WebClient, url: String) {
        self.web = web
        self.url = AlertGate.trimmed(url)
    }

    /// What the comment of a silence ends with, by which it is found again.
    private static func tag(_ mark: String) -> String { "[\(mark)]" }

    /// Begins silences for a node, unless they are there.
    /// - Parameters:
    ///   - mark: of the run.
    ///   - until: when they end by themselves.
    package func begin(node: String, addresses: [String], mark: String, comment: String, from now: Date, until: Date) async throws {
        guard try await own(mark).isEmpty else { return }
        let hosts = ([node] + addresses).map(Self.escaped).joined(separator: "|")
        // Matchers of one silence must all match, and alerts name a node in one way or the other.
        for (label, pattern) in [("node", Self.escaped(node)), ("instance", "\\[?(\(hosts))\\]?(:[0-9]+)?")] {
            let silence: JSON = [
                "matchers": [["name": .string(label), "value": .string(pattern), "isRegex": true, "isEqual": true]],
                "startsAt": .string(Timestamp.time(now)), "endsAt": .string(Timestamp.time(until)), "createdBy": "drydock",
                "comment": .string("\(comment) \(Self.tag(mark))"),
            ]
            let answer = try await web.send("POST", "\(url)/api/v2/silences", silence, 10)
            guard answer.status == 200 else { throw OperationError(.stopped, "Alertmanager refuses a silence: it answers \(answer.status)") }
        }
    }

    /// Ends the silences of a run.
    /// - Returns: how many there were.
    @discardableResult
    package func end(mark: String) async throws -> Int {
        let ids = try await own(mark)
        for id in ids {
            let answer = try await web.send("DELETE", "\(url)/api/v2/silence/\(id.pathSegment)", nil, 10)
            guard answer.status == 200 || answer.status == 404 else {
                throw OperationError(.stopped, "Alertmanager does not end the silence \(id): it answers \(answer.status)")
            }
        }
        return ids.count
    }

    private func own(_ mark: String) async throws -> [String] {
        let answer = try await web.send("GET", "\(url)/api/v2/silences", nil, 10)
        guard answer.status == 200 else { throw OperationError(.stopped, "Alertmanager does not list its silences: it answers \(answer.status)") }
        return try answer.json.elements.filter {
            $0["createdBy"].string == "drydock" && $0["status"]["state"].string != "expired"
                && $0["comment"].string?.hasSuffix(Self.tag(mark)) == true
        }.compactMap { $0["id"].string }
    }

    private static func escaped(_ text: String) -> String {
        text.map { ".+*?()|[]{}^$\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }
}

/// Tells people how a rollout goes.
package struct Notifier: Sendable {
    package enum Occasion: String, Sendable, CaseIterable {
        case started = "Started"
        case failed = "Failed"
        case ended = "Ended"
    }

    package let web: WebClient
    package let targets: [MaintenancePolicy.Notification]

    package init(web: WebClient, targets: [MaintenancePolicy.Notification]) {
        self.web = web
        self.targets = targets
    }

    /// - Returns: what went wrong, for logs; never a URL, which may be a secret.
    package func tell(_ occasion: Occasion, maintenance: String, node: String? = nil, _ message: String, at now: Date) async -> [String] {
        var failures: [String] = []
        for target in targets {
            let body: JSON =
                switch target.format {
                case .slack: ["text": .string("*drydock* \(maintenance): \(message)")]
                case .generic:
                    [
                        "event": .string(occasion.rawValue), "maintenance": .string(maintenance), "node": JSON(node), "message": .string(message),
                        "time": .string(Timestamp.time(now)),
                    ]
                }
            do {
                let url = try Self.url(of: target)
                let answer = try await web.send("POST", url, body, 10)
                if !answer.isWell { failures.append("\(WebClient.host(of: url)) answers \(answer.status)") }
            } catch { failures.append("\(error)") }
        }
        return failures
    }

    private static func url(of target: MaintenancePolicy.Notification) throws -> String {
        if let url = target.url { return url }
        guard let path = target.urlFile, let data = FileManager.default.contents(atPath: path) else {
            throw OperationError(.invalid, "the file with the URL of a notification cannot be read: \(target.urlFile ?? "none is named")")
        }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
