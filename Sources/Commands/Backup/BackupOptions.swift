internal import ArgumentParser
internal import Foundation
internal import ObjectStore
internal import Operations

/// Where backups are, and of which cluster.
struct BackupPlace: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where backups are: s3://bucket/prefix, file:///folder or a path. (BACKUP_LOCATION)",
            discussion:
                "s3:// takes ?endpoint=, region=, path-style=, profile=, sse=, kms-key=, timeout= (seconds); credentials come from AWS's variables and files, a pod's or an instance's identity.",
            valueName: "location"))
    var location: [String] = []

    /// Every location, by flag or by variable.
    func locations(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> [String] {
        let all = location.isEmpty ? (environment["BACKUP_LOCATION"] ?? "").split(separator: ",").map(String.init) : location
        guard !all.isEmpty else { throw ValidationError("Say where backups are: --location, or BACKUP_LOCATION.") }
        guard Set(all).count == all.count else { throw ValidationError("A location is named twice.") }
        return all
    }

    /// Runs `body` with the stores of all locations.
    func stores<Result>(_ body: ([any ObjectStore]) async throws -> Result) async throws -> Result {
        try await Self.open(try locations()[...], [], body)
    }

    /// Runs `body` with the one store that a command is about.
    func store<Result>(_ body: (any ObjectStore) async throws -> Result) async throws -> Result {
        let all = try locations()
        guard all.count == 1 else { throw ValidationError("This command is about one location, and \(all.count) are named. Use --location.") }
        return try await Self.open(all[...], []) { try await body($0[0]) }
    }

    static func open<Result>(
        _ locations: ArraySlice<String>, _ opened: [any ObjectStore], _ body: ([any ObjectStore]) async throws -> Result
    ) async throws -> Result {
        guard let next = locations.first else { return try await body(opened) }
        let rest = locations.dropFirst()
        if next.hasPrefix("s3://") {
            let environment = ProcessInfo.processInfo.environment
            return try await S3Store.connected(try S3Location(parsing: next, environment: environment), environment: environment) {
                try await open(rest, opened + [$0], body)
            }
        }
        guard next.hasPrefix("file:///") || !next.contains("://") else {
            throw StoreError(.configuration, "the location \(next) is neither s3://…, nor file:///…, nor a path.")
        }
        let path = next.hasPrefix("file://") ? String(next.dropFirst("file://".count)) : URL(fileURLWithPath: next).path
        return try await open(rest, opened + [try FolderStore(path: path)], body)
    }
}

/// Whose backups.
struct ClusterNameOption: ParsableArguments {
    @Option(help: "As the cluster is called in the stores. (CLUSTER_NAME; default: kubernetes)") var cluster: String?

    var name: String { cluster ?? ProcessInfo.processInfo.environment["CLUSTER_NAME"] ?? "kubernetes" }
}

/// Which backup.
struct BackupChoice: ParsableArguments {
    @Argument(help: "The backup, or how it begins; latest for the newest.") var backup = "latest"
    @Option(help: "Of which cluster, where the location has several. (CLUSTER_NAME)") var cluster: String?

    func find(in catalog: BackupCatalog) async throws -> StoredBackup {
        let variable = ProcessInfo.processInfo.environment["CLUSTER_NAME"].flatMap { $0.isEmpty ? nil : $0 }
        return try await catalog.find(backup, cluster: cluster ?? variable)
    }
}

/// Who can read.
struct IdentityOptions: ParsableArguments {
    @Option(
        name: .customLong("identity"), help: ArgumentHelp("A file with identities of age that can decrypt. (DRYDOCK_IDENTITY)", valueName: "file"))
    var files: [String] = []

    /// The files, by flag or by variable, absolute.
    func paths(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> [String] {
        (files.isEmpty ? environment["DRYDOCK_IDENTITY"].map { [$0] } ?? [] : files).map { URL(fileURLWithPath: $0).path }
    }

    func identities() throws -> [AgeIdentity] { try Self.read(paths()) }

    static func read(_ files: [String]) throws -> [AgeIdentity] {
        var identities: [AgeIdentity] = []
        for file in files {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw StoreError(.configuration, "cannot read the identity \(file).")
            }
            do { identities += try AgeIdentity.list(text) } catch { throw StoreError(.configuration, "\(file): \(error)") }
        }
        return identities
    }
}
