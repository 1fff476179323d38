import Foundation
import Proving
import SystemPackage
import Testing

@testable import EtcdStorage

@Suite struct WALTests {
    @Test func `A new log is, byte for byte, what etcd's own test expects`() {
        var writer = WALWriter()
        writer.append(.metadata, Array("somedata".utf8))
        writer.append(.snapshot, WALSnapshot(index: 0, term: 0).encoded)
        let expected =
            "0400000000000084" + "0804100000000000" + "1200000000000086" + "08011085d4fda0071a08736f6d6564617461" + "000000000000"
            + "0e00000000000082" + "08051080db81c1011a0408001000" + "0000"
        #expect(writer.bytes.map { String(format: "%02x", $0) }.joined() == expected)
    }

    @Test func `The log of a restored member reads back whole`() async throws {
        try await BuiltProgram.withFolder { folder in
            let identity = try ClusterIdentity(initialCluster: "a=http://h:1,b=http://h:2,c=http://h:3", token: "t")
            let path = FilePath(folder.path)
            try MemberFiles(identity: identity, member: identity.members[1]).write(snapFolder: path, walFolder: path)
            var reader = try WALReader(path: path.appending(WALRecord.segmentName(sequence: 0, index: 0)))
            let report = try reader.check()
            #expect(report.findings.kept == [])
            #expect(report.nodeID == identity.members[1].id)
            #expect(report.clusterID == identity.clusterID)
            #expect(report.hardState == HardState(term: 1, vote: identity.members[0].id, commit: 3))
            #expect(report.snapshots.last?.confState?.voters == identity.members.map(\.id))
            #expect(report.entries == 3)
            let snap = try SnapFile(path: path.appending(SnapFile.name(term: 1, index: 3)))
            #expect(snap.confState.voters == identity.members.map(\.id))
        }
    }

    @Test func `A log that ends inside its zeros is noticed`() async throws {
        try await BuiltProgram.withFolder { folder in
            let identity = try ClusterIdentity(initialCluster: "a=http://h:1", token: "t")
            let path = FilePath(folder.path).appending("0000000000000000-0000000000000000.wal")
            try Data(WALWriter.restored(identity, member: identity.members[0])).write(to: URL(fileURLWithPath: path.string))
            var reader = try WALReader(path: path)
            #expect(try reader.check().findings.kept.map(\.code) == [.walTail])
        }
    }
}
