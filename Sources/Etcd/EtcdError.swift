internal import GRPCCore

/// Why a conversation with etcd failed, and what to do next.
package struct EtcdError: Error, CustomStringConvertible, Sendable {
    /// The disposition: what the caller can do about it.
    package enum Code: Sendable {
        /// No member answered: transient, may be tried again.
        case unavailable
        /// An answer did not come in time.
        case deadline
        /// The connection is not trusted: a certificate is wrong, or not the right one.
        case tls
        /// The user, the password or the rights are not sufficient.
        case denied
        /// The configuration contradicts itself or names files that cannot be used.
        case invalid
        /// A safety rule forbids it.
        case refused
        /// A server answer that callers act on: the revision is compacted.
        case compacted
        /// The quota is used up: the NOSPACE alarm stands.
        case noSpace
        /// The learner has not caught up yet.
        case learnerNotReady
        /// Members are not connected, or not yet for the 5 s that etcd wants before the membership changes; nothing was proposed.
        case unhealthyCluster
        /// There is no such member.
        case memberNotFound
        /// The member that was asked does not lead.
        case notLeader
        /// The server answered no, for another reason: nothing was changed.
        case rejected
        /// The call ended in another error, which does not say how far it came.
        case server
    }

    package let code: Code
    /// What failed, on which endpoint, and what to do next. Never a secret.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// Whether the same call may succeed a little later.
    package var isTransient: Bool { code == .unavailable }

    /// Whether it is certain that the call changed nothing. A call that was cancelled, or whose answer was lost, may have.
    package var isRefusal: Bool {
        switch code {
        case .unavailable, .deadline, .server: false
        case .tls, .denied, .invalid, .refused, .compacted, .noSpace, .learnerNotReady, .unhealthyCluster, .memberNotFound, .notLeader, .rejected:
            true
        }
    }

    /// Translates what gRPC reports of `endpoint`.
    init(_ error: RPCError, endpoint: Endpoint) {
        let said = error.message.isEmpty ? "\(error.code)" : error.message
        // etcd's answers are known by their text: its own clients tell them apart the same way (api/v3rpc/rpctypes/error.go).
        if let known = Self.answers.first(where: { said.contains($0.text) }) {
            self.init(known.code, "\(endpoint) answered: \(said). \(known.remedy)")
            return
        }
        switch error.code {
        case .unavailable:
            self.init(
                .unavailable,
                "\(endpoint) is not available: \(said)\(Self.root(of: error)) Check that etcd runs there and that the port is reachable.")
        case .deadlineExceeded:
            self.init(
                .deadline,
                "\(endpoint) did not answer in time. Check the network and the member's load, or raise --command-timeout.")
        case .unauthenticated, .permissionDenied:
            self.init(.denied, "\(endpoint) refuses: \(said). Check --user and its password, or that the user has the root role.")
        case .invalidArgument where said.contains("authentication failed"):
            self.init(.denied, "\(endpoint) refuses the user or the password. Check --user and ETCDCTL_PASSWORD.")
        case .invalidArgument where said.contains("user name is empty"), .failedPrecondition where said.contains("authentication is not enabled"):
            self.init(.denied, "\(endpoint) says: \(said). Check whether the cluster has authentication enabled, and --user.")
        case .invalidArgument, .notFound, .alreadyExists, .resourceExhausted, .failedPrecondition, .outOfRange, .unimplemented:
            self.init(.rejected, "\(endpoint) answered \(error.code): \(said)")
        default:
            self.init(.server, "\(endpoint) answered \(error.code): \(said)")
        }
    }

    private static let answers: [(text: String, code: Code, remedy: String)] = [
        ("mvcc: required revision has been compacted", .compacted, "Use a newer revision."),
        ("mvcc: database space exceeded", .noSpace, "The quota is used up; run `drydock etcd recover-space`."),
        ("can only promote a learner member which is in sync with leader", .learnerNotReady, "Wait until it has caught up."),
        ("unhealthy cluster", .unhealthyCluster, "Every voter must have been connected for 5 s; look at `drydock etcd members`."),
        ("etcdserver: member not found", .memberNotFound, "Look at `drydock etcd members`."),
        ("etcdserver: not leader", .notLeader, "The leader has changed; ask again."),
    ]

    /// Whether only the rights on the key are missing, so that the cluster is at work.
    var isKeyDenied: Bool { code == .denied && message.contains("permission denied") }

    /// The innermost cause, which names the refused connection or the missing route.
    private static func root(of error: RPCError) -> String {
        var cause = error.cause
        while let inner = cause as? RPCError, let next = inner.cause { cause = next }
        return cause.map { " (\($0))." } ?? "."
    }
}
