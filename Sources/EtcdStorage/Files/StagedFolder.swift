internal import Foundation
internal import Glibc
internal import Synchronization
package import SystemPackage

/// A folder that appears under its name whole or not at all: built as `NAME.drydock-part` beside it, then renamed. Where the name is a mount
/// point, which cannot be renamed over, it is built in `.drydock-part` inside it, and what it holds is renamed.
///
/// The staging folder is locked while it is built; one that a killed process left behind is not, and is removed.
package final class StagedFolder: Sendable {
    package let target: FilePath
    package let staging: FilePath
    private let isInside: Bool
    private let lock: FileDescriptor
    private let state = Mutex(State.building)

    private enum State { case building, committed, over }

    private static let insideName = ".drydock-part"

    /// - Throws: `.refused` when the target exists and is not empty, or another process builds it.
    package init(target: FilePath) throws(StorageError) {
        // Absolute, so that "." has a name that something can stand beside.
        self.target = FilePath(FileManager.default.currentDirectoryPath).pushing(target).lexicallyNormalized()
        try Self.refuseUnlessEmpty(self.target)
        let parent = self.target.removingLastComponent()
        isInside = Self.isMountPoint(self.target, in: parent)
        staging = isInside ? self.target.appending(Self.insideName) : FilePath(self.target.string + Self.insideName)
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
        if isInside {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: staging.string)) ?? [] {
                try move(staging.appending(name), to: target.appending(name))
            }
            try Self.remove(staging)
            try Folder.synchronize(target)
        } else {
            try move(staging, to: target)
            try Folder.synchronize(target.removingLastComponent())
        }
        state.withLock { $0 = .committed }
    }

    private func move(_ source: FilePath, to destination: FilePath) throws(StorageError) {
        guard rename(source.string, destination.string) == 0 else {
            throw StorageError.writing(destination, Errno(rawValue: errno), doing: "rename to")
        }
    }

    /// Removes what was built, also when it bears its name already: several folders that belong together appear all or not at all.
    package func discard() {
        let before = state.withLock { state in
            defer { state = .over }
            return state
        }
        switch before {
        case .building: try? Self.remove(staging)
        case .committed:
            if isInside {
                for name in (try? FileManager.default.contentsOfDirectory(atPath: target.string)) ?? [] where name != Self.lostAndFound {
                    try? Self.remove(target.appending(name))
                }
            } else {
                try? Self.remove(target)
            }
        case .over: break
        }
    }

    deinit { try? lock.close() }

    /// What a new ext4 file system holds at its root.
    private static let lostAndFound = "lost+found"

    private static func isMountPoint(_ path: FilePath, in parent: FilePath) -> Bool {
        var here = stat()
        var above = stat()
        return stat(path.string, &here) == 0 && stat(parent.string, &above) == 0 && here.st_dev != above.st_dev
    }

    /// - Throws: `.refused` unless `path` does not exist or is an empty folder, and no link.
    package static func refuseUnlessEmpty(_ path: FilePath) throws(StorageError) {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { return }
        let contents = status.st_mode & S_IFMT == S_IFDIR ? try? FileManager.default.contentsOfDirectory(atPath: path.string) : nil
        guard let contents, contents.allSatisfy({ $0 == lostAndFound || $0 == insideName }) else {
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
