internal import EtcdStorage
internal import Foundation
internal import NodeAccess
internal import SystemPackage

/// Where a restore's files are on every host.
package struct RestorePaths: Codable, Sendable, Equatable {
    /// Of static pods.
    package var manifests: String
    /// Tells this restore's files from those of others.
    package var tag: String

    package init(manifests: String = "/etc/kubernetes/manifests", tag: String) {
        self.manifests = manifests
        self.tag = tag
    }

    /// Manifests that were taken away, and files that were replaced. Not among the manifests: the kubelet starts whatever is there.
    var aside: String { "\((manifests as NSString).deletingLastPathComponent)/drydock-\(tag)" }

    // Inside the data directory, so that a rename is enough also when it is a disk of its own.
    func staged(_ host: ControlPlaneHost) -> String { "\(host.dataDirectory)/member.restored-\(tag)" }
    func before(_ host: ControlPlaneHost) -> String { "\(host.dataDirectory)/member.before-\(tag)" }
    /// What was restored, once it was taken back.
    func after(_ host: ControlPlaneHost) -> String { "\(host.dataDirectory)/member.taken-back-\(tag)" }
}

/// What a host says of itself before a restore.
struct RestoreFacts: Sendable {
    var host: ControlPlaneHost
    /// Of etcd's image; nil where its tag is no version.
    var etcdVersion: String?
    /// Of what lies in its data directory; nil where nothing does.
    var clusterID: UInt64?
    /// Bytes.
    var freeSpace: Int64
    var hasKubelet: Bool
    /// Whether its manifests come from the backup alone.
    var isBare: Bool
    /// Whether a process of this etcd runs there.
    var runsEtcd: Bool
    /// Other members that its manifest knows.
    var peers: [String]

    /// How much of a log's beginning is fetched, bytes: its second record says whose it is.
    private static let logHead = 64 << 10

    /// - Parameter files: the host's, from the backup.
    /// - Throws: `NodeError` when it cannot be reached, `OperationError` when it is no control-plane host.
    static func read(_ access: NodeAccess, _ paths: RestorePaths, files: NodeFiles?) async throws -> RestoreFacts {
        var pods: [Component: StaticPod] = [:]
        var running: [Component] = []
        for component in [Component.etcd] + Component.servers {
            let path = "\(paths.manifests)/\(component.rawValue).yaml"
            let text = try await access.text("if [ -f \(NodeAccess.quoted(path)) ]; then cat \(NodeAccess.quoted(path)); fi")
            if !text.isEmpty {
                pods[component] = try StaticPod(parsing: text, from: "\(path) on \(access.name)")
                running.append(component)
            } else if let kept = files?.text(path) {
                pods[component] = try StaticPod(parsing: kept, from: "\(path) of \(access.name) in the backup")
            }
        }
        guard let etcd = pods[.etcd] else {
            throw OperationError(
                .invalid,
                "\(access.name) has no \(paths.manifests)/etcd.yaml, and the backup holds none of it. Leave it out, and let it join afterwards (kubeadm join --control-plane)."
            )
        }
        guard etcd.flags["wal-dir"] == nil else {
            throw OperationError(
                .refused, "the etcd of \(access.name) has a --wal-dir. Use `drydock backup fetch` and `drydock snapshot restore --wal-dir` on it.")
        }
        let host = try ControlPlaneHost(
            access, etcd, pods[.apiServer], running: running, starting: ([.etcd] + Component.servers).filter { pods[$0] != nil })
        let data = NodeAccess.quoted(host.dataDirectory)
        let kubelet = try await access.text(
            "for comm in /proc/[0-9]*/comm; do if read -r name <\"$comm\" && [ \"$name\" = kubelet ]; then echo yes; break; fi; done 2>/dev/null")
        let space = try await access.text("folder=\(data); while [ ! -d \"$folder\" ]; do folder=$(dirname \"$folder\"); done; df -Pk \"$folder\"")
        return RestoreFacts(
            host: host, etcdVersion: etcd.version, clusterID: try await clusterID(access, host), freeSpace: freeSpace(space),
            hasKubelet: !kubelet.isEmpty, isBare: !running.contains(.etcd),
            runsEtcd: try await access.text(host.pods(paths).whichRun([.etcd])).hasPrefix("etcd"),
            peers: (etcd.flags["initial-cluster"] ?? "").split(separator: ",").compactMap { $0.split(separator: "=").first.map(String.init) })
    }

    /// The fourth column of `df -Pk`.
    private static func freeSpace(_ text: String) -> Int64 {
        let columns = text.split(separator: "\n").last?.split(separator: " ") ?? []
        guard columns.count >= 6, let kilobytes = Int64(columns[columns.count - 3]) else { return .max }
        return kilobytes.multipliedReportingOverflow(by: 1024).partialValue
    }

    /// The cluster whose log lies in the data directory: its metadata record names it.
    private static func clusterID(_ access: NodeAccess, _ host: ControlPlaneHost) async throws -> UInt64? {
        var head: [UInt8] = []
        let wal = NodeAccess.quoted("\(host.dataDirectory)/member/wal")
        try await access.run(
            "for log in \(wal)/*.wal; do if [ -f \"$log\" ]; then head -c \(logHead) \"$log\"; break; fi; done"
        ) { head += $0.prefix(logHead) }
        guard !head.isEmpty else { return nil }
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-\(UUID().uuidString).wal")
        guard FileManager.default.createFile(atPath: file.path, contents: Data(head), attributes: [.posixPermissions: 0o600]) else {
            throw OperationError(.stopped, "cannot write \(file.path). Make room there.")
        }
        defer { try? FileManager.default.removeItem(at: file) }
        var reader = try WALReader(path: FilePath(file.path))
        return try reader.check().clusterID
    }
}
