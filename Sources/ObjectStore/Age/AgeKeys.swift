package import Crypto
internal import CryptoExtras
internal import Foundation

/// Why something cannot be encrypted or decrypted.
package struct AgeError: Error, CustomStringConvertible, Sendable, Equatable {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// Whom something is encrypted to.
package enum AgeRecipient: Sendable {
    /// `age1…`: who has the identity that belongs to it can read.
    case publicKey(Curve25519.KeyAgreement.PublicKey)
    /// Who knows the passphrase can read. It must be the only recipient.
    case passphrase(String)

    /// - Parameter text: `age1…`.
    package init(parsing text: String) throws(AgeError) {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard let (prefix, data) = Bech32.decode(trimmed), prefix == "age", data.count == 32,
            let key = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: data)
        else { throw AgeError("\"\(trimmed.prefix(80))\" is no recipient of age: it should look like age1… and have 62 characters.") }
        self = .publicKey(key)
    }

    /// The recipients of a file: one a line, `#` begins a comment.
    package static func list(_ text: String) throws(AgeError) -> [AgeRecipient] {
        var recipients: [AgeRecipient] = []
        for (number, line) in lines(text) {
            do { recipients.append(try AgeRecipient(parsing: line)) } catch { throw AgeError("line \(number): \(error)") }
        }
        guard !recipients.isEmpty else { throw AgeError("there is no recipient in it.") }
        return recipients
    }

    fileprivate static func lines(_ text: String) -> [(number: Int, text: String)] {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated().compactMap { index, line in
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            return trimmed.isEmpty || trimmed.hasPrefix("#") ? nil : (index + 1, trimmed)
        }
    }
}

/// What something can be decrypted with. Secret; describes itself without saying what it is.
package enum AgeIdentity: Sendable, CustomStringConvertible {
    case secretKey(Curve25519.KeyAgreement.PrivateKey)
    case passphrase(String)

    package static func generate() -> AgeIdentity { .secretKey(Curve25519.KeyAgreement.PrivateKey()) }

    /// - Parameter text: `AGE-SECRET-KEY-1…`. The error does not repeat it.
    package init(parsing text: String) throws(AgeError) {
        guard let (prefix, data) = Bech32.decode(text.trimmingCharacters(in: .whitespacesAndNewlines)), prefix == "age-secret-key-", data.count == 32,
            let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: data)
        else { throw AgeError("this is no identity of age: it should look like AGE-SECRET-KEY-1….") }
        self = .secretKey(key)
    }

    /// The identities of a file, as age-keygen writes it.
    package static func list(_ text: String) throws(AgeError) -> [AgeIdentity] {
        var identities: [AgeIdentity] = []
        for (number, line) in AgeRecipient.lines(text) {
            do { identities.append(try AgeIdentity(parsing: line)) } catch { throw AgeError("line \(number): \(error)") }
        }
        guard !identities.isEmpty else { throw AgeError("there is no identity in it.") }
        return identities
    }

    /// Whom to encrypt to so that this can read; nil for a passphrase.
    package var recipient: String? {
        guard case .secretKey(let key) = self else { return nil }
        return Bech32.encode("age", Array(key.publicKey.rawRepresentation))
    }

    /// `AGE-SECRET-KEY-1…`, for a file with mode 0600 and nowhere else.
    package var secret: String? {
        guard case .secretKey(let key) = self else { return nil }
        return Bech32.encode("age-secret-key-", Array(key.rawRepresentation)).uppercased()
    }

    package var description: String { recipient.map { "the identity of \($0)" } ?? "a passphrase" }
}

// MARK: Stanzas

/// The file key, wrapped for one recipient.
struct AgeStanza: Sendable, Equatable {
    var arguments: [String]
    var body: [UInt8]

    static let x25519 = "X25519"
    static let scrypt = "scrypt"
    private static let x25519Label = "age-encryption.org/v1/X25519"
    private static let scryptLabel = "age-encryption.org/v1/scrypt"
    /// 2^18 blocks of 1 KiB: about a second, as age has it.
    private static let workFactor = 18
    /// More is not tried: a file from elsewhere could ask for hours (age's own limit is 22).
    private static let highestWorkFactor = 22

    /// Wraps a file key.
    static func wrap(_ fileKey: SymmetricKey, for recipient: AgeRecipient) throws(AgeError) -> AgeStanza {
        switch recipient {
        case .publicKey(let key):
            let ephemeral = Curve25519.KeyAgreement.PrivateKey()
            let share = Array(ephemeral.publicKey.rawRepresentation)
            guard let wrapKey = x25519Key(ephemeral, key, share: share, recipient: Array(key.rawRepresentation)) else {
                throw AgeError("a recipient's key is of low order and cannot be used.")
            }
            return AgeStanza(arguments: [x25519, Base64.encode(share)], body: try seal(fileKey, wrapKey))
        case .passphrase(let passphrase):
            let salt = SymmetricKey(size: .bits128).withUnsafeBytes(Array.init)
            let wrapKey = try scryptKey(passphrase, salt, workFactor: workFactor)
            return AgeStanza(arguments: [scrypt, Base64.encode(salt), "\(workFactor)"], body: try seal(fileKey, wrapKey))
        }
    }

    /// The file key; nil when the stanza is for somebody else.
    /// - Throws: when it is malformed, which makes the whole file invalid.
    func unwrap(_ identity: AgeIdentity) throws(AgeError) -> SymmetricKey? {
        switch (arguments.first, identity) {
        case (Self.x25519?, .secretKey(let key)):
            guard arguments.count == 2, let share = Base64.decode(arguments[1]), share.count == 32,
                let ephemeral = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: share), body.count == 32
            else { throw AgeError("the header has an X25519 stanza that is malformed.") }
            guard let wrapKey = Self.x25519Key(key, ephemeral, share: share, recipient: Array(key.publicKey.rawRepresentation)) else {
                throw AgeError("the header has an X25519 share of low order.")
            }
            return open(wrapKey)
        case (Self.scrypt?, .passphrase(let passphrase)):
            guard arguments.count == 3, let salt = Base64.decode(arguments[1]), salt.count == 16, body.count == 32, let factor = Int(arguments[2]),
                "\(factor)" == arguments[2], factor > 0
            else { throw AgeError("the header has a scrypt stanza that is malformed.") }
            guard factor <= Self.highestWorkFactor else {
                throw AgeError("the passphrase's work factor is 2^\(factor), more than 2^\(Self.highestWorkFactor), which would take minutes.")
            }
            return open(try Self.scryptKey(passphrase, salt, workFactor: factor))
        default: return nil
        }
    }

    /// Nil for a shared secret of zeros.
    private static func x25519Key(
        _ secret: Curve25519.KeyAgreement.PrivateKey, _ other: Curve25519.KeyAgreement.PublicKey, share: [UInt8], recipient: [UInt8]
    ) -> SymmetricKey? {
        guard let shared = try? secret.sharedSecretFromKeyAgreement(with: other), shared.withUnsafeBytes({ $0.contains { $0 != 0 } }) else {
            return nil
        }
        return shared.hkdfDerivedSymmetricKey(
            using: SHA256.self, salt: share + recipient, sharedInfo: Array(x25519Label.utf8), outputByteCount: 32)
    }

    private static func scryptKey(_ passphrase: String, _ salt: [UInt8], workFactor: Int) throws(AgeError) -> SymmetricKey {
        do {
            return try KDF.Scrypt.deriveKey(
                from: Array(passphrase.utf8), salt: Array(scryptLabel.utf8) + salt, outputByteCount: 32, rounds: 1 << workFactor, blockSize: 8,
                parallelism: 1, maxMemory: (128 * 8 << workFactor) + 1 << 20)
        } catch { throw AgeError("scrypt failed: \(error). It needs \(1 << max(0, workFactor - 10)) MiB of memory.") }
    }

    private static let zeroNonce = Array(repeating: UInt8(0), count: 12)

    private static func seal(_ fileKey: SymmetricKey, _ wrapKey: SymmetricKey) throws(AgeError) -> [UInt8] {
        do {
            let box = try ChaChaPoly.seal(fileKey.withUnsafeBytes(Array.init), using: wrapKey, nonce: ChaChaPoly.Nonce(data: zeroNonce))
            return Array(box.ciphertext) + Array(box.tag)
        } catch { throw AgeError("the file key cannot be wrapped: \(error)") }
    }

    private func open(_ wrapKey: SymmetricKey) -> SymmetricKey? {
        guard let box = try? ChaChaPoly.SealedBox(combined: Self.zeroNonce + body), let key = try? ChaChaPoly.open(box, using: wrapKey),
            key.count == 16
        else { return nil }
        return SymmetricKey(data: key)
    }
}

/// Base64 without padding, and only in its one canonical form, as age's header has it.
enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String {
        var text = Data(bytes).base64EncodedString()
        while text.hasSuffix("=") { text.removeLast() }
        return text
    }

    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        guard text.utf8.count % 4 != 1, !text.contains("=") else { return nil }
        let padded = String(text) + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: padded) else { return nil }
        let bytes = Array(data)
        return encode(bytes) == text ? bytes : nil
    }
}
