internal import Foundation
internal import Operations

/// A text file that a user names.
enum TextFile {
    /// - Parameter path: - for standard input.
    static func read(_ path: String) throws -> String {
        let data = path == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: path)
        guard let data, let text = String(data: data, encoding: .utf8) else { throw OperationError(.invalid, "\(path) cannot be read as text.") }
        return text
    }
}
