/// Names an object within its kind.
package struct ObjectName: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    /// Empty for what lives outside namespaces.
    package var namespace: String
    package var name: String

    package init(_ namespace: String, _ name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// `namespace/name`.
    package var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    package static func < (left: ObjectName, right: ObjectName) -> Bool { (left.namespace, left.name) < (right.namespace, right.name) }
}
