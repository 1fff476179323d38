internal import Foundation

/// What a command reads, in pieces with their lengths before them and an empty one at the end: for connections whose own end does not tell whether
/// all of it has come. A length is 4 bytes, big-endian.
package enum FramedInput {
    /// Of one piece, bytes.
    private static let longest = 1 << 20

    package static let end: [UInt8] = [0, 0, 0, 0]

    /// - Parameter piece: with something in it.
    package static func framed(_ piece: [UInt8]) -> [UInt8] {
        stride(from: 0, to: piece.count, by: longest).flatMap { start in
            let part = piece[start..<min(piece.count, start + longest)]
            return withUnsafeBytes(of: UInt32(part.count).bigEndian) { Array($0) } + part
        }
    }

    /// The next piece that stands in a file, empty at the end; nil where the file ends before. Blocks.
    package static func next(from file: Int32) -> [UInt8]? {
        guard let head = read(4, from: file) else { return nil }
        let count = head.reduce(0) { $0 << 8 | Int($1) }
        return count <= longest ? read(count, from: file) : nil
    }

    private static func read(_ count: Int, from file: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes { Foundation.read(file, $0.baseAddress! + filled, count - filled) }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return nil }
            filled += got
        }
        return bytes
    }
}
