internal import KubernetesAPI

/// Kubernetes' own types as schemas, and as what an object is checked by.
extension TypeTable {
    /// The name of a kind's type in the table; nil for custom resources.
    static func name(of kind: Kind) -> String? {
        kind.isCustom ? nil : name(group: kind.resource.group, kind: kind.resource.kind)
    }

    /// `io.k8s.api.core.v1.Pod`, as OpenAPI documents have it.
    static func definition(_ type: String) -> String {
        type.hasPrefix("meta.") ? "io.k8s.apimachinery.pkg.apis.\(type)" : "io.k8s.api.\(type)"
    }

    /// Where an object is not as its type says.
    struct Complaints: Sendable {
        /// Members that the type does not have: `spec.replica`.
        var unknown: [String] = []
        /// Values of another type, as Go's decoder complains of them.
        var mismatches: [String] = []
    }

    func complaints(_ object: JSON, of type: String) -> Complaints {
        var complaints = Complaints()
        look(object, type, "", isRoot: true, depth: 0, &complaints)
        return complaints
    }

    private func look(_ value: JSON, _ type: String, _ path: String, isRoot: Bool, depth: Int, _ complaints: inout Complaints) {
        guard depth < JSON.depthLimit, !value.isNull else { return }
        guard let fields = types[type] else {
            if let expected = Self.mismatch(value, type) { complain(value, path, expected, &complaints) }
            return
        }
        guard let object = value.object else { return complain(value, path, type, &complaints) }
        for member in object.members where !member.value.isNull {
            let place = path.isEmpty ? member.name : "\(path).\(member.name)"
            guard let field = fields.first(where: { $0.name == member.name }) else {
                if !(isRoot && ["apiVersion", "kind"].contains(member.name)) { complaints.unknown.append(place) }
                continue
            }
            if field.isList {
                guard case .array(let elements) = member.value else {
                    complain(member.value, place, "[]\(Self.goName(field.type))", &complaints)
                    continue
                }
                for (index, element) in elements.enumerated() {
                    look(element, field.type, "\(place)[\(index)]", isRoot: false, depth: depth + 1, &complaints)
                }
            } else if field.isMap {
                guard let entries = member.value.object else {
                    complain(member.value, place, "map[string]\(Self.goName(field.type))", &complaints)
                    continue
                }
                for entry in entries.members { look(entry.value, field.type, "\(place).\(entry.name)", isRoot: false, depth: depth + 1, &complaints) }
            } else {
                look(member.value, field.type, place, isRoot: false, depth: depth + 1, &complaints)
            }
        }
    }

    private func complain(_ value: JSON, _ path: String, _ expected: String, _ complaints: inout Complaints) {
        let kind =
            switch value {
            case .string: "string"
            case .bool: "bool"
            case .integer, .number: "number \(value)"
            case .array: "array"
            default: "object"
            }
        complaints.mismatches.append("json: cannot unmarshal \(kind) into Go struct field .\(path) of type \(expected)")
    }

    private static func goName(_ letter: String) -> String {
        ["s": "string", "b": "bool", "i": "int32", "l": "int64", "d": "float64", "y": "[]uint8", "t": "v1.Time", "q": "resource.Quantity"][letter]
            ?? letter
    }

    /// Go's name of what a letter of the table stands for, when the value is not of it.
    private static func mismatch(_ value: JSON, _ letter: String) -> String? {
        let fits =
            switch letter {
            case "s", "y", "t": value.string != nil
            case "b": value.bool != nil
            case "i": value.integer.map { Int32(exactly: $0) != nil } ?? false
            case "l": value.integer != nil
            case "d": value.integer != nil || { if case .number = value { true } else { false } }()
            default: true
            }
        return fits ? nil : goName(letter)
    }

    // MARK: Schemas

    /// Schemas of every type, by definition name.
    /// - Parameter root: where references point to: `#/definitions/`.
    func schemas(root: String) -> [String: JSON] {
        var schemas: [String: JSON] = [:]
        for (type, fields) in types {
            var properties = JSONObject()
            let parent = String(type.split(separator: ".").last ?? "")
            for field in fields { properties.set(field.name, schema(field, parent: parent, root)) }
            var schema: JSON = ["type": "object", "description": .string(Self.descriptions[type] ?? "")]
            schema["properties"] = .object(properties)
            schemas[Self.definition(type)] = schema
        }
        return schemas
    }

    private func schema(_ field: Field, parent: String, _ root: String) -> JSON {
        let one: JSON =
            switch field.type {
            case "s": ["type": "string"]
            case "b": ["type": "boolean"]
            case "i": ["type": "integer", "format": "int32"]
            case "l": ["type": "integer", "format": "int64"]
            case "d": ["type": "number", "format": "double"]
            case "y": ["type": "string", "format": "byte"]
            case "t": ["type": "string", "format": "date-time"]
            case "q": ["type": "string"]
            case "x": ["type": "string", "format": "int-or-string"]
            case "o": ["type": "object"]
            default: ["$ref": .string(root + Self.definition(field.type))]
            }
        if field.isMap { return ["type": "object", "additionalProperties": one] }
        guard field.isList else { return one }
        var list: JSON = ["type": "array", "items": one]
        let place = parent.hasSuffix("Container") ? "container" : "spec"
        switch ListKeys.kind(of: field.name, in: place) {
        case .map(let keys):
            list["x-kubernetes-patch-strategy"] = "merge"
            list["x-kubernetes-patch-merge-key"] = .string(keys[0])
            list["x-kubernetes-list-type"] = "map"
            list["x-kubernetes-list-map-keys"] = .array(keys.map { .string($0) })
        case .set:
            list["x-kubernetes-patch-strategy"] = "merge"
            list["x-kubernetes-list-type"] = "set"
        case .atomic: list["x-kubernetes-list-type"] = "atomic"
        }
        return list
    }

    /// What the kinds are, in a sentence.
    private static let descriptions = [
        "core.v1.Pod": "Containers that run together on one node.", "core.v1.Node": "A machine that runs pods.",
        "core.v1.Namespace": "A scope for names.", "core.v1.Service": "One address for a set of pods.",
        "core.v1.ConfigMap": "Configuration for pods.",
        "core.v1.Secret": "Confidential values for pods.", "core.v1.Event": "Something that happened to an object.",
        "core.v1.ServiceAccount": "An identity for pods.",
        "apps.v1.Deployment": "Replicas of a pod, exchanged one by one when their template changes.",
        "apps.v1.ReplicaSet": "Replicas of a pod.", "apps.v1.StatefulSet": "Replicas of a pod that have names and an order.",
        "apps.v1.DaemonSet": "A pod on every node.", "batch.v1.Job": "Pods that run to their end.",
        "coordination.v1.Lease": "Who holds something, and since when.",
        "policy.v1.PodDisruptionBudget": "How many pods of a set may be away at once.", "core.v1.PodSpec": "What a pod is to be.",
        "core.v1.PodStatus": "What a pod is.",
    ]
}
