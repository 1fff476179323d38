/// Where the controller and the agent write what they do: one line an event.
package struct ControllerLog: Sendable {
    package enum Level: String, Sendable { case debug, info, warning, error }

    private let write: @Sendable (Level, String, [String: String]) -> Void

    package init(_ write: @escaping @Sendable (Level, String, [String: String]) -> Void) { self.write = write }

    /// Nobody listens.
    package static let silent = ControllerLog { _, _, _ in }

    func callAsFunction(_ level: Level, _ message: String, _ fields: [String: String] = [:]) { write(level, message, fields) }
}
