internal import Foundation
internal import KubernetesAPI
internal import Subprocess
internal import SystemPackage

/// A client certificate and its key, PEM.
struct Identity: Sendable, Equatable {
    var certificate: [UInt8]
    /// Secret.
    var key: [UInt8]
}

/// What a user shows the server, kept fresh: tokens in files are read anew every minute, a plugin is asked again when its token ends or the server
/// refuses it.
actor CredentialSource {
    private struct Credential: Sendable {
        /// The Authorization header.
        var header: String?
        var identity: Identity?
        var until: Date
    }

    private let bearer: ClusterAccess.Bearer?
    private var cached: Credential?
    /// Who needs the plugin's answer while it is asked waits for the same one.
    private var asking: Task<Credential, any Error>?
    private let now: @Sendable () -> Date

    /// How long a token from a file is used; service accounts' tokens live an hour at least and rotate at 80 % (client-go waits as long).
    private static let fileLifetime = 60.0

    init(_ bearer: ClusterAccess.Bearer?, now: @escaping @Sendable () -> Date = { Date() }) {
        self.bearer = bearer
        self.now = now
    }

    /// The Authorization header's value; nil where there is none to send.
    func header() async throws -> String? { try await credential()?.header }

    /// The client certificate that a plugin hands out. Connections are made with it, so it serves until the program ends.
    func identity() async throws -> Identity? {
        guard case .plugin? = bearer else { return nil }
        return try await credential()?.identity
    }

    private func credential() async throws -> Credential? {
        if let cached, now() < cached.until { return cached }
        switch bearer {
        case nil: return nil
        case .token(let token)?: cached = Credential(header: "Bearer \(token)", until: .distantFuture)
        case .basic(let user, let password)?:
            cached = Credential(header: "Basic \(Data("\(user):\(password)".utf8).base64EncodedString())", until: .distantFuture)
        case .file(let path)?:
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                // A file that is being exchanged is not there for a moment.
                if let cached { return cached }
                throw KubernetesError(.configuration, "cannot read the token in \(path). Check that the file is there, and may be read.")
            }
            cached = Credential(
                header: "Bearer \(text.trimmingCharacters(in: .whitespacesAndNewlines))", until: now().addingTimeInterval(Self.fileLifetime))
        case .plugin(let plugin)?:
            let task = asking ?? Task { try await Self.ask(plugin) }
            asking = task
            defer { asking = nil }
            cached = try await task.value
        }
        return cached
    }

    /// The server refused the header: whether asking again may bring another.
    func invalidate() -> Bool {
        switch bearer {
        case .file?, .plugin?:
            cached = nil
            return true
        default: return false
        }
    }

    /// Runs the plugin; its answer never reaches a log. What it says on standard error is for the person who waits.
    private static func ask(_ plugin: CredentialPlugin) async throws -> Credential {
        func fail(_ what: String) -> KubernetesError {
            KubernetesError(.configuration, "the credential plugin \(plugin.command) \(what)\(plugin.hint.map { ". \($0)" } ?? "")")
        }
        var environment = ProcessInfo.processInfo.environment.merging(plugin.environment) { $1 }
        var request: JSON = ["apiVersion": .string(plugin.apiVersion), "kind": "ExecCredential", "spec": ["interactive": false]]
        request["spec"]["cluster"] = plugin.cluster
        environment["KUBERNETES_EXEC_INFO"] = request.description
        let values: [Subprocess.Environment.Key: String] = Dictionary(
            environment.compactMap { entry in Subprocess.Environment.Key(rawValue: entry.key).map { ($0, entry.value) } }, uniquingKeysWith: { $1 })
        let executable: Executable = plugin.command.contains("/") ? .path(FilePath(plugin.command)) : .name(plugin.command)
        let answer: String
        do {
            let result = try await Subprocess.run(
                executable, arguments: Arguments(plugin.arguments), environment: .custom(values), output: .string(limit: 1 << 20),
                error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false))
            guard result.terminationStatus.isSuccess else { throw fail("failed: \(result.terminationStatus)") }
            answer = result.standardOutput
        } catch let error as KubernetesError { throw error } catch let error as CancellationError { throw error } catch {
            throw fail("cannot be run: \(error)")
        }
        guard let status = (try? JSON(parsing: answer))?["status"] else { throw fail("did not answer with JSON") }
        let token = status["token"].string.flatMap { $0.isEmpty ? nil : $0 }
        var identity: Identity?
        if let certificate = status["clientCertificateData"].string, let key = status["clientKeyData"].string {
            identity = Identity(certificate: Array(certificate.utf8), key: Array(key.utf8))
        }
        guard token != nil || identity != nil else {
            throw fail("did not answer with an ExecCredential that has a token, or a certificate and its key")
        }
        return Credential(
            header: token.map { "Bearer \($0)" }, identity: identity, until: Timestamp.date(status["expirationTimestamp"].string) ?? .distantFuture)
    }
}
