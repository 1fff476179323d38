import Crypto
import Foundation
import Proving
import SystemPackage
import Testing

@testable import EtcdStorage
import Maintenance
import ProtobufWire

/// Makes databases with our writer, entry by entry.
private func database(pageSize: Int = 4096, _ buckets: [(String, [BoltEntry])]) throws -> [UInt8] {
    var pages: [UInt8] = []
    var writer = BoltWriter(pageSize: pageSize, firstPage: 2) { pages.append(contentsOf: $0) }
    for (name, entries) in buckets {
        writer.beginBucket(Array(name.utf8))
        for entry in entries { try writer.put(entry) }
        try writer.endBucket()
    }
    let (root, highWater) = try writer.finish()
    var meta = Meta(pageSize: UInt32(pageSize), root: root, rootSequence: 0, highWater: highWater, transaction: 2)
    let first = meta.encoded(id: 0)
    meta.transaction = 1
    let image = first + meta.encoded(id: 1) + pages
    return image + Array(SHA256.hash(data: image))
}

/// A put of `key` at `revision`, as etcd stores it.
private func put(_ revision: Int64, _ key: String, value: [UInt8] = [1], version: UInt64 = 1, created: Int64? = nil) -> BoltEntry {
    var message = ProtobufWriter()
    message.bytes(1, Array(key.utf8))
    message.varint(2, UInt64(created ?? revision))
    message.varint(3, UInt64(revision))
    message.varint(4, version)
    message.bytes(5, value)
    return BoltEntry(key: Revision(main: revision).encoded, value: message.bytes)
}

private func verify(_ bytes: [UInt8], skipHashCheck: Bool = false) async throws -> SnapshotReport {
    try await BuiltProgram.withFolder { folder in
        let file = folder.appendingPathComponent("made.db")
        try Data(bytes).write(to: file)
        return try await SnapshotVerifier(path: FilePath(file.path), skipHashCheck: skipHashCheck).verify()
    }
}

@Suite struct BoltTests {
    @Test(arguments: [1024, 4096, 16384, 65536])
    func `What the writer writes the walk finds sound, whatever the page size and the size of the values`(pageSize: Int) async throws {
        var generator = SplitMix(seed: UInt64(pageSize))
        let sizes = [0, 1, 100, 1000, 5000, 70_000]
        let entries = (2..<3000).map { put($0, "k\($0)", value: generator.bytes(sizes[Int($0) % ($0 % 50 == 0 ? 6 : 4)])) }
        let report = try await verify(try database(pageSize: pageSize, [("key", entries), ("meta", [])]))
        #expect(report.findings == [])
        #expect(report.liveKeys == Int64(entries.count))
        #expect(report.totalKey == Int64(entries.count))
        #expect(report.fragmentation == 0)
    }

    @Test func `A level of branches never ends in a page with one child`() async throws {
        // Around the number of children that fill one branch page of 1 KiB, and of two levels.
        for count in [1, 2, 30, 31, 32, 33, 61, 62, 63, 64, 65, 900, 961, 962, 1000] {
            let entries = (0..<count).map { put(Int64($0) + 2, "k", value: [UInt8](repeating: 7, count: 900)) }
            let marked = entries.enumerated().map { index, entry in
                index == 0 ? entry : put(Int64(index) + 2, "k", value: [UInt8](repeating: 7, count: 900), version: UInt64(index) + 1, created: 2)
            }
            let report = try await verify(try database(pageSize: 1024, [("key", marked), ("meta", [])]))
            #expect(report.findings == [], "with \(count) leaves")
        }
    }

    @Test func `Both meta pages come back as they were encoded`() throws {
        let meta = Meta(pageSize: 4096, root: 5, rootSequence: 0, highWater: 9, transaction: 77)
        #expect(try Meta(meta.encoded(id: 0).span.bytes) == meta)
        for index in 16..<80 {
            var damaged = meta.encoded(id: 0)
            damaged[index] ^= 1
            #expect(throws: Meta.Defect.self) { try Meta(damaged.span.bytes) }
        }
    }

    @Test func `A missing bucket, a wrong mod revision and a torn value are each named`() async throws {
        #expect(try await verify(try database([("meta", [])])).findings.map(\.code) == [.bucketMissing])
        #expect(
            try await verify(try database([("key", [BoltEntry(key: Revision(main: 3).encoded, value: put(4, "a").value)]), ("meta", [])])).findings
                .map(\.code) == [.valueInvalid])
        #expect(
            try await verify(try database([("key", [BoltEntry(key: Revision(main: 3).encoded, value: [0xff])]), ("meta", [])])).findings.map(\.code)
                == [.valueInvalid])
        #expect(
            try await verify(try database([("key", [BoltEntry(key: [1, 2, 3], value: put(4, "a").value)]), ("meta", [])])).findings.map(\.code) == [
                .revisionInvalid
            ])
    }

    @Test(arguments: [[UInt8](), [0], Array("no database at all".utf8), [UInt8](repeating: 0, count: 8192)])
    func `What is no database is wrong input, not damage`(_ bytes: [UInt8]) async throws {
        await #expect { try await verify(bytes) } throws: { ($0 as? StorageError)?.code == .notASnapshot }
    }

    @Test func `Any number of warnings hides no error`() async throws {
        let alarms = (1...300).map { number -> BoltEntry in
            var message = ProtobufWriter()
            message.varint(1, UInt64(number))
            message.varint(2, 1)
            return BoltEntry(key: message.bytes, value: [])
        }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var bytes = try database([("alarm", alarms), ("key", [put(2, "a")]), ("meta", [])])
        #expect(try await verify(bytes).isSound)
        bytes[bytes.count - 1] ^= 1
        let report = try await verify(bytes)
        #expect(!report.isSound)
        #expect(report.findings.contains { $0.code == .sha256Mismatch })
    }

    @Test func `A file without digest is accepted when asked to`() async throws {
        let bytes = Array(try database([("key", [put(2, "a")]), ("meta", [])]).dropLast(32))
        #expect(try await verify(bytes).findings.map(\.code) == [.sha256Absent])
        #expect(try await verify(bytes, skipHashCheck: true).isSound)
    }

    /// One field of a page each, set to what bbolt's rules forbid; the digest fits. Offsets are those of the file formats.
    @Test(arguments: ["id", "kind", "count", "overflow", "pos", "ksize", "vsize", "child out of bounds", "child twice", "key order"])
    func `Damage under a digest that fits it is found wherever bbolt's rules are broken`(_ what: String) async throws {
        let entries = (2..<400).map { put($0, "key-\($0)", value: [UInt8](repeating: 1, count: 100)) }
        var bytes = Array(try database([("key", entries), ("meta", [])]).dropLast(32))
        let leaf = 2 * 4096
        let branch = try #require((2..<bytes.count / 4096).first { bytes[$0 * 4096 + 8] == 1 }) * 4096
        switch what {
        case "id": bytes[leaf] ^= 8
        case "kind": bytes[leaf + 8] = 0x10
        case "count": bytes[leaf + 10] -= 1
        case "overflow": bytes[leaf + 12] = 1
        case "pos": bytes[leaf + 16 + 4] ^= 1
        case "ksize": bytes[leaf + 16 + 8] ^= 1
        case "vsize": bytes[leaf + 16 + 12] ^= 1
        case "child out of bounds": bytes[branch + 16 + 8 + 2] = 0xff
        case "child twice": bytes.replaceSubrange(branch + 32 + 8..<branch + 32 + 16, with: bytes[branch + 16 + 8..<branch + 16 + 16])
        default: bytes[leaf + 16 + 16 * Int(bytes[leaf + 10])] = 0x40
        }
        let report = try await verify(bytes + Array(SHA256.hash(data: bytes)))
        #expect(report.sha256 == .match)
        #expect(!report.isSound, "\(what) passed")
    }
}

@Suite struct LiveKeyCounterTests {
    @Test func `Agrees with a dictionary of keys through puts and deletes`() {
        var generator = SplitMix(seed: 3)
        var counter = LiveKeyCounter()
        var model: [String: Bool] = [:]
        for _ in 0..<50_000 {
            let key = "/registry/pods/\(Int.random(in: 0..<9000, using: &generator))"
            let live = Int.random(in: 0..<3, using: &generator) > 0
            counter.note(key: Array(key.utf8).span.bytes, live: live)
            model[key] = live
        }
        #expect(counter.count == Int64(model.values.count { $0 }))
    }
}

@Suite struct ResourceUsageTests {
    @Test(arguments: [
        ("/registry/pods/default/web", "/registry/pods"), ("/registry/apps.example.com/widgets/default/w", "/registry/apps.example.com/widgets"),
        ("/registry/services/specs/default/kubernetes", "/registry/services/specs"), ("/registry/masterleases/10.0.0.1", "/registry/masterleases"),
        ("/other/thing", "/other"), ("plain/thing", "plain"), ("plain", ResourceUsageTable.other), ("", ResourceUsageTable.other),
        ("/registry/pods", ResourceUsageTable.other), ("/", ResourceUsageTable.other),
    ])
    func `A key belongs to its resource`(key: String, resource: String) {
        var table = ResourceUsageTable()
        table.add(key: Array(key.utf8).span.bytes, bytes: 10)
        #expect(table.top(5).map(\.resource) == [resource])
    }
}
