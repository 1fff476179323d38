/// Why a certificate, a key or a kubeconfig is not what it should be. Never holds key material.
package struct PKIError: Error, CustomStringConvertible, Sendable, Equatable {
    package enum Code: Sendable {
        /// It is not what its place says.
        case malformed
        /// What would be needed is not there: an authority's key, a certificate.
        case missing
        /// It would make something that does not work.
        case refused
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
