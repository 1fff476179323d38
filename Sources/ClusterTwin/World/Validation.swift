internal import KubernetesAPI
internal import Maintenance

/// What the API server refuses, as far as somebody would notice its absence: names, selectors, fields that do not change.
enum Validation {
    static func check(_ object: JSON, _ kind: Kind) throws(APIStatus) {
        var causes: [APIStatus.Cause] = []
        let name = object["metadata"]["name"].string ?? ""
        if name.isEmpty {
            causes.append(.init(reason: "FieldValueRequired", message: "Required value: name or generateName is required", field: "metadata.name"))
        } else if !isName(name) {
            causes.append(
                .init(
                    reason: "FieldValueInvalid",
                    message:
                        "Invalid value: \"\(name)\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
                    field: "metadata.name"))
        }
        switch kind.key {
        case .pods: pod(object["spec"], "spec", &causes)
        case .deployments, .replicaSets, .statefulSets, .daemonSets:
            if let selector = LabelSelector(object["spec"]["selector"]), !selector.requirements.isEmpty {
                if !selector.matches(object["spec"]["template"]["metadata"]["labels"].strings) {
                    causes.append(
                        .init(
                            reason: "FieldValueInvalid",
                            message:
                                "Invalid value: \(object["spec"]["template"]["metadata"]["labels"]): `selector` does not match template `labels`",
                            field: "spec.template.metadata.labels"))
                }
            } else {
                causes.append(.init(reason: "FieldValueRequired", message: "Required value", field: "spec.selector"))
            }
            pod(object["spec"]["template"]["spec"], "spec.template.spec", &causes)
            let policy = object["spec"]["template"]["spec"]["restartPolicy"].string
            if policy != "Always" {
                causes.append(
                    .init(
                        reason: "FieldValueNotSupported", message: "Unsupported value: \"\(policy ?? "")\": supported values: \"Always\"",
                        field: "spec.template.spec.restartPolicy"))
            }
            if let replicas = object["spec"]["replicas"].integer, replicas < 0 {
                causes.append(
                    .init(
                        reason: "FieldValueInvalid", message: "Invalid value: \(replicas): must be greater than or equal to 0", field: "spec.replicas"
                    ))
            }
        case .jobs:
            pod(object["spec"]["template"]["spec"], "spec.template.spec", &causes)
            let policy = object["spec"]["template"]["spec"]["restartPolicy"].string ?? ""
            if !["Never", "OnFailure"].contains(policy) {
                causes.append(
                    .init(
                        reason: "FieldValueNotSupported", message: "Unsupported value: \"\(policy)\": supported values: \"OnFailure\", \"Never\"",
                        field: "spec.template.spec.restartPolicy"))
            }
        case .budgets:
            if !object["spec"]["minAvailable"].isNull, !object["spec"]["maxUnavailable"].isNull {
                causes.append(
                    .init(
                        reason: "FieldValueInvalid", message: "Invalid value: \(object["spec"]): minAvailable and maxUnavailable cannot be both set",
                        field: "spec"))
            }
        case .leases:
            for field in ["renewTime", "acquireTime"] {
                if let text = object["spec"][field].string, !isMicroTime(text) {
                    throw .badRequest(
                        "Lease in version \"v1\" cannot be handled as a Lease: parsing time \"\(text)\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse it"
                    )
                }
            }
        default: break
        }
        if let schema = kind.schemas[kind.resource.version], kind.isCustom { Schema.check(object, schema, "", &causes) }
        if !causes.isEmpty { throw .invalid(kind.resource, name, causes) }
    }

    static func checkChange(from old: JSON, to new: JSON, _ kind: Kind) throws(APIStatus) {
        func fixed(_ path: String, _ before: JSON, _ after: JSON) throws(APIStatus) {
            guard before != after else { return }
            throw .invalid(
                kind.resource, new["metadata"]["name"].string ?? "",
                [.init(reason: "FieldValueInvalid", message: "Invalid value: \(after): field is immutable", field: path)])
        }
        switch kind.key {
        case .deployments, .replicaSets, .daemonSets: try fixed("spec.selector", old["spec"]["selector"], new["spec"]["selector"])
        case .jobs: try fixed("spec.template", old["spec"]["template"], new["spec"]["template"])
        case .statefulSets:
            var (before, after) = (old["spec"], new["spec"])
            for field in [
                "replicas", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy", "minReadySeconds", "revisionHistoryLimit",
                "ordinals",
            ] {
                before[field] = .null
                after[field] = .null
            }
            guard before == after else {
                throw .invalid(
                    kind.resource, new["metadata"]["name"].string ?? "",
                    [
                        .init(
                            reason: "FieldValueForbidden",
                            message:
                                "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template', and 'updateStrategy' are forbidden",
                            field: "spec")
                    ])
            }
        default: break
        }
    }

    private static func pod(_ spec: JSON, _ path: String, _ causes: inout [APIStatus.Cause]) {
        guard let containers = spec["containers"].array, !containers.isEmpty else {
            causes.append(.init(reason: "FieldValueRequired", message: "Required value", field: "\(path).containers"))
            return
        }
        for (index, container) in containers.enumerated() {
            for field in ["name", "image"] where container[field].string?.isEmpty != false {
                causes.append(.init(reason: "FieldValueRequired", message: "Required value", field: "\(path).containers[\(index)].\(field)"))
            }
        }
    }

    private static func isName(_ name: String) -> Bool {
        guard name.utf8.count <= 253, let first = name.unicodeScalars.first, let last = name.unicodeScalars.last else { return false }
        func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool { ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && name.unicodeScalars.allSatisfy { isAlphanumeric($0) || $0 == "-" || $0 == "." || $0 == ":" }
    }

    /// Exactly six digits of a second.
    private static func isMicroTime(_ text: String) -> Bool {
        guard Timestamp.date(text) != nil, let dot = text.firstIndex(of: ".") else { return false }
        return text[text.index(after: dot)...].prefix { $0.isASCII && $0.isNumber }.count == 6
    }
}

/// Structural schemas of custom resources (OpenAPI v3, as far as a CustomResourceDefinition may use it).
enum Schema {
    /// Checks types, required members, enums, bounds.
    static func check(_ value: JSON, _ schema: JSON, _ path: String, _ causes: inout [APIStatus.Cause], depth: Int = 0) {
        guard depth < JSON.depthLimit, !value.isNull else { return }
        let place = path.isEmpty ? "<root>" : path
        func complain(_ reason: String, _ message: String) { causes.append(.init(reason: reason, message: message, field: place)) }
        if schema["x-kubernetes-int-or-string"].bool == true {
            if value.string == nil, value.integer == nil { complain("FieldValueInvalid", "Invalid value: \(value): must be an integer or a string") }
            return
        }
        if let type = schema["type"].string, !isOf(value, type) {
            complain(
                "FieldValueTypeInvalid", "Invalid value: \"\(name(of: value))\": \(place) in body must be of type \(type): \"\(name(of: value))\"")
            return
        }
        if let allowed = schema["enum"].array, !allowed.contains(value) {
            complain("FieldValueNotSupported", "Unsupported value: \(value): supported values: \(allowed.map(\.description).joined(separator: ", "))")
        }
        if let least = number(schema["minimum"]), let own = number(value), own < least {
            complain("FieldValueInvalid", "Invalid value: \(value): \(place) in body should be greater than or equal to \(schema["minimum"])")
        }
        if let most = number(schema["maximum"]), let own = number(value), own > most {
            complain("FieldValueInvalid", "Invalid value: \(value): \(place) in body should be less than or equal to \(schema["maximum"])")
        }
        for required in schema["required"].elements.compactMap(\.string) where value.object?.value(required) == nil {
            causes.append(.init(reason: "FieldValueRequired", message: "Required value", field: path.isEmpty ? required : "\(path).\(required)"))
        }
        for member in value.object?.members ?? [] {
            if let inner = self.schema(of: member.name, in: schema) {
                check(member.value, inner, path.isEmpty ? member.name : "\(path).\(member.name)", &causes, depth: depth + 1)
            }
        }
        if schema["items"].object != nil {
            for (index, element) in value.elements.enumerated() { check(element, schema["items"], "\(path)[\(index)]", &causes, depth: depth + 1) }
        }
    }

    /// The value without members that the schema does not know.
    static func prune(_ value: JSON, _ schema: JSON, isRoot: Bool = true, depth: Int = 0) -> JSON {
        guard depth < JSON.depthLimit, schema["x-kubernetes-preserve-unknown-fields"].bool != true else { return value }
        switch value {
        case .object(let object):
            let properties = schema["properties"].object
            if properties == nil, schema["additionalProperties"].object == nil {
                return schema["type"].isNull ? value : isRoot ? value : .object(JSONObject())
            }
            var result = JSONObject()
            for member in object.members {
                if isRoot, ["apiVersion", "kind", "metadata"].contains(member.name) {
                    result.set(member.name, member.value)
                } else if let inner = self.schema(of: member.name, in: schema) {
                    result.set(member.name, prune(member.value, inner, isRoot: false, depth: depth + 1))
                }
            }
            return .object(result)
        case .array(let elements): return .array(elements.map { prune($0, schema["items"], isRoot: false, depth: depth + 1) })
        default: return value
        }
    }

    /// The value with the schema's defaults where it says nothing.
    static func fill(_ value: JSON, _ schema: JSON, depth: Int = 0) -> JSON {
        guard depth < JSON.depthLimit else { return value }
        switch value {
        case .object(var object):
            for property in schema["properties"].object?.members ?? [] {
                if let own = object.value(property.name) {
                    object.set(property.name, fill(own, property.value, depth: depth + 1))
                } else if !property.value["default"].isNull {
                    object.set(property.name, property.value["default"])
                }
            }
            return .object(object)
        case .array(let elements): return .array(elements.map { fill($0, schema["items"], depth: depth + 1) })
        default: return value
        }
    }

    /// Of a member of an object: its own, or that of all members.
    private static func schema(of name: String, in schema: JSON) -> JSON? {
        schema["properties"].object?.value(name) ?? (schema["additionalProperties"].object != nil ? schema["additionalProperties"] : nil)
    }

    private static func isOf(_ value: JSON, _ type: String) -> Bool {
        switch type {
        case "object": value.object != nil
        case "array": value.array != nil
        case "string": value.string != nil
        case "boolean": value.bool != nil
        case "integer": value.integer != nil
        case "number": number(value) != nil
        default: true
        }
    }

    private static func name(of value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .integer: "integer"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    private static func number(_ value: JSON) -> Double? {
        switch value {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}
