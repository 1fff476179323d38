internal import Foundation
internal import KubernetesAPI
internal import Subprocess
internal import SystemPackage

/// The Authorization header, kept fresh: tokens in files are read anew every minute, a plugin is asked again when its token ends or the server
/// refuses it.
actor CredentialSource {
    private let bearer: ClusterAccess.Bearer?
    private var cached: (header: String, until: Date)?
    private let now: @Sendable () -> Date

    /// How long a token from a file is used; service accounts' tokens live an hour at least and rotate at 80 % (client-go waits as long).
    private static let fileLifetime = 60.0

    init(_ bearer: ClusterAccess.Bearer?, now: @escaping @Sendable () -> Date = { Date() }) {
        self.bearer = bearer
        self.now = now
    }

    /// The header's value; nil where there is none to send.
    func header() async throws -> String? {
        if let cached, now() < cached.until { return cached.header }
        switch bearer {
        case nil: return nil
        case .token(let token)?: return "Bearer \(token)"
        case .basic(let user, let password)?: return "Basic \(Data("\(user):\(password)".utf8).base64EncodedString())"
        case .file(let path)?:
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                // A file that is being exchanged is not there for a moment.
                if let cached { return cached.header }
                throw KubernetesError(.configuration, "cannot read the token in \(path). Check that the file is there, and may be read.")
            }
            let header = "Bearer \(text.trimmingCharacters(in: .whitespacesAndNewlines))"
            cached = (header, now().addingTimeInterval(Self.fileLifetime))
            return header
        case .plugin(let plugin)?:
            let (token, expiry) = try await Self.ask(plugin)
            cached = ("Bearer \(token)", expiry ?? .distantFuture)
            return "Bearer \(token)"
        }
    }

    /// The server refused the header: whether asking again may bring another.
    func invalidate() -> Bool {
        cached = nil
        switch bearer {
        case .file?, .plugin?: return true
        default: return false
        }
    }

    /// Runs the plugin; its answer never reaches a log.
    private static func ask(_ plugin: CredentialPlugin) async throws -> (token: String, expiry: Date?) {
        func fail(_ what: String) -> KubernetesError {
            KubernetesError(.configuration, "the credential plugin \(plugin.command) \(what)\(plugin.hint.map { ". \($0)" } ?? "")")
        }
        var environment = ProcessInfo.processInfo.environment.merging(plugin.environment) { $1 }
        let request: JSON = ["apiVersion": .string(plugin.apiVersion), "kind": "ExecCredential", "spec": ["interactive": false]]
        environment["KUBERNETES_EXEC_INFO"] = request.description
        let values: [Subprocess.Environment.Key: String] = Dictionary(
            environment.compactMap { entry in Subprocess.Environment.Key(rawValue: entry.key).map { ($0, entry.value) } }, uniquingKeysWith: { $1 })
        let executable: Executable = plugin.command.contains("/") ? .path(FilePath(plugin.command)) : .name(plugin.command)
        let answer: String
        do {
            let result = try await Subprocess.run(
                executable, arguments: Arguments(plugin.arguments), environment: .custom(values), output: .string(limit: 1 << 20), error: .discarded)
            guard result.terminationStatus.isSuccess else { throw fail("failed: \(result.terminationStatus)") }
            answer = result.standardOutput
        } catch let error as KubernetesError { throw error } catch let error as CancellationError { throw error } catch {
            throw fail("cannot be run: \(error)")
        }
        guard let credential = try? JSON(parsing: answer), let token = credential["status"]["token"].string, !token.isEmpty else {
            throw fail("did not answer with an ExecCredential that has a token")
        }
        return (token, Timestamp.date(credential["status"]["expirationTimestamp"].string))
    }
}
