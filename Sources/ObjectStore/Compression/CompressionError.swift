/// Why something cannot be compressed or decompressed.
package struct CompressionError: Error, CustomStringConvertible, Sendable, Equatable {
    package let description: String
}
