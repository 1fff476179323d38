package import NodeAccess
internal import ObjectStore

/// The files that make a host a control-plane node: keys and certificates, static pod manifests, kubeadm's and the kubelet's configuration.
///
/// A backup holds them as one archive with a folder a node: `cp1/etc/kubernetes/pki/ca.key`.
package struct ControlPlaneFiles: Sendable {
    package static let content = "control-plane.tar"

    /// Where kubeadm and its packages keep them; what a host lacks is left out.
    package static let kubeadmPaths = [
        "/etc/kubernetes/pki", "/etc/kubernetes/manifests", "/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf",
        "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf", "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/config.yaml",
        "/var/lib/kubelet/kubeadm-flags.env", "/var/lib/kubelet/pki", "/etc/systemd/system/kubelet.service.d", "/etc/default/kubelet",
    ]

    /// Of all hosts together. Each has some hundred small files; more is somebody's mistake, and not taken for a control plane.
    static let bounds = TarReader.Bounds(entries: 20_000, bytes: 256 << 20)

    package var nodes: [NodeAccess]
    package var paths: [String]

    package init(nodes: [NodeAccess], paths: [String] = Self.kubeadmPaths) {
        self.nodes = nodes
        self.paths = paths
    }

    /// Writes the archive, node by node.
    /// - Throws: when a node cannot be reached, or has none of the paths.
    func write(to upload: PartUpload) async throws {
        var (entries, bytesInAll) = (0, UInt64(0))
        for node in nodes {
            var reader = TarReader(.init(entries: Self.bounds.entries - entries, bytes: Self.bounds.bytes - bytesInAll))
            var count = 0
            var size: UInt64 = 0
            do {
                try await node.run(script) { bytes in
                    for event in try reader.take(bytes[...]) {
                        switch event {
                        case .entry(var entry):
                            count += 1
                            entries += 1
                            size = entry.size
                            bytesInAll += size
                            entry.path = "\(node.name)/\(entry.path)"
                            try await upload.write(try TarWriter.header(entry)[...])
                        case .data(let bytes): try await upload.write(bytes[...])
                        case .end: try await upload.write(TarWriter.padding(after: size)[...])
                        }
                    }
                }
                guard count > 0 else {
                    throw OperationError(
                        .invalid, "\(node.name) has none of \(paths.joined(separator: ", ")): it is no control-plane node. Check --host.")
                }
                try reader.finish()
            } catch let error as TarError { throw OperationError(.stopped, "the files of \(node.name): \(error)") }
        }
        try await upload.write(TarWriter.end[...])
    }

    /// Reads the files of one node into memory.
    static func read(_ paths: [String], of node: NodeAccess) async throws -> NodeFiles {
        var parser = NodeFiles.Parser(of: node.name)
        do {
            var isEmpty = true
            try await node.run(ControlPlaneFiles(nodes: [node], paths: paths).script) { piece in
                isEmpty = false
                try parser.take(piece[...])
            }
            // None of them is there: no archive was made.
            if isEmpty { return NodeFiles() }
            return try parser.finish()[node.name] ?? NodeFiles()
        } catch let error as TarError { throw OperationError(.stopped, "the files of \(node.name): \(error)") }
    }

    private var script: String {
        """
        cd /
        set --
        for path in \(paths.map { NodeAccess.quoted(String($0.drop { $0 == "/" })) }.joined(separator: " ")); do
            if [ -e "$path" ]; then set -- "$@" "$path"; fi
        done
        # One file of two names is two files.
        option=
        if tar --version 2>/dev/null | grep -q GNU; then option=--hard-dereference; fi
        if [ $# -gt 0 ]; then tar -cf - $option -- "$@"; fi
        """
    }
}

/// The files of one node, as a backup holds them, in memory: a control plane has less than a megabyte of them.
struct NodeFiles: Sendable {
    struct File: Sendable {
        var entry: TarEntry
        var bytes: [UInt8]
    }

    /// Paths are relative to the node's root.
    private(set) var files: [File] = []

    /// The text of a file.
    func text(_ path: String) -> String? {
        let path = path.drop { $0 == "/" }
        return files.first { $0.entry.path == path && $0.entry.size > 0 }.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// A file, by its absolute path; where that is a link, what it leads to.
    func file(_ path: String) -> File? {
        var path = String(path.drop { $0 == "/" })
        // A link to a link to a link is somebody's mistake.
        for _ in 0..<4 {
            guard let found = files.first(where: { $0.entry.path == path }) else { return nil }
            guard case .link(let target) = found.entry.kind else { return found }
            let folder = path.split(separator: "/").dropLast().joined(separator: "/")
            path = target.hasPrefix("/") ? String(target.drop { $0 == "/" }) : folder.isEmpty ? target : "\(folder)/\(target)"
        }
        return nil
    }

    /// Absolute, of what is written.
    var paths: [String] { files.filter { $0.entry.kind != .folder }.map { "/" + $0.entry.path } }

    /// A link may lead anywhere, as it did on its host; but nothing may be unpacked through one.
    private func check(_ node: String) throws {
        let links = Set(files.filter { if case .link = $0.entry.kind { true } else { false } }.map(\.entry.path))
        for file in files {
            var folder = file.entry.path
            while let slash = folder.lastIndex(of: "/") {
                folder = String(folder[..<slash])
                guard !links.contains(folder) else {
                    throw OperationError(.damaged, "\(node)/\(file.entry.path) in the backup lies behind the link \(folder). Nothing of it is used.")
                }
            }
        }
    }

    /// Reads `control-plane.tar`, by node.
    struct Parser {
        private var reader = TarReader(ControlPlaneFiles.bounds)
        private var nodes: [String: NodeFiles] = [:]
        private var current: (node: String, file: File)?

        /// Whose files these are; nil where each path begins with its node's name.
        private let node: String?

        init(of node: String? = nil) { self.node = node }

        mutating func take(_ bytes: ArraySlice<UInt8>) throws {
            for event in try reader.take(bytes) {
                switch event {
                case .entry(var entry):
                    if let node {
                        begin(entry, of: node)
                        continue
                    }
                    guard let slash = entry.path.firstIndex(of: "/") else { continue }
                    let name = String(entry.path[..<slash])
                    entry.path = String(entry.path[entry.path.index(after: slash)...])
                    begin(entry, of: name)
                case .data(let bytes): current?.file.bytes += bytes
                case .end: end()
                }
            }
        }

        /// A file is over at its end; folders and links have none.
        private mutating func begin(_ entry: TarEntry, of node: String) {
            let file = File(entry: entry, bytes: [])
            if case .file = entry.kind { current = (node, file) } else { nodes[node, default: NodeFiles()].files.append(file) }
        }

        private mutating func end() {
            if let current { nodes[current.node, default: NodeFiles()].files.append(current.file) }
            current = nil
        }

        mutating func finish() throws -> [String: NodeFiles] {
            try reader.finish()
            for (name, files) in nodes { try files.check(name) }
            return nodes
        }
    }

    /// These files as an archive that `tar` unpacks in the node's root.
    func archive(where isWanted: (String) -> Bool) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for file in files where isWanted(file.entry.path) {
            bytes += try TarWriter.header(file.entry)
            bytes += file.bytes
            bytes += TarWriter.padding(after: file.entry.size)
        }
        return bytes + TarWriter.end
    }
}
