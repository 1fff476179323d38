import Foundation
@testable import ObjectStore
import Proving
import Testing

struct S3Tests {
    /// The examples of the S3 documentation (Authenticating Requests: Using the Authorization Header).
    @Test func `Signatures are those of AWS's own examples`() throws {
        let signer = S3Signer(region: "us-east-1")
        let credential = S3Credential(accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        let at = try Date("2013-05-24T00:00:00Z", strategy: .iso8601)
        func signature(_ request: S3Request) -> String? {
            signer.headers(request, host: "examplebucket.s3.amazonaws.com", credential, at: at)["authorization"]?.split(separator: "=").last.map(
                String.init)
        }
        #expect(
            signature(S3Request(method: "GET", path: "/test.txt", headers: ["range": "bytes=0-9"]))
                == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(
            signature(S3Request(method: "GET", path: "/", query: [("lifecycle", "")]))
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(
            signature(S3Request(method: "GET", path: "/", query: [("prefix", "J"), ("max-keys", "2")]))
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test func `A location says where the bucket is, and the environment what it leaves out`() throws {
        let plain = try S3Location(parsing: "s3://backups/prod/", environment: ["AWS_REGION": "eu-central-1"])
        #expect(plain.endpoint.absoluteString == "https://s3.eu-central-1.amazonaws.com" && plain.host == "backups.s3.eu-central-1.amazonaws.com")
        #expect(plain.prefix == "prod" && plain.path("a") == "prod/a" && "\(plain)" == "s3://backups/prod")
        let minio = try S3Location(parsing: "s3://backups?endpoint=https://minio:9000&region=x&sse=aws:kms&kms-key=k", environment: [:])
        #expect(minio.usesPathStyle && minio.host == "minio:9000" && minio.serverSideEncryption == "aws:kms" && minio.kmsKey == "k")
        #expect(try S3Location(parsing: "s3://my.backups", environment: [:]).usesPathStyle, "a dot would not fit the certificate")
        for text in [
            "http://x", "s3://", "s3://A", "s3://ab", "s3://key:secret@backups", "s3://backups?color=red", "s3://backups?endpoint=minio:9000",
            "s3://backups?sse=rot13", "s3://backups?kms-key=k",
        ] {
            let error = #expect(throws: StoreError.self, "\(text)") { try S3Location(parsing: text, environment: [:]) }
            #expect(error?.code == .configuration)
        }
    }

    @Test func `Credentials are found as AWS's tools find them, and asked for again before they end`() async throws {
        let location = try S3Location(parsing: "s3://backups", environment: [:])
        func credentials(
            _ environment: [String: String], _ answers: @escaping @Sendable (S3Credentials.Question) -> (Int, String) = { _ in (500, "") }
        ) -> S3Credentials {
            S3Credentials(location, environment: environment) { question async throws(StoreError) in
                let (status, text) = answers(question)
                return .init(status: status, body: Array(text.utf8))
            }
        }
        let direct = credentials(["AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"])
        #expect(try await direct.credential() == S3Credential(accessKey: "k", secretKey: "s", sessionToken: "t"))

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-aws-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("credentials")
        try Data("[other]\naws_access_key_id=no\n[default]\n# a comment\naws_access_key_id = k2\naws_secret_access_key=s2=\n".utf8).write(to: file)
        let shared = credentials(["AWS_SHARED_CREDENTIALS_FILE": file.path])
        #expect(try await shared.credential() == S3Credential(accessKey: "k2", secretKey: "s2="))

        let token = folder.appendingPathComponent("token")
        try Data("jwt\n".utf8).write(to: token)
        let expiry = (Date() + 1000).formatted(.iso8601)
        let identity = credentials(["AWS_ROLE_ARN": "arn:role", "AWS_WEB_IDENTITY_TOKEN_FILE": token.path]) { question in
            let body = String(decoding: question.body, as: UTF8.self)
            guard body.contains("WebIdentityToken=jwt"), body.contains("RoleArn=arn%3Arole"), question.url.hasPrefix("https://sts.us-east-1.") else {
                return (400, "")
            }
            return (
                200,
                "<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>k3</AccessKeyId><SecretAccessKey>s3</SecretAccessKey><SessionToken>t3</SessionToken><Expiration>\(expiry)</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>"
            )
        }
        let third = try await identity.credential()
        #expect(third.accessKey == "k3" && third.sessionToken == "t3" && third.expires != nil)

        let instance = credentials(["AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CONFIG_FILE": "/nowhere"]) { question in
            switch (question.method, question.url) {
            case ("PUT", "http://169.254.169.254/latest/api/token"): (200, "TOKEN")
            case ("GET", let url) where question.headers["x-aws-ec2-metadata-token"] == "TOKEN":
                url.hasSuffix("security-credentials/")
                    ? (200, "role\n") : (200, #"{"AccessKeyId":"k4","SecretAccessKey":"s4","Token":"t4","Expiration":"2020-01-01T00:00:00Z"}"#)
            default: (401, "")
            }
        }
        #expect(try await instance.credential().accessKey == "k4")
        await #expect(throws: StoreError.self) {
            try await credentials(["AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nowhere"]).credential()
        }
    }

    @Test func `The XML of S3 is read, and what is none is not`() {
        let text = #"<?xml version="1.0" encoding="UTF-8"?><!-- x --><L xmlns="urn:x"><K>a &amp; b&#228;</K><E/><K>2</K></L>"#
        let root = XMLElement(parsing: Array(text.utf8))
        #expect(root?.name == "L" && root?.all("K").map(\.text) == ["a & bä", "2"] && root?["E"]?.text == "")
        for bad in ["", "<", "<a>", "<a></b>", "<a>&lt</a>", "<a>&nbsp;</a>", "<!DOCTYPE a><a/>", "<a/>x", String(repeating: "<a>", count: 1000)] {
            #expect(XMLElement(parsing: Array(bad.utf8)) == nil, "\(bad.prefix(20))")
        }
    }

    @Test func `The server's time is read from its header`() throws {
        #expect(S3Client.date("Wed, 25 Nov 2026 10:15:00 GMT") == (try Date("2026-11-25T10:15:00Z", strategy: .iso8601)))
        #expect(S3Client.date("yesterday") == nil)
    }

    /// A server whose clock is two hours ahead, and which refuses who is more than 15 minutes away from it; to HEAD without a word.
    private static let lateServer = """
        import datetime as d, http.server as h, sys
        class S(h.BaseHTTPRequestHandler):
            def now(self): return d.datetime.now(d.timezone.utc) + d.timedelta(hours=2)
            def date_time_string(self, t=None): return self.now().strftime('%a, %d %b %Y %H:%M:%S GMT')
            def log_message(self, *a): pass
            def do_GET(self):
                sent = d.datetime.strptime(self.headers['x-amz-date'], '%Y%m%dT%H%M%SZ').replace(tzinfo=d.timezone.utc)
                late = abs((sent - self.now()).total_seconds()) > 900
                body = b'<Error><Code>RequestTimeTooSkewed</Code></Error>' if late else b'x'
                self.send_response(403 if late else 200)
                self.send_header('content-length', str(len(body)))
                self.end_headers()
                if self.command == 'GET': self.wfile.write(body)
            do_HEAD = do_GET
        s = h.ThreadingHTTPServer(('127.0.0.1', 0), S)
        print(s.server_port, flush=True)
        s.serve_forever()
        """

    @Test func `A clock that differs is found out, also from an answer without a word`() async throws {
        let server = try CommandRun.Running("python3", ["-c", Self.lateServer])
        defer { server.send(SIGKILL) }
        while server.isRunning, !server.outputSoFar.hasSuffix("\n") { await Task.yield() }
        let port = server.outputSoFar.trimmingCharacters(in: .whitespacesAndNewlines)
        let environment = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"]
        let location = try S3Location(parsing: "s3://bucket?endpoint=http://127.0.0.1:\(port)", environment: environment)
        try await S3Store.connected(location, environment: environment) { store in
            let (head, bytes) = (try await store.head("a"), try await store.bytes("a"))
            #expect(head?.size == 1 && bytes == Array("x".utf8))
        }
    }
}
