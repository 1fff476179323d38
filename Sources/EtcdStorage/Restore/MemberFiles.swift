internal import Glibc
package import SystemPackage

/// The files of a restored member beside its database: the first WAL segment and the raft snapshot.
///
/// Layout: `<data>/member/snap/db`, `<data>/member/snap/<term>-<index>.snap`, `<data>/member/wal/<sequence>-<index>.wal`.
package struct MemberFiles: Sendable {
    /// Bytes that a member needs beside its database, nearly all of them for the first WAL segment.
    package static let logSize = Int64(WALRecord.segmentSize + 65536)

    private let identity: ClusterIdentity
    private let member: Member

    package init(identity: ClusterIdentity, member: Member) {
        self.identity = identity
        self.member = member
    }

    /// Where the database goes in a data directory.
    package static func database(in data: FilePath) -> FilePath { data.appending("member").appending("snap").appending("db") }

    /// Writes both files into folders that exist, durably, and reads them back.
    package func write(snapFolder: FilePath, walFolder: FilePath) throws {
        let snap = snapFolder.appending(SnapFile.name(term: 1, index: UInt64(identity.members.count)))
        try write(SnapFile(restored: identity).encoded, to: snap, size: nil)
        guard try SnapFile(path: snap) == SnapFile(restored: identity) else {
            throw StorageError(.damaged, "\(snap) does not read back as it was written. Check the disk.")
        }
        let wal = walFolder.appending(WALRecord.segmentName(sequence: 0, index: 0))
        try write(WALWriter.restored(identity, member: member), to: wal, size: WALRecord.segmentSize)
        var reader = try WALReader(path: wal)
        let report = try reader.check()
        guard !report.findings.hasErrors, report.nodeID == member.id, report.lastIndex == UInt64(identity.members.count) else {
            throw StorageError(.damaged, "\(wal) does not read back as it was written. Check the disk.")
        }
    }

    private func write(_ bytes: [UInt8], to path: FilePath, size: Int?) throws(StorageError) {
        do {
            let descriptor = try FileDescriptor.open(
                path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
            defer { try? descriptor.close() }
            _ = try bytes.withUnsafeBytes { try descriptor.writeAll($0) }
            if let size {
                let code = posix_fallocate(descriptor.rawValue, 0, off_t(size))
                guard code == 0 else { throw Errno(rawValue: code) }
            }
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch { throw StorageError.writing(path, error) }
    }
}
