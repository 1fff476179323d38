internal import Glibc
package import SystemPackage

/// A regular file open for reading at any offset. Closed when the last reference goes.
package final class RandomAccessFile: Sendable {
    package let path: FilePath
    /// Length in bytes when the file was opened.
    package let size: UInt64
    let descriptor: FileDescriptor

    /// Opens `path`, which must be a regular file: a pipe or a folder has no offsets to read at.
    package init(path: FilePath) throws(StorageError) {
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
        } catch {
            throw StorageError(
                .system, "cannot open \(path): \(error). Check the path and that this user may read it.")
        }
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            try? descriptor.close()
            throw StorageError(.notASnapshot, "\(path) is not a regular file. Name the snapshot file itself.")
        }
        self.path = path
        self.descriptor = descriptor
        self.size = UInt64(clamping: status.st_size)
    }

    deinit { try? descriptor.close() }

    /// Fills `buffer` from `offset` on; returns fewer bytes than asked for only at the end of the file.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let start = Int64(exactly: offset) else { return 0 }
        var filled = 0
        while filled < buffer.count {
            do {
                let count = try descriptor.read(
                    fromAbsoluteOffset: start + Int64(filled),
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
                if count == 0 { break }
                filled += count
            } catch {
                throw StorageError(
                    .system, "cannot read \(path) at offset \(offset): \(error). Check the disk, or copy the file anew.")
            }
        }
        return filled
    }

    /// The time of the file's last change, in seconds since 1970.
    package func modificationTime() throws(StorageError) -> Int64 {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0 else {
            throw StorageError(.system, "cannot stat \(path): \(Errno(rawValue: errno)).")
        }
        return Int64(status.st_mtim.tv_sec)
    }

    /// Tells the kernel that the whole file will be read in order.
    package func adviseSequential() { _ = posix_fadvise(descriptor.rawValue, 0, 0, POSIX_FADV_SEQUENTIAL) }

    /// Where the first byte that is not zero stands at or after `start`; nil when only zeros follow. Holes are skipped, not read.
    package func firstNonZero(from start: UInt64) throws -> UInt64? {
        let seekData: Int32 = 3  // SEEK_DATA, which glibc shows to GNU sources only
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        var offset = start
        while offset < size {
            try Task.checkCancellation()
            let data = lseek(descriptor.rawValue, off_t(offset), seekData)
            if data < 0, errno == ENXIO { return nil }
            if data > 0 { offset = max(offset, UInt64(data)) }
            let count = try chunk.read(from: self, at: offset)
            guard count > 0 else { return nil }
            let isZero = chunk.withUnsafeBytes { $0[0] == 0 && memcmp($0.baseAddress!, $0.baseAddress! + 1, count - 1) == 0 }
            if !isZero, let at = chunk[..<count].firstIndex(where: { $0 != 0 }) { return offset + UInt64(at) }
            offset += UInt64(count)
        }
        return nil
    }
}
