package import Foundation
package import KubernetesAPI

/// PEM text, or the file that has it.
package enum PEMSource: Sendable {
    case bytes([UInt8])
    case file(String)

    package func read() throws(KubernetesError) -> [UInt8] {
        switch self {
        case .bytes(let bytes): return bytes
        case .file(let path):
            do { return Array(try Data(contentsOf: URL(fileURLWithPath: path))) } catch {
                throw KubernetesError(.configuration, "cannot read \(path): \(error.localizedDescription)")
            }
        }
    }
}

/// A program that hands out credentials (client.authentication.k8s.io).
package struct CredentialPlugin: Sendable, Equatable {
    package var command: String
    package var arguments: [String]
    package var environment: [String: String]
    package var apiVersion: String
    /// What it is told of the cluster, where the kubeconfig says `provideClusterInfo`; else null.
    package var cluster: JSON
    /// What to tell who does not have the program.
    package var hint: String?
}

/// Where a cluster's API is and how to get in. Describes itself without secrets.
package struct ClusterAccess: Sendable, CustomStringConvertible {
    package enum Bearer: Sendable {
        case token(String)
        /// Read anew now and then, because tokens in files rotate.
        case file(String)
        case basic(user: String, password: String)
        case plugin(CredentialPlugin)
    }

    package var server: URL
    /// The context of the kubeconfig, where there is one.
    package var context: String?
    /// What is meant when no namespace is named.
    package var namespace: String?
    package var authority: PEMSource?
    package var certificate: PEMSource?
    package var key: PEMSource?
    package var bearer: Bearer?
    /// The name that the server's certificate must have, where that is not the host's.
    package var tlsServerName: String?
    package var proxy: URL?
    /// Only when the kubeconfig says so.
    package var skipsVerification = false
    /// Sent with every request; a name may come more than once.
    package var headers: [(name: String, value: String)] = []

    package init(server: URL) { self.server = server }

    package var description: String { "\(server.absoluteString)\(context.map { " (context \($0))" } ?? "")" }

    private static let serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// From within a pod: the service account's token, which rotates, and authority. Nil outside a cluster.
    package static func inCluster(environment: [String: String], folder: String? = nil) -> ClusterAccess? {
        let folder = folder ?? serviceAccount
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"],
            FileManager.default.fileExists(atPath: "\(folder)/token"),
            let server = URL(string: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)")
        else { return nil }
        var access = ClusterAccess(server: server)
        access.authority = .file("\(folder)/ca.crt")
        access.bearer = .file("\(folder)/token")
        access.namespace = (try? String(contentsOfFile: "\(folder)/namespace", encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
        return access
    }

    /// As kubectl finds it: the kubeconfig that is named or found, or else the pod's own account.
    package static func discover(kubeconfig: String?, context: String?, environment: [String: String]) throws(KubernetesError) -> ClusterAccess {
        let paths = Kubeconfig.paths(explicit: kubeconfig, environment: environment)
        return try discover(paths: paths, mustExist: kubeconfig != nil, context: context, environment: environment)
    }

    /// - Parameter paths: kubeconfig files; those that are not there are passed over unless they must exist.
    package static func discover(
        paths: [String], mustExist: Bool = false, context: String?, environment: [String: String]
    ) throws(KubernetesError) -> ClusterAccess {
        let config = try Kubeconfig(paths: paths, mustExist: mustExist)
        if config.paths.isEmpty, context == nil, let pod = inCluster(environment: environment) { return pod }
        guard !config.paths.isEmpty else {
            throw KubernetesError(
                .configuration,
                "there is no kubeconfig at \(paths.joined(separator: ", ")), and this is no pod. Name one with --kubeconfig, or set KUBECONFIG.")
        }
        return try config.access(context: context, environment: environment)
    }
}
