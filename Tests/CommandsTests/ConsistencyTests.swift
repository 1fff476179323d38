import Etcd
import Foundation
import Proving
import SystemPackage
import Testing

@testable import EtcdStorage

/// Copies a database entry by entry, and changes the last byte of one value on the way.
private struct EditingVisitor: BoltVisitor {
    var writer: BoltWriter
    var isEdited = false
    private var isKeyBucket = false

    init(writer: BoltWriter) { self.writer = writer }

    mutating func enterBucket(_ name: [UInt8], value: [UInt8]) {
        isKeyBucket = name == Array("key".utf8)
        writer.beginBucket(name)
    }

    mutating func visit(key: RawSpan, value: RawSpan, at place: Place) throws {
        var bytes = value.array()
        if isKeyBucket, !isEdited, let last = bytes.indices.last {
            bytes[last] ^= 1
            isEdited = true
        }
        try writer.put(BoltEntry(key: key.array(), value: bytes))
    }

    mutating func leaveBucket() throws { try writer.endBucket() }

    mutating func found(_ finding: Finding) { Issue.record("\(finding)") }
}

/// Writes the database at `path` anew with one bit of one value changed: a sound file that says something else.
private func changeOneBit(of path: String) throws {
    var findings = Findings()
    let image = try #require(try BoltImage(file: RandomAccessFile(path: FilePath(path)), findings: &findings))
    var pages: [UInt8] = []
    let writer = BoltWriter(pageSize: image.pageSize, firstPage: 2) { pages.append(contentsOf: $0) }
    var walk = BoltWalk(image: image, visitor: EditingVisitor(writer: writer)) { _ in }
    try walk.run()
    #expect(walk.visitor.isEdited)
    let (root, highWater) = try walk.visitor.writer.finish()
    var meta = Meta(
        pageSize: image.meta.pageSize, root: root, rootSequence: image.meta.rootSequence, highWater: highWater,
        transaction: (image.meta.transaction & ~1) &+ 2)
    let first = meta.encoded(id: 0)
    meta.transaction &-= 1
    let second = meta.encoded(id: 1)
    func page(_ bytes: [UInt8]) -> [UInt8] { bytes + [UInt8](repeating: 0, count: image.pageSize - bytes.count) }
    try Data(page(first) + page(second) + pages).write(to: URL(fileURLWithPath: path))
}

@Suite(.enabled(if: EtcdRelease.mayRun, Comment(rawValue: EtcdRelease.missing)), .timeLimit(.minutes(30)))
struct ConsistencyTests {
    @Test(arguments: EtcdRelease.allCases)
    func `A member whose database was changed offline is named`(_ release: EtcdRelease) async throws {
        try await withDesk(.init(release: release, members: 3, usesTLS: true)) { desk in
            try await desk.makeGarbage(bytes: 256 << 10)
            #expect(try await desk.report("etcd consistency")["isConsistent"] as? Bool == true)
            let name = try await desk.follower().name
            let member = try #require(desk.cluster.members.first { $0.name == name })
            await desk.cluster.stop(member, signal: SIGTERM)
            try changeOneBit(of: member.dataFolder.appendingPathComponent("member/snap/db").path)
            try desk.cluster.start(member)
            try await desk.cluster.waitUntilServing()
            let report = try await desk.report("etcd consistency", status: 3)
            let verdicts = try #require(report["members"] as? [[String: Any]]).map { ($0["name"] as? String, $0["verdict"] as? String) }
            for (member, verdict) in verdicts { #expect(verdict == (member == name ? "differs" : "agrees"), "\(member ?? "")") }
            #expect(try await desk.drydock("etcd consistency").output.contains("\(name) differs from the majority"))
            #expect(try await desk.drydock("etcd audit").output.contains("\(name) differs"))
        }
    }
}
