package import Foundation

extension RealNodes {
    /// Packs the built program into an image, and brings it to every node.
    /// - Returns: the image's name.
    package func load(in folder: URL) async throws -> String {
        let image = "drydock.dev/drydock:lab"
        let tar = folder.appendingPathComponent("image.tar").path
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../Scripts/image").standardizedFileURL
        let packed = try await CommandRun.run(script.path, [BuiltProgram.path, image, tar])
        guard packed.status == 0 else { throw LocalEtcdCluster.Failure(description: packed.errors) }
        for node in try await kubectl("get", "nodes", "-o", "name").split(separator: "\n").map({ String($0.dropFirst("node/".count)) }) {
            // The lab's load balancer has no way back to pods of its own.
            let address = try await kubectl("get", "node", node, "-o", "jsonpath={.status.addresses[0].address}")
            let last = address.split(separator: ".").last ?? ""
            _ = try await run(["ip", "route", "replace", "10.244.\(last).0/24", "via", address])
            let imported = try await CommandRun.run(
                "/bin/sh", ["-c", "\(self.folder)/run ssh \(node) ctr -n k8s.io images import - <\(tar) >/dev/null"])
            guard imported.status == 0 else { throw LocalEtcdCluster.Failure(description: "\(node): \(imported.errors)") }
        }
        return image
    }

    /// Where pods find the API: the lab's load balancer, for its kernel has no rules for services.
    package static let apiServer = "10.88.0.2:6443"
}
