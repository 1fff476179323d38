package import KubernetesAPI

/// What carries requests to a Kubernetes API: HTTP, or a call within the process.
///
/// A transport sends a request once. It throws `KubernetesError` when there is no answer; an answer that is a refusal is an answer.
package protocol KubernetesTransport: Sendable {
    func send(_ request: APIRequest) async throws -> APIResponse

    /// Sends a request whose answer is a stream of JSON values (a watch), and hands each over as it comes. Returns when the stream ends.
    /// - Throws: `APIStatus` when the server refuses the request.
    func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws

    /// Sends a request whose answer is text (a pod's log), and hands the pieces over as they come.
    func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws
}
