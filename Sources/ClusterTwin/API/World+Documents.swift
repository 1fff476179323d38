internal import KubernetesAPI

/// What the API server says of itself: its version, its health, the kinds that it serves.
extension World {
    /// Nil for a path that is about objects.
    func document(_ request: APIRequest) throws(APIStatus) -> TwinReply? {
        let parts = request.path.split(separator: "/").map(String.init)
        switch parts.first {
        case "version":
            let version = "v1.\(minor).0"
            return answer([
                "major": "1", "minor": .string("\(minor)"), "gitVersion": .string("\(version)+twin"), "gitCommit": "0",
                "gitTreeState": "clean",
                "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "swift", "platform": "linux/amd64",
            ])
        case "metrics" where parts.count == 1: return .text(status: 200, metrics)
        case "healthz", "livez", "readyz": return .text(status: 200, "ok")
        case "api" where parts.count == 1:
            if let document = aggregated(request, core: true) { return document }
            return answer(["kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []])
        case "apis" where parts.count == 1:
            if let document = aggregated(request, core: false) { return document }
            return answer(["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(groups.filter { !$0.isEmpty }.map(group))])
        case "apis" where parts.count == 2:
            guard groups.contains(parts[1]) else { throw .notFoundPath }
            var document = group(parts[1])
            document["kind"] = "APIGroup"
            document["apiVersion"] = "v1"
            return answer(document)
        case "api" where parts.count == 2: return try resources("", parts[1])
        case "apis" where parts.count == 3: return try resources(parts[1], parts[2])
        case "openapi": return try openAPI(request, parts)
        default: return nil
        }
    }

    private func answer(_ body: JSON) -> TwinReply { .value(APIResponse(status: 200, body: body)) }

    var groups: [String] { Set(kinds.keys.map(\.group)).sorted() }

    func versions(of group: String) -> [String] {
        var versions: [String] = []
        for kind in sortedKinds where kind.resource.group == group {
            for version in kind.versions where !versions.contains(version) { versions.append(version) }
        }
        return versions
    }

    var sortedKinds: [Kind] { kinds.values.sorted { ($0.resource.group, $0.resource.plural) < ($1.resource.group, $1.resource.plural) } }

    private func group(_ name: String) -> JSON {
        let versions = versions(of: name).map { version -> JSON in ["groupVersion": .string("\(name)/\(version)"), "version": .string(version)] }
        return ["name": .string(name), "versions": .array(versions), "preferredVersion": versions.first ?? .null]
    }

    private static let verbs: JSON = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

    private func resources(_ group: String, _ version: String) throws(APIStatus) -> TwinReply {
        guard versions(of: group).contains(version) else { throw .notFoundPath }
        var list: [JSON] = []
        for kind in sortedKinds where kind.resource.group == group && kind.versions.contains(version) {
            let namespaced = JSON.bool(kind.resource.isNamespaced)
            var entry: JSON = [
                "name": .string(kind.resource.plural), "singularName": .string(kind.resource.kind.lowercased()), "namespaced": namespaced,
                "kind": .string(kind.resource.kind), "verbs": Self.verbs,
            ]
            if !kind.shortNames.isEmpty { entry["shortNames"] = .array(kind.shortNames.map { .string($0) }) }
            if !kind.categories.isEmpty { entry["categories"] = .array(kind.categories.map { .string($0) }) }
            list.append(entry)
            for subresource in subresources(kind) {
                var entry: JSON = [
                    "name": .string("\(kind.resource.plural)/\(subresource.name)"), "singularName": "", "namespaced": namespaced,
                    "kind": .string(subresource.kind), "verbs": .array(subresource.verbs.map { .string($0) }),
                ]
                if let (group, version) = subresource.version {
                    entry["group"] = .string(group)
                    entry["version"] = .string(version)
                }
                list.append(entry)
            }
        }
        let name = group.isEmpty ? version : "\(group)/\(version)"
        return answer(["kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(name), "resources": .array(list)])
    }

    private struct Subresource {
        var name: String
        var kind: String
        var verbs: [String]
        /// Of the object that it takes, where that is another than the kind's.
        var version: (String, String)?
    }

    private func subresources(_ kind: Kind) -> [Subresource] {
        var list: [Subresource] = []
        if kind.key == .pods {
            list.append(Subresource(name: "binding", kind: "Binding", verbs: ["create"]))
            list.append(
                Subresource(name: "eviction", kind: "Eviction", verbs: ["create"], version: ("policy", minor >= 22 ? "v1" : "v1beta1")))
            list.append(Subresource(name: "log", kind: "Pod", verbs: ["get"]))
        }
        if kind.hasScale {
            list.append(Subresource(name: "scale", kind: "Scale", verbs: ["get", "patch", "update"], version: ("autoscaling", "v1")))
        }
        if kind.hasStatus { list.append(Subresource(name: "status", kind: kind.resource.kind, verbs: ["get", "patch", "update"])) }
        return list
    }

    /// The whole list in one answer (apidiscovery.k8s.io), as servers from 1.26 on have it.
    private func aggregated(_ request: APIRequest, core: Bool) -> TwinReply? {
        guard minor >= 26, request.accept.contains("as=APIGroupDiscoveryList") else { return nil }
        let version = minor >= 30 && request.accept.contains("v=v2;") || request.accept.contains("v=v2,") ? "v2" : "v2beta1"
        let items = groups.filter { $0.isEmpty == core }.map { group -> JSON in
            let versions = versions(of: group).map { version -> JSON in
                let resources = sortedKinds.filter { $0.resource.group == group && $0.versions.contains(version) }.map { kind -> JSON in
                    func responseKind(_ group: String, _ version: String, _ kind: String) -> JSON {
                        ["group": .string(group), "version": .string(version), "kind": .string(kind)]
                    }
                    var entry: JSON = [
                        "resource": .string(kind.resource.plural), "responseKind": responseKind(group, version, kind.resource.kind),
                        "scope": kind.resource.isNamespaced ? "Namespaced" : "Cluster", "singularResource": .string(kind.resource.kind.lowercased()),
                        "verbs": Self.verbs,
                    ]
                    if !kind.shortNames.isEmpty { entry["shortNames"] = .array(kind.shortNames.map { .string($0) }) }
                    if !kind.categories.isEmpty { entry["categories"] = .array(kind.categories.map { .string($0) }) }
                    let subresources = subresources(kind)
                    if !subresources.isEmpty {
                        entry["subresources"] = .array(
                            subresources.map {
                                [
                                    "subresource": .string($0.name), "verbs": .array($0.verbs.map { .string($0) }),
                                    "responseKind": responseKind($0.version?.0 ?? group, $0.version?.1 ?? version, $0.kind),
                                ]
                            })
                    }
                    return entry
                }
                return ["version": .string(version), "resources": .array(resources), "freshness": "Current"]
            }
            return ["metadata": ["name": .string(group), "creationTimestamp": .null], "versions": .array(versions)]
        }
        return .value(
            APIResponse(
                status: 200, headers: ["content-type": "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"],
                body: [
                    "kind": "APIGroupDiscoveryList", "apiVersion": .string("apidiscovery.k8s.io/\(version)"), "metadata": [:], "items": .array(items),
                ]))
    }
}
