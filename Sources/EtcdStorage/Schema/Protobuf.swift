/// Reads the protobuf wire format (protobuf.dev, "Encoding") a field at a time, without copies: for the few fixed messages
/// that etcd stores and for the objects of Kubernetes, where a general decoder would copy every value of the database.
package struct ProtobufReader {
    package enum Malformed: Error { case malformed }

    /// A field's number and its value: a varint (or a fixed number), or where its bytes stand.
    package enum Value {
        case varint(UInt64)
        case fixed(UInt64)
        case bytes(Range<Int>)
    }

    private(set) var offset: Int
    let end: Int

    package init(_ range: Range<Int>) {
        offset = range.lowerBound
        end = range.upperBound
    }

    package var isAtEnd: Bool { offset == end }

    @inline(__always)
    private mutating func varint(_ bytes: RawSpan) throws(Malformed) -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while offset < end, shift < 64 {
            let byte = bytes.byte(at: offset)
            offset += 1
            if shift == 63, byte > 1 { break }
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
            shift += 7
        }
        throw .malformed
    }

    /// The next field; the caller has checked `isAtEnd`. Groups, which no message of etcd has, are malformed.
    @inline(__always)
    package mutating func next(_ bytes: RawSpan) throws(Malformed) -> (field: Int, value: Value) {
        let tag = try varint(bytes)
        guard tag >> 3 >= 1, tag >> 3 <= 536_870_911 else { throw .malformed }
        let field = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (field, .varint(try varint(bytes)))
        case 1:
            guard end - offset >= 8 else { throw .malformed }
            defer { offset += 8 }
            return (field, .fixed(bytes.u64(at: offset)))
        case 2:
            let length = try varint(bytes)
            guard length <= UInt64(end - offset) else { throw .malformed }
            defer { offset += Int(length) }
            return (field, .bytes(offset..<offset + Int(length)))
        case 5:
            guard end - offset >= 4 else { throw .malformed }
            defer { offset += 4 }
            return (field, .fixed(UInt64(bytes.u32(at: offset))))
        default: throw .malformed
        }
    }
}
