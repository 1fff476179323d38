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

    /// Hands a file over line by line, however long it is. What is no text is handed over as well as it can be.
    static func forEachLine(_ path: String, _ body: (String) -> Void) throws {
        guard let file = FileHandle(forReadingAtPath: path) else { throw OperationError(.invalid, "\(path) cannot be read.") }
        defer { try? file.close() }
        var rest = Data()
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
            rest += piece
            var start = rest.startIndex
            while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                body(String(decoding: rest[start..<end], as: UTF8.self))
                start = rest.index(after: end)
            }
            rest = Data(rest[start...])
            // A line of the length of a book is none.
            if rest.count > 16 << 20 { rest = Data() }
        }
        if !rest.isEmpty { body(String(decoding: rest, as: UTF8.self)) }
    }
}
