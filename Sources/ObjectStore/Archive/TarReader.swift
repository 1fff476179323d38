/// Reads a tar archive as it arrives: ustar, with the long names of GNU and the extended headers of POSIX.
///
/// What could do harm when it is unpacked is an error: paths that lead out, hard links, devices. So is more than the bounds allow.
package struct TarReader {
    package enum Event: Sendable, Equatable {
        case entry(TarEntry)
        /// Bytes of the file that was last told of.
        case data([UInt8])
        /// The file is whole.
        case end
    }

    /// What an archive may have.
    package struct Bounds: Sendable {
        package var entries: Int
        /// Bytes of all files together.
        package var bytes: UInt64

        package init(entries: Int, bytes: UInt64) {
            self.entries = entries
            self.bytes = bytes
        }
    }

    private enum State {
        case header
        /// So many bytes of a file are to come, and then this much padding.
        case data(left: UInt64, padding: Int)
        /// A header that says something of the next entry.
        case extension_(type: UInt8, left: Int, padding: Int)
        case padding(Int)
        case over
    }

    private let bounds: Bounds
    private var state = State.header
    private var buffer: [UInt8] = []
    private var entries = 0
    private var bytes: UInt64 = 0
    private var zeroBlocks = 0
    private var longPath: String?
    private var longLink: String?
    private var longSize: UInt64?

    /// The longest header that says something of the next entry, bytes.
    private static let longestExtension = 64 << 10

    package init(_ bounds: Bounds) { self.bounds = bounds }

    /// Takes the next piece.
    /// - Returns: what it holds.
    package mutating func take(_ piece: ArraySlice<UInt8>) throws(TarError) -> [Event] {
        var events: [Event] = []
        var rest = piece
        while !rest.isEmpty {
            switch state {
            case .over: return events
            case .header:
                guard fill(TarField.block, from: &rest) else { return events }
                let header = takeBuffer()
                if header.allSatisfy({ $0 == 0 }) {
                    zeroBlocks += 1
                    if zeroBlocks == 2 { state = .over }
                    continue
                }
                zeroBlocks = 0
                if let event = try read(header) { events.append(event) }
                if case .data(0, let padding) = state {
                    events.append(.end)
                    state = padding == 0 ? .header : .padding(padding)
                }
            case .data(let left, let padding):
                let count = Int(min(left, UInt64(rest.count)))
                events.append(.data(Array(rest.prefix(count))))
                rest = rest.dropFirst(count)
                let now = left - UInt64(count)
                state = .data(left: now, padding: padding)
                if now == 0 {
                    events.append(.end)
                    state = padding == 0 ? .header : .padding(padding)
                }
            case .extension_(let type, let left, let padding):
                guard fill(left, from: &rest) else { return events }
                try apply(type, takeBuffer())
                state = padding == 0 ? .header : .padding(padding)
            case .padding(let left):
                let count = min(left, rest.count)
                rest = rest.dropFirst(count)
                state = count == left ? .header : .padding(left - count)
            }
        }
        return events
    }

    /// The end of the input.
    /// - Throws: when the archive has none.
    package func finish() throws(TarError) {
        guard case .over = state else { throw TarError(description: "the archive ends too early.") }
    }

    private mutating func fill(_ count: Int, from rest: inout ArraySlice<UInt8>) -> Bool {
        let wanted = min(count - buffer.count, rest.count)
        buffer += rest.prefix(wanted)
        rest = rest.dropFirst(wanted)
        return buffer.count == count
    }

    private mutating func takeBuffer() -> [UInt8] {
        defer { buffer.removeAll(keepingCapacity: true) }
        return buffer
    }

    // MARK: Headers

    private mutating func read(_ header: [UInt8]) throws(TarError) -> Event? {
        let sum = header.indices.reduce(0) { $0 + (TarField.checksum.contains($1) ? 32 : Int(header[$1])) }
        guard try Self.number(header[TarField.checksum]) == UInt64(sum) else { throw TarError(description: "a header of the archive is damaged.") }
        let type = header[TarField.type]
        let size = if let longSize { longSize } else { try Self.number(header[TarField.size]) }
        let padding = Int((UInt64(TarField.block) - size % UInt64(TarField.block)) % UInt64(TarField.block))
        switch type {
        case UInt8(ascii: "L"), UInt8(ascii: "K"), UInt8(ascii: "x"), UInt8(ascii: "g"):
            guard size > 0, size <= UInt64(Self.longestExtension) else { throw TarError(description: "the archive has a header of \(size) bytes.") }
            state = .extension_(type: type, left: Int(size), padding: padding)
            return nil
        default: break
        }
        defer { (longPath, longLink, longSize) = (nil, nil, nil) }
        var path = Self.text(header[TarField.name])
        // GNU's own form uses the place of the prefix otherwise.
        if header[TarField.magic].starts(with: Array("ustar\0".utf8)) {
            let prefix = Self.text(header[TarField.prefix])
            if !prefix.isEmpty { path = "\(prefix)/\(path)" }
        }
        path = try TarEntry.clean(longPath ?? path)
        entries += 1
        guard entries <= bounds.entries else { throw TarError(description: "the archive has more than \(bounds.entries) entries.") }
        let mode = UInt16(truncatingIfNeeded: try Self.number(header[TarField.mode])) & 0o777
        var entry = TarEntry(
            path: path, kind: .folder, mode: mode, modified: Int64(clamping: try Self.number(header[TarField.modified])),
            user: UInt32(clamping: try Self.number(header[TarField.user])), group: UInt32(clamping: try Self.number(header[TarField.group])))
        switch type {
        case UInt8(ascii: "0"), 0:
            let (total, overflow) = bytes.addingReportingOverflow(size)
            guard !overflow, total <= bounds.bytes else { throw TarError(description: "the archive has more than \(bounds.bytes) bytes.") }
            guard !path.isEmpty else { throw TarError(description: "a file of the archive has no name.") }
            bytes = total
            state = .data(left: size, padding: padding)
            entry.kind = .file(size: size)
            return .entry(entry)
        case UInt8(ascii: "5"):
            guard size == 0 else { throw TarError(description: "the folder \(path) of the archive has \(size) bytes.") }
            return path.isEmpty ? nil : .entry(entry)
        case UInt8(ascii: "2"):
            guard size == 0, !path.isEmpty else { throw TarError(description: "the link \(path) of the archive has \(size) bytes.") }
            entry.kind = .link(target: longLink ?? Self.text(header[TarField.link]))
            return .entry(entry)
        default:
            throw TarError(description: "\(path) in the archive is neither a file, nor a folder, nor a symbolic link.")
        }
    }

    private mutating func apply(_ type: UInt8, _ data: [UInt8]) throws(TarError) {
        switch type {
        case UInt8(ascii: "L"): longPath = Self.text(data[...])
        case UInt8(ascii: "K"): longLink = Self.text(data[...])
        case UInt8(ascii: "x"):
            for (key, value) in try Self.records(data) {
                switch key {
                case "path": longPath = value
                case "linkpath": longLink = value
                case "size":
                    guard let size = UInt64(value) else { throw TarError(description: "the archive has the size \"\(value.prefix(50))\".") }
                    longSize = size
                default: break
                }
            }
        // What holds for all entries says nothing that is needed here.
        default: break
        }
    }

    /// `LENGTH KEY=VALUE\n`, the length that of the whole record.
    private static func records(_ data: [UInt8]) throws(TarError) -> [(String, String)] {
        var records: [(String, String)] = []
        var rest = data[...]
        while !rest.isEmpty {
            guard let space = rest.firstIndex(of: UInt8(ascii: " ")), let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
                length > space - rest.startIndex + 1, length <= rest.count
            else { throw TarError(description: "an extended header of the archive is damaged.") }
            let record = rest[rest.index(after: space)..<rest.index(rest.startIndex, offsetBy: length - 1)]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw TarError(description: "an extended header of the archive is damaged.")
            }
            records.append((String(decoding: record[..<equals], as: UTF8.self), String(decoding: record[(equals + 1)...], as: UTF8.self)))
            rest = rest.dropFirst(length)
        }
        return records
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String { String(decoding: field.prefix { $0 != 0 }, as: UTF8.self) }

    /// Octal, or, when the first bit is set, binary and big-endian (GNU).
    private static func number(_ field: ArraySlice<UInt8>) throws(TarError) -> UInt64 {
        if let first = field.first, first & 0x80 != 0 {
            guard first == 0x80, field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) else {
                throw TarError(description: "a number in the archive is too large.")
            }
            return field.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let digits = field.drop { $0 == 32 }.prefix { $0 != 0 && $0 != 32 }
        if digits.isEmpty { return 0 }
        guard let value = UInt64(String(decoding: digits, as: UTF8.self), radix: 8) else {
            throw TarError(description: "a number in the archive is damaged.")
        }
        return value
    }
}
