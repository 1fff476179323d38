import Foundation
import Proving
import Testing

/// `drydock certs` on a folder that a real kubeadm has made, held against kubeadm and openssl.
@Suite(.enabled(if: RealKubernetes.mayRun && ControlPlaneHosts.mayRun, "root and a real Kubernetes are needed"), .timeLimit(.minutes(40)))
struct KubeadmCertificateTests {
    private struct Desk: Sendable {
        let made: KubeadmFolder
        let state: URL

        static func with(_ body: @Sendable (Desk) async throws -> Void) async throws {
            try await BuiltProgram.withFolder { folder in
                try await body(Desk(made: try await KubeadmFolder(in: folder), state: folder.appendingPathComponent("state")))
            }
        }

        var environment: [String: String] { ["XDG_STATE_HOME": state.path] }
        var flags: [String] {
            ["--kubernetes-dir", made.kubernetes.path, "--kubelet-dir", made.folder.appendingPathComponent("kubelet").path, "--host", "cp1=local"]
        }

        func certs(_ words: String..., clock: String? = nil) async throws -> CommandRun {
            let all = ["certs"] + words + flags
            guard let clock else { return try await BuiltProgram.run(all, environment: environment) }
            return try await CommandRun.run("faketime", ["-f", clock, BuiltProgram.path] + all, environment: environment)
        }

        func rollBack() async throws -> CommandRun {
            let listed = try await BuiltProgram.run(["runs", "list", "-o", "json"], environment: environment)
            let runs = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
            return try await BuiltProgram.run(["runs", "rollback", try #require(runs.first?["id"] as? String)], environment: environment)
        }

        func path(_ name: String) -> String { made.kubernetes.appendingPathComponent(name).path }

        func openssl(_ words: String...) async throws -> String {
            let run = try await CommandRun.run("openssl", words)
            guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "openssl \(words): \(run.output)\(run.errors)") }
            return run.output
        }

        /// Every file's mode, owner and bytes, but for what drydock keeps aside.
        func contents() throws -> [String: String] {
            var found: [String: String] = [:]
            for case let name as String in try #require(FileManager.default.enumerator(atPath: made.kubernetes.path))
            where !name.hasPrefix("drydock-") {
                let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
                let data = FileManager.default.contents(atPath: path(name)) ?? Data()
                found[name] = "\(attributes[.posixPermissions] ?? "") \(attributes[.ownerAccountID] ?? "") \(data.base64EncodedString())"
            }
            return found
        }
    }

    private static let pairs: [(name: String, authority: String)] = [
        ("apiserver", "ca"), ("apiserver-kubelet-client", "ca"), ("apiserver-etcd-client", "etcd/ca"), ("front-proxy-client", "front-proxy-ca"),
        ("etcd/server", "etcd/ca"), ("etcd/peer", "etcd/ca"), ("etcd/healthcheck-client", "etcd/ca"),
    ]

    /// Name, expiry, residual time and whether another manages it, of each row of both tables.
    private static func rows(_ text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 8, words[5] == "UTC", let last = words.last, ["yes", "no"].contains(last) else { return nil }
            return (words[0...6] + [last]).joined(separator: " ")
        }
    }

    @Test func `Every row says what kubeadm says, before and after a renewal`() async throws {
        try await Desk.with { desk in
            func compare(_ place: String) async throws {
                let (ours, theirs) = (try await desk.certs("check"), try await desk.made.kubeadm("certs check-expiration"))
                let rows = Self.rows(ours.output).filter { !$0.hasPrefix("/") }
                #expect(rows == Self.rows(theirs.output) && rows.count == 13, "\(place): \(ours.output)\n\(theirs.output)")
            }
            try await compare("as it was made")
            for (clock, days, status) in [("+330d", "30", 0), ("+340d", "30", 3), ("+340d", "20", 0), ("+364d", "0", 0), ("+366d", "0", 3)]
                as [(String, String, Int32)]
            {
                let run = try await desk.certs("check", "--warn-days", days, clock: clock)
                #expect(run.status == status, "\(clock), \(days) days: \(run.output)\(run.errors)")
            }
            let renewed = try await desk.certs("renew")
            #expect(renewed.status == 0, "\(renewed.errors)")
            try await compare("renewed")
        }
    }

    @Test(arguments: [["--key", "rsa"], ["--key", "ecdsa"], []])
    func `Renewed files have the subjects, names, usages and modes of before, openssl and kubeadm take them, and they are taken back`(_ key: [String])
        async throws
    {
        try await Desk.with { desk in
            let before = try desk.contents()
            func described() async throws -> [String: String] {
                var found: [String: String] = [:]
                for (name, _) in Self.pairs {
                    found[name] = try await desk.openssl(
                        "x509", "-in", desk.path("pki/\(name).crt"), "-noout", "-subject", "-issuer", "-ext",
                        "subjectAltName,keyUsage,extendedKeyUsage,authorityKeyIdentifier,basicConstraints")
                }
                return found
            }
            let descriptions = try await described()
            let renewed = try await BuiltProgram.run(["certs", "renew"] + key + desk.flags, environment: desk.environment)
            try #require(renewed.status == 0, "\(renewed.errors)")
            #expect(try await described() == descriptions)
            let after = try desk.contents()
            #expect(Set(after.keys) == Set(before.keys))
            for (name, text) in after {
                let (old, new) = (before[name]?.split(separator: " ") ?? [], text.split(separator: " "))
                #expect(old.prefix(2) == new.prefix(2), "the mode and the owner of \(name)")
                let stays =
                    name.hasPrefix("pki/sa.") || name.hasSuffix("ca.crt") || name.hasSuffix("ca.key") || name == "kubelet.conf"
                    || name.hasPrefix("manifests") || new.count < 3
                #expect((text == before[name]) == stays, "\(name)")
            }
            for (name, authority) in Self.pairs {
                #expect(try await desk.openssl("verify", "-CAfile", desk.path("pki/\(authority).crt"), desk.path("pki/\(name).crt")).contains(": OK"))
                let own = try await desk.openssl("pkey", "-in", desk.path("pki/\(name).key"), "-pubout")
                #expect(try await desk.openssl("x509", "-in", desk.path("pki/\(name).crt"), "-noout", "-pubkey") == own, "\(name)")
                let kind = try await desk.openssl("x509", "-in", desk.path("pki/\(name).crt"), "-noout", "-text")
                #expect(kind.contains(key.last == "ecdsa" ? "NIST CURVE: P-256" : "2048 bit"), "\(name)")
            }
            let kubeadm = try await desk.made.kubeadm("certs check-expiration")
            #expect(kubeadm.status == 0 && !kubeadm.output.contains("MISSING"), "\(kubeadm.output)\(kubeadm.errors)")
            let renewedAgain = try await desk.made.kubeadm("certs renew all")
            #expect(renewedAgain.status == 0, "kubeadm goes on from here: \(renewedAgain.output)")
            #expect(try await desk.certs("check").status == 0)
            let back = try await desk.rollBack()
            #expect(back.status == 0, "\(back.errors)")
            #expect(try desk.contents() == before, "taken back to the byte")
        }
    }

    @Test func `Names come from kubeadm's configuration where that is asked for, and others sign through requests`() async throws {
        try await Desk.with { desk in
            func names() async throws -> String {
                try await desk.openssl("x509", "-in", desk.path("pki/apiserver.crt"), "-noout", "-ext", "subjectAltName")
            }
            let old = try await names()
            try desk.made.write(names: ["new.example.test", "10.0.0.101"])
            let kept = try await desk.certs("renew", "apiserver")
            #expect(kept.status == 0)
            #expect(try await names() == old, "kept, unless somebody asks")
            let plan = try await desk.certs("renew", "--config", desk.made.config.path, "--dry-run")
            #expect(
                plan.output.contains("good for 10.0.0.101, new.example.test, too") && plan.output.contains("api.example.test no longer"),
                "\(plan.output)")
            let renewed = try await desk.certs("renew", "--config", desk.made.config.path)
            #expect(renewed.status == 0, "\(renewed.errors)")
            // What kubeadm itself makes from the configuration.
            let mine = try await names()
            for name in ["apiserver.crt", "apiserver.key"] { try FileManager.default.removeItem(atPath: desk.path("pki/\(name)")) }
            #expect(try await desk.made.kubeadm("init phase certs apiserver --config \(desk.made.config.path)").status == 0)
            func sorted(_ text: String) -> [String] {
                text.split(whereSeparator: { $0 == "," || $0.isNewline }).map { $0.trimmingCharacters(in: .whitespaces) }.sorted()
            }
            #expect(try await sorted(names()) == sorted(mine))

            // The authority's key is somewhere else.
            let away = desk.made.folder.appendingPathComponent("away.key").path
            try FileManager.default.moveItem(atPath: desk.path("pki/ca.key"), toPath: away)
            let refused = try await desk.certs("renew", "apiserver")
            #expect(refused.status == 4 && refused.output.contains("--csr-dir"), "\(refused.output)\(refused.errors)")
            let folder = desk.made.folder.appendingPathComponent("requests").path
            let asked = try await desk.certs("renew", "apiserver", "--csr-dir", folder)
            #expect(asked.status == 0, "\(asked.errors)")
            let early = try await desk.certs("renew", "apiserver", "--signed-dir", folder)
            #expect(early.status == 2 && early.errors.contains("apiserver.crt cannot be read"), "\(early.status) \(early.errors)")
            _ = try await desk.openssl(
                "x509", "-req", "-in", "\(folder)/cp1/apiserver.csr", "-CA", desk.path("pki/ca.crt"), "-CAkey", away, "-CAcreateserial",
                "-copy_extensions",
                "copyall", "-days", "100", "-out", "\(folder)/cp1/apiserver.crt")
            let installed = try await desk.certs("renew", "apiserver", "--signed-dir", folder)
            #expect(installed.status == 0, "\(installed.output)\(installed.errors)")
            #expect(try await sorted(names()) == sorted(mine))
            let checked = try await desk.certs("check")
            #expect(checked.output.contains("apiserver ") && checked.output.contains("yes"), "externally managed: \(checked.output)")
        }
    }

    @Test func `What is wrong is found and named: expired, foreign, mismatched, missing, open to others`() async throws {
        try await Desk.with { desk in
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: desk.path("pki/apiserver.key"))
            try FileManager.default.removeItem(atPath: desk.path("pki/front-proxy-client.crt"))
            try FileManager.default.removeItem(atPath: desk.path("pki/etcd/peer.key"))
            try FileManager.default.copyItem(atPath: desk.path("pki/etcd/server.key"), toPath: desk.path("pki/etcd/peer.key"))
            try FileManager.default.removeItem(atPath: desk.path("pki/etcd/healthcheck-client.crt"))
            try FileManager.default.copyItem(
                atPath: desk.path("pki/apiserver-kubelet-client.crt"), toPath: desk.path("pki/etcd/healthcheck-client.crt"))
            try Data("not a certificate".utf8).write(to: URL(fileURLWithPath: desk.path("pki/apiserver-etcd-client.crt")))
            let config = try String(contentsOfFile: desk.path("kubelet.conf"), encoding: .utf8)
            try Data(config.replacingOccurrences(of: "lb.example.test", with: "other.example.test").utf8).write(
                to: URL(fileURLWithPath: desk.path("kubelet.conf")))
            let found = try await desk.certs("check")
            #expect(found.status == 3)
            for words in [
                "mode 644 lets others read a secret", "!MISSING! front-proxy-client", "its key is another's", "etcd-ca did not sign it",
                "apiserver-etcd-client.crt", "not good for other.example.test", "drydock certs renew apiserver --from-config",
            ] { #expect(found.output.contains(words), "\(words): \(found.output)") }
        }
    }

    @Test func `A year after everything expired, renewal brings it back`() async throws {
        try await Desk.with { desk in
            let late = "+730d"
            let expired = try await desk.certs("check", clock: late)
            #expect(expired.status == 3 && expired.output.contains("<invalid>") && expired.output.contains("it expired at"), "\(expired.output)")
            let renewed = try await desk.certs("renew", clock: late)
            #expect(renewed.status == 0, "\(renewed.output)\(renewed.errors)")
            let checked = try await desk.certs("check", clock: late)
            // The kubelet's own is made by kubeadm, and renewed by the kubelet.
            #expect(!checked.output.contains("<invalid>") || checked.output.contains("kubelet.conf"), "\(checked.output)")
            let rows = Self.rows(checked.output).filter { !$0.hasPrefix("/") }
            #expect(rows.count == 13 && rows.allSatisfy { !$0.contains("<invalid>") }, "\(rows)")
            // Two years before, they are not valid yet, and that is said.
            #expect(try await desk.certs("check").output.contains("it is valid only from"))
        }
    }

    @Test func `Killed at every boundary of its journal, a renewal is resumed to whole pairs, or taken back to the byte`() async throws {
        try await Desk.with { desk in
            let list = desk.made.folder.appendingPathComponent("boundaries")
            func renew(at number: Int) async throws -> CommandRun {
                try await BuiltProgram.interrupted(
                    at: number, list: list, ["certs", "renew", "--key", "ecdsa"] + desk.flags, environment: desk.environment)
            }
            #expect(try await renew(at: 0).status == 0)
            let count = try String(contentsOf: list, encoding: .utf8).split(separator: "\n").count
            #expect(count >= 5)
            for number in 1...count {
                for goesOn in [true, false] {
                    let before = try desk.contents()
                    #expect(try await renew(at: number).status == 137)
                    let listed = try await BuiltProgram.run(["runs", "list", "-o", "json"], environment: desk.environment)
                    let runs = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
                    let (id, state) = (try #require(runs.first?["id"] as? String), try #require(runs.first?["state"] as? String))
                    guard state == "running" else {
                        #expect(number == 1 || number == count, "\(number) of \(count): \(state)")
                        continue
                    }
                    let end = try await BuiltProgram.run(["runs", goesOn ? "resume" : "rollback", id], environment: desk.environment)
                    #expect(end.status == 0, "boundary \(number): \(end.errors)")
                    if !goesOn { #expect(try desk.contents() == before, "boundary \(number)") }
                    let checked = try await desk.certs("check")
                    #expect(checked.status == 0, "boundary \(number), \(goesOn): \(checked.output)")
                }
            }
        }
    }
}
