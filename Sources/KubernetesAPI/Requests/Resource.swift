/// A kind of object and where it is served: group, version and plural, as in a request's path, and the kind, as in the object.
package struct Resource: Sendable, Hashable, CustomStringConvertible {
    /// Empty for the core group.
    package var group: String
    package var version: String
    /// `pods`.
    package var plural: String
    /// `Pod`.
    package var kind: String
    package var isNamespaced: Bool

    package init(group: String = "", version: String = "v1", plural: String, kind: String, isNamespaced: Bool = true) {
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        self.isNamespaced = isNamespaced
    }

    /// `v1`, `apps/v1`.
    package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// `pods`, `deployments.apps`, as error messages say it.
    package var qualifiedPlural: String { group.isEmpty ? plural : "\(plural).\(group)" }

    package var description: String { "\(qualifiedPlural)/\(version)" }

    /// The path of the collection, in one namespace or in all.
    package func path(namespace: String? = nil) -> String {
        let root = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        guard isNamespaced, let namespace else { return "\(root)/\(plural)" }
        return "\(root)/namespaces/\(namespace.pathSegment)/\(plural)"
    }

    package func path(namespace: String?, name: String, subresource: String? = nil) -> String {
        "\(path(namespace: namespace))/\(name.pathSegment)\(subresource.map { "/\($0)" } ?? "")"
    }
}

extension Resource {
    package static let namespaces = Resource(plural: "namespaces", kind: "Namespace", isNamespaced: false)
    package static let nodes = Resource(plural: "nodes", kind: "Node", isNamespaced: false)
    package static let pods = Resource(plural: "pods", kind: "Pod")
    package static let services = Resource(plural: "services", kind: "Service")
    package static let configMaps = Resource(plural: "configmaps", kind: "ConfigMap")
    package static let secrets = Resource(plural: "secrets", kind: "Secret")
    package static let events = Resource(plural: "events", kind: "Event")
    package static let deployments = Resource(group: "apps", plural: "deployments", kind: "Deployment")
    package static let replicaSets = Resource(group: "apps", plural: "replicasets", kind: "ReplicaSet")
    package static let statefulSets = Resource(group: "apps", plural: "statefulsets", kind: "StatefulSet")
    package static let daemonSets = Resource(group: "apps", plural: "daemonsets", kind: "DaemonSet")
    package static let jobs = Resource(group: "batch", plural: "jobs", kind: "Job")
    package static let leases = Resource(group: "coordination.k8s.io", plural: "leases", kind: "Lease")
    package static let podDisruptionBudgets = Resource(group: "policy", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget")
    package static let customResourceDefinitions = Resource(
        group: "apiextensions.k8s.io", plural: "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
}

extension String {
    /// Percent-encoded, so that it is one segment of a path whatever it holds.
    package var pathSegment: String { percentEncoded(keeping: "-._~:") }

    /// Percent-encoded as the value of a query.
    package var queryValue: String { percentEncoded(keeping: "-._~") }

    private func percentEncoded(keeping marks: String) -> String {
        let digits = Array("0123456789ABCDEF")
        var result = ""
        for byte in utf8 {
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || marks.unicodeScalars.contains(scalar)
            if isPlain { result.unicodeScalars.append(scalar) } else { result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])" }
        }
        return result
    }

    /// Without percent-encoding; nil where it is broken.
    package func percentDecoded(plusIsSpace: Bool = false) -> String? {
        guard contains("%") || plusIsSpace && contains("+") else { return self }
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst(), let low = rest.popFirst(), high < 0x80, low < 0x80,
                    let first = Character(Unicode.Scalar(high)).hexDigitValue, let second = Character(Unicode.Scalar(low)).hexDigitValue
                else { return nil }
                bytes.append(UInt8(first << 4 | second))
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
