internal import Foundation

/// The terminal, if there is one.
enum Terminal {
    /// Whether standard error is a person's screen: then progress may be drawn on it.
    static var isErrorInteractive: Bool { isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb" }

    /// Whether standard output may be coloured: a screen, and no NO_COLOR (no-color.org).
    static var isColored: Bool {
        isatty(STDOUT_FILENO) == 1 && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    private static var environment: [String: String] { ProcessInfo.processInfo.environment }

    /// Columns of the screen; 80 when nobody says.
    static var width: Int {
        var size = winsize()
        for descriptor in [STDERR_FILENO, STDOUT_FILENO] where ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 {
            return Int(size.ws_col)
        }
        return 80
    }

    /// Writes a line to standard error.
    static func complain(_ message: String) { FileHandle.standardError.write(Data((message + "\n").utf8)) }

    enum Color: Int { case red = 31, green = 32, yellow = 33, cyan = 36, bold = 1 }

    /// `text` in colour where colour is wanted.
    static func paint(_ text: String, _ color: Color) -> String {
        isColored ? "\u{1b}[\(color.rawValue)m\(text)\u{1b}[0m" : text
    }
}
