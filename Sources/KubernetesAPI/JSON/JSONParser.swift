/// Why bytes are no JSON, and where.
package struct JSONError: Error, CustomStringConvertible, Sendable, Equatable {
    /// Of the byte that is wrong, from 0.
    package let offset: Int
    package let reason: String

    package var description: String { "not JSON at byte \(offset): \(reason)" }
}

extension JSON {
    /// Objects and arrays inside one another, at most.
    package static let depthLimit = 256

    /// Reads one JSON value (RFC 8259), which must be all there is. Any input ends in a value or an error.
    package init(parsing bytes: some Collection<UInt8>) throws(JSONError) {
        let parsed: Result<JSON, JSONError>? = bytes.withContiguousStorageIfAvailable { Self.parse(UnsafeRawBufferPointer($0)) }
        self = try (parsed ?? Array(bytes).withUnsafeBytes { Self.parse($0) }).get()
    }

    package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

    package static func parse(_ bytes: UnsafeRawBufferPointer) -> Result<JSON, JSONError> {
        var parser = JSONParser(bytes)
        return Result { () throws(JSONError) -> JSON in
            let value = try parser.value(depth: 0)
            parser.skipSpace()
            guard parser.isAtEnd else { throw parser.error("something follows the value") }
            return value
        }
    }
}

/// Reads JSON from bytes that stay where they are while it works.
private struct JSONParser {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    /// Strings that were read lately: names and values repeat, and one copy in memory serves them all.
    private var recent: [String] = Array(repeating: "", count: 512)

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset >= bytes.count }

    func error(_ reason: String) -> JSONError { JSONError(offset: offset, reason: reason) }

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0a, 0x0d, 0x09: offset += 1
            default: return
            }
        }
    }

    mutating func value(depth: Int) throws(JSONError) -> JSON {
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
            return .null
        case let byte? where byte == UInt8(ascii: "-") || isDigit(byte): return try number()
        case nil: throw error("the input ends where a value should be")
        default: throw error("no value begins like this")
        }
    }

    private mutating func word(_ text: StaticString) throws(JSONError) {
        let count = text.utf8CodeUnitCount
        guard bytes.count - offset >= count else { throw error("the input ends inside a word") }
        for index in 0..<count where bytes[offset + index] != text.utf8Start[index] { throw error("no value begins like this") }
        offset += count
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        guard depth <= JSON.depthLimit else { throw error("more than \(JSON.depthLimit) objects and arrays inside one another") }
        offset += 1
        var members: [JSONObject.Member] = []
        skipSpace()
        if current == UInt8(ascii: "}") {
            offset += 1
            return JSONObject()
        }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw error("an object's member needs a name") }
            let name = try string()
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw error("a colon should follow the name") }
            offset += 1
            members.append(.init(name: name, value: try value(depth: depth)))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): offset += 1
            case UInt8(ascii: "}"):
                offset += 1
                return JSONObject(members)
            default: throw error("a comma or the end of the object should be here")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSON] {
        guard depth <= JSON.depthLimit else { throw error("more than \(JSON.depthLimit) objects and arrays inside one another") }
        offset += 1
        var elements: [JSON] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            offset += 1
            return elements
        }
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): offset += 1
            case UInt8(ascii: "]"):
                offset += 1
                return elements
            default: throw error("a comma or the end of the array should be here")
            }
        }
    }

    private mutating func string() throws(JSONError) -> String {
        offset += 1
        let start = offset
        // FNV-1a over what is read, to find a string that was read before.
        var hash: UInt32 = 0x811c_9dc5
        while offset < bytes.count {
            let byte = bytes[offset]
            switch byte {
            case UInt8(ascii: "\""):
                let text = UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
                offset += 1
                return interned(text, hash)
            case UInt8(ascii: "\\"): return try stringWithEscapes(from: start)
            case 0..<0x20: throw error("a control character stands in a string")
            default:
                hash = (hash ^ UInt32(byte)) &* 0x0100_0193
                offset += 1
            }
        }
        throw error("the input ends inside a string")
    }

    private mutating func interned(_ text: UnsafeRawBufferPointer, _ hash: UInt32) -> String {
        // Up to 15 bytes fit into a String itself; long ones seldom repeat.
        guard text.count > 15, text.count <= 128 else { return String(decoding: text, as: UTF8.self) }
        let slot = Int(hash ^ hash >> 9) & (recent.count - 1)
        if recent[slot].utf8.count == text.count, recent[slot].utf8.elementsEqual(text) { return recent[slot] }
        let new = String(decoding: text, as: UTF8.self)
        recent[slot] = new
        return new
    }

    private mutating func stringWithEscapes(from start: Int) throws(JSONError) -> String {
        var result = Array(bytes[start..<offset])
        while let byte = current {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: result, as: UTF8.self)
            case 0..<0x20: throw error("a control character stands in a string")
            case UInt8(ascii: "\\"):
                guard let escape = current else { throw error("the input ends inside a string") }
                offset += 1
                switch escape {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(escape)
                case UInt8(ascii: "b"): result.append(8)
                case UInt8(ascii: "f"): result.append(12)
                case UInt8(ascii: "n"): result.append(10)
                case UInt8(ascii: "r"): result.append(13)
                case UInt8(ascii: "t"): result.append(9)
                case UInt8(ascii: "u"): result.append(contentsOf: Array(String(Character(try escapedScalar())).utf8))
                default: throw error("there is no such escape")
                }
            default: result.append(byte)
            }
        }
        throw error("the input ends inside a string")
    }

    /// What follows `\u`: a scalar, or two halves of one; a lone half becomes U+FFFD, as in Go.
    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
        let replacement: Unicode.Scalar = "\u{fffd}"
        let first = try hexadecimal()
        guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(first) ?? replacement }
        guard bytes.count - offset >= 6, bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u") else { return replacement }
        let mark = offset
        offset += 2
        let second = try hexadecimal()
        guard (0xdc00..<0xe000).contains(second) else {
            offset = mark
            return replacement
        }
        return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)) ?? replacement
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        guard bytes.count - offset >= 4 else { throw error("the input ends inside an escape") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue, bytes[offset] < 0x80 else {
                throw error("four hexadecimal digits should be here")
            }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = offset
        if current == UInt8(ascii: "-") { offset += 1 }
        guard let first = current, isDigit(first) else { throw error("digits should be here") }
        skipDigits()
        if first == UInt8(ascii: "0"), offset - start > (bytes[start] == UInt8(ascii: "-") ? 2 : 1) {
            offset = start
            throw error("a number does not begin with 0")
        }
        var isWhole = true
        if current == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            guard let digit = current, isDigit(digit) else { throw error("digits should be here") }
            skipDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isWhole = false
            offset += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { offset += 1 }
            guard let digit = current, isDigit(digit) else { throw error("digits should be here") }
            skipDigits()
        }
        guard offset - start <= 64 else { throw error("a number of more than 64 characters") }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw error("a number that no double can hold") }
        // 1e3 and 1000 are one number.
        return Int64(exactly: number).map(JSON.integer) ?? .number(number)
    }

    private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private mutating func skipDigits() {
        while let byte = current, isDigit(byte) { offset += 1 }
    }
}
