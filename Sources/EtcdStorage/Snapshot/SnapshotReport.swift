/// What `snapshot verify` and `snapshot inspect` know about a file.
package struct SnapshotReport: Sendable, Equatable, Codable {
    /// What the 32 bytes after the database say.
    package enum Digest: String, Sendable, Codable {
        case match, absent, mismatch
    }

    package var file: String
    package var sizeBytes: UInt64
    package var sha256: Digest
    /// `etcdutl snapshot status`: CRC-32C over every bucket name, key and value. nil when the structure is damaged.
    package var hash: UInt32?
    /// The main revision of the newest entry; 0 when there is none.
    package var revision: Int64
    /// Entries of all buckets, as etcdutl up to 3.5 counts.
    package var totalKey: Int64
    /// Bytes below the high-water page.
    package var totalSize: UInt64
    /// User keys whose newest revision is not a tombstone, as etcdutl from 3.6 counts `totalKey`.
    package var liveKeys: Int64
    package var tombstones: Int64
    /// The oldest stored revision's main number; 0 when there is none.
    package var firstRevision: Int64
    /// The revision up to which history was removed; nil when the database was never compacted.
    package var compactRevision: Int64?
    /// Raft index that the database had applied.
    package var consistentIndex: UInt64?
    package var raftTerm: UInt64?
    /// Share of the database's pages that hold nothing, 0 to 1.
    package var fragmentation: Double
    package var leases: Int64
    package var alarms: Int64
    package var authEnabled: Bool
    /// The newest etcd whose marks the database bears: a storage version (3.6 on), a cluster version (3.5 on), or nil.
    package var etcdVersion: String?
    /// The members that the database names, by id.
    package var members: [Member]
    /// Hexadecimal ids of members that were removed.
    package var removedMembers: [String]
    /// Hexadecimal ids of the voters and of the learners that raft was last configured with; nil before etcd 3.5.
    package var raftVoters: [String]?
    package var raftLearners: [String]?
    /// The biggest kinds of keys, biggest first.
    package var resources: [ResourceUsage]
    /// When the file was last written, seconds since 1970.
    package var modified: Int64
    package var findings: [Finding]
    /// All findings, also those beyond the ones listed.
    package var findingCount: Int
    /// All errors among them.
    package var errorCount: Int

    /// Whether nothing is wrong; warnings do not count.
    package var isSound: Bool { errorCount == 0 }
}

extension SnapshotReport {
    /// Stable keys: what is not known is null, never missing.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(file, forKey: .file)
        try container.encode(sizeBytes, forKey: .sizeBytes)
        try container.encode(sha256, forKey: .sha256)
        try container.encode(hash, forKey: .hash)
        try container.encode(revision, forKey: .revision)
        try container.encode(totalKey, forKey: .totalKey)
        try container.encode(totalSize, forKey: .totalSize)
        try container.encode(liveKeys, forKey: .liveKeys)
        try container.encode(tombstones, forKey: .tombstones)
        try container.encode(firstRevision, forKey: .firstRevision)
        try container.encode(compactRevision, forKey: .compactRevision)
        try container.encode(consistentIndex, forKey: .consistentIndex)
        try container.encode(raftTerm, forKey: .raftTerm)
        try container.encode(fragmentation, forKey: .fragmentation)
        try container.encode(leases, forKey: .leases)
        try container.encode(alarms, forKey: .alarms)
        try container.encode(authEnabled, forKey: .authEnabled)
        try container.encode(etcdVersion, forKey: .etcdVersion)
        try container.encode(members, forKey: .members)
        try container.encode(removedMembers, forKey: .removedMembers)
        try container.encode(raftVoters, forKey: .raftVoters)
        try container.encode(raftLearners, forKey: .raftLearners)
        try container.encode(resources, forKey: .resources)
        try container.encode(modified, forKey: .modified)
        try container.encode(findings, forKey: .findings)
        try container.encode(findingCount, forKey: .findingCount)
        try container.encode(errorCount, forKey: .errorCount)
    }
}
