internal import Crypto
internal import Foundation

/// Chunks of 64 KiB, each sealed for itself with its number and whether it is the last: nothing can be cut off, doubled or put elsewhere unnoticed
/// (STREAM of Hoang, Reyhanitabar, Rogaway and Vizár, with ChaCha20-Poly1305).
private struct ChunkCipher {
    static let size = 64 << 10
    static let sealedSize = size + 16

    private let key: SymmetricKey
    /// Eleven bytes of number, big-endian, and one that says whether it is the last.
    private var nonce = [UInt8](repeating: 0, count: 12)

    init(_ fileKey: SymmetricKey, salt: [UInt8]) {
        key = HKDF<SHA256>.deriveKey(inputKeyMaterial: fileKey, salt: salt, info: Array("payload".utf8), outputByteCount: 32)
    }

    private mutating func next(isLast: Bool) throws(AgeError) -> ChaChaPoly.Nonce {
        nonce[11] = isLast ? 1 : 0
        guard let result = try? ChaChaPoly.Nonce(data: nonce) else { throw AgeError("a nonce cannot be made.") }
        for index in (0..<11).reversed() {
            nonce[index] &+= 1
            if nonce[index] != 0 { break }
        }
        return result
    }

    mutating func seal(_ chunk: ArraySlice<UInt8>, isLast: Bool, into output: inout [UInt8]) throws(AgeError) {
        let nonce = try next(isLast: isLast)
        guard let box = chunk.withUnsafeBytes({ try? ChaChaPoly.seal($0, using: key, nonce: nonce) }) else {
            throw AgeError("a chunk cannot be sealed.")
        }
        output.append(contentsOf: box.ciphertext)
        output.append(contentsOf: box.tag)
    }

    mutating func open(_ chunk: ArraySlice<UInt8>, isLast: Bool, into output: inout [UInt8]) throws(AgeError) -> Bool {
        let nonce = try next(isLast: isLast)
        let split = chunk.endIndex - 16
        guard
            let box = chunk[..<split].withUnsafeBytes({ text in
                chunk[split...].withUnsafeBytes { tag in try? ChaChaPoly.SealedBox(nonce: nonce, ciphertext: text, tag: tag) }
            }), let plain = try? ChaChaPoly.open(box, using: key)
        else { return false }
        output.append(contentsOf: plain)
        return true
    }
}

/// Encrypts a stream to recipients, in the format of age v1 (age-encryption.org/v1), which anybody can decrypt with `age`.
package struct AgeEncryptor: StreamTransform {
    private var cipher: ChunkCipher
    private var head: [UInt8]
    private var rest: [UInt8] = []

    /// - Throws: when there is no recipient, or a passphrase beside others.
    package init(to recipients: [AgeRecipient]) throws(AgeError) {
        guard !recipients.isEmpty else { throw AgeError("there is nobody to encrypt to.") }
        let hasPassphrase = recipients.contains { if case .passphrase = $0 { true } else { false } }
        guard !hasPassphrase || recipients.count == 1 else { throw AgeError("a passphrase must be the only recipient.") }
        let fileKey = SymmetricKey(size: .bits128)
        let salt = SymmetricKey(size: .bits128).withUnsafeBytes(Array.init)
        var stanzas: [AgeStanza] = []
        for recipient in recipients { stanzas.append(try AgeStanza.wrap(fileKey, for: recipient)) }
        head = AgeHeader(stanzas: stanzas).bytes(fileKey) + salt
        cipher = ChunkCipher(fileKey, salt: salt)
    }

    package mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
        var output = head
        head = []
        output.reserveCapacity(output.count + bytes.count + (bytes.count / ChunkCipher.size + 1) * 16)
        rest += bytes
        // The last chunk is sealed as such, so a full one waits until it is known that more comes.
        var position = 0
        while rest.count - position > ChunkCipher.size {
            try cipher.seal(rest[position..<position + ChunkCipher.size], isLast: false, into: &output)
            position += ChunkCipher.size
        }
        rest.removeFirst(position)
        return output
    }

    package mutating func finish() throws -> [UInt8] {
        var output = head
        head = []
        try cipher.seal(rest[...], isLast: true, into: &output)
        rest = []
        return output
    }
}

/// Decrypts what `AgeEncryptor` or `age` encrypted. What it hands out has been authenticated, chunk by chunk; that nothing is missing at the end is
/// known when `finish` returns.
package struct AgeDecryptor: StreamTransform {
    private enum State {
        case header
        case payload(ChunkCipher, chunks: Int)
        case ended
    }

    private let identities: [AgeIdentity]
    private var state = State.header
    private var rest: [UInt8] = []
    private var searched = 0
    private var fileKey: SymmetricKey?

    package init(with identities: [AgeIdentity]) { self.identities = identities }

    package mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
        rest += bytes
        if case .header = state { try readHeader() }
        var output: [UInt8] = []
        guard case .payload(var cipher, var chunks) = state else { return output }
        var position = 0
        while rest.count - position > ChunkCipher.sealedSize {
            guard try cipher.open(rest[position..<position + ChunkCipher.sealedSize], isLast: false, into: &output) else {
                throw AgeError("the stream has been changed or cut: chunk \(chunks + 1) is not authentic.")
            }
            position += ChunkCipher.sealedSize
            chunks += 1
        }
        rest.removeFirst(position)
        state = .payload(cipher, chunks: chunks)
        return output
    }

    package mutating func finish() throws -> [UInt8] {
        guard case .payload(var cipher, let chunks) = state else { throw AgeError("the stream ends within its header.") }
        state = .ended
        var output: [UInt8] = []
        // Only a stream of nothing has an empty last chunk.
        guard rest.count >= 16, rest.count > 16 || chunks == 0, try cipher.open(rest[...], isLast: true, into: &output) else {
            throw AgeError("the stream has been changed or cut: its last chunk, number \(chunks + 1), is not authentic.")
        }
        rest = []
        return output
    }

    /// Looks for the header's last line, and begins with the payload when the 16 bytes behind it are there.
    private mutating func readHeader() throws(AgeError) {
        if fileKey == nil {
            guard let end = headerEnd() else {
                guard rest.count <= AgeHeader.longest else { throw AgeError("this is no file of age: it has no end of a header.") }
                return
            }
            fileKey = try AgeHeader.fileKey(Array(rest[..<end]), identities)
            rest.removeFirst(end)
        }
        guard let fileKey, rest.count >= 16 else { return }
        state = .payload(ChunkCipher(fileKey, salt: Array(rest[..<16])), chunks: 0)
        rest.removeFirst(16)
    }

    /// Behind the line that begins with `---`; nil when it is not there yet.
    private mutating func headerEnd() -> Int? {
        while let lineEnd = rest[searched...].firstIndex(of: 10) {
            if rest[searched..<lineEnd].starts(with: [45, 45, 45]) { return lineEnd + 1 }
            searched = lineEnd + 1
        }
        return nil
    }
}
