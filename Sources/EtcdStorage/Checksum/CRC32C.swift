internal import CPlatform

/// A running CRC-32C (Castagnoli), the checksum of etcd's WAL records, `.snap` files and `snapshot status` hash.
package struct CRC32C: Sendable, Equatable {
    /// The checksum of every byte so far; 0 for none.
    package private(set) var value: UInt32

    /// Starts at `value`, the checksum of the bytes before: WAL segments continue the chain of their predecessor.
    package init(_ value: UInt32 = 0) { self.value = value }

    /// Extends the checksum over `bytes`.
    @inline(__always)
    package mutating func update(_ bytes: RawSpan) {
        value = bytes.withUnsafeBytes { drydock_crc32c(value, $0.baseAddress, $0.count) }
    }

    /// The checksum of `bytes` alone.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes.span.bytes)
        return crc.value
    }
}
