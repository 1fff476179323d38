package import KubernetesAPI
internal import KubernetesClient
package import Maintenance
internal import Synchronization

/// The objects of one kind as the server last told of them, each kept as a `Value` that holds what its reader needs.
///
/// `run` feeds it until it is cancelled; everybody else reads, and waits for changes. In metadata-only mode the server sends, and this keeps, no
/// more than each object's metadata.
package final class Informer<Value: Sendable>: Sendable {
    /// What happened to one object, which comes as the server wrote it.
    package enum Event: Sendable {
        case applied(JSON)
        /// As it was last seen.
        case deleted(JSON)
    }

    private struct State {
        var values: [ObjectName: (uid: String, value: Value)] = [:]
        /// What the list in progress has not named yet.
        var unnamed: Set<ObjectName>?
        var isSynced = false
        var interruption: String?
        var waiting: [CheckedContinuation<Void, any Error>] = []
        var failure: (any Error)?
    }

    private let watcher: Watcher
    private let keep: @Sendable (JSON) -> Value
    private let onEvent: @Sendable (Event) -> Void
    private let interrupted: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - keep: what is kept of an object.
    ///   - onEvent: told of every change, in order, from within `run`. Of an object that went while nobody looked it is told its name and uid only.
    ///   - interrupted: told why the server is not heard, each time that it begins not to be.
    package init(
        _ watcher: Watcher, keep: @escaping @Sendable (JSON) -> Value, interrupted: @escaping @Sendable (String) -> Void = { _ in },
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.watcher = watcher
        self.interrupted = interrupted
        self.keep = keep
        self.onEvent = onEvent
    }

    /// Follows the server until it is cancelled, or it cannot be mended.
    package func run() async throws {
        do {
            try await watcher.run { receive($0) }
        } catch {
            let waiting = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
                state.failure = error
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume(throwing: error) }
            throw error
        }
    }

    private func receive(_ event: Watcher.Event) {
        switch event {
        case .listBegan: state.withLock { $0.unnamed = Set($0.values.keys) }
        case .applied(let object):
            let name = object.objectName
            let value = keep(object)
            state.withLock {
                $0.values[name] = (object["metadata"]["uid"].string ?? "", value)
                $0.unnamed?.remove(name)
                $0.interruption = nil
            }
            onEvent(.applied(object))
        case .deleted(let object):
            let name = object.objectName
            state.withLock { _ = $0.values.removeValue(forKey: name) }
            onEvent(.deleted(object))
        case .listEnded:
            let (gone, waiting) = state.withLock { state -> ([JSON], [CheckedContinuation<Void, any Error>]) in
                let gone = (state.unnamed ?? []).compactMap { name in
                    state.values.removeValue(forKey: name).map { entry -> JSON in
                        ["metadata": ["name": .string(name.name), "namespace": .string(name.namespace), "uid": .string(entry.uid)]]
                    }
                }
                state.unnamed = nil
                state.isSynced = true
                state.interruption = nil
                defer { state.waiting = [] }
                return (gone, state.waiting)
            }
            for object in gone { onEvent(.deleted(object)) }
            for continuation in waiting { continuation.resume() }
        case .interrupted(let reason):
            let isNew = state.withLock { state in
                defer { state.interruption = reason }
                return state.interruption == nil
            }
            if isNew { interrupted("\(watcher.resource.qualifiedPlural) cannot be followed: \(reason)") }
        }
    }

    /// Returns when the first list is whole.
    /// - Throws: what ended `run` before that.
    package func synced() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let outcome = state.withLock { state -> Result<Void, any Error>? in
                if state.isSynced { return .success(()) }
                if let failure = state.failure { return .failure(failure) }
                state.waiting.append(continuation)
                return nil
            }
            if let outcome { continuation.resume(with: outcome) }
        }
    }

    package subscript(name: ObjectName) -> Value? { state.withLock { $0.values[name]?.value } }
    package var values: [Value] { state.withLock { $0.values.values.map(\.value) } }
    package var count: Int { state.withLock { $0.values.count } }
    /// Why the server is not heard at the moment; nil when it is.
    package var interruption: String? { state.withLock { $0.interruption } }
}

/// What every object says of itself, in the small form that metadata-only informers keep: as bytes, and read when somebody asks.
package struct ObjectMetadata: Sendable, Equatable {
    private let bytes: [UInt8]

    /// Managed fields and the last applied configuration are left out: they are most of the bytes, and no reader of metadata needs them.
    package init(_ object: JSON) {
        var metadata = object["metadata"]
        for name in ["managedFields", "selfLink", "name", "namespace"] { metadata[name] = .null }
        if !metadata["annotations"].isNull { metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = .null }
        // No larger than it is.
        bytes = metadata.bytes().withUnsafeBufferPointer { Array($0) }
    }

    /// `metadata`, without name and namespace, by which it is kept.
    package var json: JSON { (try? JSON(parsing: bytes)) ?? .null }
}
