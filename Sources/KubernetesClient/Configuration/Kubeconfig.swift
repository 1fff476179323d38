internal import Foundation
internal import KubernetesAPI

/// One or more kubeconfig files, merged as kubectl merges them: the first file that says something wins (client-go's clientcmd).
package struct Kubeconfig: Sendable {
    /// An entry, and the folder of its file: paths in it are relative to that.
    private struct Entry: Sendable {
        var value: JSON
        var folder: URL
    }

    private var clusters: [String: Entry] = [:]
    private var users: [String: Entry] = [:]
    private var contexts: [String: Entry] = [:]
    package private(set) var currentContext: String?
    /// The files that were read.
    package private(set) var paths: [String] = []

    /// The largest file that is read, bytes.
    private static let sizeLimit = 16 << 20

    /// Where kubectl looks: `explicit`, or the files of $KUBECONFIG, or ~/.kube/config.
    package static func paths(explicit: String?, environment: [String: String]) -> [String] {
        if let explicit { return [explicit] }
        let listed = (environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
        if !listed.isEmpty { return listed }
        return environment["HOME"].map { ["\($0)/.kube/config"] } ?? []
    }

    /// - Parameter mustExist: whether a file that is not there is an error; kubectl passes over missing files of $KUBECONFIG.
    package init(paths: [String], mustExist: Bool) throws(KubernetesError) {
        for path in paths {
            guard FileManager.default.fileExists(atPath: path) else {
                if mustExist { throw KubernetesError(.configuration, "there is no kubeconfig \(path). Check --kubeconfig.") }
                continue
            }
            try merge(path)
        }
    }

    private mutating func merge(_ path: String) throws(KubernetesError) {
        func fail(_ what: String) -> KubernetesError { KubernetesError(.configuration, "the kubeconfig \(path) cannot be used: \(what).") }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        let root: JSON
        do {
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
            guard size <= Self.sizeLimit else { throw fail("it has \(size) bytes, more than \(Self.sizeLimit)") }
            let documents = try YAMLText.documents(try String(contentsOfFile: path, encoding: .utf8))
            guard documents.count <= 1 else { throw fail("it has \(documents.count) documents, and one is meant") }
            root = documents.first ?? .object(JSONObject())
        } catch let error as KubernetesError { throw error } catch let error as YAMLText.Malformed { throw fail("\(error)") } catch {
            throw fail("\(error.localizedDescription)")
        }
        guard root.object != nil else { throw fail("it is no YAML mapping") }
        guard [nil, "Config"].contains(root["kind"].string) else { throw fail("its kind is \(root["kind"].string ?? ""), not Config") }
        paths.append(path)
        if let context = root["current-context"].string, !context.isEmpty, currentContext == nil { currentContext = context }
        func add(_ list: String, _ member: String, to entries: inout [String: Entry]) {
            for entry in root[list].elements {
                if let name = entry["name"].string, entries[name] == nil { entries[name] = Entry(value: entry[member], folder: folder) }
            }
        }
        add("clusters", "cluster", to: &clusters)
        add("users", "user", to: &users)
        add("contexts", "context", to: &contexts)
    }

    package var contextNames: [String] { contexts.keys.sorted() }

    /// How to reach the cluster of a context.
    /// - Parameter context: its name; nil for the current one.
    package func access(context name: String? = nil, environment: [String: String]) throws(KubernetesError) -> ClusterAccess {
        func fail(_ what: String) -> KubernetesError {
            KubernetesError(
                .configuration, "\(paths.isEmpty ? "there is no kubeconfig" : "the kubeconfig \(paths.joined(separator: ", "))"): \(what)")
        }
        guard let name = name ?? currentContext else {
            throw fail("no context is chosen. Set current-context, or name one with --context: \(contextNames.joined(separator: ", "))")
        }
        guard let context = contexts[name] else { throw fail("there is no context \(name); there are: \(contextNames.joined(separator: ", "))") }
        guard let clusterName = context.value["cluster"].string, let cluster = clusters[clusterName] else {
            throw fail("the context \(name) names the cluster \(context.value["cluster"].string ?? "\"\""), which is not there")
        }
        guard let text = cluster.value["server"].string, let server = URL(string: text), let scheme = server.scheme,
            ["http", "https"].contains(scheme), server.host?.isEmpty == false
        else { throw fail("the cluster \(clusterName) has no server like https://10.0.0.1:6443") }
        guard server.user == nil, server.password == nil else {
            throw fail("the cluster \(clusterName) has a user in its server's URL. Put it into the users of the kubeconfig")
        }

        var access = ClusterAccess(server: server)
        access.context = name
        access.namespace = context.value["namespace"].string
        access.tlsServerName = cluster.value["tls-server-name"].string
        access.skipsVerification = cluster.value["insecure-skip-tls-verify"].bool ?? false
        if let proxy = cluster.value["proxy-url"].string {
            // It may have a password, which no message repeats.
            guard let url = URL(string: proxy), url.host != nil, ["http", "https", "socks5"].contains(url.scheme) else {
                throw fail("the cluster \(clusterName) has a proxy-url that is not like http://proxy:3128 or socks5://proxy:1080")
            }
            guard url.scheme != "socks5" || url.user == nil else {
                throw fail("the cluster \(clusterName) has a proxy-url of socks5 with a user, which drydock cannot log in as")
            }
            access.proxy = url
        }
        access.authority = try source(cluster, "certificate-authority", of: clusterName)
        if access.skipsVerification, access.authority != nil {
            throw fail("the cluster \(clusterName) has insecure-skip-tls-verify and a certificate authority; one of them must go")
        }

        guard let userName = context.value["user"].string, !userName.isEmpty else { return access }
        guard let user = users[userName] else { throw fail("the context \(name) names the user \(userName), which is not there") }
        access.certificate = try source(user, "client-certificate", of: userName)
        access.key = try source(user, "client-key", of: userName)
        if (access.certificate == nil) != (access.key == nil) {
            throw fail("the user \(userName) has a client certificate without its key, or a key without its certificate")
        }
        if let path = user.value["tokenFile"].string, !path.isEmpty {
            access.bearer = .file(Self.resolve(path, user.folder))
        } else if let token = user.value["token"].string, !token.isEmpty {
            access.bearer = .token(token)
        } else if let login = user.value["username"].string, !login.isEmpty {
            access.bearer = .basic(user: login, password: user.value["password"].string ?? "")
        }
        let exec = user.value["exec"]
        if exec.object != nil {
            var plugin = try Self.plugin(exec, user.folder, fail)
            if exec["provideClusterInfo"].bool == true { plugin.cluster = try Self.information(access) }
            access.bearer = .plugin(plugin)
        }
        if user.value["auth-provider"].object != nil {
            throw fail("the user \(userName) has an auth-provider, which Kubernetes gave up in 1.26. Use an exec plugin")
        }
        access.headers = try Self.impersonation(user.value, userName, fail)
        return access
    }

    /// The headers by which one user acts as another.
    private static func impersonation(
        _ user: JSON, _ name: String, _ fail: (String) -> KubernetesError
    ) throws(KubernetesError) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let other = user["as"].string, !other.isEmpty { headers.append(("Impersonate-User", other)) }
        if let uid = user["as-uid"].string, !uid.isEmpty { headers.append(("Impersonate-Uid", uid)) }
        for group in user["as-groups"].elements.compactMap(\.string) { headers.append(("Impersonate-Group", group)) }
        for extra in user["as-user-extra"].object?.members ?? [] {
            guard let key = extra.name.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) else { continue }
            for value in extra.value.elements.compactMap(\.string) { headers.append(("Impersonate-Extra-\(key)", value)) }
        }
        guard headers.isEmpty || headers[0].name == "Impersonate-User" else {
            throw fail("the user \(name) says as which groups or uid to act, and not as whom")
        }
        return headers
    }

    private static func plugin(_ exec: JSON, _ folder: URL, _ fail: (String) -> KubernetesError) throws(KubernetesError) -> CredentialPlugin {
        guard let command = exec["command"].string, !command.isEmpty else { throw fail("an exec plugin has no command") }
        let version = exec["apiVersion"].string ?? ""
        guard ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"].contains(version) else {
            throw fail("the exec plugin \(command) speaks \(version), and drydock client.authentication.k8s.io/v1 and v1beta1")
        }
        guard exec["interactiveMode"].string != "Always" else {
            throw fail("the exec plugin \(command) must ask somebody (interactiveMode Always), and a run may have nobody to ask")
        }
        // A command with a slash is relative to the file, as kubectl has it.
        let path = command.contains("/") ? resolve(command, folder) : command
        return CredentialPlugin(
            command: path, arguments: exec["args"].elements.compactMap(\.string),
            environment: Dictionary(
                exec["env"].elements.compactMap { entry in entry["name"].string.map { ($0, entry["value"].string ?? "") } }, uniquingKeysWith: { $1 }),
            apiVersion: version, cluster: .null, hint: exec["installHint"].string)
    }

    /// The cluster, as a plugin is told of it (`spec.cluster` of an ExecCredential).
    private static func information(_ access: ClusterAccess) throws(KubernetesError) -> JSON {
        var cluster: JSON = ["server": .string(access.server.absoluteString)]
        if let name = access.tlsServerName { cluster["tls-server-name"] = .string(name) }
        if access.skipsVerification { cluster["insecure-skip-tls-verify"] = true }
        if let authority = access.authority {
            cluster["certificate-authority-data"] = .string(Data(try authority.read()).base64EncodedString())
        }
        if let proxy = access.proxy { cluster["proxy-url"] = .string(proxy.absoluteString) }
        return cluster
    }

    private static func resolve(_ path: String, _ folder: URL) -> String { path.hasPrefix("/") ? path : folder.appendingPathComponent(path).path }

    private func source(_ entry: Entry, _ name: String, of owner: String) throws(KubernetesError) -> PEMSource? {
        if let data = entry.value["\(name)-data"].string, !data.isEmpty {
            guard let bytes = Data(base64Encoded: data, options: .ignoreUnknownCharacters) else {
                throw KubernetesError(.configuration, "\(name)-data of \(owner) in \(paths.joined(separator: ", ")) is not base64.")
            }
            return .bytes(Array(bytes))
        }
        guard let path = entry.value[name].string, !path.isEmpty else { return nil }
        return .file(Self.resolve(path, entry.folder))
    }
}
