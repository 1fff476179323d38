package import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import ObjectStore

/// Somebody's use of a version of an API that was deprecated, and how it is known.
package struct APIUse: Codable, Sendable, Hashable {
    /// How it is known.
    package enum Source: String, Codable, Sendable, CaseIterable {
        /// An object of a kind that has nothing in its place.
        case object
        /// Who has written which field of an object in which version (metadata.managedFields).
        case managedFields
        /// What `kubectl apply` was given (kubectl.kubernetes.io/last-applied-configuration).
        case lastApplied
        /// What an API server was asked for since it started (apiserver_requested_deprecated_apis).
        case requests
        /// What an audit log tells.
        case audit
        /// What a webhook can be called with, or an API service serves.
        case registration
        /// A release of Helm's, as it is kept in the cluster.
        case helm
        /// A file that somebody has named.
        case manifest
        /// A file on a host.
        case file
    }

    package var groupVersion: String
    package var kind: String
    package var source: Source
    /// The object, the release, the file.
    package var place: String
    /// Who does it: a field manager, a user and a program.
    package var who: String?
    /// The last time that is known.
    package var at: Date?

    package init(groupVersion: String, kind: String, source: Source, place: String, who: String? = nil, at: Date? = nil) {
        self.groupVersion = groupVersion
        self.kind = kind
        self.source = source
        self.place = place
        self.who = who
        self.at = at
    }

    package var lifecycle: APILifecycle? { APILifecycle.find(groupVersion, kind) }
}

/// Looks for uses of deprecated APIs wherever they show.
package struct APIUseSearch: Sendable {
    package private(set) var uses: Set<APIUse> = []
    /// Versions and kinds that this search itself asks for, today and the last time.
    package private(set) var own: Set<String> = []
    /// Versions of kubectl that were seen, and who used them.
    package private(set) var kubectls: [KubernetesVersion: Set<String>] = [:]
    /// What could not be looked at, and why.
    package private(set) var gaps: [String] = []

    package init() {}

    private mutating func add(_ groupVersion: String, _ kind: String, _ source: APIUse.Source, _ place: String, who: String? = nil, at: Date? = nil) {
        guard APILifecycle.find(groupVersion, kind) != nil else { return }
        uses.insert(APIUse(groupVersion: groupVersion, kind: kind, source: source, place: place, who: who, at: at))
    }

    /// Objects, webhooks, API services and Helm's releases of a cluster. Needs the right to list them; what is forbidden becomes a gap.
    package mutating func search(_ client: KubernetesClient) async throws {
        let discovery = try await client.discover()
        for (group, reason) in discovery.failures { gaps.append("the API group \(group) does not answer: \(reason)") }
        for resource in Self.listed(discovery) {
            own.insert("\(resource.apiVersion) \(resource.kind)")
            do {
                try await client.forEachPage(resource, ListOptions(metadataOnly: true)) { page in for object in page { read(object, resource) } }
            } catch let error as APIStatus { gaps.append("\(resource.qualifiedPlural) cannot be listed: \(error)") }
        }
        try await readRegistrations(client)
        try await readHelm(client)
    }

    /// One version of every stored kind that was ever deprecated, and may hold traces of older ones. Events are not read: there are too many of them, they
    /// last for an hour, and who asks for them shows in the metrics.
    private static func listed(_ discovery: Discovery) -> [Resource] {
        let kinds = Set(APILifecycle.table.filter { $0.scope == .namespaced || $0.scope == .cluster }.map(\.kind)).subtracting(["Event"])
        let groups = Set(APILifecycle.table.flatMap { [$0.group, $0.replacement.map { String($0.prefix { $0 != "/" }) } ?? ""] })
        var found: [String: Resource] = [:]
        for (group, versions) in discovery.groups where groups.contains(group) {
            for version in versions {
                for served in discovery.served[group.isEmpty ? version : "\(group)/\(version)"] ?? []
                where kinds.contains(served.resource.kind) && !served.name.contains("/") && served.verbs.contains("list") {
                    let key = "\(group)/\(served.name)"
                    if found[key] == nil { found[key] = served.resource }
                }
            }
        }
        // What has an heir that is served, too, holds the same objects.
        let served = Set(found.values.map { "\($0.apiVersion) \($0.kind)" })
        return found.sorted { $0.key < $1.key }.map(\.value).filter { resource in
            guard let heir = APILifecycle.find(resource.apiVersion, resource.kind)?.replacement else { return true }
            return !served.contains("\(heir) \(resource.kind)")
        }
    }

    /// Managers whose traces are of the cluster itself: they are upgraded with it.
    private static func isClusters(_ manager: String, _ object: JSON) -> Bool {
        let own = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubeadm", "cloud-controller-manager"]
        if own.contains(manager) || manager.hasPrefix("api-priority-and-fairness-") { return true }
        let metadata = object["metadata"]
        return metadata["labels"]["kubernetes.io/bootstrapping"].string != nil
            || !metadata["annotations"]["apf.kubernetes.io/autoupdate-spec"].isNull
    }

    private mutating func read(_ object: JSON, _ resource: Resource) {
        let metadata = object["metadata"]
        let name = "\(resource.kind) \(object.objectName)"
        // A kind without an heir is itself the use.
        if let lifecycle = APILifecycle.find(resource.apiVersion, resource.kind), lifecycle.replacement == nil, lifecycle.removed != nil {
            add(resource.apiVersion, resource.kind, .object, name)
        }
        for entry in metadata["managedFields"].elements {
            let manager = entry["manager"].string ?? "unknown"
            guard let version = entry["apiVersion"].string, !Self.isClusters(manager, object) else { continue }
            add(version, resource.kind, .managedFields, name, who: manager, at: Timestamp.date(entry["time"].string))
        }
        if let text = metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].string, let applied = try? JSON(parsing: text) {
            add(applied["apiVersion"].string ?? "", applied["kind"].string ?? "", .lastApplied, name, who: "kubectl apply")
        }
    }

    private mutating func readRegistrations(_ client: KubernetesClient) async throws {
        for kind in ["Mutating", "Validating"] {
            let resource = Resource(
                group: "admissionregistration.k8s.io", plural: "\(kind.lowercased())webhookconfigurations", kind: "\(kind)WebhookConfiguration",
                isNamespaced: false)
            for object in try await listing(client, resource) {
                for webhook in object["webhooks"].elements {
                    let versions = webhook["admissionReviewVersions"].elements.compactMap(\.string)
                    guard !versions.isEmpty, !versions.contains("v1") else { continue }
                    for version in versions {
                        add(
                            "admission.k8s.io/\(version)", "AdmissionReview", .registration,
                            "webhook \(object.objectName)/\(webhook["name"].string ?? "")")
                    }
                }
            }
        }
    }

    private mutating func listing(_ client: KubernetesClient, _ resource: Resource) async throws -> [JSON] {
        do { return try await client.list(resource) } catch let error as APIStatus {
            if !error.isNotFound { gaps.append("\(resource.qualifiedPlural) cannot be listed: \(error)") }
            return []
        }
    }

    // MARK: Helm

    /// Only what is deployed: older revisions are not applied again.
    private mutating func readHelm(_ client: KubernetesClient) async throws {
        let deployed = ListOptions(labels: (try? LabelSelector(parsing: "owner=helm,status=deployed")) ?? .everything, limit: 50)
        for resource in [Resource.secrets, Resource.configMaps] {
            do {
                try await client.forEachPage(resource, deployed) { page in
                    for object in page {
                        let labels = object["metadata"]["labels"].strings
                        let name = "release \(object["metadata"]["namespace"].string ?? "")/\(labels["name"] ?? object.objectName.name)"
                        guard let data = object["data"]["release"].string else { continue }
                        do { read(manifests: try HelmRelease.manifest(data, isSecret: resource == .secrets), from: name, .helm) } catch {
                            gaps.append("\(name) cannot be read: \(error)")
                        }
                    }
                }
            } catch let error as APIStatus { gaps.append("Helm's \(resource.plural) cannot be listed: \(error)") }
        }
    }

    /// Documents of YAML. What is no YAML, such as an unrendered template, is read line by line.
    package mutating func read(manifests text: String, from place: String, _ source: APIUse.Source) {
        for document in text.split(separator: "\n---", omittingEmptySubsequences: true) {
            if let parsed = try? YAMLText.documents(String(document)) {
                for object in parsed { read(manifest: object, from: place, source, depth: 0) }
                continue
            }
            func value(_ key: String) -> String? {
                document.split(separator: "\n").first { $0.hasPrefix("\(key):") }.map { line in
                    String(line.dropFirst(key.count + 1).trimmingCharacters(in: CharacterSet(charactersIn: " \"'\r")))
                }
            }
            if let version = value("apiVersion"), let kind = value("kind") {
                add(version, kind, source, place)
            } else {
                gaps.append("\(place): a document is no YAML, and has neither apiVersion nor kind at its beginning")
            }
        }
    }

    private mutating func read(manifest object: JSON, from place: String, _ source: APIUse.Source, depth: Int) {
        guard let version = object["apiVersion"].string, let kind = object["kind"].string else { return }
        if kind.hasSuffix("List"), depth < 4 { for item in object["items"].elements { read(manifest: item, from: place, source, depth: depth + 1) } }
        let name = object["metadata"]["name"].string.map { " (\($0))" } ?? ""
        add(version, kind, source, place + name)
        for webhook in object["webhooks"].elements {
            let versions = webhook["admissionReviewVersions"].elements.compactMap(\.string)
            if !versions.isEmpty, !versions.contains("v1") {
                for version in versions { add("admission.k8s.io/\(version)", "AdmissionReview", source, place + name) }
            }
        }
    }

    // MARK: Requests

    /// What an API server was asked for since it started.
    /// - Parameter text: its /metrics.
    package mutating func read(metrics text: String, of server: String) {
        for line in text.split(separator: "\n") where line.hasPrefix("apiserver_requested_deprecated_apis{") && !line.hasSuffix(" 0") {
            func label(_ name: String) -> String {
                guard let range = line.range(of: "\(name)=\""), let end = line[range.upperBound...].firstIndex(of: "\"") else { return "" }
                return String(line[range.upperBound..<end])
            }
            let (group, version, resource, subresource) = (label("group"), label("version"), label("resource"), label("subresource"))
            let groupVersion = group.isEmpty ? version : "\(group)/\(version)"
            for row in APILifecycle.table where row.groupVersion == groupVersion && row.plural == resource {
                add(
                    groupVersion, row.kind, .requests,
                    subresource.isEmpty || subresource == "status" ? server : "\(server) (\(resource)/\(subresource))")
            }
        }
    }

    /// A line of an audit log (audit.k8s.io Event, JSON): who asked for it, and with what.
    package mutating func read(auditLine line: String) {
        if let range = line.range(of: "\"userAgent\":\"kubectl/"),
            let version = KubernetesVersion(line[range.upperBound...].prefix { !" (/\"".contains($0) })
        {
            let user = (try? JSON(parsing: line))?["user"]["username"].string ?? "somebody"
            kubectls[version, default: []].insert(user)
        }
        guard line.contains("k8s.io/deprecated") || line.contains("\"apiVersion\":\"v1beta") || line.contains("\"apiVersion\":\"v1alpha"),
            let event = try? JSON(parsing: line)
        else { return }
        let object = event["objectRef"]
        let (group, version) = (object["apiGroup"].string ?? "", object["apiVersion"].string ?? "")
        let groupVersion = group.isEmpty ? version : "\(group)/\(version)"
        let (user, program) = (
            event["user"]["username"].string ?? "somebody", String((event["userAgent"].string ?? "an unknown program").prefix { $0 != " " })
        )
        // The cluster's own parts are upgraded with it, and drydock looks at everything.
        let own = ["kube-apiserver/", "kube-controller-manager/", "kube-scheduler/", "kubelet/", "kube-proxy/", "drydock/"]
        guard !own.contains(where: { program.hasPrefix($0) }),
            !["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"].contains(user)
        else {
            return
        }
        for row in APILifecycle.table where row.groupVersion == groupVersion && row.plural == object["resource"].string {
            add(groupVersion, row.kind, .audit, "audit log", who: "\(user) with \(program)", at: Self.time(event["stageTimestamp"].string))
        }
    }

    /// With microseconds, as audit events have it.
    private static func time(_ text: String?) -> Date? {
        guard let text else { return nil }
        return Timestamp.date(text) ?? Timestamp.date(text.prefix { $0 != "." } + "Z")
    }

    package mutating func add(gaps: [String]) { self.gaps += gaps }

    /// A file on a host: kubeadm's configuration, the scheduler's, an audit policy.
    package mutating func read(file text: String, _ place: String) { read(manifests: text, from: place, .file) }
}

/// A release of Helm 3's: JSON, compressed and encoded, in a Secret.
enum HelmRelease {
    /// Bytes, after decompression; Helm's own Secrets hold a MiB at most.
    private static let limit = 64 << 20

    /// - Parameter data: as the API hands it out; a Secret's values are encoded once more.
    static func manifest(_ data: String, isSecret: Bool) throws -> String {
        var bytes = Data(data.utf8)
        for _ in 0..<(isSecret ? 2 : 1) {
            guard let decoded = Data(base64Encoded: bytes) else { throw OperationError(.invalid, "it is not base64") }
            bytes = decoded
        }
        // Before 3.0 it was not compressed.
        if bytes.starts(with: [0x1f, 0x8b, 0x08]) {
            var gzip = try GzipDecompressor()
            var plain: [UInt8] = []
            for start in stride(from: 0, to: bytes.count, by: 64 << 10) {
                plain += try gzip.update(Array(bytes.dropFirst(start).prefix(64 << 10))[...])
                guard plain.count <= limit else { throw OperationError(.invalid, "it is larger than \(limit >> 20) MiB") }
            }
            bytes = Data(plain + (try gzip.finish()))
        }
        guard let manifest = try JSON(parsing: String(decoding: bytes, as: UTF8.self))["manifest"].string else {
            throw OperationError(.invalid, "it has no manifest")
        }
        return manifest
    }
}
