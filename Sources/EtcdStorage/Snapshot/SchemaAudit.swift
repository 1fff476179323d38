internal import Foundation

/// Checks what etcd stores in its buckets, entry by entry, and adds up the facts of a report on the way.
struct SchemaAudit: BoltVisitor {
    /// Entries of small buckets that a restore needs again are kept up to this many; etcd has fewer than ten in each.
    private static let mostKept = 4096
    /// The largest entry of a small bucket that is believed, bytes; etcd's are well under a KiB.
    private static let largestSmallEntry = 64 << 10

    var findings: Findings
    private(set) var status = CRC32C()
    private(set) var totalKey: Int64 = 0
    private(set) var first: Revision?
    private(set) var last: Revision?
    private(set) var tombstones: Int64 = 0
    private(set) var liveKeys = LiveKeyCounter()
    private(set) var resources = ResourceUsageTable()
    private(set) var leases: Int64 = 0
    private(set) var alarms: Int64 = 0
    private(set) var authEnabled = false
    private(set) var members: [Member] = []
    /// Ids of members that were removed, lowest first.
    private(set) var removedMembers: [UInt64] = []
    private(set) var confState: StoredConfState?
    private(set) var finishedCompaction: Revision?
    private(set) var consistentIndex: UInt64?
    private(set) var term: UInt64?
    private(set) var storageVersion: String?
    private(set) var clusterVersion: String?
    /// The root bucket as it stands: name, and page or inline image.
    private(set) var buckets: [BoltEntry] = []
    /// The `meta` bucket's entries.
    private(set) var meta: [BoltEntry] = []

    private var bucket = Bucket.other

    enum Bucket: String {
        case alarm, auth, authRoles, authUsers, cluster, key, lease, members, meta
        case membersRemoved = "members_removed"
        case other
    }

    init(findings: Findings) { self.findings = findings }

    /// Errors found so far.
    var errors: Int { findings.errors }

    mutating func found(_ finding: Finding) { findings.add(finding) }

    private mutating func found(_ code: Finding.Code, at place: Place, _ message: String) {
        findings.add(Finding(code, offset: place.offset, page: place.page, message))
    }

    // MARK: The walk

    mutating func enterBucket(_ name: [UInt8], value: [UInt8]) {
        status.update(name.span.bytes)
        bucket = Bucket(rawValue: String(decoding: name, as: UTF8.self)) ?? .other
        if buckets.count < Self.mostKept { buckets.append(BoltEntry(key: name, value: value)) }
    }

    mutating func leaveBucket() {}

    mutating func visit(key: RawSpan, value: RawSpan, at place: Place) {
        status.update(key)
        status.update(value)
        totalKey += 1
        if bucket != .key, bucket != .authUsers, bucket != .authRoles, bucket != .other, key.byteCount + value.byteCount > Self.largestSmallEntry {
            return found(.recordInvalid, at: place, "an entry of the \(bucket.rawValue) bucket is \(key.byteCount + value.byteCount) bytes long")
        }
        switch bucket {
        case .key: revision(key, value, place)
        case .lease: lease(key, value, place)
        case .members: member(key, value, place)
        case .membersRemoved:
            guard let id = memberID(key) else { return found(.memberInvalid, at: place, "a removed member's id is not hexadecimal") }
            if removedMembers.count < Self.mostKept { removedMembers.append(id) }
        case .meta: metadata(key, value, place)
        case .cluster: cluster(key, value, place)
        case .alarm: alarm(key, value, place)
        case .auth: auth(key, value, place)
        case .authUsers, .authRoles: named(key, value, place)
        case .other: break
        }
    }

    /// What can only be said when all entries were seen.
    mutating func finish() {
        let names = Set(buckets.map { String(decoding: $0.key, as: UTF8.self) })
        for required in [Bucket.key, .meta] where !names.contains(required.rawValue) {
            findings.add(Finding(.bucketMissing, "bucket \(required.rawValue) is missing: this is not a whole etcd database"))
        }
    }

    // MARK: Revisions

    private mutating func revision(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        guard let revision = Revision(key) else {
            return found(.revisionInvalid, at: place, "a key of the key bucket is not a revision")
        }
        if first == nil { first = revision }
        last = revision
        if value.byteCount == 0 {
            // `--bump-revision` leaves one entry without a value, and nothing else does.
            if revision.isTombstone { found(.valueInvalid, at: place, "revision \(revision.main) has no value") }
            return
        }
        let entry: KeyValue
        do { entry = try KeyValue(value, range: 0..<value.byteCount) } catch {
            return found(.valueInvalid, at: place, "the value of revision \(revision.main).\(revision.sub) is not a key-value message")
        }
        if let defect = Self.defect(of: entry, at: revision) {
            found(.valueInvalid, at: place, "revision \(revision.main).\(revision.sub): \(defect)")
        }
        if revision.isTombstone { tombstones += 1 }
        let userKey = value.extracting(entry.key)
        liveKeys.note(key: userKey, live: !revision.isTombstone)
        resources.add(key: userKey, bytes: key.byteCount + value.byteCount)
    }

    /// What etcd guarantees of every stored key-value (server/storage/mvcc/kvstore_txn.go), and this one breaks.
    private static func defect(of entry: KeyValue, at revision: Revision) -> String? {
        if entry.hasUnknownFields { return "the key-value message has fields that etcd does not know" }
        if revision.isTombstone {
            let empty = entry.modRevision == 0 && entry.createRevision == 0 && entry.version == 0 && entry.lease == 0
            return empty && entry.value.isEmpty ? nil : "a tombstone bears more than a key"
        }
        if entry.modRevision != revision.main { return "mod_revision says \(entry.modRevision)" }
        if entry.version < 1 { return "version is \(entry.version)" }
        if entry.createRevision < 1 || entry.createRevision > entry.modRevision {
            return "create_revision is \(entry.createRevision)"
        }
        if (entry.version == 1) != (entry.createRevision == entry.modRevision) {
            return "version \(entry.version) does not fit create_revision \(entry.createRevision)"
        }
        // Every version after the first took a revision of its own.
        if entry.version - 1 > entry.modRevision - entry.createRevision {
            return "version \(entry.version) is more than the revisions since \(entry.createRevision)"
        }
        return nil
    }

    // MARK: Leases, alarms, auth

    private mutating func lease(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        leases += 1
        guard key.byteCount == 8 else { return found(.recordInvalid, at: place, "a lease's key is not 8 bytes") }
        let id = key.u64BigEndian(at: 0)
        var stored: UInt64 = 0
        var timeToLive: UInt64 = 0
        let valid = read(value) { field, value in
            switch (field, value) {
            case (1, .varint(let number)): stored = number
            case (2, .varint(let number)): timeToLive = number
            case (3, .varint): break
            default: return false
            }
            return true
        }
        if !valid || stored != id || timeToLive == 0 || timeToLive > UInt64(Int64.max) {
            found(.recordInvalid, at: place, "lease \(String(id, radix: 16)) does not hold its own id and a time to live")
        }
    }

    private mutating func alarm(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        var member: UInt64 = 0
        var kind: UInt64 = 0
        let valid = read(key) { field, value in
            switch (field, value) {
            case (1, .varint(let number)): member = number
            case (2, .varint(let number)): kind = number
            default: return false
            }
            return true
        }
        guard valid, (1...2).contains(kind), value.byteCount == 0 else {
            return found(.recordInvalid, at: place, "an entry of the alarm bucket is no alarm")
        }
        alarms += 1
        let name = kind == 1 ? "NOSPACE" : "CORRUPT"
        let consequence = kind == 1 ? "a cluster restored from it refuses writes until the alarm is disarmed" : "the member that took it was corrupt"
        findings.add(
            Finding(
                .alarmStored, severity: .warning, offset: place.offset, page: place.page,
                "the \(name) alarm of member \(String(member, radix: 16)) is stored in the snapshot: \(consequence)"))
    }

    private mutating func auth(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        if key.equals("authEnabled") {
            guard value.byteCount == 1, value.byte(at: 0) <= 1 else {
                return found(.recordInvalid, at: place, "authEnabled is neither 0 nor 1")
            }
            authEnabled = value.byte(at: 0) == 1
        } else if key.equals("authRevision"), value.byteCount != 8 {
            found(.recordInvalid, at: place, "authRevision is not 8 bytes")
        }
    }

    /// Users and roles: field 1 repeats the key.
    private mutating func named(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        var matches = false
        let valid = read(value) { field, found in
            if field == 1, case .bytes(let range) = found { matches = value.extracting(range).compare(key) == 0 }
            return true
        }
        if !valid || !matches { found(.recordInvalid, at: place, "a user or role does not bear its own name") }
    }

    private func read(_ bytes: RawSpan, _ field: (Int, ProtobufReader.Value) -> Bool) -> Bool {
        var reader = ProtobufReader(0..<bytes.byteCount)
        while !reader.isAtEnd {
            guard let next = try? reader.next(bytes), field(next.field, next.value) else { return false }
        }
        return true
    }

    // MARK: Members and metadata

    private func memberID(_ key: RawSpan) -> UInt64? {
        let text = String(decoding: key.array(), as: UTF8.self)
        guard let id = UInt64(text, radix: 16), String(id, radix: 16) == text else { return nil }
        return id
    }

    private mutating func member(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        guard let id = memberID(key), let member = Member.stored(value.array()), member.id == id else {
            return found(.memberInvalid, at: place, "an entry of the members bucket does not parse, or bears another member's id")
        }
        if members.count < Self.mostKept { members.append(member) }
    }

    private mutating func metadata(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        if meta.count < Self.mostKept { meta.append(BoltEntry(key: key.array(), value: value.array())) }
        let name = String(decoding: key.array(), as: UTF8.self)
        var valid = true
        switch name {
        case "consistent_index":
            valid = value.byteCount == 8
            if valid { consistentIndex = value.u64BigEndian(at: 0) }
        case "term":
            valid = value.byteCount == 8
            if valid { term = value.u64BigEndian(at: 0) }
        case "scheduledCompactRev": valid = Revision(value) != nil
        case "finishedCompactRev":
            finishedCompaction = Revision(value)
            valid = finishedCompaction != nil
        case "confState":
            confState = try? JSONDecoder().decode(StoredConfState.self, from: Data(value.array()))
            valid = confState != nil
        case "storageVersion":
            storageVersion = version(value)
            valid = storageVersion != nil
        default: break
        }
        if !valid { found(.metadataInvalid, at: place, "meta/\(name) does not parse") }
    }

    private mutating func cluster(_ key: RawSpan, _ value: RawSpan, _ place: Place) {
        if key.equals("clusterVersion") {
            clusterVersion = version(value)
            if clusterVersion == nil { found(.metadataInvalid, at: place, "cluster/clusterVersion is not a version") }
        } else if key.equals("downgrade"),
            (try? JSONDecoder().decode(StoredDowngrade.self, from: Data(value.array()))) == nil
        {
            found(.metadataInvalid, at: place, "cluster/downgrade does not parse")
        }
    }

    private func version(_ value: RawSpan) -> String? {
        guard value.byteCount <= 64 else { return nil }
        let text = String(decoding: value.array(), as: UTF8.self)
        let parts = text.split(separator: "-", maxSplits: 1)[...].first?.split(separator: ".", omittingEmptySubsequences: false) ?? []
        return parts.count == 3 && parts.allSatisfy { UInt32($0) != nil } ? text : nil
    }
}

/// The raft configuration in `meta/confState`; the ids are unsigned 64-bit numbers.
struct StoredConfState: Decodable {
    var voters: [UInt64]?
    var learners: [UInt64]?
    var auto_leave: Bool?
}

/// A planned downgrade in `cluster/downgrade`.
private struct StoredDowngrade: Decodable {
    var enabled: Bool
}

/// A key and its value, as bbolt holds them.
package struct BoltEntry: Sendable, Equatable {
    package var key: [UInt8]
    package var value: [UInt8]

    package init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }

    package init(_ key: String, _ value: [UInt8]) { self.init(key: Array(key.utf8), value: value) }
}
