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

extension EtcdClient {
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

    /// Removes the history before `revision`, and waits until it is gone.
    package func compact(at revision: Int64) async throws {
        var request = Etcdserverpb_CompactionRequest()
        request.revision = revision
        request.physical = true
        _ = try await write { [request] in try await $0.kv.compact(request, metadata: $0.metadata, options: $0.unbounded) }
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
