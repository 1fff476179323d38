/// Why the Kubernetes API could not be asked. What the server refuses is an `APIStatus`.
package struct KubernetesError: Error, CustomStringConvertible, Sendable {
    package enum Code: Sendable {
        /// The kubeconfig, or what it points to, cannot be used.
        case configuration
        /// Nobody answers there.
        case unavailable
        /// The connection is not secure: the certificates do not fit.
        case tls
        /// An answer that the API's rules do not allow.
        case malformed
        /// The server has no such kind of object.
        case unsupported
    }

    package let code: Code
    /// What failed, on what, and what to do next.
    package let description: String

    /// Whether the connection was there and ended before the answer came: on one that was used before, the server may not even have seen the request.
    package let brokeOff: Bool

    package init(_ code: Code, _ description: String, brokeOff: Bool = false) {
        self.code = code
        self.description = description
        self.brokeOff = brokeOff
    }

    /// Whether the same call may succeed a little later.
    package var isTransient: Bool { code == .unavailable }
}
