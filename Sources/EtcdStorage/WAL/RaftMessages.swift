internal import ProtobufWire

// The messages inside WAL records and .snap files (raftpb, walpb, etcdserverpb): read strictly, written as etcd up to 3.6 does,
// with every field, zero or not.

/// raftpb.ConfState: who votes.
package struct ConfState: Sendable, Equatable {
    package var voters: [UInt64] = []
    package var learners: [UInt64] = []
    package var votersOutgoing: [UInt64] = []
    package var learnersNext: [UInt64] = []
    package var autoLeave = false

    package init(voters: [UInt64]) { self.voters = voters }

    init(_ bytes: RawSpan, range: Range<Int>) throws(ProtobufReader.Malformed) {
        var reader = ProtobufReader(range)
        while !reader.isAtEnd {
            switch try reader.next(bytes) {
            case (1, .varint(let id)): voters.append(id)
            case (2, .varint(let id)): learners.append(id)
            case (3, .varint(let id)): votersOutgoing.append(id)
            case (4, .varint(let id)): learnersNext.append(id)
            case (5, .varint(let flag)) where flag <= 1: autoLeave = flag == 1
            default: throw .malformed
            }
        }
    }

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        for (field, ids) in [(1, voters), (2, learners), (3, votersOutgoing), (4, learnersNext)] {
            for id in ids { writer.varint(field, id) }
        }
        writer.varint(5, autoLeave ? 1 : 0)
        return writer.bytes
    }

    /// The JSON of `meta/confState`.
    var storedJSON: String { "{\"voters\":[\(voters.map(String.init).joined(separator: ","))],\"auto_leave\":\(autoLeave)}" }
}

/// A message of a few varint fields and at most one of bytes. Any other field is malformed: nothing else was ever written there, so
/// it is damage.
struct VarintFields {
    private(set) var values: [UInt64?]
    private(set) var bytes: Range<Int>?

    /// - Parameters:
    ///   - count: fields 1 ... `count` may stand there.
    ///   - bytesField: the one among them that holds bytes.
    init(_ span: RawSpan, range: Range<Int>, count: Int, bytesField: Int? = nil) throws(ProtobufReader.Malformed) {
        values = Array(repeating: nil, count: count + 1)
        var reader = ProtobufReader(range)
        while !reader.isAtEnd {
            let (field, value) = try reader.next(span)
            switch value {
            case .varint(let number) where field <= count && field != bytesField && values[field] == nil: values[field] = number
            case .bytes(let range) where field == bytesField && bytes == nil: bytes = range
            default: throw .malformed
            }
        }
    }

    subscript(field: Int) -> UInt64 { values[field] ?? 0 }

    /// Whether each of `fields` is there; etcd always writes some of its zeros.
    func has(_ fields: Int...) -> Bool { fields.allSatisfy { values[$0] != nil } }
}

/// raftpb.HardState: what raft must not forget.
package struct HardState: Sendable, Equatable {
    package var term: UInt64
    package var vote: UInt64
    package var commit: UInt64

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.varint(1, term)
        writer.varint(2, vote)
        writer.varint(3, commit)
        return writer.bytes
    }
}

/// walpb.Snapshot: a snapshot that was taken at this point of the log.
package struct WALSnapshot: Sendable, Equatable {
    package var index: UInt64
    package var term: UInt64
    /// Absent in logs of etcd 3.4, and at index 0.
    package var confState: ConfState?

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.varint(1, index)
        writer.varint(2, term)
        if let confState { writer.bytes(3, confState.encoded) }
        return writer.bytes
    }
}

/// raftpb.Entry that adds a member: how the log of a restored cluster begins.
struct AddMemberEntry {
    var index: UInt64
    var member: Member

    var encoded: [UInt8] {
        var change = ProtobufWriter()
        change.varint(1, 0)  // id
        change.varint(2, 0)  // ConfChangeAddNode
        change.varint(3, member.id)
        change.bytes(4, Array(member.storedJSON.utf8))
        var entry = ProtobufWriter()
        entry.varint(1, 1)  // EntryConfChange
        entry.varint(2, 1)  // term
        entry.varint(3, index)
        entry.bytes(4, change.bytes)
        return entry.bytes
    }
}
