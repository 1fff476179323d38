internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// What the API server does to objects: create, write, delete, evict. Refusals have the server's words.
extension World {
    func kind(_ key: KindKey) throws(APIStatus) -> Kind {
        guard let kind = kinds[key] else { throw .notFoundPath }
        return kind
    }

    // MARK: Create

    @discardableResult
    mutating func create(_ key: KindKey, _ object: JSON, namespace: String, dryRun: Bool = false) throws(APIStatus) -> JSON {
        let kind = try kind(key)
        var object = object
        if kind.resource.isNamespaced {
            if let own = object["metadata"]["namespace"].string, !own.isEmpty, own != namespace {
                throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
            }
            object["metadata"]["namespace"] = .string(namespace)
            guard let home = self.object(.namespaces, ObjectName("", namespace)) else {
                throw .notFound("namespaces", name: namespace)
            }
            guard home["metadata"]["deletionTimestamp"].isNull else {
                throw .terminating(kind.resource, ObjectName(namespace, object["metadata"]["name"].string ?? ""))
            }
        } else {
            object["metadata"]["namespace"] = .null
        }
        if object["metadata"]["name"].string?.isEmpty != false, let base = object["metadata"]["generateName"].string, !base.isEmpty {
            object["metadata"]["name"] = .string(base + makeSuffix())
        }
        object["apiVersion"] = .string(kind.resource.apiVersion)
        object["kind"] = .string(kind.resource.kind)
        Defaults.apply(to: &object, key)
        kind.normalize(&object)
        try Validation.check(object, kind)
        let name = object.objectName
        guard self.object(key, name) == nil else {
            throw APIStatus(
                code: 409, reason: "AlreadyExists", message: "\(kind.resource.qualifiedPlural) \"\(name.name)\" already exists", name: name.name,
                kind: key.plural, group: key.group)
        }
        object["metadata"]["uid"] = .string(makeUID())
        object["metadata"]["creationTimestamp"] = .string(Timestamp.time(now))
        object["metadata"]["deletionTimestamp"] = .null
        object["metadata"]["selfLink"] = .null
        if object["spec"].object != nil { object["metadata"]["generation"] = 1 }
        // Kubelets report themselves; others' statuses are for their controllers to write.
        if kind.hasStatus, ![KindKey.nodes, .namespaces, .pods].contains(key) { object["status"] = Defaults.emptyStatus(key) }
        if dryRun { return object }
        return commit(key, object)
    }

    // MARK: Write

    /// Writes an object that was changed: what may not change does not, and the rest is checked.
    mutating func replace(
        _ key: KindKey, _ name: ObjectName, _ changed: JSON, subresource: String? = nil, dryRun: Bool = false
    ) throws(APIStatus) -> JSON {
        let kind = try kind(key)
        guard let current = object(key, name) else { throw .notFound(kind.resource, name: name.name) }
        guard changed["metadata"]["name"].string == name.name else {
            throw .badRequest(
                "the name of the object (\(changed["metadata"]["name"].string ?? "")) does not match the name on the URL (\(name.name))")
        }
        if let version = changed["metadata"]["resourceVersion"].string, !version.isEmpty, version != current["metadata"]["resourceVersion"].string {
            throw .conflict(kind.resource, name.name, "the object has been modified; please apply your changes to the latest version and try again")
        }
        if let uid = changed["metadata"]["uid"].string, uid != current["metadata"]["uid"].string {
            throw .conflict(
                kind.resource, name.name,
                "Precondition failed: UID in precondition: \(uid), UID in object meta: \(current["metadata"]["uid"].string ?? "")")
        }
        var object = changed
        object["apiVersion"] = .string(kind.resource.apiVersion)
        object["kind"] = .string(kind.resource.kind)
        for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace", "generateName"] {
            object["metadata"][field] = current["metadata"][field]
        }
        if subresource == "status" {
            let status = object["status"]
            let metadata = object["metadata"]
            object = current
            object["status"] = status
            object["metadata"]["annotations"] = metadata["annotations"]
            object["metadata"]["labels"] = metadata["labels"]
        } else if kind.hasStatus {
            object["status"] = current["status"]
        }
        Defaults.apply(to: &object, key)
        kind.normalize(&object)
        try Validation.check(object, kind)
        try Validation.checkChange(from: current, to: object, kind)
        if object["spec"] != current["spec"], !current["metadata"]["generation"].isNull {
            object["metadata"]["generation"] = .integer((current["metadata"]["generation"].integer ?? 0) + 1)
        }
        object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
        if dryRun || object == current { return object }
        let written = commit(key, object)
        // The last finalizer of an object that is going: it is gone.
        if !written["metadata"]["deletionTimestamp"].isNull, written["metadata"]["finalizers"].elements.isEmpty,
            key != .pods, written["metadata"]["deletionGracePeriodSeconds"].integer ?? 0 == 0
        {
            remove(key, name)
        }
        return written
    }

    // MARK: Delete

    /// - Returns: the object as it is going; nil when it is gone.
    @discardableResult
    mutating func delete(_ key: KindKey, _ name: ObjectName, _ options: DeleteOptions) throws(APIStatus) -> JSON? {
        let kind = try kind(key)
        guard let object = object(key, name) else { throw .notFound(kind.resource, name: name.name) }
        if let uid = options.uid, uid != object["metadata"]["uid"].string {
            throw .precondition(kind.resource.kind, name.name, uid: uid, actual: object["metadata"]["uid"].string ?? "")
        }
        if let version = options.resourceVersion, version != object["metadata"]["resourceVersion"].string {
            throw .conflict(
                kind.resource, name.name,
                "the ResourceVersion in the precondition (\(version)) does not match the ResourceVersion in record (\(object["metadata"]["resourceVersion"].string ?? "")). The object might have been modified"
            )
        }
        if options.isDryRun { return object }
        if options.propagationPolicy == "Orphan" {
            for place in dependents[object["metadata"]["uid"].string ?? ""] ?? [] {
                update(place.key, place.name) { dependent in
                    let others = dependent["metadata"]["ownerReferences"].elements.filter { $0["uid"] != object["metadata"]["uid"] }
                    dependent["metadata"]["ownerReferences"] = others.isEmpty ? .null : .array(others)
                }
            }
        }
        var grace = 0
        if key == .pods {
            let pod = Pod(object)
            grace = options.gracePeriodSeconds ?? pod.gracePeriodSeconds
            // What has not started, or has ended, has nothing to wait for.
            if pod.nodeName == nil || pod.isFinished { grace = 0 }
        }
        let isNamespace = key == .namespaces
        let end = JSON.string(Timestamp.time(now.addingTimeInterval(Double(grace))))
        if grace == 0, object["metadata"]["finalizers"].elements.isEmpty, !isNamespace {
            remove(key, name)
            return nil
        }
        return update(key, name) { object in
            // Asked again, a pod may only have less time.
            let left = object["metadata"]["deletionGracePeriodSeconds"].integer
            if object["metadata"]["deletionTimestamp"].isNull || left.map({ $0 > grace }) ?? false {
                object["metadata"]["deletionTimestamp"] = end
                object["metadata"]["deletionGracePeriodSeconds"] = JSON(grace)
            }
            if isNamespace { object["status"]["phase"] = "Terminating" }
        }
    }

    /// A pod's end: it is gone, unless somebody holds it by a finalizer.
    mutating func removeOrFinalize(_ key: KindKey, _ name: ObjectName) {
        guard let object = object(key, name) else { return }
        if object["metadata"]["finalizers"].elements.isEmpty {
            remove(key, name)
        } else {
            update(key, name) { $0["metadata"]["deletionGracePeriodSeconds"] = 0 }
        }
    }

    // MARK: Evict

    /// The subresource `eviction` (pkg/registry/core/pod/storage/eviction.go), with the answers of a real server.
    mutating func evict(_ name: ObjectName, _ body: JSON, dryRun: Bool) throws(APIStatus) {
        if object(.namespaces, ObjectName("", name.namespace))?["metadata"]["deletionTimestamp"].isNull == false {
            throw .terminating(.pods, name)
        }
        guard let pod = pods[name] else { throw .notFound(.pods, name: name.name) }
        let options = body["deleteOptions"]
        let isDryRun = dryRun || options["dryRun"].elements.contains("All")
        let wanted = DeleteOptions(
            gracePeriodSeconds: options["gracePeriodSeconds"].integer.map(Int.init), uid: options["preconditions"]["uid"].string,
            resourceVersion: options["preconditions"]["resourceVersion"].string, isDryRun: isDryRun)
        if DisruptionBudget.ignoresBudgets(pod) {
            try delete(.pods, name, wanted)
            return
        }
        let covering = budgets.covering(pod)
        if covering.count > 1 {
            throw APIStatus(
                code: 500, reason: "",
                message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
        }
        if let uid = wanted.uid, uid != pod.uid { throw .precondition("Pod", name.name, uid: uid, actual: pod.uid) }
        if let budget = covering.first {
            switch budget.answer(to: pod) {
            case .allowed(takesOne: false): break
            case .notObserved:
                throw .blocked(
                    "The disruption budget \(budget.name.name) is still being processed by the server.",
                    retryAfter: self.minor >= 22 ? 10 : nil)
            case .exhausted:
                throw .blocked(
                    "The disruption budget \(budget.name.name) needs \(budget.status.desiredHealthy) healthy pods and has \(budget.status.currentHealthy) currently",
                    retryAfter: nil)
            case .allowed(takesOne: true):
                if !isDryRun {
                    let stamp = JSON.string(Timestamp.time(now))
                    setStatus(.budgets, budget.name) { status in
                        status["disruptionsAllowed"] = JSON(budget.status.disruptionsAllowed - 1)
                        status["disruptedPods"][name.name] = stamp
                    }
                }
            }
        }
        try delete(.pods, name, wanted)
    }
}

extension APIStatus {
    static let notFoundPath = APIStatus(code: 404, reason: "NotFound", message: "the server could not find the requested resource")

    static func notFound(_ resource: Resource, name: String) -> APIStatus {
        APIStatus(
            code: 404, reason: "NotFound", message: "\(resource.qualifiedPlural) \"\(name)\" not found", name: name, kind: resource.plural,
            group: resource.group)
    }

    static func notFound(_ plural: String, name: String) -> APIStatus {
        APIStatus(code: 404, reason: "NotFound", message: "\(plural) \"\(name)\" not found", name: name, kind: plural)
    }

    static func terminating(_ resource: Resource, _ name: ObjectName) -> APIStatus {
        APIStatus(
            code: 403, reason: "Forbidden",
            message:
                "\(resource.qualifiedPlural) \"\(name.name)\" is forbidden: unable to create new content in namespace \(name.namespace) because it is being terminated",
            causes: [.init(reason: "NamespaceTerminating", message: "namespace \(name.namespace) is being terminated", field: "metadata.namespace")],
            name: name.name, kind: resource.plural, group: resource.group)
    }

    static func badRequest(_ message: String) -> APIStatus { APIStatus(code: 400, reason: "BadRequest", message: message) }

    static func conflict(_ resource: Resource, _ name: String, _ why: String) -> APIStatus {
        APIStatus(
            code: 409, reason: "Conflict", message: "Operation cannot be fulfilled on \(resource.qualifiedPlural) \"\(name)\": \(why)", name: name,
            kind: resource.plural, group: resource.group)
    }

    static func precondition(_ kind: String, _ name: String, uid: String, actual: String) -> APIStatus {
        APIStatus(
            code: 409, reason: "Conflict",
            message:
                "Operation cannot be fulfilled on \(kind) \"\(name)\": the UID in the precondition (\(uid)) does not match the UID in record (\(actual)). The object might have been deleted and then recreated",
            name: name, kind: kind)
    }

    static func blocked(_ message: String, retryAfter: Int?) -> APIStatus {
        APIStatus(
            code: 429, reason: "TooManyRequests", message: "Cannot evict pod as it would violate the pod's disruption budget.",
            causes: [.init(reason: "DisruptionBudget", message: message)], retryAfterSeconds: retryAfter)
    }

    static func invalid(_ kind: Resource, _ name: String, _ causes: [Cause]) -> APIStatus {
        let list = causes.map { "\($0.field ?? ""): \($0.message)" }
        return APIStatus(
            code: 422, reason: "Invalid",
            message:
                "\(kind.kind)\(kind.group.isEmpty ? "" : ".\(kind.group)") \"\(name)\" is invalid: \(list.count == 1 ? list[0] : "[\(list.joined(separator: ", "))]")",
            causes: causes, name: name, kind: kind.kind, group: kind.group)
    }
}
