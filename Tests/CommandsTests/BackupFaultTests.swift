import Etcd
import Foundation
import Maintenance
import ObjectStore
import Operations
import Proving
import Testing

/// Backups to a real S3 server through a proxy that misbehaves, and backups that are killed.
@Suite(.timeLimit(.minutes(40)))
struct BackupFaultTests {
    private struct Desk: Sendable {
        let cluster: LocalEtcdCluster
        let server: SeaweedFS
        let folder: URL

        var environment: [String: String] {
            server.environment.filter { $0.key != "AWS_ENDPOINT_URL_S3" }.merging(["HOME": folder.path, "XDG_STATE_HOME": folder.path]) { $1 }
        }

        /// The bucket, directly or through something.
        func location(_ bucket: String, _ endpoint: URL? = nil, timeout: Int = 60) -> String {
            "s3://\(bucket)?endpoint=\((endpoint ?? server.endpoint).absoluteString)&timeout=\(timeout)"
        }

        func callAsFunction(_ words: [String]) async throws -> CommandRun { try await BuiltProgram.run(["backup"] + words, environment: environment) }

        func create(_ location: String, cluster name: String) async throws -> CommandRun {
            try await self(["create", "--location", location, "--cluster", name, "--compression", "0"] + cluster.flags)
        }

        /// The ids of the backups that a location lists.
        func list(_ location: String) async throws -> [String] {
            let run = try await self(["list", "--location", location, "-o", "json"])
            let rows = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]], "\(run.errors)")
            return rows.compactMap { $0["id"] as? String }
        }
    }

    private func withDesk(megabytes: Int = 24, _ body: @escaping @Sendable (Desk) async throws -> Void) async throws {
        try await LocalEtcdCluster.running { cluster in
            var data = SplitMix(seed: 3)
            // Some parts of an upload.
            try await EtcdClient.connected(try cluster.configuration) { client in
                for index in 0..<megabytes { _ = try await client.put([("/large/\(index)", data.bytes(1 << 20))]) }
            }
            try await SeaweedFS.running { server in
                for bucket in ["near", "far"] { try await server.store(bucket) { try await $0.makeBucket(withObjectLock: false) } }
                try await BuiltProgram.withFolder { try await body(Desk(cluster: cluster, server: server, folder: $0)) }
            }
        }
    }

    @Test func `Whatever the network and the service do, a backup is whole or it is none, and what can pass passes`() async throws {
        try await withDesk { desk in
            let seed = UInt64.random(in: 0...UInt64.max)
            print("seed \(seed)")
            for (index, fault) in FaultyStoreProxy.Fault.allCases.enumerated() {
                try await FaultyStoreProxy.running(before: desk.server.endpoint, faults: [fault], share: 0.2, seed: seed &+ UInt64(index)) { proxy in
                    let name = fault.rawValue
                    let through = desk.location("near", proxy.endpoint, timeout: fault == .silence ? 1 : 60)
                    let made = try await desk.create(through, cluster: name)
                    let verified = try await desk(["verify", "latest", "--deep", "--cluster", name, "--location", through])
                    let copied = try await desk(["copy", "all", "--from", through, "--location", desk.location("far")])
                    let file = desk.folder.appendingPathComponent(name).path
                    let fetched = try await desk(["fetch", name, file, "--location", through])
                    let comment =
                        "\(name) \(proxy.counts) of \(proxy.requests): \(made.errors)\(verified.errors)\(copied.output)\(copied.errors)\(fetched.errors)"
                    switch fault {
                    case .flip:
                        // Bytes that change on their way are never taken for what was stored; whoever asks again gets the right ones.
                        #expect([0, 2, 3].contains(verified.status) && [0, 2, 3].contains(fetched.status), "\(comment)")
                    case .expired:
                        // New credentials are asked for once; that the same ones come is the end of it.
                        break
                    default:
                        #expect([made, verified, copied, fetched].allSatisfy { $0.status == 0 }, "\(comment)")
                    }
                    if fetched.status == 0 {
                        let sound = try await BuiltProgram.run(["snapshot", "verify", file], environment: desk.environment)
                        #expect(sound.status == 0, "\(comment)\(sound.output)")
                    } else {
                        #expect(!FileManager.default.fileExists(atPath: file), "\(comment)")
                    }
                }
            }
            // Without the proxy: what is listed is whole, in both places.
            for bucket in ["near", "far"] {
                let ids = try await desk.list(desk.location(bucket))
                #expect(ids.count >= 8, "\(ids)")
                for id in ids {
                    let run = try await desk(["verify", id, "--deep", "--location", desk.location(bucket)])
                    #expect(run.status == 0, "\(bucket) \(id): \(run.output)\(run.errors)")
                }
            }
        }
    }

    @Test func `An upload that was broken off is gone on with, and what the server has is not sent again`() async throws {
        try await withDesk(megabytes: 42) { desk in
            #expect(try await desk.create(desk.location("near"), cluster: "resumed").status == 0)
            let store = try S3Location(parsing: desk.location("near"), environment: desk.environment)
            // A first attempt, which is given up when three of its parts are still on their way.
            try await S3Store.connected(store, environment: desk.environment) { near in
                let backup = try await BackupCatalog(near).find("latest")
                let key = "\(backup.id)/\(backup.manifest.parts[0].name)"
                let target = try S3Location(parsing: desk.location("far"), environment: desk.environment)
                try await S3Store.connected(target, environment: desk.environment) { far in
                    let writer = try await far.begin(key, PutOptions(ifAbsent: false, resumes: true))
                    try await near.read(key, nil) { try await writer.write(Array($0)) }
                    await writer.abandon()
                    let left = try await far.unfinished("")
                    #expect(left.count == 1)
                }
            }
            try await FaultyStoreProxy.running(before: desk.server.endpoint, faults: [], share: 0, seed: 1) { proxy in
                let folder = desk.folder.appendingPathComponent("between").path
                // Over a folder, so that the service does not copy by itself.
                #expect(try await desk(["copy", "latest", "--from", desk.location("near"), "--location", folder]).status == 0)
                let copied = try await desk(["copy", "latest", "--from", folder, "--location", desk.location("far", proxy.endpoint)])
                #expect(copied.status == 0 && copied.output.contains("copied"), "\(copied.output)\(copied.errors)")
                let parts = proxy.uploadedParts
                #expect(!parts.contains(1) && !parts.contains(2) && (1...4).contains(parts.count), "of seven the first two were there: \(parts)")
            }
            #expect(try await desk(["verify", "latest", "--deep", "--location", desk.location("far")]).status == 0)
            try await S3Store.connected(try S3Location(parsing: desk.location("far"), environment: desk.environment), environment: desk.environment) {
                let left = try await $0.unfinished("")
                #expect(left.isEmpty)
            }
        }
    }

    private static let takesAll = ProcessInfo.processInfo.environment["DRYDOCK_FAULTS"] == "all"

    @Test func `Killed at any moment, creating, copying and pruning leave nothing listed that does not restore`() async throws {
        try await withDesk { desk in
            let seed = UInt64.random(in: 0...UInt64.max)
            var generator = SplitMix(seed: seed)
            let (near, far) = (desk.location("near"), desk.location("far"))
            // How long each takes undisturbed.
            func seconds(_ words: [String]) async throws -> Double {
                let began = ContinuousClock.now
                let run = try await desk(words)
                try #require(run.status == 0, "\(words): \(run.errors)")
                return (ContinuousClock.now - began).seconds
            }
            let create = ["create", "--location", near, "--cluster", "killed", "--compression", "0"] + desk.cluster.flags
            let copy = ["copy", "all", "--from", near, "--location", far]
            let prune = ["prune", "--keep-last", "1", "--cluster", "killed", "--location", near]
            let lasting = [try await seconds(create), try await seconds(copy), try await seconds(prune)]
            let moments = Self.takesAll ? 50 : 15
            print("seed \(seed): \(moments) kills; undisturbed \(lasting)")
            var landed = 0
            for moment in 0..<moments {
                let which = moment % 3
                // A prune needs something to take away.
                if which == 2 { _ = try await desk(create) }
                let delay = Double.random(in: 0...lasting[which], using: &generator)
                let running = try CommandRun.Running(
                    BuiltProgram.path, ["backup"] + [create, copy, prune][which], environment: desk.environment)
                let limit = ContinuousClock.now + .seconds(delay)
                while running.isRunning, ContinuousClock.now < limit { await Task.yield() }
                running.send(SIGKILL)
                if await running.finish().status == 128 + SIGKILL { landed += 1 }
                for location in [near, far] {
                    // Listing says of every backup that its objects are there.
                    let list = try await desk(["list", "--location", location])
                    #expect(list.status == 0, "moment \(moment), \(which) after \(delay) s: \(list.output)\(list.errors)")
                }
            }
            #expect(landed >= moments / 4, "\(landed) of \(moments) were killed at work")
            for location in [near, far] {
                for id in try await desk.list(location) {
                    let run = try await desk(["verify", id, "--deep", "--location", location])
                    #expect(run.status == 0, "\(location) \(id): \(run.output)\(run.errors)")
                }
                // What was broken off is found, and goes; nothing else does.
                let before = try await desk.list(location)
                let orphans = try await desk(["prune", "--orphans", "--orphan-age", "1ms", "--cluster", "killed", "--location", location])
                #expect(orphans.status == 0, "\(orphans.errors)")
                #expect(try await desk.list(location) == before)
                let place = try S3Location(parsing: location, environment: desk.environment)
                try await S3Store.connected(place, environment: desk.environment) { store in
                    let listing = try await BackupCatalog(store).list()
                    let left = try await store.unfinished("")
                    #expect(listing.strays.isEmpty && left.isEmpty, "\(listing.strays) \(left)")
                    #expect(listing.backups.allSatisfy { $0.faults.isEmpty } && !listing.backups.isEmpty)
                }
            }
            let drill = try await desk(["drill", "latest", "--location", near, "--etcd", desk.cluster.options.release.server])
            #expect(drill.status == 0, "\(drill.output)\(drill.errors)")
        }
    }

    @Test func `A bit that changed anywhere in a stored object is found and named, by a deep check and by a drill`() async throws {
        try await LocalEtcdCluster.running(.init(usesTLS: true)) { cluster in
            var data = SampleData(seed: 11)
            let pairs = data.next(400)
            try await EtcdClient.connected(try cluster.configuration) { try await $0.putAll(pairs) }
            try await BuiltProgram.withFolder { folder in
                let identity = AgeIdentity.generate()
                let key = folder.appendingPathComponent("key").path
                try Data("\(identity.secret ?? "")\n".utf8).write(to: URL(fileURLWithPath: key))
                let store = folder.appendingPathComponent("store").path
                let environment = ["HOME": folder.path, "XDG_STATE_HOME": folder.path]
                let made = try await BuiltProgram.run(
                    [
                        "backup", "create", "--location", store, "--recipient", identity.recipient ?? "", "--host", "local", "--files",
                        cluster.pki.path,
                    ]
                        + cluster.flags, environment: environment)
                try #require(made.status == 0, "\(made.output)\(made.errors)")
                let objects = try #require(FileManager.default.enumerator(atPath: store)).compactMap { $0 as? String }.filter {
                    $0.hasSuffix(".age") || $0.hasSuffix("manifest.json")
                }
                #expect(objects.count == 3, "\(objects)")
                let seed = UInt64.random(in: 0...UInt64.max)
                var generator = SplitMix(seed: seed)
                print("seed \(seed)")
                for object in objects {
                    let url = URL(fileURLWithPath: "\(store)/\(object)")
                    let name = url.lastPathComponent
                    let whole = try Data(contentsOf: url)
                    // The ends, the border of the header, and by chance.
                    let places = [0, 100, 199, whole.count - 1] + (0..<12).map { _ in Int.random(in: 0..<whole.count, using: &generator) }
                    for place in places {
                        var changed = whole
                        changed[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
                        try changed.write(to: url)
                        for words in [
                            ["verify", "latest", "--deep"], ["verify", "latest", "--deep", "--identity", key],
                            ["drill", "latest", "--identity", key, "--etcd", cluster.options.release.server],
                        ] {
                            let run = try await BuiltProgram.run(["backup"] + words + ["--location", store], environment: environment)
                            #expect(
                                run.status == 3 && run.errors.contains(name),
                                "\(name) at \(place), \(words[0]): \(run.status) \(run.output)\(run.errors)")
                        }
                    }
                    try whole.write(to: url)
                }
                let sound = try await BuiltProgram.run(
                    ["backup", "drill", "latest", "--identity", key, "--etcd", cluster.options.release.server, "--location", store],
                    environment: environment)
                #expect(sound.status == 0, "\(sound.output)\(sound.errors)")
            }
        }
    }
}
