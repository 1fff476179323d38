internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import ObjectStore
internal import Operations
internal import SystemPackage

/// What a backup is made of, and for whom.
struct CreateOptions: ParsableArguments {
    @OptionGroup var cluster: ClusterNameOption
    @Option(help: ArgumentHelp("Who can read it; may be repeated.", valueName: "age1…")) var recipient: [String] = []
    @Option(help: ArgumentHelp("A file of recipients, one a line. (DRYDOCK_RECIPIENTS_FILE)", valueName: "file")) var recipientsFile: String?
    @Option(help: "How hard zstd tries, 1 to 19; 0 for no compression.") var compression = 3
    @Option(help: ArgumentHelp("Nobody may delete it for so long (object lock of S3).", valueName: "duration")) var retain: DurationArgument?
    @OptionGroup(title: "Control-plane files") var hosts: HostOptions
    @Option(
        name: .customLong("files"),
        help: ArgumentHelp("What of the hosts is kept; may be repeated. (default: what kubeadm and its packages write)", valueName: "path"))
    var paths: [String] = []
    @Flag(help: "Keep the hosts' keys although nothing is encrypted.") var acceptPlainKeys = false
    @OptionGroup(title: "etcd") var etcd: EtcdOptions

    func validate() throws {
        guard (0...19).contains(compression) else { throw ValidationError("--compression is 0 to 19.") }
        guard paths.allSatisfy({ $0.hasPrefix("/") && $0.count > 1 }) else { throw ValidationError("--files takes absolute paths on the hosts.") }
    }

    private func recipients(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> [String] {
        guard let file = recipientsFile ?? environment["DRYDOCK_RECIPIENTS_FILE"].flatMap({ $0.isEmpty ? nil : $0 }) else { return recipient }
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw StoreError(.configuration, "cannot read the recipients in \(file).")
        }
        return recipient
            + text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
    }

    /// Makes a backup in all stores.
    func run(into stores: [any ObjectStore], _ output: OutputOptions) async throws -> BackupCreate.Outcome {
        let recipients = try recipients()
        let nodes = try hosts.nodes()
        if recipients.isEmpty {
            guard nodes.isEmpty || acceptPlainKeys else {
                throw OperationError(
                    .refused,
                    "the files of a control plane have the keys of its authorities, and nothing is encrypted. Give a --recipient, or add --accept-plain-keys."
                )
            }
            output.remark("warning: the backup is not encrypted: whoever reads the store reads every secret of the cluster. Use --recipient.")
        }
        let now = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
        let create = BackupCreate(
            cluster: cluster.name, recipients: recipients, compressionLevel: compression == 0 ? nil : compression,
            retainUntil: retain.map { now.addingTimeInterval($0.duration.seconds) },
            files: nodes.isEmpty ? nil : ControlPlaneFiles(nodes: nodes, paths: paths.isEmpty ? ControlPlaneFiles.kubeadmPaths : paths),
            drydock: Version.current)
        let progress = ProgressBar("backup", options: output)
        defer { progress.finish() }
        return try await EtcdClient.connected(try etcd.configuration()) { client in
            try await create.run(client, into: stores, at: now) { event in
                switch event {
                case .chosen(let choice): output.remark(choice)
                case .received(let done, let total): progress.set(done: done, total: total)
                }
            }
        }
    }
}

/// How a restore is rehearsed.
struct DrillOptions: ParsableArguments {
    @OptionGroup var identity: IdentityOptions
    @Option(name: .customLong("etcd"), help: ArgumentHelp("The etcd to start. (default: the one in PATH)", valueName: "program")) var program: String?
    @Option(help: ArgumentHelp("Where the scratch folder is made. (default: the system's)", valueName: "folder")) var scratch: String?

    func drill(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> BackupDrill {
        let candidates = program.map { [$0] } ?? (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/etcd" }
        let found = candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
        if let program, found == nil { throw OperationError(.invalid, "\(program) is no program. Check --etcd.") }
        return BackupDrill(
            identities: try identity.identities(), etcd: found.map { FilePath($0) },
            scratch: FilePath(scratch ?? FileManager.default.temporaryDirectory.path), drydock: Version.current)
    }
}
