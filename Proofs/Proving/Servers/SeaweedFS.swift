package import Foundation
package import ObjectStore

/// A real S3 server on the loopback interface, in a temporary folder, for as long as a closure runs.
package struct SeaweedFS: Sendable {
    package let endpoint: URL
    package let folder: URL
    private let process: CommandRun.Running
    private static let (accessKey, secretKey) = ("AKIADRYDOCKTEST", "a-secret-of-this-test-only")

    /// What clients find their credentials in; nothing else of AWS's.
    package var environment: [String: String] {
        [
            "AWS_ACCESS_KEY_ID": Self.accessKey, "AWS_SECRET_ACCESS_KEY": Self.secretKey, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": endpoint.absoluteString,
        ]
    }

    /// For logs that must not have it.
    package static var secret: String { secretKey }

    private static let program = ".tools/seaweedfs-4.48/weed"

    package static func running<Result: Sendable>(body: (SeaweedFS) async throws -> Result) async throws -> Result {
        // No slots: who needs a store beside other servers would wait for himself.
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-s3-\(UUID().uuidString)")
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await start(folder, body)) } catch { outcome = .failure(error) }
        try? FileManager.default.removeItem(at: folder)
        return try outcome.get()
    }

    private static func start<Result: Sendable>(_ folder: URL, _ body: (SeaweedFS) async throws -> Result) async throws -> Result {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let config = folder.appendingPathComponent("s3.json")
        let identity =
            #"{"name":"test","credentials":[{"accessKey":"\#(accessKey)","secretKey":"\#(secretKey)"}],"actions":["Admin","Read","Write","List","Tagging"]}"#
        try Data(#"{"identities":[\#(identity)]}"#.utf8).write(to: config)
        let ports = try FreePorts.take(8)
        let flags = zip(
            ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"], ports
        )
        .map { "-\($0)=\($1)" }
        let process = try CommandRun.Running(
            EtcdRelease.checkout.appendingPathComponent(program).path,
            [
                "server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=\(folder.path)", "-s3.config=\(config.path)", "-s3.port.iceberg=0",
                "-s3.port.lance=0", "-volume.max=400", "-master.volumeSizeLimitMB=128",
            ] + flags)
        let server = SeaweedFS(endpoint: URL(string: "http://127.0.0.1:\(ports[6])") ?? folder, folder: folder, process: process)
        do {
            try await server.waitUntilServing(process)
            let result = try await body(server)
            await end(process)
            return result
        } catch {
            await end(process)
            throw error
        }
    }

    private static func end(_ process: CommandRun.Running) async {
        process.send(SIGKILL)
        _ = await process.finish()
    }

    /// Returns when it takes a bucket and an object: it listens before it has a place for bytes.
    private func waitUntilServing(_ process: CommandRun.Running) async throws {
        let limit = ContinuousClock.now + .seconds(60)
        while true {
            do {
                try await store("ready") { store in
                    try await store.makeBucket(withObjectLock: false)
                    try await store.write([1], to: "probe", PutOptions(ifAbsent: false))
                }
                return
            } catch {
                guard process.isRunning, ContinuousClock.now < limit else {
                    throw LocalEtcdCluster.Failure(description: "SeaweedFS does not serve: \(error) \(process.errorsSoFar.suffix(1000))")
                }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// The server and its disk are gone.
    package func lose() async throws {
        await Self.end(process)
        try FileManager.default.removeItem(at: folder)
    }

    /// A location of this server.
    package func location(_ bucketAndPrefix: String) throws -> S3Location {
        try S3Location(parsing: "s3://\(bucketAndPrefix)", environment: environment)
    }

    package func store<Result>(_ bucketAndPrefix: String, body: (S3Store) async throws -> Result) async throws -> Result {
        try await S3Store.connected(try location(bucketAndPrefix), environment: environment, body: body)
    }
}
