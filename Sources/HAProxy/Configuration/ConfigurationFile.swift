/// An HAProxy configuration, as far as maintenance needs to understand it: which section has which servers, and where the sockets are (HAProxy
/// configuration manual, chapters 2 to 5). Everything else is only carried along.
package struct ConfigurationFile: Sendable, Equatable {
    package struct Server: Sendable, Equatable {
        package var name: String
        /// `10.0.0.1:6443`, as it is written.
        package var address: String
        package var keywords: [String]
        /// From 1.
        package var line: Int
    }

    package struct Section: Sendable, Equatable {
        /// `global`, `defaults`, `frontend`, `backend`, `listen`, or another's.
        package var kind: String
        package var name: String
        package var servers: [Server] = []
        /// Words of each line.
        package var lines: [[String]] = []

        /// The words of the first line that begins with these.
        package func line(_ beginning: String...) -> [String]? { lines.first { $0.starts(with: beginning) } }
    }

    package let sections: [Section]

    /// What begins a section (configuration manual, chapter 2 to 10). A line that begins with something else belongs to the section before.
    private static let headers: Set = [
        "global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "mailers", "resolvers", "cache", "program", "http-errors", "ring",
        "log-forward", "fcgi-app", "log-profile", "traces", "crt-store",
    ]

    package init(parsing text: String) {
        var sections: [Section] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = Self.words(of: line)
            guard let first = words.first else { continue }
            if Self.headers.contains(first) {
                sections.append(Section(kind: first, name: words.count > 1 ? words[1] : ""))
                continue
            }
            guard !sections.isEmpty else { continue }
            let last = sections.count - 1
            sections[last].lines.append(words)
            if first == "server", words.count >= 3 {
                sections[last].servers.append(
                    Server(name: words[1], address: words[2], keywords: Array(words.dropFirst(3)), line: index + 1))
            }
        }
        self.sections = sections
    }

    /// Words end at spaces that are neither quoted nor escaped; `#` begins a comment (configuration manual, section 2.2).
    static func words(of line: Substring) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = line
        while let character = rest.popFirst() {
            switch (character, quote) {
            case ("\\", nil), ("\\", "\""): if let next = rest.popFirst() { word = (word ?? "") + String(next) }
            case (let closing, let opened?) where closing == opened: quote = nil
            case (_, .some): word = (word ?? "") + String(character)
            case ("\"", nil), ("'", nil):
                quote = character
                word = word ?? ""
            case ("#", nil): rest = rest[rest.endIndex...]
            case (_, nil) where character.isWhitespace:
                if let ended = word { words.append(ended) }
                word = nil
            default: word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        return words
    }

    package var global: Section? { sections.first { $0.kind == "global" } }

    /// Who has servers: `backend` and `listen`.
    package var backends: [Section] { sections.filter { $0.kind == "backend" || $0.kind == "listen" } }

    package func backend(_ name: String) -> Section? { backends.first { $0.name == name } }

    package func server(_ name: String, of backend: String) -> Server? { self.backend(backend)?.servers.first { $0.name == name } }

    /// Where `stats socket … level admin` listens; one without that level can change nothing.
    package var adminSockets: [RuntimeAddress] {
        sections.filter { $0.kind == "global" }.flatMap(\.lines).compactMap { words in
            guard words.starts(with: ["stats", "socket"]), words.count > 2, let level = words.firstIndex(of: "level"), level + 1 < words.count,
                words[level + 1] == "admin"
            else { return nil }
            return try? RuntimeAddress(words[2])
        }
    }

    /// Files of authorities by which servers, or clients, are verified (`ca-file`, below `ca-base`).
    package var authorityFiles: [String] {
        let base = global?.line("ca-base").flatMap { $0.count > 1 ? $0[1] : nil }
        let named = sections.flatMap(\.lines).flatMap { words in
            words.indices.dropLast().filter { words[$0] == "ca-file" }.map { words[$0 + 1] }
        }
        // A name that begins with @ is no file (`@system-ca`).
        let files = named.filter { !$0.hasPrefix("@") }.map { name in name.hasPrefix("/") ? name : base.map { "\($0)/\(name)" } ?? name }
        return Set(files).sorted()
    }

    /// What a server that is added at run time is to be told, so that it is like another of its backend: `default-server` does not count for it.
    package func keywords(like server: String?, of backend: String) -> [String]? {
        guard let section = self.backend(backend), let model = section.servers.first(where: { server == nil || $0.name == server }) else {
            return nil
        }
        let common = sections.filter { $0.kind == "defaults" }.last.map { [$0, section] } ?? [section]
        let defaults = common.flatMap(\.lines).filter { $0.first == "default-server" }.flatMap { $0.dropFirst() }
        return defaults + model.keywords
    }
}

extension ConfigurationFile {
    /// `text` with the passwords of its lines made unreadable, for people to look at: of user lists, of the stats page, of agents and mailers.
    package static func withoutSecrets(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
            var words = words(of: line)
            var secrets = words.indices.filter { ["password", "insecure-password"].contains(words[$0]) }.map { $0 + 1 }
            if words.starts(with: ["stats", "auth"]) { secrets.append(2) }
            guard !secrets.isEmpty else { return String(line) }
            for index in secrets where index < words.count { words[index] = "***" }
            return line.prefix { $0.isWhitespace } + words.joined(separator: " ")
        }.joined(separator: "\n")
    }
}
