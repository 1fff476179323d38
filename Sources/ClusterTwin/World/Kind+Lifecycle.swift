internal import KubernetesAPI

/// Which versions of which kinds a release serves, by the life cycle of Kubernetes' APIs. Alpha versions are off, as they are where nobody asks for them.
extension Kind {
    /// The kinds that the twin knows itself, in the versions of this release, and those that were ever deprecated: stored, and otherwise left alone.
    static func served(in minor: Int) -> [Kind] {
        var kinds = Dictionary(uniqueKeysWithValues: builtIn.map { ($0.key, $0) })
        for row in APILifecycle.table where row.scope == .namespaced || row.scope == .cluster {
            let key = KindKey(group: row.group, plural: row.plural)
            var versions = Set(kinds[key]?.versions ?? [])
            // What the twin always has it has in the version that takes the place of the others.
            if let replacement = row.replacement, replacement.hasPrefix(row.group + "/") {
                let version = String(replacement.dropFirst(row.group.count + 1))
                if let since = row.replacementSince, since <= minor, !isRemoved(replacement, row.kind, minor) {
                    versions.insert(version)
                } else {
                    versions.remove(version)
                }
            }
            if row.isServed(in: minor), !row.isAlpha { versions.insert(row.version) } else { versions.remove(row.version) }
            let ordered = versions.sorted { rank($0) > rank($1) }
            guard let preferred = ordered.first else {
                kinds[key] = nil
                continue
            }
            var kind =
                kinds[key]
                ?? Kind(
                    resource: Resource(group: row.group, plural: row.plural, kind: row.kind, isNamespaced: row.scope == .namespaced), versions: [])
            kind.versions = ordered
            kind.resource.version = preferred
            kinds[key] = kind
        }
        return kinds.values.sorted { ($0.resource.group, $0.resource.plural) < ($1.resource.group, $1.resource.plural) }
    }

    private static func isRemoved(_ groupVersion: String, _ kind: String, _ minor: Int) -> Bool {
        APILifecycle.find(groupVersion, kind)?.isRemoved(in: minor) ?? false
    }

    /// `v2` before `v1` before `v1beta2` before `v1beta1`.
    private static func rank(_ version: String) -> Int {
        let numbers = version.split { !$0.isNumber }.compactMap { Int($0) }
        let stage = version.contains("alpha") ? 0 : version.contains("beta") ? 1 : 2
        return stage * 1_000_000 + (numbers.first ?? 0) * 1000 + (numbers.count > 1 ? numbers[1] : 0)
    }
}

extension World {
    /// What is asked for and kept nowhere, such as a review; nil where this release has no such thing.
    func virtualKind(_ path: ResourcePath) -> APILifecycle? {
        guard path.name == nil, path.subresource == nil else { return nil }
        return APILifecycle.table.first { row in
            row.scope == .virtual && row.plural == path.plural && row.group == path.group && row.version == path.version
                && row.kind.hasSuffix("Review") && row.isServed(in: minor) && !row.isAlpha
        }
    }

    /// Counts a request of a version that is deprecated in this release, as API servers do.
    mutating func countDeprecated(_ path: ResourcePath) {
        let row = APILifecycle.table.first { row in
            row.plural == path.plural && row.group == path.group && row.version == path.version && row.scope != .file
        }
        guard let row, row.isDeprecated(in: minor), let removed = row.removed else { return }
        let labels =
            "group=\"\(row.group)\",removed_release=\"1.\(removed)\",resource=\"\(row.plural)\",subresource=\"\(path.subresource ?? "")\",version=\"\(row.version)\""
        deprecatedRequests.insert(labels)
    }

    /// Prometheus' text, as far as somebody here asks for it: a gauge that is 1 since the first request (KEP-1693).
    var metrics: String {
        "# TYPE apiserver_requested_deprecated_apis gauge\n"
            + deprecatedRequests.sorted().map { "apiserver_requested_deprecated_apis{\($0)} 1\n" }.joined()
    }
}
