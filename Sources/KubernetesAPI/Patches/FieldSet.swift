/// Which fields of an object somebody owns, in the form of `metadata.managedFields[].fieldsV1`: `f:NAME` for members, `k:{…}` for elements of lists
/// with keys, `v:…` for elements of sets, `.` for the element itself.
package struct FieldSet: Sendable, Equatable {
    package private(set) var json: JSON

    package init(_ json: JSON = .object(JSONObject())) { self.json = json.object == nil ? .object(JSONObject()) : json }

    package var isEmpty: Bool { json.object?.isEmpty ?? true }

    /// Every field that an object sets, but for those that say which object it is.
    package static func of(_ object: JSON) -> FieldSet {
        var object = object
        for name in ["apiVersion", "kind", "status"] { object[name] = .null }
        for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"] {
            object["metadata"][name] = .null
        }
        return FieldSet(fields(of: object, named: "", in: ""))
    }

    /// Empty for a value that is one field.
    private static func fields(of value: JSON, named name: String, in parent: String) -> JSON {
        switch value {
        case .object(let object):
            return .object(
                JSONObject(object.members.map { JSONObject.Member(name: "f:\($0.name)", value: fields(of: $0.value, named: $0.name, in: name)) }))
        case .array(let elements):
            switch ListKeys.kind(of: name, in: parent) {
            case .atomic: return .object(JSONObject())
            case .set: return .object(JSONObject(elements.map { .init(name: "v:\($0)", value: .object(JSONObject())) }))
            case .map(let keys):
                return .object(
                    JSONObject(
                        elements.map { element in
                            var inner = fields(of: element, named: name, in: parent).object ?? JSONObject()
                            inner.set(".", .object(JSONObject()))
                            return JSONObject.Member(name: FieldSet.key(of: element, keys), value: .object(inner))
                        }))
            }
        default: return .object(JSONObject())
        }
    }

    /// `k:{"name":"web"}`.
    private static func key(of element: JSON, _ keys: [String]) -> String {
        var values = JSONObject()
        for key in keys {
            // The one default among keys.
            let value = element[key].isNull && key == "protocol" ? "TCP" : element[key]
            if !value.isNull { values.set(key, value) }
        }
        return "k:\(JSON.object(values))"
    }

    // MARK: Sets

    package func union(_ other: FieldSet) -> FieldSet { FieldSet(Self.combine(json, other.json)) }

    private static func combine(_ left: JSON, _ right: JSON) -> JSON {
        guard case .object(var result) = left, case .object(let more) = right else { return left.isNull ? right : left }
        for member in more.members { result.set(member.name, result.value(member.name).map { combine($0, member.value) } ?? member.value) }
        return .object(result)
    }

    /// The fields of this set that are not in the other.
    package func subtracting(_ other: FieldSet) -> FieldSet { FieldSet(Self.subtract(json, other.json) ?? .object(JSONObject())) }

    private static func subtract(_ left: JSON, _ right: JSON?) -> JSON? {
        guard let right else { return left }
        guard case .object(let own) = left else { return nil }
        if own.isEmpty { return nil }
        var result = JSONObject()
        for member in own.members {
            if let rest = subtract(member.value, right.object?.value(member.name)) { result.set(member.name, rest) }
        }
        return result.isEmpty ? nil : .object(result)
    }

    /// Where the two sets meet in fields whose values differ between two objects, as paths: `.spec.replicas`.
    package func conflicts(with other: FieldSet, between old: JSON, and new: JSON) -> [String] {
        var paths: [String] = []
        Self.meet(json, other.json, old, new, "", &paths)
        return paths
    }

    private static func meet(_ left: JSON, _ right: JSON, _ old: JSON, _ new: JSON, _ path: String, _ paths: inout [String]) {
        guard case .object(let own) = left, case .object(let others) = right else { return }
        if own.isEmpty || others.isEmpty {
            if own.isEmpty, others.isEmpty, old != new { paths.append(path) }
            return
        }
        for member in own.members {
            guard let counterpart = others.value(member.name), member.name != "." else { continue }
            let (before, after, step) = (value(member.name, of: old), value(member.name, of: new), step(member.name))
            meet(member.value, counterpart, before, after, path + step, &paths)
        }
    }

    private static func step(_ name: String) -> String {
        if name.hasPrefix("f:") { return ".\(name.dropFirst(2))" }
        guard let key = try? JSON(parsing: String(name.dropFirst(2))), let object = key.object else { return "[\(name.dropFirst(2))]" }
        return "[\(object.members.map { "\($0.name)=\($0.value)" }.joined(separator: ","))]"
    }

    /// What a name of the set stands for in a value: a member, or an element of a list.
    package static func value(_ name: String, of value: JSON) -> JSON {
        if name.hasPrefix("f:") { return value[String(name.dropFirst(2))] }
        return value.elements.first { matches(name, $0) } ?? .null
    }

    private static func matches(_ name: String, _ element: JSON) -> Bool {
        guard let key = try? JSON(parsing: String(name.dropFirst(2))) else { return false }
        if name.hasPrefix("v:") { return element == key }
        return key.object?.members.allSatisfy { element[$0.name] == $0.value || element[$0.name].isNull && $0.value == "TCP" } ?? false
    }

    // MARK: Objects

    /// The object without the fields of this set.
    package func removed(from object: JSON) -> JSON { Self.remove(json, from: object) }

    private static func remove(_ set: JSON, from value: JSON) -> JSON {
        guard case .object(let fields) = set, !fields.isEmpty else { return .null }
        switch value {
        case .object(var object):
            for field in fields.members where field.name.hasPrefix("f:") {
                let name = String(field.name.dropFirst(2))
                guard let inner = object.value(name) else { continue }
                let rest = remove(field.value, from: inner)
                // What is left of an object that lost everything is nothing.
                if rest.isNull || rest.object?.isEmpty == true || rest.array?.isEmpty == true { object.remove(name) } else { object.set(name, rest) }
            }
            return .object(object)
        case .array(let elements):
            return .array(
                elements.compactMap { element in
                    guard let field = fields.members.first(where: { $0.name != "." && matches($0.name, element) }) else { return element }
                    // The element itself goes when its owner lets go of it.
                    if field.name.hasPrefix("v:") || field.value["."] != .null { return nil }
                    let rest = remove(field.value, from: element)
                    return rest.isNull ? nil : rest
                })
        default: return .null
        }
    }

    /// An object with another's fields laid over it; lists with keys element by element.
    package static func overlay(_ object: JSON, with applied: JSON) -> JSON { overlay(object, applied, named: "", in: "") }

    private static func overlay(_ value: JSON, _ applied: JSON, named name: String, in parent: String) -> JSON {
        switch (value, applied) {
        case (.object(var object), .object(let changes)):
            for change in changes.members {
                object.set(change.name, object.value(change.name).map { overlay($0, change.value, named: change.name, in: name) } ?? change.value)
            }
            return .object(object)
        case (.array(let elements), .array(let changes)):
            switch ListKeys.kind(of: name, in: parent) {
            case .atomic: return applied
            case .set: return .array(elements + changes.filter { !elements.contains($0) })
            case .map(let keys):
                var result = elements
                for change in changes {
                    let own = key(of: change, keys)
                    if let position = result.firstIndex(where: { key(of: $0, keys) == own }) {
                        result[position] = overlay(result[position], change, named: name, in: parent)
                    } else {
                        result.append(change)
                    }
                }
                return .array(result)
            }
        default: return applied
        }
    }
}
