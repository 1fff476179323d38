package import Maintenance

/// A request to the Kubernetes API: a value, whoever carries it.
package struct APIRequest: Sendable, Equatable {
    package enum Method: String, Sendable { case get = "GET", post = "POST", put = "PUT", patch = "PATCH", delete = "DELETE" }

    package var method: Method
    /// Percent-encoded, from the root: `/api/v1/nodes`.
    package var path: String
    /// Names and values as they are, not encoded.
    package var query: [String: String]
    package var body: JSON?
    /// Of the body.
    package var contentType: String
    package var accept: String

    package init(
        _ method: Method, _ path: String, query: [String: String] = [:], body: JSON? = nil, contentType: String = "application/json",
        accept: String = "application/json"
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.contentType = contentType
        self.accept = accept
    }

    /// `path?query`, with the names in order.
    package var target: String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.sorted { $0.key < $1.key }.map { "\($0.key.queryValue)=\($0.value.queryValue)" }.joined(separator: "&")
    }
}

/// The answer to a request.
package struct APIResponse: Sendable {
    /// HTTP's status code.
    package var status: Int
    /// Names in lower case.
    package var headers: [String: String]
    package var body: JSON

    package init(status: Int, headers: [String: String] = [:], body: JSON) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// How an object is changed.
package enum Patch: Sendable, Equatable {
    /// RFC 7386.
    case merge(JSON)
    /// RFC 6902: a list of operations.
    case json(JSON)
    /// Lists merge by their keys, as Kubernetes defines for its own types.
    case strategic(JSON)
    /// Server-side apply: the fields that `manager` wants, whole.
    case apply(JSON, manager: String, force: Bool)

    package var contentType: String {
        switch self {
        case .merge: "application/merge-patch+json"
        case .json: "application/json-patch+json"
        case .strategic: "application/strategic-merge-patch+json"
        case .apply: "application/apply-patch+yaml"
        }
    }

    package var body: JSON {
        switch self {
        case .merge(let body), .json(let body), .strategic(let body), .apply(let body, _, _): body
        }
    }
}

/// What a list or a watch is about.
package struct ListOptions: Sendable, Equatable {
    package var labels: LabelSelector
    package var fields: FieldSelector
    /// Objects a page; 0 for one page.
    package var limit: Int
    /// Only what every object's `metadata` says (PartialObjectMetadata).
    package var metadataOnly: Bool

    package init(labels: LabelSelector = .everything, fields: FieldSelector = FieldSelector(), limit: Int = 500, metadataOnly: Bool = false) {
        self.labels = labels
        self.fields = fields
        self.limit = limit
        self.metadataOnly = metadataOnly
    }

    package var query: [String: String] {
        var query: [String: String] = [:]
        if !labels.requirements.isEmpty { query["labelSelector"] = labels.text }
        if !fields.requirements.isEmpty { query["fieldSelector"] = fields.text }
        return query
    }
}

/// How an object goes.
package struct DeleteOptions: Sendable, Equatable {
    /// Seconds; nil for the object's own.
    package var gracePeriodSeconds: Int?
    /// Only the object with this uid.
    package var uid: String?
    package var resourceVersion: String?
    /// `Foreground`, `Background` or `Orphan`; nil for the kind's own.
    package var propagationPolicy: String?
    package var isDryRun: Bool

    package init(
        gracePeriodSeconds: Int? = nil, uid: String? = nil, resourceVersion: String? = nil, propagationPolicy: String? = nil, isDryRun: Bool = false
    ) {
        self.gracePeriodSeconds = gracePeriodSeconds
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.propagationPolicy = propagationPolicy
        self.isDryRun = isDryRun
    }

    package var json: JSON {
        var json: JSON = ["kind": "DeleteOptions", "apiVersion": "v1"]
        if let gracePeriodSeconds { json["gracePeriodSeconds"] = JSON(gracePeriodSeconds) }
        if let uid { json["preconditions"]["uid"] = .string(uid) }
        if let resourceVersion { json["preconditions"]["resourceVersion"] = .string(resourceVersion) }
        if let propagationPolicy { json["propagationPolicy"] = .string(propagationPolicy) }
        if isDryRun { json["dryRun"] = ["All"] }
        return json
    }
}
