internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// Somebody who follows the objects of a kind.
struct Watch: Sendable {
    var key: KindKey
    /// Nil for all.
    var namespace: String?
    var labels: LabelSelector
    var fields: FieldSelector
    var wantsBookmarks: Bool
    /// Makes of an object what the watcher asked for: a version, a table, its metadata alone.
    var render: @Sendable (JSON, Date) -> JSON
    var emit: @Sendable (JSON) -> Void
    var end: @Sendable () -> Void

    func matches(_ object: JSON) -> Bool {
        (namespace == nil || object["metadata"]["namespace"].string == namespace)
            && (labels.requirements.isEmpty || labels.matches(object["metadata"]["labels"].strings))
            && (fields.requirements.isEmpty || fields.matches(object))
    }

    /// Tells of a change as it looks through the selectors: what no longer matches is gone.
    func send(_ entry: World.Table.Entry, at now: Date) {
        let isNow = entry.type != .deleted && matches(entry.object)
        let was = entry.previous.map(matches) ?? false
        let type: World.EventType
        switch (was, isNow) {
        case (false, true): type = .added
        case (true, true): type = .modified
        case (true, false): type = .deleted
        case (false, false): return
        }
        emit(["type": .string(type.rawValue), "object": render(entry.object, now)])
    }
}
