internal import KubernetesAPI

/// What the twin answers: one value, or the begin of a stream.
enum TwinReply: Sendable {
    case value(APIResponse)
    case text(status: Int, String)
    case bytes([UInt8], contentType: String)
    /// A watch that has begun.
    case watch(Int)

    static func refusal(_ status: APIStatus) -> TwinReply {
        var headers: [String: String] = [:]
        if let seconds = status.retryAfterSeconds { headers["retry-after"] = "\(seconds)" }
        return .value(APIResponse(status: status.code, headers: headers, body: status.json))
    }
}

/// A request's path, taken apart.
struct ResourcePath {
    var group: String
    var version: String
    var namespace: String?
    var plural: String
    var name: String?
    var subresource: String?

    /// Nil for a path of another form.
    init?(_ path: String) {
        var parts = path.split(separator: "/").map { String($0).percentDecoded() ?? String($0) }[...]
        switch parts.popFirst() {
        case "api": group = ""
        case "apis":
            guard let name = parts.popFirst() else { return nil }
            group = name
        default: return nil
        }
        guard let version = parts.popFirst(), let first = parts.popFirst() else { return nil }
        self.version = version
        if first == "namespaces", parts.count >= 2,
            !(group.isEmpty && parts.count == 2 && ["status", "finalize"].contains(parts[parts.startIndex + 1]))
        {
            namespace = parts.popFirst()
            plural = parts.popFirst() ?? ""
        } else {
            plural = first
        }
        name = parts.popFirst()
        subresource = parts.popFirst()
        guard parts.isEmpty else { return nil }
    }
}

/// Makes of objects what a request asked for.
struct Rendering: Sendable {
    enum Form: Sendable { case whole, table, metadata }

    var form: Form
    var kind: Kind
    /// Of the request's path.
    var version: String
    /// `Object`, `Metadata`, `None`: what a table's rows carry.
    var includesObject: String

    init(_ request: APIRequest, _ kind: Kind, version: String) {
        let accept = request.accept
        form = accept.contains("as=Table") ? .table : accept.contains("as=PartialObjectMetadata") ? .metadata : .whole
        self.kind = kind
        self.version = version
        includesObject = request.query["includeObject"] ?? "Metadata"
    }

    private var apiVersion: String { kind.resource.group.isEmpty ? version : "\(kind.resource.group)/\(version)" }

    /// The object in the version that was asked for.
    func object(_ object: JSON) -> JSON {
        guard version != kind.resource.version else { return object }
        var object = object
        object["apiVersion"] = .string(apiVersion)
        return object
    }

    static func metadata(_ object: JSON) -> JSON {
        ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]]
    }

    func one(_ object: JSON, now: @autoclosure () -> Double) -> JSON {
        switch form {
        case .whole: self.object(object)
        case .metadata: Self.metadata(object)
        case .table: Tables.table([object], self, resourceVersion: object["metadata"]["resourceVersion"].string ?? "", now: now())
        }
    }

    func list(_ objects: [JSON], metadata: JSON, now: Double) -> JSON {
        switch form {
        case .whole:
            [
                "kind": .string("\(kind.resource.kind)List"), "apiVersion": .string(apiVersion), "metadata": metadata,
                "items": .array(objects.map(object)),
            ]
        case .metadata:
            [
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": .array(objects.map(Self.metadata)),
            ]
        case .table:
            {
                var table = Tables.table(objects, self, resourceVersion: "", now: now)
                table["metadata"] = metadata
                return table
            }()
        }
    }
}
