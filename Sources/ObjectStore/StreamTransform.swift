/// Turns one stream of bytes into another, piece by piece: compression, encryption, and their inverses.
package protocol StreamTransform {
    /// Takes the next piece, of any length.
    /// - Returns: what can be said of the output by now; may be empty.
    mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8]

    /// The end of the input. Nothing comes after it.
    /// - Throws: also when the input ended too early.
    mutating func finish() throws -> [UInt8]
}
