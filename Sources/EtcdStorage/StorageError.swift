/// What went wrong with a file, and what the user can do about it.
package struct StorageError: Error, CustomStringConvertible, Sendable {
    /// What kind of failure it is; one place in `Commands` maps it to the exit code.
    package enum Code: Sendable {
        /// The bytes are no bbolt file at all: wrong input rather than damage.
        case notASnapshot
        /// The file is what it claims to be, and parts of it are broken.
        case damaged
        /// The caller's values contradict each other or the format's rules.
        case invalid
        /// A safety rule forbids the work: a target that is not empty, a lock that another process holds.
        case refused
        /// The operating system refused: no space, no permission, no such file.
        case system
    }

    package let code: Code
    /// What failed, on what, and what to do next.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
