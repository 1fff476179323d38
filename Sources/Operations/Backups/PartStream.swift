internal import Crypto
internal import Foundation
internal import ObjectStore

/// Hashes, compresses and encrypts what passes, on its way into several stores at once. Nothing of it stays here.
actor PartUpload {
    /// One store, and how it fared.
    struct Destination {
        let location: String
        var writer: (any ObjectWriter)?
        var failure: StoreError?
    }

    let name: String
    private let content: String
    private var compressor: ZstdCompressor?
    private var encryptor: AgeEncryptor?
    private var plain = SHA256()
    private var stored = SHA256()
    private var plainBytes: UInt64 = 0
    private var storedBytes: UInt64 = 0
    private(set) var destinations: [Destination] = []

    /// - Parameter level: of zstd; nil for no compression.
    init(_ content: String, level: Int?, recipients: [AgeRecipient]) throws {
        self.content = content
        compressor = try level.map { try ZstdCompressor(level: $0) }
        encryptor = recipients.isEmpty ? nil : try AgeEncryptor(to: recipients)
        name = content + (level == nil ? "" : ".zst") + (recipients.isEmpty ? "" : ".age")
    }

    /// Begins the object in each store; one that fails is left out from then on.
    func begin(_ folder: String, in stores: [any ObjectStore], _ options: PutOptions) async {
        for store in stores {
            do throws(StoreError) {
                destinations.append(Destination(location: store.location, writer: try await store.begin("\(folder)/\(name)", options), failure: nil))
            } catch { destinations.append(Destination(location: store.location, writer: nil, failure: error)) }
        }
    }

    func write(_ bytes: ArraySlice<UInt8>) async throws {
        bytes.withUnsafeBytes { plain.update(bufferPointer: $0) }
        plainBytes += UInt64(bytes.count)
        let packed = try compressor?.update(bytes) ?? Array(bytes)
        try await send(try encryptor?.update(packed[...]) ?? packed)
    }

    private func send(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        stored.update(data: bytes)
        storedBytes += UInt64(bytes.count)
        for index in destinations.indices {
            guard let writer = destinations[index].writer else { continue }
            do throws(StoreError) { try await writer.write(bytes) } catch {
                await writer.abandon()
                destinations[index].writer = nil
                destinations[index].failure = error
            }
        }
        guard destinations.contains(where: { $0.writer != nil }) else {
            throw destinations.first?.failure ?? StoreError(.configuration, "there is no store.")
        }
    }

    func finish() async throws -> BackupManifest.Part {
        if var last = try compressor?.finish() {
            if encryptor != nil { last = try encryptor?.update(last[...]) ?? last }
            try await send(last)
        }
        if let last = try encryptor?.finish() { try await send(last) }
        for index in destinations.indices {
            guard let writer = destinations[index].writer else { continue }
            do throws(StoreError) { _ = try await writer.finish() } catch {
                await writer.abandon()
                destinations[index].failure = error
            }
            destinations[index].writer = nil
        }
        return BackupManifest.Part(
            name: name, content: content, plainBytes: plainBytes, plainSHA256: plain.finalize().hexadecimal, storedBytes: storedBytes,
            storedSHA256: stored.finalize().hexadecimal, compression: compressor == nil ? nil : "zstd", encryption: encryptor == nil ? nil : "age")
    }

    func abandon() async {
        for destination in destinations { await destination.writer?.abandon() }
        for index in destinations.indices { destinations[index].writer = nil }
    }
}

/// Reads a part back: checks the object's bytes, decrypts, decompresses, checks the content.
struct PartDownload {
    let part: BackupManifest.Part
    private var decryptor: AgeDecryptor?
    private var decompressor: ZstdDecompressor?
    private var stored = SHA256()
    private var plain = SHA256()
    private var storedBytes: UInt64 = 0
    private var plainBytes: UInt64 = 0

    /// - Parameter identities: one of which opens it, where it is encrypted.
    init(_ part: BackupManifest.Part, identities: [AgeIdentity]) throws {
        self.part = part
        for (name, known) in [(part.compression, "zstd"), (part.encryption, "age")] {
            guard name == nil || name == known else {
                throw OperationError(.invalid, "\(part.name) is kept as \(name ?? ""), which this drydock does not know.")
            }
        }
        decryptor = part.encryption == nil ? nil : AgeDecryptor(with: identities)
        decompressor = part.compression == nil ? nil : try ZstdDecompressor()
    }

    /// What is decompressed at once, bytes: a few may become many thousand times as many.
    private static let piece = 4 << 10

    /// - Parameter sink: takes the content, as far as it is known to be authentic.
    mutating func take(_ bytes: ArraySlice<UInt8>, _ sink: ([UInt8]) async throws -> Void) async throws {
        bytes.withUnsafeBytes { stored.update(bufferPointer: $0) }
        storedBytes += UInt64(bytes.count)
        try await open(try decryptor?.update(bytes) ?? Array(bytes), sink)
    }

    private mutating func open(_ bytes: [UInt8], _ sink: ([UInt8]) async throws -> Void) async throws {
        guard decompressor != nil else { return try await tell(bytes, sink) }
        for start in stride(from: 0, to: bytes.count, by: Self.piece) {
            try await tell(try decompressor?.update(bytes[start..<min(bytes.count, start + Self.piece)]) ?? [], sink)
        }
    }

    private mutating func tell(_ content: [UInt8], _ sink: ([UInt8]) async throws -> Void) async throws {
        guard !content.isEmpty else { return }
        plain.update(data: content)
        plainBytes += UInt64(content.count)
        guard plainBytes <= part.plainBytes else { throw OperationError(.damaged, "the content of \(part.name) is longer than what was backed up.") }
        try await sink(content)
    }

    /// The rest of the content.
    /// - Throws: when it is not what the manifest says.
    mutating func finish(_ sink: ([UInt8]) async throws -> Void) async throws {
        try await open(try decryptor?.finish() ?? [], sink)
        _ = try decompressor?.finish()
        guard storedBytes == part.storedBytes, stored.finalize().hexadecimal == part.storedSHA256 else {
            throw OperationError(.damaged, "\(part.name) has \(storedBytes) bytes that are not the \(part.storedBytes) that were stored.")
        }
        guard plainBytes == part.plainBytes, plain.finalize().hexadecimal == part.plainSHA256 else {
            throw OperationError(.damaged, "the content of \(part.name) is not what was backed up.")
        }
    }
}

/// The hash of an object's bytes alone.
struct PartCheck {
    private var stored = SHA256()
    private var count: UInt64 = 0

    mutating func take(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { stored.update(bufferPointer: $0) }
        count += UInt64(bytes.count)
    }

    func isAs(_ part: BackupManifest.Part) -> Bool { count == part.storedBytes && stored.finalize().hexadecimal == part.storedSHA256 }
}
