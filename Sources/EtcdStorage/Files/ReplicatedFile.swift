internal import CPlatform
internal import Glibc
internal import Synchronization
package import SystemPackage

/// The same bytes in several new files at once: the databases of the members of one cluster are equal.
package final class ReplicatedFile: Sendable {
    private struct State {
        var buffer: [UInt8] = []
        var offset: UInt64 = 0
        /// Up to where the kernel was told to begin writing.
        var handedOver: UInt64 = 0
    }

    private static let bufferSize = 1 << 20
    private static let writebackSize: UInt64 = 8 << 20

    private let paths: [FilePath]
    private let descriptors: [FileDescriptor]
    private let state = Mutex(State())

    /// Creates the files, which must not exist, with mode 0600.
    package init(creating paths: [FilePath]) throws(StorageError) {
        var descriptors: [FileDescriptor] = []
        for path in paths {
            do {
                descriptors.append(
                    try FileDescriptor.open(path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite))
            } catch {
                for descriptor in descriptors { try? descriptor.close() }
                throw StorageError.writing(path, error, doing: "create")
            }
        }
        self.paths = paths
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { try? descriptor.close() } }

    /// Moves to `offset`: what is appended next goes there.
    package func seek(to offset: UInt64) throws(StorageError) {
        try flush()
        state.withLock {
            $0.offset = offset
            $0.handedOver = offset
        }
    }

    /// Appends `bytes`; small pieces are collected first.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        let isFull = state.withLock { state in
            if bytes.count < Self.bufferSize { state.buffer.append(contentsOf: bytes) }
            return bytes.count >= Self.bufferSize || state.buffer.count >= Self.bufferSize
        }
        if isFull { try flush() }
        if bytes.count >= Self.bufferSize { try write(bytes) }
    }

    /// Copies the first `byteCount` bytes of `source` to the same place of every file: inside the kernel, which need not copy at all where
    /// the file system can share blocks.
    @concurrent
    package func copy(from source: RandomAccessFile, byteCount: UInt64) async throws {
        var offset: UInt64 = 0
        var isSupported = true
        var buffer: [UInt8] = []
        while offset < byteCount {
            try Task.checkCancellation()
            let wanted = Int(min(Self.writebackSize, byteCount - offset))
            if isSupported { isSupported = try copyInKernel(from: source, at: offset, count: wanted) }
            if !isSupported {
                if buffer.count < wanted { buffer = [UInt8](repeating: 0, count: wanted) }
                let count = try buffer.read(from: source, at: offset)
                try write(Array(buffer[..<min(count, wanted)]), at: offset)
            }
            for descriptor in descriptors { drydock_start_writeback(descriptor.rawValue, Int64(offset), Int64(wanted)) }
            offset += UInt64(wanted)
        }
        state.withLock { $0.offset = byteCount }
    }

    /// - Returns: false when the file systems cannot, and nothing may have been copied.
    private func copyInKernel(from source: RandomAccessFile, at start: UInt64, count: Int) throws(StorageError) -> Bool {
        for (path, descriptor) in zip(paths, descriptors) {
            var done = 0
            while done < count {
                let copied = drydock_copy_range(
                    source.descriptor.rawValue, descriptor.rawValue, Int64(start) + Int64(done), Int64(count - done))
                if copied > 0 {
                    done += Int(copied)
                } else if copied == 0 {
                    throw StorageError(.system, "\(source.path) became shorter while it was read. Let no one write to it, and run again.")
                } else {
                    let error = Errno(rawValue: errno)
                    if [.noSpace, .ioError, .diskQuotaExceeded, .fileTooLarge].contains(error) { throw StorageError.writing(path, error) }
                    if error != .interrupted { return false }
                }
            }
        }
        return true
    }

    /// Writes `bytes` at `offset`, without moving.
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        for (path, descriptor) in zip(paths, descriptors) {
            do { _ = try bytes.withUnsafeBytes { try descriptor.writeAll(toAbsoluteOffset: Int64(clamping: offset), $0) } } catch {
                throw StorageError.writing(path, error)
            }
        }
    }

    /// Cuts the files where the last byte was appended, and makes them durable.
    package func finish() throws(StorageError) {
        try flush()
        let size = state.withLock { $0.offset }
        for (path, descriptor) in zip(paths, descriptors) {
            do {
                try descriptor.resize(to: Int64(clamping: size))
                guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
            } catch { throw StorageError.writing(path, error) }
        }
    }

    private func flush() throws(StorageError) {
        let buffer = state.withLock { state in
            defer { state.buffer.removeAll(keepingCapacity: true) }
            return state.buffer
        }
        let result: Result<Void, StorageError> = buffer.withUnsafeBytes { bytes in
            do throws(StorageError) { return .success(try write(bytes)) } catch { return .failure(error) }
        }
        try result.get()
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        guard !bytes.isEmpty else { return }
        let offset = state.withLock { $0.offset }
        for (path, descriptor) in zip(paths, descriptors) {
            do { try descriptor.writeAll(toAbsoluteOffset: Int64(clamping: offset), bytes) } catch { throw StorageError.writing(path, error) }
        }
        let handOver: (from: UInt64, count: UInt64)? = state.withLock { state in
            state.offset += UInt64(bytes.count)
            guard state.offset - state.handedOver >= Self.writebackSize else { return nil }
            defer { state.handedOver = state.offset }
            return (state.handedOver, state.offset - state.handedOver)
        }
        if let handOver {
            for descriptor in descriptors { drydock_start_writeback(descriptor.rawValue, Int64(handOver.from), Int64(handOver.count)) }
        }
    }
}
