/// Why something is no archive that is read here.
package struct TarError: Error, CustomStringConvertible, Sendable, Equatable {
    package let description: String
}

/// A file, folder or symbolic link of a tar archive. Its path is clean: relative, and without `.` and `..`.
package struct TarEntry: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case file(size: UInt64)
        case folder
        case link(target: String)
    }

    package var path: String
    package var kind: Kind
    /// Permission bits.
    package var mode: UInt16
    /// Seconds since 1970.
    package var modified: Int64
    /// By number.
    package var user: UInt32
    package var group: UInt32

    package init(path: String, kind: Kind, mode: UInt16, modified: Int64, user: UInt32 = 0, group: UInt32 = 0) {
        self.user = user
        self.group = group
        self.path = path
        self.kind = kind
        self.mode = mode
        self.modified = modified
    }

    package var size: UInt64 {
        guard case .file(let size) = kind else { return 0 }
        return size
    }

    /// A path of an archive as it may be used; `./a/b/` becomes `a/b`.
    /// - Throws: for what would be written elsewhere than below the folder that it is unpacked in.
    static func clean(_ path: String) throws(TarError) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        let isClean =
            !path.hasPrefix("/") && !parts.contains("..") && path.utf8.count <= 4096
            && path.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
        guard isClean else { throw TarError(description: "the archive has the path \"\(path.prefix(200))\", which leads out of it.") }
        return parts.joined(separator: "/")
    }
}

/// The layout of a header (POSIX.1-1988 ustar): where a field begins, and how long it is, bytes.
enum TarField {
    static let block = 512
    static let (name, mode, size, modified) = (0..<100, 100..<108, 124..<136, 136..<148)
    static let (user, group) = (108..<116, 116..<124)
    static let checksum = 148..<156
    static let type = 156
    static let link = 157..<257
    static let magic = 257..<265
    static let prefix = 345..<500
}
