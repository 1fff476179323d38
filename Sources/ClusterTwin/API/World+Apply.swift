internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// Server-side apply: who owns which field, and what happens when two want the same one.
extension World {
    private struct Manager {
        var name: String
        var operation: String
        var fields: FieldSet
    }

    private func managers(of object: JSON) -> [Manager] {
        object["metadata"]["managedFields"].elements.map {
            Manager(name: $0["manager"].string ?? "", operation: $0["operation"].string ?? "", fields: FieldSet($0["fieldsV1"]))
        }
    }

    private func json(_ managers: [Manager], _ object: JSON, from current: JSON?) -> JSON {
        let before = current.map(self.managers) ?? []
        let entries = managers.filter { !$0.fields.isEmpty }.map { manager -> JSON in
            let old = before.firstIndex { $0.name == manager.name && $0.operation == manager.operation }
            let isSame = old.map { before[$0].fields == manager.fields } ?? false
            let time = isSame ? current?["metadata"]["managedFields"][old ?? 0]["time"] ?? .null : .string(Timestamp.time(now))
            return [
                "manager": .string(manager.name), "operation": .string(manager.operation), "apiVersion": object["apiVersion"], "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": manager.fields.json,
            ]
        }
        return entries.isEmpty ? .null : .array(entries)
    }

    /// Who creates an object owns what it says.
    func trackNew(_ object: JSON, manager: String?) -> JSON {
        guard let manager else { return object }
        var new = object
        new["metadata"]["managedFields"] = json([Manager(name: manager, operation: "Update", fields: .of(object))], object, from: nil)
        return new
    }

    /// Whoever changes a field without applying owns it from then on. Kept where somebody gave a name, so that nothing else pays for it.
    func track(_ changed: JSON, from current: JSON, manager: String?) -> JSON {
        var managers = managers(of: current)
        guard manager != nil || !managers.isEmpty else { return changed }
        let name = manager ?? "unknown"
        var object = changed
        object["metadata"]["managedFields"] = current["metadata"]["managedFields"]
        // What differs, as fields: everything that is set now, without what is set to the same before.
        let fields = Self.difference(FieldSet.of(changed), changed, current)
        guard !fields.isEmpty else { return object }
        for index in managers.indices { managers[index].fields = managers[index].fields.subtracting(fields) }
        if let own = managers.firstIndex(where: { $0.name == name && $0.operation == "Update" }) {
            managers[own].fields = managers[own].fields.union(fields)
        } else {
            managers.append(Manager(name: name, operation: "Update", fields: fields))
        }
        object["metadata"]["managedFields"] = json(managers, object, from: current)
        return object
    }

    /// The fields of a set whose values differ between two objects.
    private static func difference(_ fields: FieldSet, _ new: JSON, _ old: JSON) -> FieldSet {
        func keep(_ set: JSON, _ new: JSON, _ old: JSON) -> JSON? {
            guard case .object(let members) = set else { return nil }
            if members.isEmpty { return new == old ? nil : set }
            var result = JSONObject()
            for member in members.members {
                let (before, after) = (FieldSet.value(member.name, of: old), FieldSet.value(member.name, of: new))
                if member.name == "." {
                    if old.isNull { result.set(".", member.value) }
                } else if let rest = keep(member.value, after, before) {
                    result.set(member.name, rest)
                }
            }
            return result.isEmpty ? nil : .object(result)
        }
        return FieldSet(keep(fields.json, new, old) ?? .null)
    }

    mutating func apply(
        _ wanted: JSON, _ key: KindKey, _ name: ObjectName, _ kind: Kind, manager: String, force: Bool, _ isDryRun: Bool
    ) throws(APIStatus) -> (JSON, isNew: Bool) {
        guard wanted.object != nil, wanted["metadata"]["managedFields"].isNull else { throw .badRequest("metadata.managedFields must be nil") }
        let fields = FieldSet.of(wanted)
        guard let current = object(key, name) else {
            var new = wanted
            new["metadata"]["name"] = .string(name.name)
            new["metadata"]["managedFields"] = json([Manager(name: manager, operation: "Apply", fields: fields)], wanted, from: nil)
            return (try create(key, new, namespace: name.namespace, dryRun: isDryRun), true)
        }
        var managers = managers(of: current)
        let applied = FieldSet.overlay(current, with: wanted)
        var conflicts: [APIStatus.Cause] = []
        for other in managers where other.name != manager || other.operation != "Apply" {
            let paths = fields.conflicts(with: other.fields, between: current, and: applied)
            let who = other.operation == "Apply" ? "\"\(other.name)\"" : "\"\(other.name)\" using \(current["apiVersion"].string ?? "")"
            conflicts += paths.map { .init(reason: "FieldManagerConflict", message: "conflict with \(who)", field: $0) }
        }
        if !conflicts.isEmpty, !force {
            let list = conflicts.map { "\($0.message): \($0.field ?? "")" }
            throw APIStatus(
                code: 409, reason: "Conflict",
                message: "Apply failed with \(conflicts.count) conflict\(conflicts.count == 1 ? "" : "s"): \(list.joined(separator: "\n"))",
                causes: conflicts)
        }
        // What the manager applied before and does not any more goes, unless others own it, too.
        var object = applied
        if let own = managers.first(where: { $0.name == manager && $0.operation == "Apply" }) {
            var given = own.fields.subtracting(fields)
            for other in managers where other.name != manager || other.operation != "Apply" { given = given.subtracting(other.fields) }
            if !given.isEmpty { object = given.removed(from: object) }
        }
        if force {
            let taken = Self.difference(fields, applied, current)
            for index in managers.indices where managers[index].name != manager || managers[index].operation != "Apply" {
                managers[index].fields = managers[index].fields.subtracting(taken)
            }
        }
        managers.removeAll { $0.name == manager && $0.operation == "Apply" }
        managers.append(Manager(name: manager, operation: "Apply", fields: fields))
        object["metadata"]["managedFields"] = json(managers, current, from: current)
        object["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"]
        return (try replace(key, name, object, dryRun: isDryRun), false)
    }
}
