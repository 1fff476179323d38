package import KubernetesAPI

/// What a server serves: found out once, and asked for the version of a kind that it prefers.
package struct Discovery: Sendable, Equatable {
    /// A kind as the server lists it, subresources included (`pods/eviction`).
    package struct Served: Sendable, Equatable {
        /// Group and version of the object that it takes; of a subresource they differ from the group that lists it.
        package var resource: Resource
        package var name: String
        package var verbs: [String]
        package var shortNames: [String]
    }

    /// By group and version that list them, the preferred version of each group first.
    package var groups: [(group: String, versions: [String])]
    package var served: [String: [Served]]
    /// Groups whose server does not answer, with the reason.
    package var failures: [String: String]

    package static func == (left: Discovery, right: Discovery) -> Bool {
        left.served == right.served && left.groups.map(\.group) == right.groups.map(\.group)
            && left.groups.map(\.versions) == right.groups.map(\.versions)
    }

    /// The kind in the newest version that the server prefers.
    /// - Parameter versions: only these, the first that is served.
    package func resource(_ kind: Resource, versions: [String]? = nil) throws(KubernetesError) -> Resource {
        let listed = groups.first { $0.group == kind.group }?.versions ?? []
        for version in versions ?? listed where listed.contains(version) {
            let key = kind.group.isEmpty ? version : "\(kind.group)/\(version)"
            if let found = served[key]?.first(where: { $0.name == kind.plural }) { return found.resource }
        }
        if let reason = failures[kind.group] { throw KubernetesError(.unavailable, "the API group \(kind.group) cannot be asked: \(reason)") }
        throw KubernetesError(
            .unsupported, "the server does not serve \(kind.qualifiedPlural)\(versions.map { " in \($0.joined(separator: " or "))" } ?? "")")
    }

    /// The version of `policy` that evictions are written in, as the subresource pods/eviction names it: v1beta1 up to 1.21, v1 from 1.22.
    /// (The preferred version of the group is wrong in 1.21.)
    package var evictionVersion: String? {
        served["v1"]?.first { $0.name == "pods/eviction" && $0.resource.kind == "Eviction" && $0.resource.group == "policy" }?.resource.version
    }
}

extension KubernetesClient {
    private static let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    private static let aggregatedBeta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

    /// Asks the server what it serves: in two requests where it can (1.26 and newer), group by group otherwise.
    package func discover() async throws -> Discovery {
        var discovery = Discovery(groups: [], served: [:], failures: [:])
        let accept = "\(Self.aggregated),\(Self.aggregatedBeta),application/json"
        let core = try await send(APIRequest(.get, "/api", accept: accept))
        let others = try await send(APIRequest(.get, "/apis", accept: accept))
        for answer in [core, others] {
            if answer["kind"].string == "APIGroupDiscoveryList" {
                discovery.add(aggregated: answer)
            } else if answer["kind"].string == "APIVersions" {
                discovery.groups.append(("", answer["versions"].elements.compactMap(\.string)))
            } else {
                for group in answer["groups"].elements { discovery.add(legacy: group) }
            }
        }
        for (group, versions) in discovery.groups {
            for version in versions {
                let key = group.isEmpty ? version : "\(group)/\(version)"
                guard discovery.served[key] == nil else { continue }
                do {
                    let list = try await send(APIRequest(.get, group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"))
                    discovery.served[key] = list["resources"].elements.map { Discovery.Served(legacy: $0, group: group, version: version) }
                } catch let error as APIStatus {
                    // An aggregated API whose own server is away must not hide the others.
                    discovery.failures[group] = error.description
                }
            }
        }
        return discovery
    }
}

extension Discovery {
    fileprivate mutating func add(legacy group: JSON) {
        let name = group["name"].string ?? ""
        var versions = group["versions"].elements.compactMap { $0["version"].string }
        if let preferred = group["preferredVersion"]["version"].string {
            versions.removeAll { $0 == preferred }
            versions.insert(preferred, at: 0)
        }
        groups.append((name, versions))
    }

    fileprivate mutating func add(aggregated answer: JSON) {
        for group in answer["items"].elements {
            let name = group["metadata"]["name"].string ?? ""
            groups.append((name, group["versions"].elements.compactMap { $0["version"].string }))
            for entry in group["versions"].elements {
                let version = entry["version"].string ?? ""
                if entry["freshness"].string == "Stale" { failures[name] = "its own server does not answer" }
                var list: [Served] = []
                for resource in entry["resources"].elements {
                    let plural = resource["resource"].string ?? ""
                    let isNamespaced = resource["scope"].string == "Namespaced"
                    func add(_ name: String, _ json: JSON) {
                        let kind = json["responseKind"]
                        list.append(
                            Served(
                                resource: Resource(
                                    group: kind["group"].string ?? group["metadata"]["name"].string ?? "", version: kind["version"].string ?? version,
                                    plural: plural, kind: kind["kind"].string ?? "", isNamespaced: isNamespaced), name: name,
                                verbs: json["verbs"].elements.compactMap(\.string), shortNames: json["shortNames"].elements.compactMap(\.string)))
                    }
                    add(plural, resource)
                    for subresource in resource["subresources"].elements { add("\(plural)/\(subresource["subresource"].string ?? "")", subresource) }
                }
                served[name.isEmpty ? version : "\(name)/\(version)"] = list
            }
        }
    }
}

extension Discovery.Served {
    fileprivate init(legacy json: JSON, group: String, version: String) {
        name = json["name"].string ?? ""
        verbs = json["verbs"].elements.compactMap(\.string)
        shortNames = json["shortNames"].elements.compactMap(\.string)
        let own = json["version"].string != nil
        resource = Resource(
            group: own ? json["group"].string ?? "" : group, version: json["version"].string ?? version,
            plural: String(name.prefix { $0 != "/" }), kind: json["kind"].string ?? "", isNamespaced: json["namespaced"].bool ?? false)
    }
}
