/// Something on a host that somebody should mend, with the way to do it.
package struct HostFinding: Codable, Sendable, Equatable, Comparable {
    package enum Severity: String, Codable, Sendable {
        /// Something does not work, would not with the next failure, or is open to others.
        case critical
        case warning
    }

    package var host: String
    package var severity: Severity
    package var subject: String
    package var problem: String
    package var remedy: String

    /// What is critical comes first.
    package static func < (left: Self, right: Self) -> Bool {
        if left.severity != right.severity { return left.severity == .critical }
        return (left.host, left.subject, left.problem) < (right.host, right.subject, right.problem)
    }
}
