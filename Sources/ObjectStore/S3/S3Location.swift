package import Foundation

/// A bucket and where it is served.
///
/// `s3://bucket/prefix?endpoint=https://minio:9000&region=eu-central-1&path-style=true&profile=backup&sse=aws:kms&kms-key=ID`: what is not said is
/// taken from the environment, as AWS's own tools take it.
package struct S3Location: Sendable, Equatable, CustomStringConvertible {
    /// As it was written. It has no secrets: what would have is refused.
    package let description: String
    package var bucket: String
    /// Without slashes at its ends; may be empty.
    package var prefix: String
    package var endpoint: URL
    package var region: String
    /// `https://host/bucket/key` rather than `https://bucket.host/key`.
    package var usesPathStyle: Bool
    /// Of the shared files.
    package var profile: String?
    /// `AES256` or `aws:kms`: how the server is to encrypt what it keeps.
    package var serverSideEncryption: String?
    package var kmsKey: String?
    /// How long a connection may be silent, seconds.
    package var timeout: Int64

    package init(parsing text: String, environment: [String: String]) throws(StoreError) {
        func fail(_ what: String) -> StoreError {
            StoreError(.configuration, "the location \(text) cannot be used: \(what). It should look like s3://bucket/prefix?region=eu-central-1.")
        }
        guard let parts = URLComponents(string: text), parts.scheme == "s3", let bucket = parts.host else { throw fail("it is no URL of S3") }
        guard parts.user == nil, parts.password == nil else {
            throw fail("it has credentials in it, which belong into the environment or the shared files")
        }
        guard (3...63).contains(bucket.utf8.count), bucket.utf8.allSatisfy(Self.isOfBucket), bucket.first != "-", bucket.first != "." else {
            throw fail("\"\(bucket)\" is no name of a bucket")
        }
        var options: [String: String] = [:]
        for item in parts.queryItems ?? [] {
            guard ["endpoint", "region", "path-style", "profile", "sse", "kms-key", "timeout"].contains(item.name) else {
                throw fail("it has the option \(item.name), which nobody knows")
            }
            options[item.name] = item.value ?? ""
        }
        description = text.hasSuffix("/") ? String(text.dropLast()) : text
        self.bucket = bucket
        prefix = parts.path.split(separator: "/").joined(separator: "/")
        region = options["region"] ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1"
        let custom = options["endpoint"] ?? environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"]
        let amazon = "https://s3.\(region).amazonaws.com"
        guard let url = URL(string: custom ?? amazon), let scheme = url.scheme, ["http", "https"].contains(scheme), url.host?.isEmpty == false,
            url.path.isEmpty || url.path == "/", url.user == nil
        else { throw fail("the endpoint \(custom ?? "") is not like https://host:9000") }
        endpoint = url
        // Names of hosts cannot be made of addresses and of buckets with dots.
        let wantsPath = custom != nil || bucket.contains(".")
        usesPathStyle = options["path-style"].map { $0 == "true" } ?? wantsPath
        profile = options["profile"] ?? environment["AWS_PROFILE"]
        serverSideEncryption = options["sse"]
        guard [nil, "AES256", "aws:kms"].contains(serverSideEncryption) else { throw fail("sse is AES256 or aws:kms") }
        kmsKey = options["kms-key"]
        guard let timeout = Int64(options["timeout"] ?? "60"), (1...3600).contains(timeout) else { throw fail("timeout is 1 to 3600 seconds") }
        self.timeout = timeout
        if kmsKey != nil, serverSideEncryption != "aws:kms" { throw fail("kms-key needs sse=aws:kms") }
    }

    private static func isOfBucket(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: ".")
    }

    /// As the server sees a key.
    func path(_ key: String) -> String { prefix.isEmpty ? key : "\(prefix)/\(key)" }

    /// `host:port`, as it is signed and sent.
    var host: String {
        let name = endpoint.host ?? ""
        let host = name.contains(":") ? "[\(name)]" : name
        let port = endpoint.port.map { ":\($0)" } ?? ""
        return (usesPathStyle ? "" : "\(bucket).") + host + port
    }
}
