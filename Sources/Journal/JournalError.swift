/// Why the journal could not be kept, or why it forbids a run.
package struct JournalError: Error, CustomStringConvertible, Sendable {
    package enum Code: Sendable {
        /// Another run holds the subject's lock, or has begun and is not over.
        case locked
        /// There is no such run, or it is not in a state in which this can be done.
        case invalid
        /// The file cannot be read or written.
        case system
    }

    package let code: Code
    /// What failed, on what, and what to do next.
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
