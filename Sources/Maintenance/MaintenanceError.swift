/// Why a value of the domain cannot be what somebody wrote, or why a rule forbids what somebody asked for.
package struct MaintenanceError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What was wrong, where, and what to write instead.
    package let description: String

    package init(_ description: String) { self.description = description }
}
