internal import Foundation
package import ObjectStore

/// A backup as one file, `backup-20261125.tar.gz`, as it is stored: what is encrypted stays so. The manifest comes first, and says what may follow.
package struct BackupArchive: Sendable {
    private static let longestManifest: UInt64 = 1 << 20
    private static let piece = 1 << 20

    /// `backup-20261125.tar.gz`.
    package static func name(of backup: StoredBackup) -> String {
        let day = backup.manifest.createdAt.formatted(.iso8601.year().month().day().dateSeparator(.omitted))
        return "backup-\(day).tar.gz"
    }

    // MARK: Writing

    /// Writes a backup to an object that appears whole.
    /// - Parameter watch: told how many bytes more are done.
    package static func write(
        _ backup: StoredBackup, in catalog: BackupCatalog, to target: any ObjectStore, as key: String, watch: (Int) -> Void = { _ in }
    ) async throws {
        guard backup.faults.isEmpty else { throw OperationError(.damaged, "\(backup.id): \(backup.faults.joined(separator: "; ")).") }
        let writer = try await target.begin(key, PutOptions())
        do {
            // What is compressed or encrypted does not become smaller.
            var packer = try GzipCompressor(level: 0)
            func put(_ bytes: ArraySlice<UInt8>) async throws {
                let packed = try packer.update(bytes)
                if !packed.isEmpty { try await writer.write(packed) }
            }
            func begin(_ name: String, _ size: UInt64) async throws {
                let entry = TarEntry(
                    path: "\(backup.id)/\(name)", kind: .file(size: size), mode: 0o600,
                    modified: Int64(backup.manifest.createdAt.timeIntervalSince1970))
                try await put(try TarWriter.header(entry)[...])
            }
            let manifest = try await catalog.store.bytes("\(backup.id)/\(BackupManifest.name)")
            try await begin(BackupManifest.name, UInt64(manifest.count))
            try await put(manifest[...])
            try await put(TarWriter.padding(after: UInt64(manifest.count))[...])
            for part in backup.manifest.parts {
                try await begin(part.name, part.storedBytes)
                var check = PartCheck()
                try await catalog.store.read("\(backup.id)/\(part.name)", nil) { bytes in
                    check.take(bytes)
                    try await put(bytes)
                    watch(bytes.count)
                }
                guard check.isAs(part) else {
                    throw OperationError(.damaged, "\(backup.id)/\(part.name) in \(catalog.store.location) is not what its manifest says.")
                }
                try await put(TarWriter.padding(after: part.storedBytes)[...])
            }
            // Whether it was read back goes with it.
            if let mark = try await catalog.verification(of: backup) {
                try await begin(BackupCatalog.verifiedName, UInt64(mark.count))
                try await put(mark[...])
                try await put(TarWriter.padding(after: UInt64(mark.count))[...])
            }
            try await put(TarWriter.end[...])
            try await writer.write(try packer.finish())
            _ = try await writer.finish()
        } catch {
            await writer.abandon()
            throw error
        }
    }

    // MARK: Reading

    /// Unpacks an archive into a store, from which it is used like any other backup. Nothing is unpacked that its manifest does not name.
    /// - Parameters:
    ///   - place: of the archive, for messages.
    ///   - read: hands over its bytes.
    package static func unpack(
        _ place: String, into target: any ObjectStore, reading read: ((ArraySlice<UInt8>) async throws -> Void) async throws -> Void
    ) async throws {
        var unpacking = Unpacking(target: target, place: place)
        do {
            var gzip = try GzipDecompressor()
            var tar = TarReader(.init(entries: 16, bytes: 1 << 44))
            try await read { bytes in
                // Little by little: what is packed may be a thousand times as long.
                for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: 16 << 10) {
                    let plain = try gzip.update(bytes[start..<min(bytes.endIndex, start + 16 << 10)])
                    for event in try tar.take(plain[...]) { try await unpacking.take(event) }
                }
            }
            _ = try gzip.finish()
            try tar.finish()
            try await unpacking.finish()
        } catch let error where error is TarError || error is CompressionError {
            await unpacking.abandon()
            throw OperationError(.damaged, "\(place): \(error)")
        } catch {
            await unpacking.abandon()
            throw error
        }
    }

    private struct Unpacking {
        private static let longestMark: UInt64 = 4096

        let target: any ObjectStore
        let place: String
        private var path = ""
        private var folder = ""
        private var bytes: [UInt8] = []
        private var manifest: BackupManifest?
        private var missing: [BackupManifest.Part] = []
        private var writer: (any ObjectWriter)?

        init(target: any ObjectStore, place: String) {
            self.target = target
            self.place = place
        }

        mutating func take(_ event: TarReader.Event) async throws {
            switch event {
            case .entry(let entry):
                // What other programs put around files says nothing here.
                if entry.kind == .folder { return }
                try await begin(entry)
            case .data(let data):
                if let writer { try await writer.write(data) } else { bytes += data }
            case .end:
                if let writer {
                    _ = try await writer.finish()
                    self.writer = nil
                } else {
                    let manifest = try BackupManifest(parsing: bytes, from: "\(place): \(path)")
                    self.manifest = manifest
                    missing = manifest.parts
                }
            }
        }

        private mutating func begin(_ entry: TarEntry) async throws {
            path = entry.path
            let parts = path.split(separator: "/").map(String.init)
            guard case .file(let size) = entry.kind, parts.count == 3 else { throw foreign() }
            guard manifest != nil else {
                guard parts[2] == BackupManifest.name, size <= longestManifest else {
                    throw OperationError(.invalid, "\(place) does not begin with a manifest of drydock: it is no backup that `export` wrote.")
                }
                folder = "\(parts[0])/\(parts[1])"
                return
            }
            if path == "\(folder)/\(BackupCatalog.verifiedName)", size <= Self.longestMark {
                writer = try await target.begin(path, PutOptions())
                return
            }
            guard "\(parts[0])/\(parts[1])" == folder, let index = missing.firstIndex(where: { $0.name == parts[2] && $0.storedBytes == size }) else {
                throw foreign()
            }
            missing.remove(at: index)
            writer = try await target.begin(path, PutOptions())
        }

        private func foreign() -> OperationError {
            OperationError(.damaged, "\(place) holds \(path), which its manifest does not name. Nothing of it is used.")
        }

        mutating func finish() async throws {
            guard manifest != nil, missing.isEmpty else {
                throw OperationError(.damaged, "\(place) lacks \(missing.isEmpty ? "a manifest" : missing.map(\.name).joined(separator: ", ")).")
            }
            try await target.write(bytes, to: "\(folder)/\(BackupManifest.name)", PutOptions())
        }

        func abandon() async { await writer?.abandon() }
    }
}
