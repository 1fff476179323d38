extension JSON {
    /// The value with a merge patch applied (RFC 7386): objects merge, null removes, everything else replaces.
    package func merging(_ patch: JSON) -> JSON {
        guard case .object(let changes) = patch else { return patch }
        var result = object ?? JSONObject()
        for change in changes.members {
            if change.value.isNull {
                result.remove(change.name)
            } else {
                result.set(change.name, (result.value(change.name) ?? .null).merging(change.value))
            }
        }
        return .object(result)
    }
}
