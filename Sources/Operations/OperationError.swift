/// Why an operation did not do what it was asked for, and what to do next.
package struct OperationError: Error, CustomStringConvertible, Sendable {
    /// The disposition.
    package enum Code: Sendable {
        /// A safety rule forbids it: nothing was done, or nothing further.
        case refused
        /// The same, by the maintenance window alone or besides: it opens again.
        case closed
        /// A step failed; the run stands still and can be resumed.
        case stopped
        /// The gate held a step up for longer than anybody waits; the run stands still and can be resumed.
        case held
        /// A node could not be reached; the run stands still and can be resumed when it can be.
        case unreachable
        /// The request makes no sense as it is.
        case invalid
        /// What was read is not what was written.
        case damaged
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
