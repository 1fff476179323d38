/// Writes the blocks of a tar archive (POSIX.1-1988 ustar; names that do not fit come in an extended header of POSIX.1-2001).
package enum TarWriter {
    /// What stands before a file's bytes, or is all of a folder or link.
    package static func header(_ entry: TarEntry) throws(TarError) -> [UInt8] {
        let path = entry.kind == .folder ? entry.path + "/" : entry.path
        var records: [(String, String)] = []
        if path.utf8.count > TarField.name.count { records.append(("path", path)) }
        if entry.size >= 1 << 33 { records.append(("size", "\(entry.size)")) }
        var target = ""
        if case .link(let link) = entry.kind {
            target = link
            if link.utf8.count > TarField.link.count { records.append(("linkpath", link)) }
        }
        var blocks: [UInt8] = []
        if !records.isEmpty {
            let body = Array(records.map(record).joined().utf8)
            var about = entry
            about.mode = 0o600
            blocks += block(about, name: "extended", type: "x", size: UInt64(body.count), link: "")
            blocks += body + padding(after: UInt64(body.count))
        }
        let type: Character =
            switch entry.kind {
            case .file: "0"
            case .folder: "5"
            case .link: "2"
            }
        blocks += block(entry, name: path, type: type, size: entry.size, link: target)
        return blocks
    }

    /// What follows a file of `size` bytes.
    package static func padding(after size: UInt64) -> [UInt8] {
        [UInt8](repeating: 0, count: Int((UInt64(TarField.block) - size % UInt64(TarField.block)) % UInt64(TarField.block)))
    }

    /// Two empty blocks.
    package static let end = [UInt8](repeating: 0, count: 2 * TarField.block)

    private static func record(_ key: String, _ value: String) -> String {
        let rest = " \(key)=\(value)\n".utf8.count
        // The length counts its own digits.
        var length = rest + 1
        while "\(length)".utf8.count + rest != length { length = "\(length)".utf8.count + rest }
        return "\(length) \(key)=\(value)\n"
    }

    private static func block(_ entry: TarEntry, name: String, type: Character, size: UInt64, link: String) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: TarField.block)
        func put(_ text: String, _ field: Range<Int>) {
            for (index, byte) in zip(field, text.utf8) { block[index] = byte }
        }
        func put(_ number: UInt64, _ field: Range<Int>) {
            let digits = String(number, radix: 8).suffix(field.count - 1)
            put(String(repeating: "0", count: field.count - 1 - digits.count) + digits, field)
        }
        put(name, TarField.name)
        put(UInt64(entry.mode), TarField.mode)
        put(UInt64(entry.user), TarField.user)
        put(UInt64(entry.group), TarField.group)
        put(size, TarField.size)
        put(UInt64(clamping: entry.modified), TarField.modified)
        put(String(type), TarField.type..<TarField.type + 1)
        put(link, TarField.link)
        put("ustar\u{0}00", TarField.magic)
        put("        ", TarField.checksum)
        put(block.reduce(0) { $0 + UInt64($1) }, TarField.checksum.lowerBound..<TarField.checksum.upperBound - 1)
        block[TarField.checksum.upperBound - 1] = 32
        return block
    }
}
