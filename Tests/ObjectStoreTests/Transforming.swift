import ObjectStore

extension StreamTransform {
    /// What becomes of all the bytes, given in pieces of that length.
    func output(of bytes: [UInt8], pieces: Int) throws -> [UInt8] {
        var transform = self
        var result: [UInt8] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            result += try transform.update(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
        }
        return result + (try transform.finish())
    }
}
