/// Why HAProxy did not do what it was asked, or could not be understood.
package struct HAProxyError: Error, CustomStringConvertible, Sendable, Equatable {
    package enum Code: Sendable {
        /// Nobody listens there, or the answer did not come in time.
        case unavailable
        /// HAProxy said no; the description holds its words.
        case refused
        /// The answer is not what HAProxy says.
        case malformed
        /// What was asked for makes no sense as it is.
        case invalid
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        // It may hold what somebody else has answered: nothing of that moves a cursor.
        self.description = String(
            String.UnicodeScalarView(
                description.unicodeScalars.map { $0.properties.generalCategory == .control && $0 != "\n" && $0 != "\t" ? "\u{B7}" : $0 }))
    }

    package var isTransient: Bool { code == .unavailable }
}
