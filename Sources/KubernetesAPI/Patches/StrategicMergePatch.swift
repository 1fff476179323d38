extension JSON {
    /// The value with a strategic merge patch applied: as a merge patch, but lists that have keys merge element by element, and
    /// `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…` direct it.
    package func merging(strategic patch: JSON) throws(PatchError) -> JSON { try merging(strategic: patch, at: "", depth: 0) }

    private func merging(strategic patch: JSON, at parent: String, depth: Int) throws(PatchError) -> JSON {
        guard depth <= JSON.depthLimit else { throw PatchError("the patch is too deep") }
        guard case .object(let changes) = patch else { return patch }
        switch changes["$patch"].string {
        case "replace":
            var whole = changes
            whole.remove("$patch")
            return .object(whole)
        case "delete": return .null
        default: break
        }
        var result = object ?? JSONObject()
        if let retained = changes["$retainKeys"].array?.compactMap(\.string) { result.removeAll { !retained.contains($0.name) } }
        for change in changes.members {
            let name = change.name
            if name.hasPrefix("$deleteFromPrimitiveList/") {
                let list = String(name.dropFirst("$deleteFromPrimitiveList/".count))
                if let elements = result[list].array { result.set(list, .array(elements.filter { !change.value.elements.contains($0) })) }
                continue
            }
            if name.hasPrefix("$") { continue }
            if change.value.isNull {
                result.remove(name)
            } else if case .array(let elements) = change.value {
                let order = changes["$setElementOrder/\(name)"].array
                result.set(name, .array(try Self.merge(result[name].elements, elements, list: name, in: parent, order: order, depth: depth)))
            } else {
                let merged = try (result.value(name) ?? .null).merging(strategic: change.value, at: name, depth: depth + 1)
                if merged.isNull { result.remove(name) } else { result.set(name, merged) }
            }
        }
        // An order may stand alone, where nothing but the order changes.
        for change in changes.members where change.name.hasPrefix("$setElementOrder/") {
            let list = String(change.name.dropFirst("$setElementOrder/".count))
            if changes.value(list) == nil, let elements = result[list].array {
                result.set(list, .array(Self.sort(elements, by: change.value.elements, list: list, in: parent)))
            }
        }
        return .object(result)
    }

    private static func merge(
        _ own: [JSON], _ patch: [JSON], list: String, in parent: String, order: [JSON]?, depth: Int
    ) throws(PatchError) -> [JSON] {
        if ListKeys.kind(of: list, in: parent) == .set {
            var result = own
            for element in patch where !result.contains(element) { result.append(element) }
            return order.map { sort(result, by: $0, list: list, in: parent) } ?? result
        }
        guard let key = ListKeys.strategicKey(of: list, in: parent) else { return patch.filter { $0["$patch"].isNull } }
        if patch.contains(where: { $0["$patch"].string == "replace" }) { return patch.filter { $0["$patch"].isNull } }
        var result = own
        for element in patch {
            let value = element[key]
            guard !value.isNull else { throw PatchError("an element of \(list) has no \(key)") }
            let position = result.firstIndex { $0[key] == value }
            if element["$patch"].string == "delete" {
                if let position { result.remove(at: position) }
            } else if let position {
                result[position] = try result[position].merging(strategic: element, at: list, depth: depth + 1)
            } else {
                result.append(try JSON.object(JSONObject()).merging(strategic: element, at: list, depth: depth + 1))
            }
        }
        return order.map { sort(result, by: $0, list: list, in: parent) } ?? result
    }

    /// Elements in the order that is given; those it does not name stay where they are, behind.
    private static func sort(_ elements: [JSON], by order: [JSON], list: String, in parent: String) -> [JSON] {
        let key = ListKeys.strategicKey(of: list, in: parent)
        func rank(_ element: JSON) -> Int {
            order.firstIndex { other in key.map { other[$0] == element[$0] } ?? (other == element) } ?? order.count
        }
        return elements.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }.map(\.element)
    }
}
