internal import Foundation
package import KubernetesAPI
package import KubernetesClient
internal import Maintenance

/// Follows the objects of one kind: a list, then a watch from where the list stood, for ever; where the server has forgotten the place (410), or the
/// stream breaks in a way that leaves doubt, a list again.
package struct Watcher: Sendable {
    package enum Event: Sendable {
        /// A list begins: what it does not name at its end is gone.
        case listBegan
        /// An object, as it is now.
        case applied(JSON)
        /// An object is gone, as it was last.
        case deleted(JSON)
        /// The list is whole.
        case listEnded
        /// Nobody answers; it goes on trying. The reason.
        case interrupted(String)
    }

    package let client: KubernetesClient
    package let resource: Resource
    package let namespace: String?
    package let options: ListOptions

    /// The first and the longest pause after a failure, seconds.
    private static let pauses = (first: 0.2, longest: 30.0)
    /// How long one watch lasts at most, seconds; drawn by chance up to twice that, so that a server's watches do not end together.
    private static let watchSeconds = 300

    package init(client: KubernetesClient, resource: Resource, namespace: String? = nil, options: ListOptions = ListOptions()) {
        self.client = client
        self.resource = resource
        self.namespace = namespace
        self.options = options
    }

    /// Follows until it is cancelled. Only what trying again cannot mend ends it: no permission, no such kind.
    package func run(_ receive: (Event) async throws -> Void) async throws {
        var version: String?
        var pause = Self.pauses.first
        while true {
            try Task.checkCancellation()
            do {
                guard let from = version else {
                    version = try await list(receive)
                    continue
                }
                var heard = false
                let began = client.time.now()
                try await watch(from: from, receive) {
                    version = $0
                    heard = true
                }
                // A watch that ends at once and brings nothing is no reason to ask as fast as one can.
                guard !heard, client.time.now().timeIntervalSince(began) < 1 else {
                    pause = Self.pauses.first
                    continue
                }
            } catch let error as APIStatus where error.isGone {
                version = nil
                continue
            } catch let error as APIStatus where error.isTransient || error.code >= 500 {
                try await receive(.interrupted("\(error)"))
            } catch let error as KubernetesError where error.isTransient {
                try await receive(.interrupted("\(error)"))
            }
            try await client.time.sleep(.seconds(pause * Double.random(in: 0.5...1)))
            pause = min(Self.pauses.longest, pause * 2)
        }
    }

    private func list(_ receive: (Event) async throws -> Void) async throws -> String {
        try await receive(.listBegan)
        // Page by page, so that a large list is never in memory at once.
        let version = try await client.forEachPage(
            resource, namespace: namespace, options, restart: { try await receive(.listBegan) }
        ) { page in
            for item in page { try await receive(.applied(item)) }
        }
        try await receive(.listEnded)
        return version
    }

    /// - Parameter reached: told of every version from which the watch could go on.
    private func watch(from version: String, _ receive: (Event) async throws -> Void, reached: (String) -> Void) async throws {
        let seconds = Int.random(in: Self.watchSeconds...2 * Self.watchSeconds)
        try await client.watch(resource, namespace: namespace, options, from: version, timeoutSeconds: seconds) { event in
            switch event {
            case .added(let object), .modified(let object):
                try await receive(.applied(object))
                if let version = object["metadata"]["resourceVersion"].string { reached(version) }
            case .deleted(let object):
                try await receive(.deleted(object))
                if let version = object["metadata"]["resourceVersion"].string { reached(version) }
            case .bookmark(let version): reached(version)
            case .error(let status): throw status
            }
        }
    }
}
