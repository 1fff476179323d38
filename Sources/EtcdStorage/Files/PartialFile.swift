internal import CPlatform
internal import Glibc
package import SystemPackage

/// A file that appears under its name whole or not at all: written as `NAME.part` beside it (mode 0600), fsynced, renamed, and
/// the folder fsynced.
///
/// The partial file is locked while it is written, so that two processes never write the same one; a file left behind by a
/// process that was killed is not locked, and is written over.
package struct PartialFile: Sendable {
    package let target: FilePath
    package let partial: FilePath
    private let descriptor: FileDescriptor

    /// - Throws: `.system` when the folder does not take a new file, `.refused` when another process writes the same one.
    package init(target: FilePath) throws(StorageError) {
        guard target.lastComponent?.kind == .regular else {
            throw StorageError(.invalid, "\"\(target)\" is no name for a file. Name the file itself.")
        }
        var existing = stat()
        if stat(target.string, &existing) == 0, existing.st_mode & S_IFMT != S_IFREG {
            throw StorageError(.refused, "\(target) exists and is not a regular file. Name another one: it is not replaced.")
        }
        self.target = target
        partial = FilePath(target.string + ".part")
        do {
            descriptor = try FileDescriptor.open(
                partial, .readWrite, options: [.create, .closeOnExec, .noFollow, .nonBlocking], permissions: .ownerReadWrite)
        } catch {
            throw StorageError(.system, "cannot create \(partial): \(error). Check that the folder exists and is writable.")
        }
        guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            try? descriptor.close()
            throw StorageError(.refused, "another process is writing \(partial). Wait for it, or choose another name.")
        }
        // The process before us may have renamed the file between our opening and our locking it: then this is its finished file.
        var ours = stat()
        var named = stat()
        guard fstat(descriptor.rawValue, &ours) == 0, lstat(partial.string, &named) == 0, ours.st_ino == named.st_ino, ours.st_dev == named.st_dev
        else {
            try? descriptor.close()
            throw StorageError(.refused, "another process has just finished \(target). Run again if it is to be written anew.")
        }
        guard ours.st_mode & S_IFMT == S_IFREG, ours.st_nlink == 1, ours.st_uid == geteuid() else {
            try? descriptor.close()
            throw StorageError(.refused, "\(partial) is not a file of this user's own. Remove it, then run again.")
        }
        do {
            try descriptor.resize(to: 0)
            // A file left behind keeps its mode; this one is ours.
            guard fchmod(descriptor.rawValue, 0o600) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            try? descriptor.close()
            throw StorageError(.system, "cannot empty \(partial): \(error).")
        }
    }

    /// Appends `bytes` at the file's position.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        do { try descriptor.writeAll(bytes) } catch { throw failure(error, doing: "write") }
    }

    /// Starts writing `count` bytes from `offset` to the disk, and does not wait: the final fsync then finds little to do.
    package func startWriteback(offset: UInt64, count: Int) {
        drydock_start_writeback(descriptor.rawValue, Int64(offset), Int64(count))
    }

    /// Makes the bytes durable; the file still bears its partial name.
    package func synchronize() throws(StorageError) {
        guard fsync(descriptor.rawValue) == 0 else { throw failure(Errno(rawValue: errno), doing: "write") }
    }

    /// Makes the file durable under its name, or under another one beside it.
    package func commit(as name: FilePath? = nil) throws(StorageError) {
        try synchronize()
        let final = name ?? target
        guard rename(partial.string, final.string) == 0 else { throw failure(Errno(rawValue: errno), doing: "rename") }
        try? descriptor.close()
        try Folder.synchronize(final.removingLastComponent())
    }

    /// Removes the partial file.
    package func discard() {
        unlink(partial.string)
        try? descriptor.close()
    }

    private func failure(_ error: any Error, doing what: String) -> StorageError {
        StorageError.writing(partial, error, doing: what)
    }
}

extension StorageError {
    /// A write that the system refused; a full disk gets its own advice.
    static func writing(_ path: FilePath, _ error: any Error, doing what: String = "write") -> StorageError {
        let advice =
            (error as? Errno) == .noSpace || (error as? Errno) == .diskQuotaExceeded
            ? "Make room there, or choose another folder." : "Check the disk and the folder's permissions."
        return StorageError(.system, "cannot \(what) \(path): \(error). \(advice)")
    }
}

/// What is done to folders as a whole.
package enum Folder {
    /// Makes the names in `path` durable.
    package static func synchronize(_ path: FilePath) throws(StorageError) {
        let name = path.isEmpty ? FilePath(".") : path
        do {
            let descriptor = try FileDescriptor.open(name, .readOnly, options: [.directory, .closeOnExec])
            defer { try? descriptor.close() }
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw StorageError(.system, "cannot make the folder \(name) durable: \(error).")
        }
    }
}
