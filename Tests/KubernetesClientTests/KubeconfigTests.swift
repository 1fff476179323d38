import Foundation
import KubernetesAPI
import KubernetesClient
import Testing

struct KubeconfigTests {
    private func withFiles(_ files: [String: String], _ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-kubeconfig-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files {
            let file = folder.appendingPathComponent(name)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        try body(folder)
    }

    private func access(_ text: String, context: String? = nil) throws -> ClusterAccess {
        var access: ClusterAccess?
        try withFiles(["config": text]) { folder in
            access = try Kubeconfig(paths: [folder.appendingPathComponent("config").path], mustExist: true).access(context: context, environment: [:])
        }
        return try #require(access)
    }

    private func refusal(_ text: String, context: String? = nil) -> String {
        do {
            _ = try access(text, context: context)
            return "none"
        } catch { return "\(error)" }
    }

    private func config(cluster: String = "server: https://10.0.0.1:6443", user: String = "token: t") -> String {
        """
        current-context: main
        contexts: [{name: main, context: {cluster: c, user: u, namespace: apps}}]
        clusters: [{name: c, cluster: {\(cluster)}}]
        users: [{name: u, user: {\(user)}}]
        """
    }

    @Test func `Of several files the first that says something wins, and paths are relative to the file they stand in`() throws {
        let first = """
            current-context: one
            contexts: [{name: one, context: {cluster: a, user: a}}]
            users: [{name: a, user: {tokenFile: secrets/token}}]
            """
        let second = """
            current-context: two
            contexts: [{name: one, context: {cluster: wrong, user: wrong}}, {name: two, context: {cluster: a, user: b}}]
            clusters: [{name: a, cluster: {server: "https://a:6443", certificate-authority: ca.crt}}]
            users: [{name: a, user: {token: other}}, {name: b, user: {client-certificate: /abs/b.crt, client-key-data: a2V5}}]
            """
        try withFiles(["first": first, "deep/second": second]) { folder in
            let list = "\(folder.path)/first:\(folder.path)/missing:\(folder.path)/deep/second"
            let paths = Kubeconfig.paths(explicit: nil, environment: ["KUBECONFIG": list, "HOME": "/home/me"])
            let config = try Kubeconfig(paths: paths, mustExist: false)
            #expect(config.currentContext == "one" && config.contextNames == ["one", "two"])
            let one = try config.access(environment: [:])
            #expect(one.server.absoluteString == "https://a:6443" && one.context == "one")
            guard case .file(let token)? = one.bearer, case .file(let authority)? = one.authority else { return #expect(Bool(false)) }
            #expect(token == "\(folder.path)/secrets/token" && authority == "\(folder.path)/deep/ca.crt")
            let two = try config.access(context: "two", environment: [:])
            guard case .file("/abs/b.crt")? = two.certificate, case .bytes(let key)? = two.key else { return #expect(Bool(false)) }
            #expect(key == Array("key".utf8))
        }
        #expect(Kubeconfig.paths(explicit: nil, environment: ["HOME": "/home/me"]) == ["/home/me/.kube/config"])
        #expect(Kubeconfig.paths(explicit: "x", environment: ["KUBECONFIG": "y"]) == ["x"])
    }

    @Test func `Everything that a user and a cluster can say is understood`() throws {
        let all = try access(
            config(
                cluster: "server: https://10.0.0.1:6443/k8s, tls-server-name: api.example, proxy-url: \"socks5://127.0.0.1:1080\"",
                user: "as: admin, username: me, password: secret"))
        #expect(all.tlsServerName == "api.example" && all.proxy?.scheme == "socks5" && all.namespace == "apps" && !all.skipsVerification)
        #expect(all.headers.map(\.value) == ["admin"])
        guard case .basic("me", "secret")? = all.bearer else { return #expect(Bool(false)) }
        #expect(try access(config(cluster: "server: https://a, insecure-skip-tls-verify: true")).skipsVerification)
        let plugin = try access(
            config(
                cluster: "server: https://a:1, tls-server-name: b",
                user: """
                    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: [get, token], env: [{name: A, value: b}], \
                    installHint: "get it", provideClusterInfo: true, interactiveMode: IfAvailable}
                    """))
        guard case .plugin(let exec)? = plugin.bearer else { return #expect(Bool(false)) }
        #expect(
            exec.command.hasPrefix("/") && exec.command.hasSuffix("login") && exec.arguments == ["get", "token"] && exec.environment == ["A": "b"])
        #expect(exec.cluster["server"].string == "https://a:1" && exec.cluster["tls-server-name"].string == "b" && exec.hint == "get it")
        #expect("\(plugin)" == "https://a:1 (context main)", "it describes itself without secrets")
    }

    @Test func `What is wrong in a kubeconfig is named, with what to do`() throws {
        #expect(refusal("[]").contains("no YAML mapping"))
        #expect(refusal("a: [").contains("cannot be used"))
        #expect(refusal("kind: Pod").contains("its kind is Pod, not Config"))
        #expect(refusal(config(), context: "other").contains("there is no context other; there are: main"))
        #expect(refusal("contexts: [{name: x, context: {}}]").contains("no context is chosen"))
        #expect(refusal(config(cluster: "server: \"ftp://a\"")).contains("no server like https://"))
        #expect(refusal(config(cluster: "server: https://a, proxy-url: \"proxy:3128\"")).contains("proxy-url"))
        #expect(
            refusal(config(cluster: "server: https://a, insecure-skip-tls-verify: true, certificate-authority: x")).contains("one of them must go"))
        #expect(refusal(config(cluster: "server: https://a, certificate-authority-data: \"§\"")).contains("is not base64"))
        #expect(refusal(config(user: "client-certificate: x")).contains("without its key"))
        #expect(refusal(config(user: "exec: {command: a, apiVersion: client.authentication.k8s.io/v1alpha1}")).contains("speaks"))
        #expect(
            refusal(config(user: "exec: {command: a, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}")).contains("must ask"))
        #expect(refusal(config(user: "auth-provider: {name: gcp}")).contains("gave up in 1.26"))
        #expect(throws: KubernetesError.self) { try Kubeconfig(paths: ["/nowhere/config"], mustExist: true) }
        #expect(throws: KubernetesError.self) { try ClusterAccess.discover(paths: ["/nowhere/config"], context: nil, environment: [:]) }
    }

    @Test func `Nothing secret of a kubeconfig stands in an error, and aliases do not grow without bound`() throws {
        for text in [
            config(user: "token: \"SECRET\" oops"), config(cluster: "server: https://me:SECRET@a"),
            config(cluster: "server: https://a, proxy-url: \"socks4://me:SECRET@p:1\""),
            config(cluster: "server: https://a, proxy-url: \"socks5://me:SECRET@p:1\""), config(user: "token: [SECRET"), "SECRET: &a [*b]",
        ] {
            let error = refusal(text)
            #expect(error != "none" && !error.contains("SECRET"), "\(error)")
        }
        let bomb =
            "a: &a [x]\n" + (1..<10).map { "k\($0): &\($0) [\(Array(repeating: "*a", count: 9).joined(separator: ", "))]" }.joined(separator: "\n")
        #expect(refusal(bomb).contains("aliases"))
        #expect(refusal("a: 1\n---\nb: [").contains("line"), "the second document counts too")
        #expect(refusal(config(user: "as-groups: [a]")).contains("not as whom"))
        let acting = try access(config(user: "as: admin, as-groups: [a, b], as-user-extra: {\"x/y\": [z]}"))
        #expect(
            acting.headers.map { "\($0.name): \($0.value)" } == [
                "Impersonate-User: admin", "Impersonate-Group: a", "Impersonate-Group: b", "Impersonate-Extra-x/y: z",
            ])
    }

    @Test func `A pod finds its own account, and a kubeconfig goes before it`() throws {
        try withFiles(["token": "t\n", "ca.crt": "", "namespace": "apps\n"]) { folder in
            let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
            let access = try #require(ClusterAccess.inCluster(environment: environment, folder: folder.path))
            #expect(access.server.absoluteString == "https://[fd00::1]:443" && access.namespace == "apps")
            guard case .file(let token)? = access.bearer else { return #expect(Bool(false)) }
            #expect(token == "\(folder.path)/token", "read anew, because it rotates")
            #expect(ClusterAccess.inCluster(environment: [:], folder: folder.path) == nil)
        }
    }
}
