/// One line of `show servers state`: what an administrator asked of a server, apart from what its checks say (format version 1; HAProxy management guide,
/// section 9.3, `show servers state`).
package struct ServerState: Sendable, Equatable {
    /// What an administrator may ask of a server (`set server B/S state …`).
    package enum Mode: String, Sendable, Codable, CaseIterable {
        /// As the checks say.
        case ready
        /// No new connections; those that are there, and checks, go on.
        case drain
        /// No connections and no checks.
        case maint
    }

    package var backend: String
    package var server: String
    package var address: String
    package var port: Int
    /// Bits: 1 forced maintenance, 2 inherited, 4 of the configuration, 8 forced drain, 16 inherited, 32 unresolved, 64 address set by hand.
    package var adminState: Int
    /// What was set, and what the configuration says.
    package var weight: Int
    package var initialWeight: Int

    /// What it was asked for; what it inherits from another is not its own. `disabled` in the configuration sets the bits 1 and 4, of which the second stays
    /// when it is opened at run time.
    package var mode: Mode { adminState & 1 != 0 ? .maint : adminState & 8 != 0 ? .drain : .ready }

    /// Parses the answer to `show servers state`.
    /// - Throws: `HAProxyError` `.malformed`.
    package static func parse(_ text: String) throws -> [ServerState] {
        let lines = text.split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
        guard lines.first == "1", lines.count >= 2, lines[1].hasPrefix("# ") else {
            throw HAProxyError(.malformed, "the answer to `show servers state` begins with \"\(text.prefix(60))\", and not with the version 1.")
        }
        let header = lines[1].dropFirst(2).split(separator: " ").map(String.init)
        let columns = Dictionary(header.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        return try lines.dropFirst(2).map { line in
            let words = line.split(separator: " ")
            func word(_ name: String) throws -> Substring {
                guard let column = columns[name], column < words.count else {
                    throw HAProxyError(.malformed, "a line of `show servers state` has no \(name): it was cut off.")
                }
                return words[column]
            }
            func number(_ name: String) throws -> Int {
                guard let number = Int(try word(name)) else {
                    throw HAProxyError(.malformed, "\(name) is \"\(try word(name))\" in `show servers state`, which is no number.")
                }
                return number
            }
            return ServerState(
                backend: String(try word("be_name")), server: String(try word("srv_name")), address: String(try word("srv_addr")),
                port: try number("srv_port"), adminState: try number("srv_admin_state"), weight: try number("srv_uweight"),
                initialWeight: try number("srv_iweight"))
        }
    }
}
