/// A refusal of the API server: `kind: Status` (metav1.Status).
package struct APIStatus: Error, CustomStringConvertible, Sendable, Equatable {
    package struct Cause: Sendable, Equatable {
        package var reason: String
        package var message: String
        package var field: String?

        package init(reason: String, message: String, field: String? = nil) {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    /// HTTP's status code.
    package var code: Int
    /// `NotFound`, `Conflict`; empty where the server gives none, as for a pod with two budgets.
    package var reason: String
    package var message: String
    package var causes: [Cause]
    /// Of the object that it is about.
    package var name: String?
    package var kind: String?
    package var group: String?
    /// From the body, or from Retry-After.
    package var retryAfterSeconds: Int?

    package init(
        code: Int, reason: String, message: String, causes: [Cause] = [], name: String? = nil, kind: String? = nil, group: String? = nil,
        retryAfterSeconds: Int? = nil
    ) {
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes
        self.name = name
        self.kind = kind
        self.group = group
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// What a response says that is not a success.
    package init(_ response: APIResponse) {
        let body = response.body
        code = response.status
        reason = body["reason"].string ?? ""
        message = body["message"].string ?? body.string ?? "the server answered \(response.status)"
        causes = body["details"]["causes"].elements.map {
            Cause(reason: $0["reason"].string ?? "", message: $0["message"].string ?? "", field: $0["field"].string)
        }
        name = body["details"]["name"].string
        kind = body["details"]["kind"].string
        group = body["details"]["group"].string
        retryAfterSeconds = body["details"]["retryAfterSeconds"].integer.map(Int.init) ?? response.headers["retry-after"].flatMap(Int.init)
    }

    package var description: String {
        let details = causes.map(\.message).filter { !$0.isEmpty && !message.contains($0) }
        return ([message] + details).joined(separator: ": ")
    }

    /// As the server writes it.
    package var json: JSON {
        var json: JSON = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .string(message), "code": JSON(code),
        ]
        if !reason.isEmpty { json["reason"] = .string(reason) }
        if let name { json["details"]["name"] = .string(name) }
        if let group, !group.isEmpty { json["details"]["group"] = .string(group) }
        if let kind { json["details"]["kind"] = .string(kind) }
        if !causes.isEmpty {
            json["details"]["causes"] = .array(
                causes.map {
                    var cause: JSON = ["reason": .string($0.reason), "message": .string($0.message)]
                    if let field = $0.field { cause["field"] = .string(field) }
                    return cause
                })
        }
        if let retryAfterSeconds { json["details"]["retryAfterSeconds"] = JSON(retryAfterSeconds) }
        return json
    }

    package var isNotFound: Bool { code == 404 }
    /// The resource version is too old to go on from.
    package var isGone: Bool { code == 410 }

    /// An eviction that a disruption budget does not allow now: waiting for the budget is the remedy, not a slower pace. A 429 without this
    /// cause is the server protecting itself.
    package var isBlockedByBudget: Bool { code == 429 && causes.contains { $0.reason == "DisruptionBudget" } }

    /// The object's namespace is going away, and the object with it.
    package var isNamespaceTerminating: Bool { code == 403 && causes.contains { $0.reason == "NamespaceTerminating" } }

    /// Whether the same request may succeed a little later, by the server's own account. (A 500 without Retry-After is an answer.)
    package var isTransient: Bool {
        switch code {
        case 429: !isBlockedByBudget
        case 502, 503, 504: true
        case 500: retryAfterSeconds != nil || reason == "ServerTimeout" || reason == "InternalError" && message.contains("etcdserver")
        default: false
        }
    }
}

/// A line of a watch.
package enum WatchEvent: Sendable, Equatable {
    case added(JSON)
    case modified(JSON)
    case deleted(JSON)
    /// Nothing changed up to this resource version.
    case bookmark(resourceVersion: String)
    case error(APIStatus)

    /// Nil for what is no event.
    package init?(_ json: JSON) {
        let object = json["object"]
        switch json["type"].string {
        case "ADDED": self = .added(object)
        case "MODIFIED": self = .modified(object)
        case "DELETED": self = .deleted(object)
        case "BOOKMARK": self = .bookmark(resourceVersion: object["metadata"]["resourceVersion"].string ?? "")
        case "ERROR": self = .error(APIStatus(APIResponse(status: object["code"].count ?? 500, body: object)))
        default: return nil
        }
    }
}
