package import ClusterTwin
package import Foundation

/// A twin that is served over HTTP, as `drydock twin serve` does it, for as long as a closure runs.
package struct ServedTwin: Sendable {
    package let twin: Twin
    package let kubeconfig: URL

    /// - Parameter speed: of its clock.
    package static func running<Result: Sendable>(
        _ options: TwinOptions = TwinOptions(), speed: Double = 1, fill: (Twin) throws -> Void,
        body: @escaping @Sendable (ServedTwin) async throws -> Result
    ) async throws -> Result {
        var options = options
        options.start = Date()
        let server = TwinServer(options: options, port: 0, speed: speed)
        try fill(server.twin)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-twin-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let kubeconfig = folder.appendingPathComponent("kubeconfig")
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                try await server.run { port.yield($0) }
                return nil
            }
            group.addTask {
                for await port in ports {
                    try Data(TwinServer.kubeconfig(port: port).utf8).write(to: kubeconfig)
                    return try await body(ServedTwin(twin: server.twin, kubeconfig: kubeconfig))
                }
                throw LocalEtcdCluster.Failure(description: "the twin did not begin to listen")
            }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let result = next { return result }
            }
            throw LocalEtcdCluster.Failure(description: "the twin ended")
        }
    }
}
