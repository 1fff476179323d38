internal import Foundation
internal import Glibc
package import SystemPackage

/// A folder that appears under its name whole or not at all: built as `NAME.drydock-part` beside it, then renamed.
///
/// The staging folder is locked while it is built; one that a killed process left behind is not, and is removed.
package final class StagedFolder: Sendable {
    package let target: FilePath
    package let staging: FilePath
    private let lock: FileDescriptor

    /// - Throws: `.refused` when the target exists and is not empty, or another process builds it.
    package init(target: FilePath) throws(StorageError) {
        // Absolute, so that "." has a name that something can stand beside.
        self.target = FilePath(FileManager.default.currentDirectoryPath).pushing(target).lexicallyNormalized()
        staging = FilePath(self.target.string + ".drydock-part")
        try Self.refuseUnlessEmpty(self.target)
        let parent = self.target.removingLastComponent()
        do {
            try FileManager.default.createDirectory(atPath: parent.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw StorageError(.system, "cannot create \(parent): \(error.localizedDescription) Check the path.") }
        if mkdir(staging.string, 0o700) != 0 {
            guard errno == EEXIST else { throw StorageError.writing(staging, Errno(rawValue: errno), doing: "create") }
            let old = try Self.locked(staging)
            defer { try? old.close() }
            try Self.remove(staging)
            guard mkdir(staging.string, 0o700) == 0 else { throw StorageError.writing(staging, Errno(rawValue: errno), doing: "create") }
        }
        lock = try Self.locked(staging)
    }

    /// Makes a folder below the staging folder, and those above it.
    package func makeFolder(_ path: FilePath) throws(StorageError) {
        var current = staging
        for component in path.components {
            current.append(component)
            guard mkdir(current.string, 0o700) == 0 || errno == EEXIST else {
                throw StorageError.writing(current, Errno(rawValue: errno), doing: "create")
            }
        }
    }

    /// Makes everything durable and gives the folder its name.
    package func commit() throws(StorageError) {
        for folder in try Self.foldersBelow(staging).reversed() { try Folder.synchronize(folder) }
        try Folder.synchronize(staging)
        try Self.refuseUnlessEmpty(target)
        guard rename(staging.string, target.string) == 0 else { throw StorageError.writing(target, Errno(rawValue: errno), doing: "rename to") }
        try? lock.close()
        try Folder.synchronize(target.removingLastComponent())
    }

    /// Removes what was built.
    package func discard() {
        try? Self.remove(staging)
        try? lock.close()
    }

    private static func refuseUnlessEmpty(_ path: FilePath) throws(StorageError) {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { return }
        guard let contents = try? FileManager.default.contentsOfDirectory(atPath: path.string), contents.isEmpty else {
            throw StorageError(
                .refused, "\(path) exists and is not an empty folder. Name another one, or move it away: nothing is ever restored over data.")
        }
    }

    private static func locked(_ path: FilePath) throws(StorageError) -> FileDescriptor {
        do {
            let descriptor = try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec, .noFollow])
            guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else {
                try? descriptor.close()
                throw StorageError(.refused, "another process is building \(path). Wait for it, or choose another target.")
            }
            return descriptor
        } catch let error as StorageError { throw error } catch { throw StorageError.writing(path, error, doing: "lock") }
    }

    private static func remove(_ path: FilePath) throws(StorageError) {
        do { try FileManager.default.removeItem(atPath: path.string) } catch {
            throw StorageError(.system, "cannot remove \(path): \(error.localizedDescription) Remove it, then run again.")
        }
    }

    private static func foldersBelow(_ path: FilePath) throws(StorageError) -> [FilePath] {
        var folders: [FilePath] = []
        var isFolder: ObjCBool = false
        for name in FileManager.default.enumerator(atPath: path.string)?.compactMap({ $0 as? String }) ?? [] {
            let full = path.appending(name)
            if FileManager.default.fileExists(atPath: full.string, isDirectory: &isFolder), isFolder.boolValue { folders.append(full) }
        }
        return folders
    }
}
