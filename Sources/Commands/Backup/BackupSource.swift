internal import ArgumentParser
internal import Foundation
internal import ObjectStore
internal import Operations

/// A backup to read: in a store, or in an archive that `backup export` wrote.
struct BackupSource: ParsableArguments {
    @OptionGroup var place: BackupPlace
    @Option(
        help: ArgumentHelp(
            "An archive that `backup export` wrote, here or in the location. (BACKUP_FILE)", valueName: "file"))
    var file: String?

    /// `file`, by flag or by variable.
    private var archive: String? {
        if let file { return file }
        let variable = ProcessInfo.processInfo.environment["BACKUP_FILE"] ?? ""
        return variable.isEmpty ? nil : variable
    }

    /// How a run finds it again.
    func reference() throws -> String {
        guard let archive else { return try place.locations()[0] }
        if FileManager.default.fileExists(atPath: archive) { return URL(fileURLWithPath: archive).path }
        guard let location = try? place.locations()[0] else {
            throw ValidationError("There is no file \(archive). Check --file, or say with --location where it is.")
        }
        return "\(Self.mark)\(archive)@\(location)"
    }

    private static let mark = "archive:"

    /// Runs `body` with the catalog that the backup is in.
    static func open<Result>(_ reference: String, _ body: (BackupCatalog) async throws -> Result) async throws -> Result {
        if reference.hasPrefix(mark), let at = reference.lastIndex(of: "@") {
            let name = String(reference[..<at].dropFirst(mark.count))
            return try await BackupPlace.open([String(reference[reference.index(after: at)...])], []) { stores in
                try await unpacked(name, body) { try await stores[0].read(name, nil, $0) }
            }
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: reference, isDirectory: &isFolder), !isFolder.boolValue else {
            return try await BackupPlace.open([reference], []) { try await body(BackupCatalog($0[0])) }
        }
        let file = URL(fileURLWithPath: reference)
        let folder = try FolderStore(path: file.deletingLastPathComponent().path)
        return try await unpacked(reference, body) { try await folder.read(file.lastPathComponent, nil, $0) }
    }

    private static func unpacked<Result>(
        _ place: String, _ body: (BackupCatalog) async throws -> Result, reading read: ((ArraySlice<UInt8>) async throws -> Void) async throws -> Void
    ) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-archive-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try FolderStore(path: folder.path)
        try await BackupArchive.unpack(place, into: store, reading: read)
        return try await body(BackupCatalog(store))
    }
}
