import Foundation
import HAProxy
import Proving
import Testing

struct ConfigurationTests {
    private static let text = """
        global
            stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners
            stats socket ipv4@127.0.0.1:9999 level operator
        defaults
            default-server inter 5s
        userlist people
            user anna insecure-password hunter2 # hunter2
        backend kube-api
            stats auth admin:s3cret
            default-server fall 3 check
            server cp1 10.0.0.1:6443 weight 5
            server "cp 2" 10.0.0.2:6443 # not this
            #server cp3 10.0.0.3:6443
        listen web
            server-template app 3 app.local:80 check

        """

    @Test func `Sections, servers and sockets are found as HAProxy reads them`() {
        let file = ConfigurationFile(parsing: Self.text)
        #expect(file.backends.map(\.name) == ["kube-api", "web"])
        #expect(file.backend("kube-api")?.servers.map(\.name) == ["cp1", "cp 2"])
        #expect(file.server("cp1", of: "kube-api")?.line == 11)
        #expect(file.adminSockets.map(\.description) == ["/run/haproxy/admin.sock"], "one that may change nothing is none")
        #expect(file.keywords(like: "cp1", of: "kube-api") == ["inter", "5s", "fall", "3", "check", "weight", "5"])
        #expect(file.keywords(like: "nobody", of: "kube-api") == nil)
    }

    @Test func `Files of authorities are found, below their folder, and the system's own are none`() {
        let file = ConfigurationFile(
            parsing: """
                global
                    ca-base /etc/ssl/own
                frontend api
                    bind :443 ssl crt /etc/haproxy/site.pem ca-file clients.crt verify optional
                backend masters
                    default-server check check-ssl verify required ca-file /etc/haproxy/kubernetes-ca.crt
                    server cp1 10.0.0.1:6443 ca-file @system-ca
                    server cp2 10.0.0.2:6443 ca-file
                """)
        #expect(file.authorityFiles == ["/etc/haproxy/kubernetes-ca.crt", "/etc/ssl/own/clients.crt"])
    }

    @Test func `A difference is shown as diff -u shows it, and without passwords`() {
        let changed = Self.text.replacingOccurrences(of: "10.0.0.2", with: "10.0.0.9").replacingOccurrences(of: "hunter2", with: "hunter3")
        let diff = LineDiff.unified(
            ConfigurationFile.withoutSecrets(Self.text), ConfigurationFile.withoutSecrets(changed), name: "haproxy.cfg", context: 1)
        #expect(
            diff == """
                --- haproxy.cfg
                +++ haproxy.cfg (new)
                @@ -11,3 +11,3 @@
                     server cp1 10.0.0.1:6443 weight 5
                -    server "cp 2" 10.0.0.2:6443 # not this
                +    server "cp 2" 10.0.0.9:6443 # not this
                     #server cp3 10.0.0.3:6443
                """)
        let shown = ConfigurationFile.withoutSecrets(Self.text)
        #expect(!shown.contains("hunter2") && !shown.contains("s3cret"))
        #expect(LineDiff.unified("a\n", "a\n", name: "x").isEmpty)
    }

    @Test func `What cannot stand in a configuration is refused before it is written`() {
        func refuses(_ change: (inout ControlPlaneConfiguration) -> Void) -> Bool {
            var made = ControlPlaneConfiguration(servers: [.init(name: "cp1", host: "10.0.0.1", port: 6443)])
            change(&made)
            return (try? made.text()) == nil
        }
        #expect(!refuses { _ in })
        #expect(refuses { $0.servers = [] })
        #expect(refuses { $0.servers.append($0.servers[0]) })
        #expect(refuses { $0.servers[0].name = "cp1\n    server evil 10.0.0.9:1" })
        #expect(refuses { $0.bind = ["*:6443 ssl"] })
        #expect(refuses { $0.servers[0].port = 0 })
        #expect(refuses { $0.checkPath = "readyz" })
        #expect(refuses { $0.mostConnections = 0 })
    }

    @Test(.enabled(if: HAProxyRelease.mayRun, Comment(rawValue: HAProxyRelease.missing)), arguments: HAProxyRelease.allCases)
    func `What is rendered is taken without a warning`(_ release: HAProxyRelease) async throws {
        try await BuiltProgram.withFolder { folder in
            let authority = folder.appendingPathComponent("ca.crt")
            let made = try await CommandRun.run(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-out", authority.path,
                    "-subj", "/CN=kubernetes", "-days", "2",
                ])
            try #require(made.status == 0, "\(made.errors)")
            var configuration = ControlPlaneConfiguration(servers: [
                .init(name: "cp1", host: "10.0.0.1", port: 6443), .init(name: "cp2", host: "fd00::2", port: 6443),
            ])
            (configuration.authority, configuration.bind) = (authority.path, ["*:6443", "[::]:6444"])
            (configuration.user, configuration.group) = ("nobody", "nogroup")
            let file = folder.appendingPathComponent("haproxy.cfg")
            try Data(try configuration.text().utf8).write(to: file)
            let checked = try await CommandRun.run(release.program, ["-c", "-f", file.path], environment: release.environment)
            #expect(
                checked.status == 0 && !checked.errors.contains("WARNING") && !checked.output.contains("arning"), "\(checked.errors)\(checked.output)"
            )
        }
    }
}
