internal import Foundation

/// Finds who asks, as AWS's own tools do: the environment, a web identity (IRSA), the shared files, the instance's metadata (IMDSv2 only). Temporary
/// credentials are asked for anew some minutes before they end, or when the server says that they ended.
actor S3Credentials {
    private let profile: String?
    private let region: String
    private let environment: [String: String]
    private let fetch: @Sendable (S3Credentials.Question) async throws(StoreError) -> S3Answer
    private let now: @Sendable () -> Date
    private var cached: S3Credential?

    /// A request that needs no signature.
    struct Question: Sendable {
        var method: String
        var url: String
        var headers: [String: String] = [:]
        var body: [UInt8] = []
    }

    struct S3Answer: Sendable {
        var status: Int
        var body: [UInt8]
    }

    /// How long before its end a credential is not used any more, seconds.
    private static let margin = 300.0

    init(
        _ location: S3Location, environment: [String: String], now: @escaping @Sendable () -> Date = { Date() },
        fetch: @escaping @Sendable (Question) async throws(StoreError) -> S3Answer
    ) {
        profile = location.profile
        region = location.region
        self.environment = environment
        self.now = now
        self.fetch = fetch
    }

    func credential() async throws(StoreError) -> S3Credential {
        if let cached, cached.expires.map({ $0.timeIntervalSince(now()) > Self.margin }) ?? true { return cached }
        let found = try await find()
        cached = found
        return found
    }

    /// The server does not take the credential any more.
    func invalidate() { cached = nil }

    private func find() async throws(StoreError) -> S3Credential {
        if profile == nil, let key = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"], !key.isEmpty {
            return S3Credential(accessKey: key, secretKey: secret, sessionToken: environment["AWS_SESSION_TOKEN"].flatMap { $0.isEmpty ? nil : $0 })
        }
        if profile == nil, let role = environment["AWS_ROLE_ARN"], let file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"] {
            return try await webIdentity(role: role, file: file)
        }
        if let shared = try sharedFiles() { return shared }
        if environment["AWS_EC2_METADATA_DISABLED"] != "true" { return try await instance() }
        throw Self.none
    }

    private static let none = StoreError(
        .configuration,
        "there are no credentials for S3. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have a profile in ~/.aws/credentials, or an identity of the pod or the instance."
    )

    // MARK: Shared files

    private func sharedFiles() throws(StoreError) -> S3Credential? {
        let home = environment["HOME"] ?? ""
        let wanted = profile ?? "default"
        for (path, name) in [
            (environment["AWS_SHARED_CREDENTIALS_FILE"] ?? "\(home)/.aws/credentials", wanted),
            (environment["AWS_CONFIG_FILE"] ?? "\(home)/.aws/config", wanted == "default" ? wanted : "profile \(wanted)"),
        ] {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { continue }
            let section = Self.section(name, of: text)
            if let key = section["aws_access_key_id"], let secret = section["aws_secret_access_key"] {
                return S3Credential(accessKey: key, secretKey: secret, sessionToken: section["aws_session_token"])
            }
        }
        if let profile { throw StoreError(.configuration, "the profile \(profile) has no keys in the shared files of AWS.") }
        return nil
    }

    /// The settings of one section of an INI file.
    static func section(_ name: String, of text: String) -> [String: String] {
        var settings: [String: String] = [:]
        var isInside = false
        for line in text.split(whereSeparator: \.isNewline) {
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if trimmed.hasPrefix("#") || trimmed.hasPrefix(";") { continue }
            if trimmed.hasPrefix("["), let end = trimmed.firstIndex(of: "]") {
                isInside = trimmed[trimmed.index(after: trimmed.startIndex)..<end].trimmingCharacters(in: .whitespaces) == name
            } else if isInside, let mark = trimmed.firstIndex(of: "=") {
                settings[trimmed[..<mark].trimmingCharacters(in: .whitespaces).lowercased()] =
                    trimmed[trimmed.index(after: mark)...].trimmingCharacters(in: .whitespaces)
            }
        }
        return settings
    }

    private static func date(_ text: String?) -> Date? { text.flatMap { try? Date($0, strategy: .iso8601) } }

    // MARK: Web identity

    private func webIdentity(role: String, file: String) async throws(StoreError) -> S3Credential {
        guard let token = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw StoreError(.configuration, "cannot read the web identity in \(file). Check that the pod has a service account with that role.")
        }
        let body = S3Signer.query([
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
            ("RoleSessionName", environment["AWS_ROLE_SESSION_NAME"] ?? "drydock"),
            ("WebIdentityToken", token.trimmingCharacters(in: .whitespacesAndNewlines)),
        ])
        let url = environment["AWS_ENDPOINT_URL_STS"] ?? "https://sts.\(region).amazonaws.com"
        let answer = try await fetch(
            Question(method: "POST", url: "\(url)/", headers: ["content-type": "application/x-www-form-urlencoded"], body: Array(body.utf8)))
        let found = XMLElement(parsing: answer.body)?["AssumeRoleWithWebIdentityResult"]?["Credentials"]
        guard answer.status == 200, let found, let key = found.value("AccessKeyId"), let secret = found.value("SecretAccessKey") else {
            throw StoreError(.forbidden, "the role \(role) cannot be taken on with the identity in \(file): \(answer.status).")
        }
        return S3Credential(
            accessKey: key, secretKey: secret, sessionToken: found.value("SessionToken"), expires: Self.date(found.value("Expiration")))
    }

    // MARK: Instance metadata

    /// IMDSv2: a token first. The older way, without one, is not asked, since anything that can be made to fetch a URL can ask it.
    private func instance() async throws(StoreError) -> S3Credential {
        let base = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
        func ask(_ method: String, _ path: String, _ headers: [String: String]) async throws(StoreError) -> String {
            guard let answer = try? await fetch(Question(method: method, url: base + path, headers: headers)), answer.status == 200 else {
                throw Self.none
            }
            return String(decoding: answer.body, as: UTF8.self)
        }
        let token = ["x-aws-ec2-metadata-token": try await ask("PUT", "/latest/api/token", ["x-aws-ec2-metadata-token-ttl-seconds": "21600"])]
        let path = "/latest/meta-data/iam/security-credentials/"
        guard let role = try await ask("GET", path, token).split(whereSeparator: \.isNewline).first else { throw Self.none }
        let text = try await ask("GET", path + role, token)
        struct Answer: Decodable {
            var AccessKeyId: String
            var SecretAccessKey: String
            var Token: String?
            var Expiration: String?
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(text.utf8)) else { throw Self.none }
        return S3Credential(
            accessKey: answer.AccessKeyId, secretKey: answer.SecretAccessKey, sessionToken: answer.Token, expires: Self.date(answer.Expiration))
    }
}
