internal import Foundation
internal import GRPCCore
internal import SwiftProtobuf
internal import GRPCProtobuf

/// A key of the store and its newest value.
package struct KeyValue: Sendable, Equatable {
    package var key: [UInt8]
    package var value: [UInt8]
    package var modRevision: Int64

    package init(key: [UInt8], value: [UInt8], modRevision: Int64 = 0) {
        self.key = key
        self.value = value
        self.modRevision = modRevision
    }
}

/// A key, and when it was made and last written.
package struct KeyRevisions: Sendable, Equatable {
    package var key: String
    package var createRevision: Int64
    package var modRevision: Int64

    package init(key: String, createRevision: Int64, modRevision: Int64) {
        self.key = key
        self.createRevision = createRevision
        self.modRevision = modRevision
    }
}

extension EtcdClient {
    /// Every key that was written after a revision, without its value, in order of keys.
    /// - Returns: the keys, and the revision that was read.
    package func keys(writtenAfter revision: Int64, pageSize: Int64 = 5000) async throws -> (keys: [KeyRevisions], revision: Int64) {
        var request = Etcdserverpb_RangeRequest()
        request.key = Data([0])
        request.rangeEnd = Data([0])
        request.limit = pageSize
        request.keysOnly = true
        request.minModRevision = revision + 1
        var found: [KeyRevisions] = []
        while true {
            let answer = try await read { [request] in try await $0.kv.range(request, metadata: $0.metadata, options: $0.brief) }
            if request.revision == 0 { request.revision = answer.header.revision }
            found += answer.kvs.map {
                KeyRevisions(key: String(decoding: $0.key, as: UTF8.self), createRevision: $0.createRevision, modRevision: $0.modRevision)
            }
            guard answer.more, let last = answer.kvs.last else { return (found, request.revision) }
            request.key = last.key + [0]
        }
    }

    /// The most operations that a server takes in one transaction (`--max-txn-ops`).
    package static let mostOperations = 128

    /// Writes the pairs, at most 128, in one transaction. Returns the revision that holds them.
    package func put(_ pairs: [(key: String, value: [UInt8])], lease: Int64 = 0) async throws -> Int64 {
        var request = Etcdserverpb_TxnRequest()
        request.success = pairs.map { pair in
            .with {
                $0.requestPut.key = Data(pair.key.utf8)
                $0.requestPut.value = Data(pair.value)
                $0.requestPut.lease = lease
            }
        }
        return try await write { [request] in
            try await $0.kv.txn(request, metadata: $0.metadata, options: $0.brief).header.revision
        }
    }

    /// Every key and value at one revision, in order of keys, a page at a time.
    /// - Parameter receive: takes each page.
    /// - Returns: the revision that was read.
    @discardableResult
    package func forEachPage(ofSize limit: Int64 = 1000, receive: ([KeyValue]) throws -> Void) async throws -> Int64 {
        var request = Etcdserverpb_RangeRequest()
        request.key = Data([0])
        request.rangeEnd = Data([0])
        request.limit = limit
        while true {
            let answer = try await read { [request] in try await $0.kv.range(request, metadata: $0.metadata, options: $0.brief) }
            if request.revision == 0 { request.revision = answer.header.revision }
            try receive(answer.kvs.map { KeyValue(key: Array($0.key), value: Array($0.value), modRevision: $0.modRevision) })
            guard answer.more, let last = answer.kvs.last else { return request.revision }
            request.key = last.key + [0]
        }
    }

    /// How many keys there are.
    /// - Parameter revision: as of which; 0 for now.
    package func countKeys(revision: Int64 = 0) async throws -> Int64 {
        var request = Etcdserverpb_RangeRequest()
        request.key = Data([0])
        request.rangeEnd = Data([0])
        request.countOnly = true
        request.revision = revision
        return try await read { [request] in try await $0.kv.range(request, metadata: $0.metadata, options: $0.unbounded) }.count
    }

    /// Deletes the keys that begin with `prefix`; returns how many there were.
    package func delete(prefix: String) async throws -> Int64 {
        var request = Etcdserverpb_DeleteRangeRequest()
        request.key = Data(prefix.utf8)
        // The range ends where the prefix with its last byte raised begins.
        var end = Array(prefix.utf8)
        while let last = end.last, last == 0xff { end.removeLast() }
        if let last = end.popLast() { end.append(last + 1) }
        request.rangeEnd = Data(end)
        return try await write { [request] in
            try await $0.kv.deleteRange(request, metadata: $0.metadata, options: $0.brief).deleted
        }
    }

    /// Deletes one key.
    package func delete(key: String) async throws {
        let request = Etcdserverpb_DeleteRangeRequest.with { $0.key = Data(key.utf8) }
        _ = try await write { try await $0.kv.deleteRange(request, metadata: $0.metadata, options: $0.brief) }
    }

    /// Removes the history before `revision`, and waits until it is gone.
    package func compact(at revision: Int64) async throws {
        var request = Etcdserverpb_CompactionRequest()
        request.revision = revision
        request.physical = true
        _ = try await write { [request] in try await $0.kv.compact(request, metadata: $0.metadata, options: $0.unbounded) }
    }

    /// Reads one key at the member at `endpoint`, once, and returns how long that took. Whether the key exists does not matter.
    /// - Parameter isSerializable: asks the member alone, for what it has applied; otherwise the whole cluster has to agree.
    package func probe(at endpoint: Endpoint, isSerializable: Bool, within limit: Duration? = nil) async throws -> Duration {
        let request = Etcdserverpb_RangeRequest.with {
            $0.key = Data("health".utf8)
            $0.keysOnly = true
            $0.serializable = isSerializable
        }
        let clock = ContinuousClock()
        let started = clock.now
        do {
            _ = try await once(at: endpoint) { try await $0.kv.range(request, metadata: $0.metadata, options: $0.bounded(by: limit)) }
        } catch let error as EtcdError where error.isKeyDenied {
            // Consensus was reached; only the key is not this user's.
        }
        return clock.now - started
    }

    /// Whether the history before `revision` has been removed.
    package func isCompacted(at revision: Int64) async throws -> Bool {
        guard revision > 1 else { return true }
        let request = Etcdserverpb_RangeRequest.with {
            $0.key = Data([0])
            $0.rangeEnd = Data([0])
            $0.limit = 1
            $0.keysOnly = true
            $0.revision = revision - 1
        }
        do {
            _ = try await read { try await $0.kv.range(request, metadata: $0.metadata, options: $0.brief) }
            return false
        } catch let error as EtcdError where error.code == .compacted {
            return true
        }
    }

    /// The newest value of a key, or nil when there is none.
    package func get(_ key: String) async throws -> [UInt8]? {
        let request = Etcdserverpb_RangeRequest.with { $0.key = Data(key.utf8) }
        return try await read { try await $0.kv.range(request, metadata: $0.metadata, options: $0.brief) }.kvs.first.map { Array($0.value) }
    }

    /// Writes one pair at the member at `endpoint`, once. Returns the revision that holds it.
    package func put(_ key: String, _ value: [UInt8], lease: Int64 = 0, at endpoint: Endpoint, within limit: Duration? = nil) async throws -> Int64 {
        let request = Etcdserverpb_PutRequest.with {
            $0.key = Data(key.utf8)
            $0.value = Data(value)
            $0.lease = lease
        }
        return try await once(at: endpoint) { try await $0.kv.put(request, metadata: $0.metadata, options: $0.bounded(by: limit)) }.header.revision
    }

    /// Gives a lease back, and deletes the keys that it holds.
    package func revokeLease(_ lease: Int64) async throws {
        _ = try await write {
            try await $0.lease.leaseRevoke(Etcdserverpb_LeaseRevokeRequest.with { $0.id = lease }, metadata: $0.metadata, options: $0.brief)
        }
    }

    /// Grants a lease of `seconds`; returns its id.
    package func grantLease(seconds: Int64) async throws -> Int64 {
        var request = Etcdserverpb_LeaseGrantRequest()
        request.ttl = seconds
        return try await write { [request] in
            try await $0.lease.leaseGrant(request, metadata: $0.metadata, options: $0.brief).id
        }
    }
}
