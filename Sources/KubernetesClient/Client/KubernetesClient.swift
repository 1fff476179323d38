package import KubernetesAPI
package import Maintenance

/// Asks the Kubernetes API: paces itself, tries again what may be tried again, and says what a refusal means.
package struct KubernetesClient: Sendable {
    package let transport: any KubernetesTransport
    package let retry: RetryPolicy
    package let time: RunTime
    private let pace: RequestPace

    /// - Parameters:
    ///   - rate: requests a second in the long run; nil for no limit.
    ///   - burst: requests at once.
    package init(
        transport: any KubernetesTransport, retry: RetryPolicy = RetryPolicy(), rate: Double? = 50, burst: Double = 100, time: RunTime = .system
    ) {
        self.transport = transport
        self.retry = retry
        self.time = time
        pace = RequestPace(rate: rate, burst: burst, time: time)
    }

    /// Connects over HTTP for as long as `body` runs.
    package static func connected<Result>(_ access: ClusterAccess, body: (KubernetesClient) async throws -> Result) async throws -> Result {
        try await HTTPTransport.connected(access) { try await body(KubernetesClient(transport: $0)) }
    }

    /// Sends a request and returns the answer's body.
    /// - Parameter mayRepeat: whether it does no harm if it is carried out twice; nil for what the method implies.
    /// - Throws: `APIStatus` for a refusal, `KubernetesError` where there is no answer.
    package func send(_ request: APIRequest, mayRepeat: Bool? = nil) async throws -> JSON {
        try await retrying(mayRepeat: mayRepeat ?? (request.method == .get || request.method == .put || request.method == .delete)) {
            let response = try await transport.send(request)
            guard (200..<300).contains(response.status) else { throw APIStatus(response) }
            return response.body
        }
    }

    func retrying<Result>(mayRepeat: Bool, _ body: () async throws -> Result) async throws -> Result {
        var attempt = 1
        while true {
            try Task.checkCancellation()
            try await pace.wait()
            do { return try await body() } catch {
                guard let pause = retry.pause(after: error, attempt: attempt, mayRepeat: mayRepeat, jitter: .random(in: 0...1)) else { throw error }
                attempt += 1
                try await time.sleep(.seconds(pause))
            }
        }
    }

    // MARK: Objects

    package func get(_ resource: Resource, _ name: ObjectName, subresource: String? = nil) async throws -> JSON {
        try await send(APIRequest(.get, resource.path(namespace: name.namespace, name: name.name, subresource: subresource)))
    }

    package func get<Object: KubernetesObject>(_ type: Object.Type, _ name: ObjectName) async throws -> Object {
        Object(try await get(Object.resource, name))
    }

    /// Nil when there is no such object.
    package func find(_ resource: Resource, _ name: ObjectName) async throws -> JSON? {
        do { return try await get(resource, name) } catch let error as APIStatus where error.isNotFound { return nil }
    }

    package func find<Object: KubernetesObject>(_ type: Object.Type, _ name: ObjectName) async throws -> Object? {
        try await find(Object.resource, name).map(Object.init)
    }

    /// - Parameter dryRun: the server says what would be so, and changes nothing.
    @discardableResult
    package func create(_ resource: Resource, _ object: JSON, namespace: String? = nil, dryRun: Bool = false) async throws -> JSON {
        let namespace = namespace ?? object["metadata"]["namespace"].string
        return try await send(APIRequest(.post, resource.path(namespace: namespace), query: dryRun ? ["dryRun": "All"] : [:], body: object))
    }

    /// Writes an object back; its resourceVersion makes sure that nobody changed it meanwhile.
    @discardableResult
    package func replace(_ resource: Resource, _ object: JSON, subresource: String? = nil) async throws -> JSON {
        let name = object.objectName
        let path = resource.path(namespace: name.namespace, name: name.name, subresource: subresource)
        return try await send(APIRequest(.put, path, body: object), mayRepeat: false)
    }

    /// - Parameter mayRepeat: whether it does no harm if the patch is applied twice.
    @discardableResult
    package func patch(
        _ resource: Resource, _ name: ObjectName, _ patch: Patch, subresource: String? = nil, dryRun: Bool = false, mayRepeat: Bool = true
    ) async throws -> JSON {
        var query: [String: String] = dryRun ? ["dryRun": "All"] : [:]
        if case .apply(_, let manager, let force) = patch {
            query["fieldManager"] = manager
            if force { query["force"] = "true" }
        }
        let path = resource.path(namespace: name.namespace, name: name.name, subresource: subresource)
        return try await send(APIRequest(.patch, path, query: query, body: patch.body, contentType: patch.contentType), mayRepeat: mayRepeat)
    }

    /// Returns the object as it is going, or the server's word that it is gone.
    @discardableResult
    package func delete(_ resource: Resource, _ name: ObjectName, _ options: DeleteOptions = DeleteOptions()) async throws -> JSON {
        try await send(
            APIRequest(.delete, resource.path(namespace: name.namespace, name: name.name), body: options.json), mayRepeat: options.uid != nil)
    }

    // MARK: Lists

    /// A page of objects, and where the list stood.
    package struct Page: Sendable {
        package var items: [JSON]
        package var resourceVersion: String
        package var continuation: String?
    }

    static let metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    private static let metadataListOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

    package func page(
        _ resource: Resource, namespace: String? = nil, _ options: ListOptions = ListOptions(), continuing continuation: String? = nil
    ) async throws -> Page {
        var query = options.query
        if options.limit > 0 { query["limit"] = String(options.limit) }
        if let continuation { query["continue"] = continuation }
        let list = try await send(
            APIRequest(
                .get, resource.path(namespace: namespace), query: query, accept: options.metadataOnly ? Self.metadataListOnly : "application/json"))
        guard case .array(let items) = list["items"] else {
            // Go writes an empty list as [] or null.
            guard list["kind"].string?.hasSuffix("List") == true else {
                throw KubernetesError(.malformed, "the answer to a list of \(resource.qualifiedPlural) is no list")
            }
            return Page(items: [], resourceVersion: list["metadata"]["resourceVersion"].string ?? "", continuation: nil)
        }
        let next = list["metadata"]["continue"].string
        return Page(items: items, resourceVersion: list["metadata"]["resourceVersion"].string ?? "", continuation: next?.isEmpty == true ? nil : next)
    }

    /// Reads a list page by page and hands each over. Begins anew, once, when the server has forgotten the list on the way.
    /// - Parameter restart: told when what was handed over does not count any more.
    /// - Returns: the resource version of the list.
    @discardableResult
    package func forEachPage(
        _ resource: Resource, namespace: String? = nil, _ options: ListOptions = ListOptions(), restart: () async throws -> Void = {},
        _ receive: ([JSON]) async throws -> Void
    ) async throws -> String {
        var hasRestarted = false
        var page = try await page(resource, namespace: namespace, options)
        // Every page repeats the version of the first.
        while true {
            try await receive(page.items)
            guard let next = page.continuation else { return page.resourceVersion }
            do { page = try await self.page(resource, namespace: namespace, options, continuing: next) } catch let error as APIStatus
                where error.isGone && !hasRestarted
            {
                hasRestarted = true
                try await restart()
                var whole = options
                whole.limit = 0
                page = try await self.page(resource, namespace: namespace, whole)
            }
        }
    }

    /// Every object that the options choose.
    package func list(_ resource: Resource, namespace: String? = nil, _ options: ListOptions = ListOptions()) async throws -> [JSON] {
        var items: [JSON] = []
        try await forEachPage(resource, namespace: namespace, options, restart: { items = [] }) { items += $0 }
        return items
    }

    package func list<Object: KubernetesObject>(
        _ type: Object.Type, namespace: String? = nil, _ options: ListOptions = ListOptions()
    ) async throws -> [Object] {
        try await list(Object.resource, namespace: namespace, options).map(Object.init)
    }

    /// Watches from a resource version on, and hands each event over as it comes. Returns when the server ends the stream, as it does after some
    /// minutes. Not repeated: what an end means only the caller knows.
    package func watch(
        _ resource: Resource, namespace: String? = nil, _ options: ListOptions = ListOptions(), from resourceVersion: String,
        timeoutSeconds: Int? = nil, _ receive: (WatchEvent) async throws -> Void
    ) async throws {
        var query = options.query
        query["watch"] = "true"
        query["allowWatchBookmarks"] = "true"
        query["resourceVersion"] = resourceVersion
        if let timeoutSeconds { query["timeoutSeconds"] = String(timeoutSeconds) }
        try await pace.wait()
        let request = APIRequest(
            .get, resource.path(namespace: namespace), query: query, accept: options.metadataOnly ? Self.metadataOnly : "application/json")
        try await transport.stream(request) { line in
            guard let event = WatchEvent(line) else {
                throw KubernetesError(.malformed, "a line of the watch of \(resource.qualifiedPlural) is no event")
            }
            try await receive(event)
        }
    }

    // MARK: Pods

    /// Asks for a pod to go, as its disruption budgets allow.
    /// - Parameters:
    ///   - version: of `policy`, as discovery names it.
    ///   - uid: only this pod, not another that took its name.
    package func evict(_ pod: ObjectName, uid: String, version: String, gracePeriodSeconds: Int? = nil, dryRun: Bool = false) async throws {
        let options = DeleteOptions(gracePeriodSeconds: gracePeriodSeconds, uid: uid, isDryRun: dryRun)
        var body: JSON = [
            "apiVersion": .string("policy/\(version)"), "kind": "Eviction",
            "metadata": ["name": .string(pod.name), "namespace": .string(pod.namespace)],
        ]
        // Inside another object these options have no kind of their own.
        body["deleteOptions"] = options.json
        body["deleteOptions"]["kind"] = .null
        body["deleteOptions"]["apiVersion"] = .null
        let path = Resource.pods.path(namespace: pod.namespace, name: pod.name, subresource: "eviction")
        // Evicting twice does no harm: the uid says which pod is meant.
        _ = try await send(APIRequest(.post, path, body: body), mayRepeat: true)
    }

    /// A container's log, as it comes.
    package func logs(
        of pod: ObjectName, container: String? = nil, follow: Bool = false, previous: Bool = false, tailLines: Int? = nil,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws {
        var query: [String: String] = [:]
        if let container { query["container"] = container }
        if follow { query["follow"] = "true" }
        if previous { query["previous"] = "true" }
        if let tailLines { query["tailLines"] = String(tailLines) }
        let path = Resource.pods.path(namespace: pod.namespace, name: pod.name, subresource: "log")
        try await pace.wait()
        try await transport.text(APIRequest(.get, path, query: query, accept: "text/plain, application/json"), receive)
    }
}
