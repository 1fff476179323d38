internal import Crypto

/// The text before an encrypted stream: the file key for each recipient, and a MAC over it all.
struct AgeHeader: Sendable, Equatable {
    static let version = "age-encryption.org/v1"
    /// The longest that is read, bytes; age's own has 16 MiB for its lines, and a header with a thousand recipients has 200 KiB.
    static let longest = 1 << 20

    var stanzas: [AgeStanza]

    /// Up to and with `---`, which is what the MAC is about.
    private var text: String {
        var text = "\(Self.version)\n"
        for stanza in stanzas {
            text += "-> \(stanza.arguments.joined(separator: " "))\n"
            // Lines of 64 characters, and one that is shorter at the end, if need be an empty one.
            var rest = Base64.encode(stanza.body)[...]
            while rest.utf8.count >= 64 {
                text += "\(rest.prefix(64))\n"
                rest = rest.dropFirst(64)
            }
            text += "\(rest)\n"
        }
        return text + "---"
    }

    private static func mac(_ text: [UInt8], _ fileKey: SymmetricKey) -> [UInt8] {
        let key = HKDF<SHA256>.deriveKey(inputKeyMaterial: fileKey, info: Array("header".utf8), outputByteCount: 32)
        return Array(HMAC<SHA256>.authenticationCode(for: text, using: key))
    }

    func bytes(_ fileKey: SymmetricKey) -> [UInt8] {
        let text = Array(text.utf8)
        return text + Array(" \(Base64.encode(Self.mac(text, fileKey)))\n".utf8)
    }

    /// Reads a header, and finds the file key.
    /// - Parameter bytes: with its last line break.
    static func fileKey(_ bytes: [UInt8], _ identities: [AgeIdentity]) throws(AgeError) -> SymmetricKey {
        let malformed = AgeError("this is no file of age, or its header is damaged.")
        guard bytes.allSatisfy({ $0 == 10 || (32...126).contains($0) }) else { throw malformed }
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)[...]
        guard lines.popFirst().map({ $0 == version }) == true, lines.popLast()?.isEmpty == true, let last = lines.popLast(), last.hasPrefix("--- "),
            let mac = Base64.decode(last.dropFirst(4)), mac.count == 32
        else { throw malformed }
        var stanzas: [AgeStanza] = []
        while let line = lines.popFirst() {
            let arguments = line.split(separator: " ", omittingEmptySubsequences: false).dropFirst().map(String.init)
            guard line.hasPrefix("-> "), !arguments.isEmpty, arguments.allSatisfy({ !$0.isEmpty }) else { throw malformed }
            var body = ""
            while true {
                guard let line = lines.popFirst(), line.utf8.count <= 64 else { throw malformed }
                body += line
                if line.utf8.count < 64 { break }
            }
            guard let decoded = Base64.decode(body) else { throw malformed }
            stanzas.append(AgeStanza(arguments: arguments, body: decoded))
        }
        guard !stanzas.isEmpty else { throw malformed }
        guard stanzas.count == 1 || stanzas.allSatisfy({ $0.arguments.first != AgeStanza.scrypt }) else {
            throw AgeError("the header has a passphrase beside other recipients, which age does not allow.")
        }
        for identity in identities {
            for stanza in stanzas {
                guard let key = try stanza.unwrap(identity) else { continue }
                // Up to and with `---`; the rest of that line is the MAC.
                let text = Array(bytes.dropLast(last.utf8.count + 1)) + Array("---".utf8)
                let mac = Array(mac)
                let own = Self.mac(text, key)
                guard zip(own, mac).reduce(UInt8(0), { $0 | ($1.0 ^ $1.1) }) == 0 else {
                    throw AgeError("the header has been changed: its MAC is wrong.")
                }
                return key
            }
        }
        let kinds = Set(stanzas.compactMap(\.arguments.first)).sorted().joined(separator: ", ")
        throw AgeError("none of the \(identities.count) identities can read it. It is encrypted to: \(kinds).")
    }
}
