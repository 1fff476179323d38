internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// The requests of the Kubernetes API, one by one.
extension World {
    /// Answers a request.
    /// - Parameter watch: what a watch tells, when the request begins one.
    mutating func respond(to request: APIRequest, emit: @escaping @Sendable (JSON) -> Void, end: @escaping @Sendable () -> Void) -> TwinReply {
        if let refusal = chanceRefusal(request) { return .refusal(refusal) }
        do throws(APIStatus) {
            if let document = try document(request) { return document }
            guard let path = ResourcePath(request.path) else { throw APIStatus.notFoundPath }
            return try respond(to: request, path, emit, end)
        } catch { return .refusal(error) }
    }

    private mutating func chanceRefusal(_ request: APIRequest) -> APIStatus? {
        if faults.throttled > 0, random.unit() < faults.throttled {
            return APIStatus(code: 429, reason: "TooManyRequests", message: "Too many requests, please try again later.", retryAfterSeconds: 1)
        }
        if faults.failed > 0, random.unit() < faults.failed {
            return APIStatus(code: 500, reason: "InternalError", message: "etcdserver: request timed out", retryAfterSeconds: 1)
        }
        return nil
    }

    private mutating func respond(
        to request: APIRequest, _ path: ResourcePath, _ emit: @escaping @Sendable (JSON) -> Void, _ end: @escaping @Sendable () -> Void
    ) throws(APIStatus) -> TwinReply {
        let key = KindKey(group: path.group, plural: path.plural)
        countDeprecated(path)
        if request.method == .post, virtualKind(path) != nil, let body = request.body { return success(201, body) }
        guard let kind = kinds[key], kind.versions.contains(path.version) else { throw .notFoundPath }
        let rendering = Rendering(request, kind, version: path.version)
        let isDryRun = request.query["dryRun"] == "All"
        guard let name = path.name else {
            switch request.method {
            case .get where ["true", "1"].contains(request.query["watch"]): return try watch(request, path, kind, rendering, emit, end)
            case .get: return try list(request, path, kind, rendering)
            case .post:
                let body = trackNew(try body(request, kind, path), manager: request.query["fieldManager"])
                let object = try create(key, body, namespace: path.namespace ?? "", dryRun: isDryRun)
                return success(201, rendering.one(object, now: now.timeIntervalSince1970))
            case .delete: return try deleteCollection(request, path, kind)
            default: throw .methodNotAllowed
            }
        }
        guard kind.resource.isNamespaced == (path.namespace != nil) else { throw .notFoundPath }
        let own = ObjectName(path.namespace ?? "", name)
        if let subresource = path.subresource, subresource != "status" || !kind.hasStatus {
            return try respond(to: request, subresource, key, own, kind, isDryRun)
        }
        switch request.method {
        case .get:
            if key == .leases, own.namespace == "kube-node-lease", !options.writesLeases { renewLease(own.name) }
            guard let object = object(key, own) else { throw .notFound(kind.resource, name: name) }
            return success(200, rendering.one(object, now: now.timeIntervalSince1970))
        case .put:
            let body = try body(request, kind, path)
            let tracked = self.object(key, own).map { track(body, from: $0, manager: request.query["fieldManager"]) } ?? body
            let object = try replace(key, own, tracked, subresource: path.subresource, dryRun: isDryRun)
            return success(200, rendering.one(object, now: now.timeIntervalSince1970))
        case .patch:
            let (object, isNew) = try patch(request, key, own, kind, path.subresource, isDryRun)
            return success(isNew ? 201 : 200, rendering.one(object, now: now.timeIntervalSince1970))
        case .delete:
            guard path.subresource == nil else { throw .methodNotAllowed }
            let before = object(key, own)
            let left = try delete(key, own, options(request))
            if let left { return success(200, rendering.object(left)) }
            return success(200, success(of: kind, own, uid: before?["metadata"]["uid"].string ?? ""))
        case .post: throw .methodNotAllowed
        }
    }

    private func success(_ status: Int, _ body: JSON) -> TwinReply { .value(APIResponse(status: status, body: body)) }

    /// A word of the server that something was done, with what else it says.
    private static func status(_ more: JSON = .object(JSONObject())) -> JSON {
        (["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success"] as JSON).merging(more)
    }

    private func success(of kind: Kind, _ name: ObjectName, uid: String) -> JSON {
        var details: JSON = ["name": .string(name.name), "kind": .string(kind.resource.plural), "uid": .string(uid)]
        if !kind.resource.group.isEmpty { details["group"] = .string(kind.resource.group) }
        return Self.status(["details": details])
    }

    private func body(_ request: APIRequest, _ kind: Kind, _ path: ResourcePath) throws(APIStatus) -> JSON {
        guard let body = request.body, body.object != nil else { throw .badRequest("the body of the request is no object") }
        let expected = kind.resource.group.isEmpty ? path.version : "\(kind.resource.group)/\(path.version)"
        if let version = body["apiVersion"].string, !version.isEmpty, version != expected {
            throw .badRequest("the API version in the data (\(version)) does not match the expected API version (\(expected))")
        }
        if let own = body["kind"].string, !own.isEmpty, own != kind.resource.kind {
            throw .badRequest("\(own) in version \"\(path.version)\" cannot be handled as a \(kind.resource.kind)")
        }
        try checkFields(body, isStrict: request.query["fieldValidation"] == "Strict", kind)
        return body
    }

    /// An object's fields are of the types that its kind has, and where it is strict (`fieldValidation=Strict`) there are no others.
    func checkFields(_ object: JSON, isStrict: Bool, _ kind: Kind) throws(APIStatus) {
        guard let type = TypeTable.name(of: kind) else { return }
        let complaints = TypeTable.builtIn.complaints(object, of: type)
        let what = "\(kind.resource.kind) in version \"\(kind.resource.version)\" cannot be handled as a \(kind.resource.kind)"
        if let first = complaints.mismatches.first { throw .badRequest("\(what): \(first)") }
        guard isStrict, !complaints.unknown.isEmpty else { return }
        throw .badRequest("\(what): strict decoding error: " + complaints.unknown.map { "unknown field \"\($0)\"" }.joined(separator: ", "))
    }

    private func options(_ request: APIRequest) -> DeleteOptions {
        let body = request.body ?? .null
        return DeleteOptions(
            gracePeriodSeconds: (body["gracePeriodSeconds"].integer ?? request.query["gracePeriodSeconds"].flatMap { Int64($0) }).map(Int.init),
            uid: body["preconditions"]["uid"].string, resourceVersion: body["preconditions"]["resourceVersion"].string,
            propagationPolicy: body["propagationPolicy"].string ?? request.query["propagationPolicy"],
            isDryRun: request.query["dryRun"] == "All" || body["dryRun"].elements.contains("All"))
    }

    // MARK: Lists

    private func selectors(_ request: APIRequest) throws(APIStatus) -> (LabelSelector, FieldSelector) {
        do {
            return (
                try LabelSelector(parsing: request.query["labelSelector"] ?? ""), try FieldSelector(parsing: request.query["fieldSelector"] ?? "")
            )
        } catch { throw .badRequest("\(error)") }
    }

    /// `revision:namespace/name` of the last object of the page before.
    private func continuation(_ text: String) throws(APIStatus) -> (revision: Int64, after: ObjectName) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        let place = (parts.last ?? "").split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let revision = Int64(parts[0]), place.count == 2 else {
            throw .badRequest("continue key is not valid: \(text)")
        }
        return (revision, ObjectName(place[0], place[1]))
    }

    private mutating func list(_ request: APIRequest, _ path: ResourcePath, _ kind: Kind, _ rendering: Rendering) throws(APIStatus) -> TwinReply {
        let (labels, fields) = try selectors(request)
        var revision = self.revision
        var names: ArraySlice<ObjectName>
        // The pods of one node are asked for so often that they have an index.
        if kind.key == .pods, let node = fields.requirements.first(where: { $0.path == "spec.nodeName" && $0.isEqual && !$0.value.isEmpty }) {
            names = (pods.byNode[node.value] ?? []).sorted()[...]
        } else {
            names = sortedNames(kind.key)[...]
        }
        if let text = request.query["continue"], !text.isEmpty {
            let (begun, after) = try continuation(text)
            revision = begun
            var low = names.startIndex
            var high = names.endIndex
            while low < high {
                let middle = (low + high) / 2
                if names[middle] <= after { low = middle + 1 } else { high = middle }
            }
            names = names[low...]
        }
        let limit = request.query["limit"].flatMap { Int($0) } ?? 0
        var items: [JSON] = []
        var last: ObjectName?
        var remaining = false
        for name in names {
            guard path.namespace == nil || name.namespace == path.namespace else { continue }
            guard let object = object(kind.key, name) else { continue }
            guard labels.requirements.isEmpty || labels.matches(object["metadata"]["labels"].strings), fields.matches(object) else { continue }
            if limit > 0, items.count == limit {
                remaining = true
                break
            }
            items.append(object)
            last = name
        }
        var metadata: JSON = ["resourceVersion": .string("\(revision)")]
        if remaining, let last { metadata["continue"] = .string("\(revision):\(last.namespace)/\(last.name)") }
        return success(200, rendering.list(items, metadata: metadata, now: now.timeIntervalSince1970))
    }

    private mutating func deleteCollection(_ request: APIRequest, _ path: ResourcePath, _ kind: Kind) throws(APIStatus) -> TwinReply {
        let (labels, fields) = try selectors(request)
        for name in sortedNames(kind.key) where path.namespace == nil || name.namespace == path.namespace {
            guard let object = object(kind.key, name), labels.matches(object["metadata"]["labels"].strings), fields.matches(object) else { continue }
            _ = try delete(kind.key, name, options(request))
        }
        return success(200, Self.status())
    }

    // MARK: Watches

    private mutating func watch(
        _ request: APIRequest, _ path: ResourcePath, _ kind: Kind, _ rendering: Rendering, _ emit: @escaping @Sendable (JSON) -> Void,
        _ end: @escaping @Sendable () -> Void
    ) throws(APIStatus) -> TwinReply {
        let (labels, fields) = try selectors(request)
        let watch = Watch(
            key: kind.key, namespace: path.namespace, labels: labels, fields: fields,
            wantsBookmarks: ["true", "1"].contains(request.query["allowWatchBookmarks"]),
            render: { rendering.one($0, now: $1.timeIntervalSince1970) }, emit: emit,
            end: end)
        let from = request.query["resourceVersion"] ?? ""
        guard from.isEmpty || Int64(from).map({ $0 >= 0 }) ?? false else {
            throw .badRequest("Invalid value: \"\(from)\": it is no resource version")
        }
        var since = Int64(from) ?? 0
        // A list as the begin of a watch, with a bookmark at its end (KEP-3157).
        let streamsList = request.query["sendInitialEvents"] == "true"
        if since == 0 || streamsList {
            // From now, with what is there.
            for name in sortedNames(kind.key) {
                if let object = object(kind.key, name), watch.matches(object) {
                    emit(["type": "ADDED", "object": rendering.one(object, now: now.timeIntervalSince1970)])
                }
            }
            since = revision
            if streamsList {
                var end = bookmark(of: kind)
                end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] = "true"
                emit(end)
            }
        }
        let isExpired = faults.expired > 0 && random.unit() < faults.expired
        guard !isExpired, let id = beginWatch(kind.key, since: since, watch) else {
            let gone = APIStatus(code: 410, reason: "Expired", message: "too old resource version: \(since) (\(revision))")
            // As the server does it: the stream begins, and its one event is the error.
            emit(["type": "ERROR", "object": gone.json])
            end()
            return .watch(0)
        }
        let seconds = options.watchSeconds ?? request.query["timeoutSeconds"].flatMap { Double($0) } ?? 1800
        schedule(seconds, .endWatch(id))
        if watch.wantsBookmarks { schedule(options.bookmarkSeconds, .bookmark(id)) }
        return .watch(id)
    }

    private func bookmark(of kind: Kind) -> JSON {
        [
            "type": "BOOKMARK",
            "object": [
                "kind": .string(kind.resource.kind), "apiVersion": .string(kind.resource.apiVersion),
                "metadata": ["resourceVersion": .string("\(revision)"), "creationTimestamp": .null],
            ],
        ]
    }

    mutating func bookmark(_ id: Int) {
        guard let watch = watches[id], let kind = kinds[watch.key] else { return }
        watch.emit(bookmark(of: kind))
        schedule(options.bookmarkSeconds, .bookmark(id))
    }

    // MARK: Patches

    private mutating func patch(
        _ request: APIRequest, _ key: KindKey, _ name: ObjectName, _ kind: Kind, _ subresource: String?, _ isDryRun: Bool
    ) throws(APIStatus) -> (JSON, isNew: Bool) {
        guard let body = request.body else { throw .badRequest("a patch needs a body") }
        if request.contentType.hasPrefix("application/apply-patch") {
            guard let manager = request.query["fieldManager"], !manager.isEmpty else {
                throw .badRequest("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")
            }
            try checkFields(body, isStrict: request.query["fieldValidation"] == "Strict", kind)
            return try apply(body, key, name, kind, manager: manager, force: request.query["force"] == "true", isDryRun)
        }
        guard let current = object(key, name) else { throw .notFound(kind.resource, name: name.name) }
        let changed: JSON
        do {
            changed =
                switch request.contentType.split(separator: ";")[0] {
                case "application/merge-patch+json": current.merging(body)
                case "application/json-patch+json": try current.applying(jsonPatch: body)
                case "application/strategic-merge-patch+json" where !kind.isCustom: try current.merging(strategic: body)
                default:
                    throw APIStatus(
                        code: 415, reason: "UnsupportedMediaType",
                        message:
                            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
                    )
                }
        } catch let error as PatchError {
            throw APIStatus(code: 422, reason: "Invalid", message: "the server rejected our request due to an error in our request: \(error)")
        } catch let error as APIStatus { throw error } catch { throw .badRequest("\(error)") }
        try checkFields(changed, isStrict: request.query["fieldValidation"] == "Strict", kind)
        let tracked = track(changed, from: current, manager: request.query["fieldManager"])
        return (try replace(key, name, tracked, subresource: subresource, dryRun: isDryRun), false)
    }

    // MARK: Subresources

    private mutating func respond(
        to request: APIRequest, _ subresource: String, _ key: KindKey, _ name: ObjectName, _ kind: Kind, _ isDryRun: Bool
    ) throws(APIStatus) -> TwinReply {
        switch (key, subresource, request.method) {
        case (.pods, "eviction", .post):
            let body = request.body ?? .null
            let version = body["apiVersion"].string ?? ""
            let known = minor >= 22 ? ["policy/v1", "policy/v1beta1"] : ["policy/v1beta1"]
            guard known.contains(version) else {
                let short = version.split(separator: "/").last.map(String.init) ?? version
                throw .badRequest(
                    "Eviction in version \"\(short)\" cannot be handled as a Eviction: no kind \"Eviction\" is registered for version \"\(version)\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\""
                )
            }
            guard body["metadata"]["name"].string == name.name else { throw .badRequest("name in URL does not match name in Eviction object") }
            try evict(name, body, dryRun: isDryRun)
            return success(201, Self.status(["code": 201]))
        case (.pods, "binding", .post):
            guard let node = request.body?["target"]["name"].string, object(.nodes, ObjectName("", node)) != nil else {
                throw .badRequest("the target is no node")
            }
            guard let pod = pods[name] else { throw .notFound(.pods, name: name.name) }
            guard pod.node == nil else {
                throw .conflict(.pods, name.name, "pod \(name.name) is already assigned to node \"\(pod.node ?? "")\"")
            }
            bind(name, to: node)
            return success(201, Self.status(["code": 201]))
        case (.pods, "log", .get):
            guard let pod = pods[name] else { throw .notFound(.pods, name: name.name) }
            guard pod.node != nil else { throw .badRequest("pod \(name.name) does not have a host assigned") }
            return .text(status: 200, "\(Timestamp.time(now)) \(name) runs on \(pod.node ?? "")\n")
        case (_, "scale", _) where kind.hasScale: return try scale(request, key, name, kind, isDryRun)
        default: throw .notFoundPath
        }
    }

    private mutating func scale(
        _ request: APIRequest, _ key: KindKey, _ name: ObjectName, _ kind: Kind, _ isDryRun: Bool
    ) throws(APIStatus) -> TwinReply {
        guard let object = object(key, name) else { throw .notFound(kind.resource, name: name.name) }
        func view(_ object: JSON) -> JSON {
            let selector = (LabelSelector(object["spec"]["selector"]) ?? .everything).text
            return [
                "kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": [
                    "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"], "uid": object["metadata"]["uid"],
                    "resourceVersion": object["metadata"]["resourceVersion"], "creationTimestamp": object["metadata"]["creationTimestamp"],
                ], "spec": ["replicas": object["spec"]["replicas"]],
                "status": ["replicas": object["status"]["replicas"].isNull ? 0 : object["status"]["replicas"], "selector": .string(selector)],
            ]
        }
        let wanted: JSON
        switch request.method {
        case .get: return success(200, view(object))
        case .put: wanted = request.body ?? .null
        case .patch: wanted = view(object).merging(request.body ?? .null)
        default: throw .methodNotAllowed
        }
        guard let replicas = wanted["spec"]["replicas"].integer ?? (wanted["spec"].object != nil ? 0 : nil), replicas >= 0 else {
            throw .badRequest("spec.replicas is no number")
        }
        if let version = wanted["metadata"]["resourceVersion"].string, !version.isEmpty, version != object["metadata"]["resourceVersion"].string {
            throw .conflict(kind.resource, name.name, "the object has been modified; please apply your changes to the latest version and try again")
        }
        var changed = object
        changed["spec"]["replicas"] = .integer(replicas)
        return success(200, view(try replace(key, name, track(changed, from: object, manager: request.query["fieldManager"]), dryRun: isDryRun)))
    }
}

extension APIStatus {
    static let methodNotAllowed = APIStatus(
        code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource")
}
