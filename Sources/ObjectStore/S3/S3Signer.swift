internal import Crypto
internal import Foundation
internal import NIOCore

/// Who asks.
struct S3Credential: Sendable, Equatable {
    var accessKey: String
    /// Secret.
    var secretKey: String
    /// Secret, of temporary credentials.
    var sessionToken: String?
    var expires: Date?
}

/// A request as it is signed.
struct S3Request: Sendable {
    var method: String
    /// With a slash in front, not yet encoded.
    var path: String
    var query: [(name: String, value: String)] = []
    /// Names in small letters.
    var headers: [String: String] = [:]
    /// Sent as it is, without a copy: parts are large.
    var body = ByteBuffer()
}

/// AWS Signature Version 4, for S3: what is sent is signed whole, the SHA-256 of the body included.
struct S3Signer: Sendable {
    let region: String

    /// The headers that make the request a signed one.
    /// - Parameter credential: nil for a request of nobody.
    func headers(_ request: S3Request, host: String, _ credential: S3Credential?, at now: Date) -> [String: String] {
        var headers = request.headers
        headers["host"] = host
        var hash = SHA256()
        request.body.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        let bodyHash = Self.hex(hash.finalize())
        headers["x-amz-content-sha256"] = bodyHash
        guard let credential else { return headers }
        let stamp = Self.stamp(now)
        headers["x-amz-date"] = stamp
        headers["x-amz-security-token"] = credential.sessionToken
        let names = headers.keys.sorted()
        let signed = names.joined(separator: ";")
        let canonical = [
            request.method, Self.encode(request.path, keepingSlashes: true), Self.query(request.query),
            names.map { "\($0):\(Self.trim(headers[$0] ?? ""))\n" }.joined(), signed, bodyHash,
        ].joined(separator: "\n")
        let day = String(stamp.prefix(8))
        let scope = "\(day)/\(region)/s3/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(Self.hex(SHA256.hash(data: Array(canonical.utf8))))"
        var key = SymmetricKey(data: Array("AWS4\(credential.secretKey)".utf8))
        for part in [day, region, "s3", "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = Self.hex(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
        headers["authorization"] = "AWS4-HMAC-SHA256 Credential=\(credential.accessKey)/\(scope), SignedHeaders=\(signed), Signature=\(signature)"
        return headers
    }

    /// `20261125T101500Z`.
    static func stamp(_ date: Date) -> String {
        let style = Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted, timeZone: .gmt)
        return date.formatted(style.year().month().day().dateSeparator(.omitted).time(includingFractionalSeconds: false).timeSeparator(.omitted))
            + "Z"
    }

    static func query(_ items: [(name: String, value: String)]) -> String {
        items.map { (encode($0.name), encode($0.value)) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// Percent-encodes everything but the letters, digits and marks that are never encoded.
    static func encode(_ text: String, keepingSlashes: Bool = false) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: "/") where keepingSlashes: result += "/"
            default: result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    private static func trim(_ value: String) -> String { value.split(separator: " ").joined(separator: " ") }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
