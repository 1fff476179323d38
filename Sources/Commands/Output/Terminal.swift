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

    /// Writes a line to standard error. Where it cannot be written there is nobody to tell.
    static func complain(_ message: String) { _ = write(printable(message) + "\n", to: STDERR_FILENO) }

    /// Writes `text` as it is; false when the system refused.
    static func write(_ text: String, to descriptor: Int32) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
        }
        return true
    }

    /// Makes sure that descriptors 0 to 2 are open, so that no file of ours becomes standard output by accident.
    static func fillStandardDescriptors() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
    }

    /// `text` without what could command a terminal: names in a file from elsewhere are not to be trusted. Colours stay.
    static func printable(_ text: String) -> String {
        var result = ""
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            if scalar == "\u{1b}", rest.first == "[" {
                let digits = rest.dropFirst().prefix { ("0"..."9").contains($0) }
                if digits.count <= 2, rest.dropFirst(1 + digits.count).first == "m" {
                    result.unicodeScalars.append(scalar)
                    continue
                }
            }
            let isControl = scalar.value < 0x20 && scalar != "\n" || (0x7f...0x9f).contains(scalar.value)
            result.unicodeScalars.append(isControl ? "\u{fffd}" : scalar)
        }
        return result
    }

    /// Takes everything off the screen, and begins at its top.
    static let clearScreen = "\u{1b}[H\u{1b}[2J"

    enum Color: Int { case red = 31, green = 32, yellow = 33, cyan = 36, bold = 1 }

    /// `text` in colour where colour is wanted.
    static func paint(_ text: String, _ color: Color) -> String {
        isColored ? "\u{1b}[\(color.rawValue)m\(text)\u{1b}[0m" : text
    }
}
