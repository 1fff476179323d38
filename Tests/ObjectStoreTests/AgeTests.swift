import Foundation
@testable import ObjectStore
import Proving
import Testing

/// age's own program is the other side, in both directions.
struct AgeTests {
    private func transform(_ transform: some StreamTransform, _ bytes: [UInt8], pieces: Int) throws -> [UInt8] {
        try transform.output(of: bytes, pieces: pieces)
    }

    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 131 ^ $0 >> 8) } }

    private func recipient(_ identity: AgeIdentity) throws -> AgeRecipient { try AgeRecipient(parsing: try #require(identity.recipient)) }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000])
    func `What is encrypted is decrypted, whatever its length and the pieces it comes in`(_ count: Int) throws {
        let (own, other) = (AgeIdentity.generate(), AgeIdentity.generate())
        let sealed = try transform(try AgeEncryptor(to: [try recipient(other), try recipient(own)]), bytes(count), pieces: 10_007)
        for pieces in [1 << 20, 999, 65_552] {
            #expect(try transform(AgeDecryptor(with: [own]), sealed, pieces: pieces) == bytes(count))
        }
        #expect(throws: AgeError.self) { try transform(AgeDecryptor(with: [.generate()]), sealed, pieces: 1000) }
    }

    @Test func `age decrypts what we encrypt, and we what age encrypts`() async throws {
        try await BuiltProgram.withFolder { folder in
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            let made = try await CommandRun.run("age-keygen", ["-o", path("key")])
            #expect(made.status == 0, "\(made.errors)")
            let identity = try #require(try AgeIdentity.list(String(contentsOfFile: path("key"), encoding: .utf8)).first)
            #expect(made.errors.contains(try #require(identity.recipient)), "the public key is the one that age tells")
            #expect(try String(contentsOfFile: path("key"), encoding: .utf8).contains(try #require(identity.secret)))
            for count in [0, 65_536, 200_001] {
                let plain = bytes(count)
                let ours = try transform(try AgeEncryptor(to: [try recipient(identity), try recipient(.generate())]), plain, pieces: 50_000)
                try Data(ours).write(to: folder.appendingPathComponent("ours"))
                let opened = try await CommandRun.run("age", ["-d", "-i", path("key"), "-o", path("opened"), path("ours")])
                #expect(opened.status == 0, "\(opened.errors)")
                // Of nothing age makes no file.
                if count > 0 { #expect(try Data(contentsOf: folder.appendingPathComponent("opened")) == Data(plain)) }
                try Data(plain).write(to: folder.appendingPathComponent("plain"))
                let theirs = try await CommandRun.run("age", ["-r", try #require(identity.recipient), "-o", path("theirs"), path("plain")])
                #expect(theirs.status == 0, "\(theirs.errors)")
                let sealed = Array(try Data(contentsOf: folder.appendingPathComponent("theirs")))
                #expect(try transform(AgeDecryptor(with: [identity]), sealed, pieces: 33_333) == plain)
            }
        }
    }

    @Test func `A passphrase opens what it closed, alone`() throws {
        let sealed = try transform(try AgeEncryptor(to: [.passphrase("correct horse")]), bytes(1000), pieces: 100)
        #expect(try transform(AgeDecryptor(with: [.passphrase("correct horse")]), sealed, pieces: 100) == bytes(1000))
        let error = #expect(throws: AgeError.self) { try transform(AgeDecryptor(with: [.passphrase("wrong")]), sealed, pieces: 100) }
        #expect(error?.description.contains("wrong") == false)
        #expect(throws: AgeError.self) { try AgeEncryptor(to: [.passphrase("a"), try recipient(.generate())]) }
        #expect(throws: AgeError.self) { try AgeEncryptor(to: []) }
    }

    @Test func `A changed byte anywhere, a cut and a chunk too many are found`() throws {
        let identity = AgeIdentity.generate()
        let plain = bytes(150_000)
        let sealed = try transform(try AgeEncryptor(to: [try recipient(identity)]), plain, pieces: 1 << 20)
        for position in [0, 25, 60, 120, 180, 199, 215, 230, 70_000, 131_300, sealed.count - 1] {
            var changed = sealed
            changed[position] ^= 1
            #expect(throws: AgeError.self, "byte \(position)") { try transform(AgeDecryptor(with: [identity]), changed, pieces: 4096) }
        }
        for length in [0, 10, 100, 199, 216, 65_000, sealed.count - 1, sealed.count - 18_944] {
            #expect(throws: AgeError.self, "\(length) bytes") {
                try transform(AgeDecryptor(with: [identity]), Array(sealed.prefix(length)), pieces: 4096)
            }
        }
        #expect(throws: AgeError.self) { try transform(AgeDecryptor(with: [identity]), sealed + [0], pieces: 4096) }
        // What came out before the damage was found is what went in.
        var decryptor = AgeDecryptor(with: [identity])
        #expect(try decryptor.update(sealed[..<140_000]) == Array(plain.prefix(131_072)))
    }

    @Test func `Keys that are none are refused without being repeated`() throws {
        for text in ["", "age1", "age1qqqq", "AGE1QL3Z7HJY54PW3HYWW5AYYFG7ZQGVC7W3J2ELW8ZMRJ2KG5SFN9AQMCAC8P2"] {
            #expect(throws: AgeError.self, "\(text)") { try AgeRecipient(parsing: text) }
        }
        let secret = try #require(AgeIdentity.generate().secret)
        let error = #expect(throws: AgeError.self) { try AgeIdentity.list("# a key\n\(secret.dropLast())\n") }
        #expect(error?.description.contains("line 2") == true && error?.description.contains(secret.dropFirst(16).prefix(10)) == false)
        #expect("\(try AgeIdentity(parsing: secret))".contains(secret.dropFirst(16)) == false)
        #expect(Bech32.decode("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")?.data.count == 32)
    }

    @Test func `Random bytes never crash the reader`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var chance = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var text = Array("age-encryption.org/v1\n-> X25519 abc\n".utf8)
            for _ in 0..<Int.random(in: 0...80, using: &chance) {
                text.insert(.random(in: 0...255, using: &chance), at: .random(in: 0...text.count, using: &chance))
            }
            #expect(throws: (any Error).self) { try transform(AgeDecryptor(with: [.generate()]), text, pieces: 64) }
            _ = Bech32.decode(String(decoding: text, as: UTF8.self))
            _ = XMLElement(parsing: text)
        }
    }
}
