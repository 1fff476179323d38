import ClusterPKI
import Foundation
import Proving
import Testing

/// Certificates that openssl made, renewed here, and read by openssl again.
struct RenewalTests {
    private static let now = Date()

    private struct Made {
        var authority: X509Certificate
        var authorityKey: PrivateKey
        var leaf: X509Certificate
        var leafKey: PrivateKey
    }

    /// A leaf with everything that kubeadm would lose: an organisational unit, a country, a URI, a policy.
    private static func make(in folder: URL, _ algorithm: [String], days: String = "30") async throws -> Made {
        let config = """
            [req]
            distinguished_name = dn
            prompt = no
            [dn]
            C = DE
            O = system:masters
            OU = platform
            CN = kube-apiserver
            [ca]
            basicConstraints = critical, CA:TRUE
            keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign
            subjectKeyIdentifier = hash
            [leaf]
            keyUsage = critical, digitalSignature, keyEncipherment
            extendedKeyUsage = serverAuth, clientAuth
            authorityKeyIdentifier = keyid
            subjectAltName = DNS:kubernetes, DNS:cp1, IP:10.0.0.11, IP:fd00::1, URI:spiffe://cluster/api, email:ops@example.com
            certificatePolicies = 1.2.3.4
            """
        try Data(config.utf8).write(to: folder.appendingPathComponent("c.cnf"))
        func openssl(_ words: [String]) async throws {
            let run = try await CommandRun.run("openssl", words)
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "openssl \(words): \(run.errors)") }
        }
        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
        try await openssl(
            [
                "req", "-x509", "-nodes", "-keyout", path("ca.key"), "-out", path("ca.crt"), "-subj", "/CN=kubernetes", "-days", "60", "-config",
                path("c.cnf"), "-extensions", "ca",
            ]
                + algorithm)
        try await openssl(["req", "-new", "-nodes", "-keyout", path("l.key"), "-out", path("l.csr"), "-config", path("c.cnf")] + algorithm)
        try await openssl([
            "x509", "-req", "-in", path("l.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-CAcreateserial", "-out", path("l.crt"), "-days",
            days,
            "-extfile", path("c.cnf"), "-extensions", "leaf",
        ])
        func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
        return Made(
            authority: try X509Certificate.parse(pem: text("ca.crt"), from: "ca.crt")[0],
            authorityKey: try PrivateKey(pem: text("ca.key"), from: "ca.key"),
            leaf: try X509Certificate.parse(pem: text("l.crt"), from: "l.crt")[0], leafKey: try PrivateKey(pem: text("l.key"), from: "l.key"))
    }

    private static let kinds = [["-newkey", "rsa:2048"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]]

    @Test(arguments: kinds, KeyAlgorithm.allCases)
    func `A renewed certificate says what the old one said, for a new key, and openssl trusts it`(_ kind: [String], _ algorithm: KeyAlgorithm)
        async throws
    {
        try await BuiltProgram.withFolder { folder in
            let made = try await Self.make(in: folder, kind)
            let signer = try Signer(certificate: made.authority, key: made.authorityKey, at: Self.now, from: "ca.crt")
            let key = try PrivateKey.make(algorithm)
            let renewed = try signer.renew(made.leaf, for: key, seconds: 365 * 86400, at: Self.now)
            #expect(renewed.matches(key) && !renewed.matches(made.leafKey) && renewed.isSigned(by: made.authority))
            #expect(renewed.subject == made.leaf.subject && renewed.names == made.leaf.names && renewed.usages == made.leaf.usages)
            #expect(renewed.serial != made.leaf.serial)
            #expect(renewed.notAfter == made.authority.notAfter, "nothing outlives its authority")
            try Data(try renewed.pem.utf8).write(to: folder.appendingPathComponent("new.crt"))
            try Data(key.pem.utf8).write(to: folder.appendingPathComponent("new.key"))
            let verified = try await CommandRun.run(
                "openssl", ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "\(folder.path)/ca.crt", "\(folder.path)/new.crt"])
            #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
            func extensions(_ name: String) async throws -> String {
                let run = try await CommandRun.run(
                    "openssl",
                    [
                        "x509", "-in", "\(folder.path)/\(name)", "-noout", "-subject", "-issuer", "-ext",
                        "subjectAltName,keyUsage,extendedKeyUsage,certificatePolicies,authorityKeyIdentifier,basicConstraints",
                    ])
                return run.output
            }
            #expect(try await extensions("new.crt") == extensions("l.crt"))
            let own = try await CommandRun.run("openssl", ["pkey", "-in", "\(folder.path)/new.key", "-pubout"])
            let certified = try await CommandRun.run("openssl", ["x509", "-in", "\(folder.path)/new.crt", "-noout", "-pubkey"])
            #expect(own.output == certified.output && own.status == 0, "openssl reads the key, and it is the certificate's")
        }
    }

    @Test func `A request says what the certificate said, and openssl reads it`() async throws {
        try await BuiltProgram.withFolder { folder in
            let made = try await Self.make(in: folder, Self.kinds[1])
            let key = try PrivateKey.make(.ecdsaP256)
            let csr = folder.appendingPathComponent("new.csr")
            try Data(try made.leaf.signingRequest(for: key).utf8).write(to: csr)
            let run = try await CommandRun.run("openssl", ["req", "-in", csr.path, "-noout", "-text", "-verify"])
            #expect(run.status == 0, "\(run.errors)")
            for word in ["CN = kube-apiserver", "OU = platform", "DNS:cp1", "IP Address:10.0.0.11", "TLS Web Server Authentication"] {
                #expect(run.output.contains(word), "\(word): \(run.output)")
            }
        }
    }

    @Test func `Who cannot sign is refused: another's key, no authority, one that is over`() async throws {
        try await BuiltProgram.withFolder { folder in
            let made = try await Self.make(in: folder, Self.kinds[1])
            #expect(throws: PKIError.self) { try Signer(certificate: made.authority, key: made.leafKey, at: Self.now, from: "ca.crt") }
            #expect(throws: PKIError.self) { try Signer(certificate: made.leaf, key: made.leafKey, at: Self.now, from: "l.crt") }
            let late = Self.now.addingTimeInterval(61 * 86400)
            #expect(throws: PKIError.self) { try Signer(certificate: made.authority, key: made.authorityKey, at: late, from: "ca.crt") }
        }
    }

    @Test func `A kubeconfig keeps every byte but those that are replaced, and what cannot be replaced safely is refused`() async throws {
        try await BuiltProgram.withFolder { folder in
            let made = try await Self.make(in: folder, Self.kinds[1])
            func data(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
            let text = """
                # by hand
                apiVersion: v1
                clusters:
                - cluster: {certificate-authority-data: \(data(try made.authority.pem)), server: "https://10.0.0.100:6443"}
                  name: kubernetes
                contexts: [{context: {cluster: kubernetes, user: admin}, name: admin@kubernetes}]
                current-context: admin@kubernetes
                users:
                - name: admin
                  user:
                    client-certificate-data: \(data(try made.leaf.pem))
                    client-key-data: \(data(made.leafKey.pem)) # kept

                """
            let config = try KubeconfigIdentity(text, from: "admin.conf")
            #expect(try config.certificate == made.leaf && config.authorities == [made.authority] && config.server == "https://10.0.0.100:6443")
            let key = try PrivateKey.make(.ecdsaP256)
            let signer = try Signer(certificate: made.authority, key: made.authorityKey, at: Self.now, from: "ca.crt")
            let new = try signer.renew(made.leaf, for: key, seconds: 86400, at: Self.now)
            let changed = try config.replacing(certificate: new, key: key)
            let again = try KubeconfigIdentity(changed, from: "admin.conf")
            #expect(try again.certificate == new && again.authorities == [made.authority])
            #expect(changed.contains("# by hand") && changed.contains("# kept"))
            #expect(
                changed.replacingOccurrences(of: data(try new.pem), with: data(try made.leaf.pem))
                    .replacingOccurrences(of: data(key.pem), with: data(made.leafKey.pem)) == text)
            #expect(throws: PKIError.self, "twice in the file") {
                try KubeconfigIdentity(text + "# " + data(made.leafKey.pem), from: "admin.conf").replacing(certificate: new, key: key)
            }
            for broken in ["", "[]", "a: b", "clusters: 7", "clusters: [{cluster: {server: 1}}]\nusers: [{user: {client-certificate-data: '%%%'}}]"] {
                #expect(throws: PKIError.self) {
                    try KubeconfigIdentity(broken, from: "admin.conf").certificate.map { _ in 0 } ?? { throw PKIError(.missing, "none") }()
                }
            }
        }
    }

    @Test func `Broken PEM is an error that names its place and nothing of a key`() {
        for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n"] {
            #expect(throws: PKIError.self) { try X509Certificate.parse(pem: text, from: "apiserver.crt") }
        }
        let key = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END RSA PRIVATE KEY-----\n"
        do {
            _ = try PrivateKey(pem: key, from: "apiserver.key")
            Issue.record("it was read")
        } catch { #expect("\(error)".contains("apiserver.key") && !"\(error)".contains("c2Vjcm")) }
    }

    @Test(arguments: kinds, KeyAlgorithm.allCases)
    func `Who trusts either authority accepts what the new one signed, the old one's friends by its word`(_ kind: [String], _ algorithm: KeyAlgorithm)
        async throws
    {
        try await BuiltProgram.withFolder { folder in
            let made = try await Self.make(in: folder, kind)
            let old = try Signer(certificate: made.authority, key: made.authorityKey, at: Self.now, from: "ca.crt")
            let new = try Successor.make(of: made.authority, algorithm, seconds: 3650 * 86400, at: Self.now)
            #expect(new.certificate.isSelfSigned && new.certificate.isAuthority && new.certificate.matches(new.key))
            #expect(new.certificate.subject == made.authority.subject && new.certificate.serial != made.authority.serial)
            let cross = try old.crossSign(new.certificate, at: Self.now)
            #expect(cross.isSigned(by: made.authority) && !cross.isSelfSigned && cross.matches(new.key))
            #expect(cross.notAfter == made.authority.notAfter, "nothing outlives its authority")
            let leaf = try Signer(certificate: new.certificate, key: new.key, at: Self.now, from: "new").renew(
                made.leaf, for: try PrivateKey.make(algorithm), seconds: 86400, at: Self.now)
            for (name, certificates) in [
                ("new-ca", [new.certificate]), ("cross", [cross]), ("leaf", [leaf]), ("both", [made.authority, new.certificate]),
            ] {
                try Data(try certificates.map { try $0.pem }.joined().utf8).write(to: folder.appendingPathComponent("\(name).crt"))
            }
            func path(_ name: String) -> String { folder.appendingPathComponent("\(name).crt").path }
            for (trusted, sent, isTrusted) in [
                ("ca", ["-untrusted", path("cross")], true), ("ca", [], false), ("new-ca", [], true),
                ("new-ca", ["-untrusted", path("cross")], true),
                ("both", ["-untrusted", path("cross")], true), ("both", [], true),
            ] {
                let run = try await CommandRun.run("openssl", ["verify", "-CAfile", path(trusted)] + sent + [path("leaf")])
                #expect((run.status == 0) == isTrusted, "trusting \(trusted), sent \(sent.count): \(run.output)\(run.errors)")
            }
        }
    }
}
