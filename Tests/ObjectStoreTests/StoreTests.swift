import Foundation
@testable import ObjectStore
import Proving
import Synchronization
import Testing

/// What every store must do; a folder and a real S3 server.
@Suite(.timeLimit(.minutes(40)))
struct StoreTests {
    static func put(_ store: any ObjectStore, _ key: String, _ bytes: [UInt8], _ options: PutOptions = PutOptions()) async throws {
        let writer = try await store.begin(key, options)
        var rest = bytes[...]
        while !rest.isEmpty {
            try await writer.write(Array(rest.prefix(1 << 20)))
            rest = rest.dropFirst(1 << 20)
        }
        let info = try await writer.finish()
        #expect(info.key == key && info.size == UInt64(bytes.count))
    }

    static func get(_ store: any ObjectStore, _ key: String, _ range: Range<UInt64>? = nil) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        try await store.read(key, range) { bytes += $0 }
        return bytes
    }

    static func keys(_ store: any ObjectStore, _ prefix: String = "") async throws -> [String] {
        var keys: [String] = []
        try await store.list(prefix) { keys += $0.map(\.key) }
        return keys
    }

    static func code(_ body: () async throws -> Void) async -> StoreError.Code? {
        do { try await body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    private func suite(_ store: any ObjectStore) async throws {
        let odd = "a cluster/2026-11-25T02:00:00Z-42/ümlaut+plus&amp.bin"
        try await Self.put(store, odd, Array("hello".utf8))
        #expect(try await Self.get(store, odd) == Array("hello".utf8))
        #expect(try await Self.get(store, odd, 1..<3) == Array("el".utf8))
        #expect(try await store.head(odd)?.size == 5)
        #expect(try await store.head("nothing") == nil)
        #expect(await Self.code { _ = try await Self.get(store, "nothing") } == .missing)
        #expect(await Self.code { try await Self.put(store, odd, [1]) } == .exists)
        try await Self.put(store, odd, [], PutOptions(ifAbsent: false))
        #expect(try await Self.get(store, odd).isEmpty)
        for key in ["", "/a", "a//b", "../a", "a/..", "a\nb", "a\\b"] {
            #expect(await Self.code { _ = try await store.begin(key, PutOptions()) } == .configuration, "\(key)")
        }

        // Larger than two parts, and not a multiple of one.
        let large = (0..<40_000_003).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 13) }
        try await Self.put(store, "large", large)
        #expect(try await Self.get(store, "large") == large)
        #expect(try await Self.get(store, "large", 16_777_210..<16_777_230) == Array(large[16_777_210..<16_777_230]))

        let abandoned = try await store.begin("abandoned", PutOptions())
        try await abandoned.write(Array(large.prefix(20_000_000)))
        #expect(try await store.unfinished("").map(\.key).contains { $0.hasPrefix("abandoned") || $0.contains("partial") })
        await abandoned.abandon()
        #expect(try await store.head("abandoned") == nil)
        #expect(try await store.unfinished("").isEmpty)
        let dropped = try await store.begin("dropped", PutOptions())
        try await dropped.write(Array(large.prefix(20_000_000)))
        for left in try await store.unfinished("") { try await store.discard(left) }
        #expect(try await store.unfinished("").isEmpty)
        await dropped.abandon()

        for index in 0..<12 { try await Self.put(store, "list/\(index % 3)/\(index)", [UInt8(index)]) }
        #expect(try await Self.keys(store, "list/1/") == ["list/1/1", "list/1/10", "list/1/4", "list/1/7"])
        #expect(try await Self.keys(store, "list/").count == 12)
        try await store.delete("list/1/1")
        try await store.delete("list/1/1")
        #expect(try await Self.keys(store, "list/").count == 11)
    }

    @Test func `A folder is a store`() async throws {
        try await BuiltProgram.withFolder { folder in
            let store = try FolderStore(path: folder.appendingPathComponent("backups").path)
            try await suite(store)
            #expect(store.location == "file://\(folder.path)/backups")
            #expect(await Self.code { try await Self.put(store, "locked", [1], PutOptions(retainUntil: Date() + 60)) } == .configuration)
        }
    }

    @Test func `A bucket of a real S3 server is a store, which locks what it is told to, and copies by itself`() async throws {
        try await SeaweedFS.running { server in
            try await server.store("bucket/some/prefix") { store in
                try await store.makeBucket(withObjectLock: false)
                try await suite(store)
                try await server.store("other") { other in
                    try await other.makeBucket(withObjectLock: false)
                    #expect(try await other.copy("large", from: store, PutOptions()))
                    #expect(try await other.head("large")?.size == 40_000_003)
                }
            }
            try await server.store("locked") { store in
                try await store.makeBucket(withObjectLock: true)
                let until = Date() + 3600
                try await Self.put(store, "kept", [1, 2, 3], PutOptions(retainUntil: until))
                let info = try #require(try await store.head("kept"))
                #expect(abs(try #require(info.retainUntil).timeIntervalSince(until)) < 2)
                #expect(await Self.code { try await store.delete("kept") } == .locked)
                #expect(try await Self.get(store, "kept") == [1, 2, 3])
            }
            try await server.store("missing-bucket") { store in
                #expect(await Self.code { _ = try await Self.keys(store) } == .configuration)
            }
            var environment = server.environment
            environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
            let location = try S3Location(parsing: "s3://bucket", environment: environment)
            try await S3Store.connected(location, environment: environment) { store in
                let error = await #expect(throws: StoreError.self) { _ = try await Self.keys(store) }
                #expect(error?.code == .forbidden && error?.description.contains("wrong") == false)
            }
        }
    }

    @Test func `rclone reads what we wrote, and we what it wrote`() async throws {
        try await SeaweedFS.running { server in
            try await BuiltProgram.withFolder { folder in
                let bytes = (0..<20_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                try Data(bytes).write(to: folder.appendingPathComponent("theirs"))
                var environment = server.environment
                environment["RCLONE_CONFIG"] = "/dev/null"
                func rclone(_ arguments: String...) async throws {
                    let run = try await CommandRun.run(
                        EtcdRelease.checkout.appendingPathComponent(".tools/rclone-1.75.2/rclone").path,
                        arguments + ["--s3-provider=SeaweedFS", "--s3-env-auth", "--s3-endpoint=\(server.endpoint.absoluteString)"],
                        environment: environment)
                    #expect(run.status == 0, "\(run.errors)")
                }
                try await server.store("rclone") { store in
                    try await store.makeBucket(withObjectLock: false)
                    try await Self.put(store, "ours", bytes)
                    try await rclone("copyto", ":s3:rclone/ours", folder.appendingPathComponent("ours").path)
                    #expect(try Data(contentsOf: folder.appendingPathComponent("ours")) == Data(bytes))
                    try await rclone("copyto", folder.appendingPathComponent("theirs").path, ":s3:rclone/theirs")
                    #expect(try await Self.get(store, "theirs") == bytes)
                }
            }
        }
    }
}
