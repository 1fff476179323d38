internal import Glibc

// Little-endian loads. Every caller has checked the range; RawSpan checks it once more and would stop the program rather
// than read outside.
extension RawSpan {
    @inline(__always)
    func u16(at offset: Int) -> UInt16 { UInt16(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self)) }

    @inline(__always)
    func u32(at offset: Int) -> UInt32 { UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)) }

    @inline(__always)
    func u64(at offset: Int) -> UInt64 { UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)) }

    @inline(__always)
    func u64BigEndian(at offset: Int) -> UInt64 { UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)) }

    @inline(__always)
    func byte(at offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

    /// A copy of the bytes.
    package func array() -> [UInt8] { withUnsafeBytes { Array($0) } }

    /// Whether the bytes equal `other`, a short ASCII name.
    func equals(_ other: StaticString) -> Bool {
        byteCount == other.utf8CodeUnitCount
            && withUnsafeBytes { $0.isEmpty || memcmp($0.baseAddress!, other.utf8Start, $0.count) == 0 }
    }

    /// Bytewise order, a prefix before what it begins: below 0, 0 or above 0, like memcmp.
    @inline(__always)
    func compare(_ other: RawSpan) -> Int {
        withUnsafeBytes { left in
            other.withUnsafeBytes { right in
                let shared = min(left.count, right.count)
                let order = shared == 0 ? 0 : Int(memcmp(left.baseAddress!, right.baseAddress!, shared))
                return order != 0 ? order : left.count - right.count
            }
        }
    }
}

extension Array where Element == UInt8 {
    mutating func append(u16 value: UInt16) { append(littleEndian: value) }
    mutating func append(u32 value: UInt32) { append(littleEndian: value) }
    mutating func append(u64 value: UInt64) { append(littleEndian: value) }
    mutating func append(u64BigEndian value: UInt64) { append(littleEndian: value.byteSwapped) }

    private mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
