internal import Crypto
internal import CryptoExtras
internal import Foundation
internal import SwiftASN1
internal import X509

/// A private key. Describes itself without itself.
package struct PrivateKey: Sendable, CustomStringConvertible {
    let key: Certificate.PrivateKey
    /// As it was read or made: PKCS#1, SEC 1 or PKCS#8. Secret.
    package let pem: String

    package var description: String { KeyAlgorithm.text(key.publicKey) }

    /// Reads the first key of a PEM file; certificates and parameters beside it are passed over.
    /// - Throws: `PKIError` `.malformed`, without a word of the contents.
    package init(pem text: String, from place: String) throws {
        let documents = (try? PEMDocument.parseMultiple(pemString: text)) ?? []
        guard let document = documents.first(where: { $0.discriminator.hasSuffix("PRIVATE KEY") }) else {
            throw PKIError(.malformed, "\(place) holds no private key in PEM.")
        }
        guard document.discriminator != "ENCRYPTED PRIVATE KEY" else {
            throw PKIError(.malformed, "\(place) is encrypted, which Kubernetes cannot use either.")
        }
        guard let key = try? Certificate.PrivateKey(pemDocument: document) else { throw PKIError(.malformed, "the key in \(place) cannot be read.") }
        self.key = key
        pem = document.pemString + "\n"
    }

    private init(_ key: Certificate.PrivateKey, _ pem: String) {
        self.key = key
        self.pem = pem.hasSuffix("\n") ? pem : pem + "\n"
    }

    /// A new key of the kinds that kubeadm makes.
    package static func make(_ algorithm: KeyAlgorithm) throws -> PrivateKey {
        switch algorithm {
        case .rsa2048:
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            return PrivateKey(Certificate.PrivateKey(key), key.pemRepresentation)
        case .ecdsaP256:
            let key = P256.Signing.PrivateKey()
            return PrivateKey(Certificate.PrivateKey(key), key.pemRepresentation)
        }
    }

    /// What Kubernetes and etcd accept for it.
    var signatureAlgorithm: Certificate.SignatureAlgorithm {
        KeyAlgorithm.rsaBits(key.publicKey) != nil ? .sha256WithRSAEncryption : .ecdsaWithSHA256
    }

    /// The public half, as `sa.pub` has it.
    package var publicPEM: String {
        get throws { try key.publicKey.serializeAsPEM().pemString + "\n" }
    }
}

/// The kinds of keys that kubeadm makes, and that are made here (kubeadm's feature gate PublicKeysECDSA; v1beta4's encryptionAlgorithm).
package enum KeyAlgorithm: String, Sendable, Codable, CaseIterable {
    case rsa2048 = "rsa"
    case ecdsaP256 = "ecdsa"

    /// The kind of a certificate's key; nil for one that is not made here.
    init?(of key: Certificate.PublicKey) {
        if Self.rsaBits(key) != nil { self = .rsa2048 } else if P256.Signing.PublicKey(key) != nil { self = .ecdsaP256 } else { return nil }
    }

    static func rsaBits(_ key: Certificate.PublicKey) -> Int? { _RSA.Signing.PublicKey(key)?.keySizeInBits }

    static func text(_ key: Certificate.PublicKey) -> String {
        if let bits = rsaBits(key) { return "RSA \(bits)" }
        if P256.Signing.PublicKey(key) != nil { return "ECDSA P-256" }
        if P384.Signing.PublicKey(key) != nil { return "ECDSA P-384" }
        if P521.Signing.PublicKey(key) != nil { return "ECDSA P-521" }
        return "Ed25519"
    }
}
