/// The little XML that S3 answers with: elements, text and the five entities. No attributes are kept, no DTD is read.
struct XMLElement: Sendable, Equatable {
    var name: String
    var text = ""
    var children: [XMLElement] = []

    private static let deepest = 32

    subscript(name: String) -> XMLElement? { children.first { $0.name == name } }

    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// The text of a child.
    func value(_ name: String) -> String? { self[name]?.text }

    /// Nil for what is no XML of this kind.
    init?(parsing bytes: [UInt8]) {
        var reader = Reader(rest: bytes[...])
        guard let root = reader.root() else { return nil }
        self = root
    }

    private init(name: String) { self.name = name }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func root() -> XMLElement? {
            // A byte order mark, and what stands before the root.
            if rest.starts(with: [0xef, 0xbb, 0xbf]) { rest = rest.dropFirst(3) }
            while true {
                skipSpace()
                if skip("<?") {
                    guard skip(past: "?>") else { return nil }
                } else if skip("<!--") {
                    guard skip(past: "-->") else { return nil }
                } else {
                    break
                }
            }
            guard skip("<"), let element = element(depth: 0) else { return nil }
            skipSpace()
            return rest.isEmpty ? element : nil
        }

        /// Behind the `<` of an element.
        private mutating func element(depth: Int) -> XMLElement? {
            guard depth < XMLElement.deepest, let close = rest.firstIndex(of: UInt8(ascii: ">")) else { return nil }
            var tag = rest[rest.startIndex..<close]
            rest = rest[(close + 1)...]
            let isEmpty = tag.last == UInt8(ascii: "/")
            if isEmpty { tag = tag.dropLast() }
            let name = tag.prefix { $0 > 32 }
            guard !name.isEmpty, name.first != UInt8(ascii: "!"), name.first != UInt8(ascii: "/") else { return nil }
            var element = XMLElement(name: String(decoding: name, as: UTF8.self))
            if isEmpty { return element }
            while true {
                guard let next = rest.firstIndex(of: UInt8(ascii: "<")) else { return nil }
                guard let text = Self.decode(rest[rest.startIndex..<next]) else { return nil }
                element.text += text
                rest = rest[(next + 1)...]
                if skip("/") {
                    guard let close = rest.firstIndex(of: UInt8(ascii: ">")) else { return nil }
                    let end = String(decoding: rest[rest.startIndex..<close].prefix { $0 > 32 }, as: UTF8.self)
                    rest = rest[(close + 1)...]
                    return end == element.name ? element : nil
                }
                if skip("!--") {
                    guard skip(past: "-->") else { return nil }
                } else {
                    guard let child = self.element(depth: depth + 1) else { return nil }
                    element.children.append(child)
                }
            }
        }

        private mutating func skipSpace() { rest = rest.drop { $0 <= 32 } }

        private mutating func skip(_ text: StaticString) -> Bool {
            let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            guard rest.starts(with: bytes) else { return false }
            rest = rest.dropFirst(bytes.count)
            return true
        }

        private mutating func skip(past text: String) -> Bool {
            let end = Array(text.utf8)
            while rest.count >= end.count {
                if rest.starts(with: end) {
                    rest = rest.dropFirst(end.count)
                    return true
                }
                rest = rest.dropFirst()
            }
            return false
        }

        private static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
            let text = String(decoding: bytes, as: UTF8.self)
            guard text.contains("&") else { return text }
            var result = ""
            var rest = text[...]
            while let mark = rest.firstIndex(of: "&") {
                result += rest[..<mark]
                guard let end = rest[mark...].firstIndex(of: ";") else { return nil }
                let name = rest[rest.index(after: mark)..<end]
                switch name {
                case "amp": result += "&"
                case "lt": result += "<"
                case "gt": result += ">"
                case "quot": result += "\""
                case "apos": result += "'"
                default:
                    let digits = name.dropFirst()
                    let code = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
                    guard name.hasPrefix("#"), let code, let scalar = Unicode.Scalar(code) else { return nil }
                    result.unicodeScalars.append(scalar)
                }
                rest = rest[rest.index(after: end)...]
            }
            return result + rest
        }
    }
}
