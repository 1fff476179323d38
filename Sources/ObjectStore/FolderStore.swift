internal import CPlatform
internal import Foundation
internal import Synchronization
internal import SystemPackage

/// A folder as a store: also a PersistentVolume, or a mounted share. An object is a file that was written beside its place, synced and renamed.
package struct FolderStore: ObjectStore {
    private let root: URL

    /// Begins the names of files that are being written.
    private static let partial = ".drydock-partial-"

    /// - Parameter path: absolute.
    package init(path: String) throws(StoreError) {
        guard path.hasPrefix("/") else { throw StoreError(.configuration, "\(path) is no absolute path, such as /var/backups.") }
        root = URL(fileURLWithPath: path, isDirectory: true)
    }

    package var location: String { "file://\(root.path)" }

    private func url(_ key: String) throws(StoreError) -> URL {
        try ObjectKey.check(key)
        return root.appendingPathComponent(key)
    }

    private func system<Result>(_ what: String, _ body: () throws -> Result) throws(StoreError) -> Result {
        do { return try body() } catch {
            throw StoreError(.system, "\(what): \(error.localizedDescription). Check that the folder is there, may be written, and has room.")
        }
    }

    package func begin(_ key: String, _ options: PutOptions) async throws(StoreError) -> any ObjectWriter {
        guard options.retainUntil == nil else {
            throw StoreError(
                .configuration, "\(location) is a folder and cannot keep anybody from deleting. Leave the retention away, or use S3 with object lock."
            )
        }
        let target = try url(key)
        if options.ifAbsent, FileManager.default.fileExists(atPath: target.path) { throw StoreError(.exists, "\(location) has \(key) already.") }
        let partial = target.deletingLastPathComponent().appendingPathComponent(Self.partial + UUID().uuidString)
        let descriptor = try system("cannot write \(partial.path)") {
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            return try FileDescriptor.open(FilePath(partial.path), .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
        }
        return FolderWriter(key: key, partial: partial.path, target: target.path, replaces: !options.ifAbsent, descriptor: descriptor)
    }

    package func head(_ key: String) async throws(StoreError) -> ObjectInfo? { try info(try url(key), key) }

    private func info(_ url: URL, _ key: String) throws(StoreError) -> ObjectInfo? {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: url.path), attributes[.type] as? FileAttributeType == .typeRegular
        else { return nil }
        return ObjectInfo(
            key: key, size: (attributes[.size] as? NSNumber)?.uint64Value ?? 0, modified: attributes[.modificationDate] as? Date ?? .distantPast)
    }

    package func read(_ key: String, _ range: Range<UInt64>?, _ receive: (ArraySlice<UInt8>) async throws -> Void) async throws {
        let url = try url(key)
        guard let info = try info(url, key) else { throw StoreError(.missing, "\(location) has no \(key).") }
        let descriptor = try system("cannot read \(url.path)") { try FileDescriptor.open(FilePath(url.path), .readOnly) }
        defer { try? descriptor.close() }
        var offset = min(range?.lowerBound ?? 0, info.size)
        let end = min(range?.upperBound ?? info.size, info.size)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while offset < end {
            try Task.checkCancellation()
            let wanted = Int(min(UInt64(buffer.count), end - offset))
            let count = try system("cannot read \(url.path)") {
                try buffer.withUnsafeMutableBytes {
                    try descriptor.read(fromAbsoluteOffset: Int64(offset), into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
                }
            }
            guard count > 0 else { throw StoreError(.damaged, "\(url.path) became shorter while it was read.") }
            try await receive(buffer[..<count])
            offset += UInt64(count)
        }
    }

    package func list(_ prefix: String, _ receive: ([ObjectInfo]) async throws -> Void) async throws {
        let found = try files { !$0.hasPrefix(Self.partial) }
        try await receive(found.filter { $0.key.hasPrefix(prefix) })
    }

    /// Every file whose own name is wanted, by key.
    private func files(_ isWanted: (String) -> Bool) throws(StoreError) -> [ObjectInfo] {
        guard FileManager.default.fileExists(atPath: root.path) else {
            throw StoreError(.missing, "there is no folder \(root.path). Check the location.")
        }
        guard let walk = FileManager.default.enumerator(atPath: root.path) else { throw StoreError(.system, "cannot read \(root.path).") }
        var found: [ObjectInfo] = []
        while let key = walk.nextObject() as? String {
            guard isWanted(String(key.split(separator: "/").last ?? "")) else { continue }
            if let info = try info(root.appendingPathComponent(key), key) { found.append(info) }
        }
        return found.sorted { $0.key < $1.key }
    }

    package func delete(_ key: String) async throws(StoreError) {
        let url = try url(key)
        guard FileManager.default.fileExists(atPath: url.path) else { return }
        try system("cannot delete \(url.path)") { try FileManager.default.removeItem(at: url) }
        // Folders that are empty now go with it.
        var folder = url.deletingLastPathComponent()
        while folder.path.hasPrefix(root.path + "/"), rmdir(folder.path) == 0 { folder = folder.deletingLastPathComponent() }
    }

    package func copy(_ key: String, from other: any ObjectStore, _ options: PutOptions) async throws(StoreError) -> Bool { false }

    package func unfinished(_ prefix: String) async throws(StoreError) -> [UnfinishedObject] {
        try files { $0.hasPrefix(Self.partial) }.filter { $0.key.hasPrefix(prefix) }.map {
            UnfinishedObject(key: $0.key, begun: $0.modified, handle: $0.key)
        }
    }

    package func discard(_ unfinished: UnfinishedObject) async throws(StoreError) { try await delete(unfinished.handle) }
}

private final class FolderWriter: ObjectWriter {
    private let key: String
    private let partial: String
    private let target: String
    private let replaces: Bool
    private let state: Mutex<(descriptor: FileDescriptor?, size: UInt64)>

    init(key: String, partial: String, target: String, replaces: Bool, descriptor: FileDescriptor) {
        self.key = key
        self.partial = partial
        self.target = target
        self.replaces = replaces
        state = Mutex((descriptor, 0))
    }

    private func system(_ what: String, _ body: () throws -> Void) throws(StoreError) {
        do { try body() } catch { throw StoreError(.system, "\(what): \(error). Check that the disk has room and the folder may be written.") }
    }

    func write(_ bytes: [UInt8]) async throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            guard let descriptor = state.descriptor else { throw StoreError(.system, "\(target) is closed.") }
            try system("cannot write \(partial)") { _ = try descriptor.writeAll(bytes) }
            state.size += UInt64(bytes.count)
        }
    }

    func finish() async throws(StoreError) -> ObjectInfo {
        let size = try state.withLock { state throws(StoreError) -> UInt64 in
            guard let descriptor = state.descriptor else { throw StoreError(.system, "\(target) is closed.") }
            try system("cannot sync \(partial)") {
                if fsync(descriptor.rawValue) != 0 { throw Errno(rawValue: errno) }
                try descriptor.close()
            }
            state.descriptor = nil
            return state.size
        }
        if replaces {
            try system("cannot rename \(partial)") { if rename(partial, target) != 0 { throw Errno(rawValue: errno) } }
        } else {
            // A link fails where there is a file already, which a rename would replace.
            guard link(partial, target) == 0 else {
                let code = errno
                unlink(partial)
                throw code == EEXIST
                    ? StoreError(.exists, "\(target) is there already.")
                    : StoreError(.system, "cannot put \(target) in its place: \(Errno(rawValue: code)).")
            }
            unlink(partial)
        }
        let folder = open((target as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
        return ObjectInfo(key: key, size: size, modified: Date())
    }

    func abandon() async {
        state.withLock { state in
            try? state.descriptor?.close()
            state.descriptor = nil
        }
        unlink(partial)
        // The folders that were made for it, where nothing is in them: the backup's, and its cluster's.
        let folder = (target as NSString).deletingLastPathComponent
        if rmdir(folder) == 0 { rmdir((folder as NSString).deletingLastPathComponent) }
    }
}
