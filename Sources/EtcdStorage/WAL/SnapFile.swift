package import SystemPackage
internal import ProtobufWire

/// A raft snapshot file of a member (`<term>-<index>.snap`): the membership of up to etcd 3.5 lives in it.
///
/// snappb.snapshot {1 crc = CRC-32C(data), 2 data}; data = raftpb.Snapshot {1 v2 store as JSON, 2 metadata {1 conf_state, 2 index, 3 term}}.
package struct SnapFile: Sendable, Equatable {
    /// The longest file that is believed, bytes; membership takes a few KiB.
    private static let longestFile: UInt64 = 64 << 20

    package var index: UInt64
    package var term: UInt64
    package var confState: ConfState
    /// The v2 store, as JSON.
    package var store: [UInt8]

    /// The file of a cluster that begins with `identity`: what `etcdutl snapshot restore` writes.
    init(restored identity: ClusterIdentity) {
        index = UInt64(identity.members.count)
        term = 1
        confState = ConfState(voters: identity.members.map(\.id))
        store = Array(MembershipStore(members: identity.members).json.utf8)
    }

    package static func name(term: UInt64, index: UInt64) -> String { "\(WALRecord.hex16(term))-\(WALRecord.hex16(index)).snap" }

    var encoded: [UInt8] {
        var metadata = ProtobufWriter()
        metadata.bytes(1, confState.encoded)
        metadata.varint(2, index)
        metadata.varint(3, term)
        var snapshot = ProtobufWriter()
        snapshot.bytes(1, store)
        snapshot.bytes(2, metadata.bytes)
        var file = ProtobufWriter()
        file.varint(1, UInt64(CRC32C.checksum(snapshot.bytes)))
        file.bytes(2, snapshot.bytes)
        return file.bytes
    }

    /// Reads and checks a file.
    /// - Throws: `StorageError` with `.damaged` that says what is wrong.
    package init(path: FilePath) throws(StorageError) {
        let file = try RandomAccessFile(path: path)
        guard file.size > 0, file.size <= Self.longestFile else {
            throw StorageError(.damaged, "\(path) is \(file.size) bytes long, which no .snap file is.")
        }
        var bytes = [UInt8](repeating: 0, count: Int(file.size))
        guard try bytes.read(from: file, at: 0) == bytes.count else { throw StorageError(.damaged, "\(path) ends early.") }
        do { try self.init(bytes.span.bytes) } catch {
            throw StorageError(.damaged, "\(path) is damaged: \(error.reason). Restore the member from a snapshot, or let it join anew.")
        }
    }

    struct Defect: Error { let reason: String }

    init(_ bytes: RawSpan) throws(Defect) {
        guard let outer = try? VarintFields(bytes, range: 0..<bytes.byteCount, count: 2, bytesField: 2), outer.has(1), let data = outer.bytes else {
            throw Defect(reason: "it is not a snapshot message")
        }
        var crc = CRC32C()
        crc.update(bytes.extracting(data))
        guard outer[1] == UInt64(crc.value) else { throw Defect(reason: "its checksum does not match") }
        // Two fields of bytes: read by hand.
        var reader = ProtobufReader(data)
        var store: Range<Int>?
        var metadata: Range<Int>?
        do {
            while !reader.isAtEnd {
                switch try reader.next(bytes) {
                case (1, .bytes(let range)): store = range
                case (2, .bytes(let range)): metadata = range
                default: throw ProtobufReader.Malformed.malformed
                }
            }
            guard let metadata else { throw ProtobufReader.Malformed.malformed }
            let fields = try VarintFields(bytes, range: metadata, count: 3, bytesField: 1)
            guard let confState = fields.bytes else { throw ProtobufReader.Malformed.malformed }
            self.confState = try ConfState(bytes, range: confState)
            index = fields[2]
            term = fields[3]
        } catch { throw Defect(reason: "its metadata does not parse") }
        self.store = store.map { bytes.extracting($0).array() } ?? []
    }
}

/// The v2 store that a restored cluster begins with: its members, and the history of their creation. Go's field order, so that
/// the file comes out byte for byte.
private struct MembershipStore {
    let members: [Member]

    private static let historyCapacity = 1000

    var json: String {
        let noExpiry = "\"ExpireTime\":\"0001-01-01T00:00:00Z\""
        func node(_ path: String, _ index: Int, value: String = "", children: String) -> String {
            "{\"Path\":\"\(path)\",\"CreatedIndex\":\(index),\"ModifiedIndex\":\(index),\(noExpiry),\"Value\":\(GoJSON.string(value)),\"Children\":\(children)}"
        }
        func attributes(_ member: Member) -> String { "{\"peerURLs\":\(GoJSON.array(member.peerURLs))}" }
        let numbered = Array(members.enumerated())
        // Go writes maps sorted by key: by the ids as text, which is not their order as numbers.
        let memberNodes = numbered.sorted { $0.element.hexID < $1.element.hexID }.map { index, member in
            let path = "/0/members/\(member.hexID)"
            let leaf = node("\(path)/raftAttributes", index + 1, value: attributes(member), children: "null")
            return "\"\(member.hexID)\":" + node(path, index + 1, children: "{\"raftAttributes\":\(leaf)}")
        }
        let membersNode = node("/0/members", 1, children: "{\(memberNodes.joined(separator: ","))}")
        let store = node("/0", 0, children: "{\"members\":\(membersNode)}")
        let keys = node("/1", 0, children: "{}")
        let root = node("/", 0, children: "{\"0\":\(store),\"1\":\(keys)}")

        let events = numbered.map { index, member in
            "{\"action\":\"create\",\"node\":{\"key\":\"/0/members/\(member.hexID)/raftAttributes\",\"value\":\(GoJSON.string(attributes(member))),"
                + "\"modifiedIndex\":\(index + 1),\"createdIndex\":\(index + 1)}}"
        }
        let history = events + Array(repeating: "null", count: max(0, Self.historyCapacity - events.count))
        let count = members.count
        let queue =
            "{\"Events\":[\(history.joined(separator: ","))],\"Size\":\(count),\"Front\":0,\"Back\":\(count),\"Capacity\":\(Self.historyCapacity)}"
        let hub = "{\"EventHistory\":{\"Queue\":\(queue),\"StartIndex\":1,\"LastIndex\":\(count)}}"
        let counters = [
            "getsSuccess", "getsFail", "setsSuccess", "setsFail", "deleteSuccess", "deleteFail", "updateSuccess", "updateFail",
            "createSuccess", "createFail", "compareAndSwapSuccess", "compareAndSwapFail", "compareAndDeleteSuccess",
            "compareAndDeleteFail", "expireCount", "watchers",
        ]
        let stats = counters.map { "\"\($0)\":\($0 == "createSuccess" ? count : 0)" }.joined(separator: ",")
        return "{\"Root\":\(root),\"WatcherHub\":\(hub),\"CurrentIndex\":\(count),\"Stats\":{\(stats)},\"CurrentVersion\":2}"
    }
}
