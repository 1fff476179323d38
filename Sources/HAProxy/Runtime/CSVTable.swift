/// What `show stat` prints: a header that begins with `# `, then a row a line; fields are separated by commas, and those that hold a comma or a quote
/// are quoted as RFC 4180 has it (HAProxy management guide, section 9.1). Columns are found by name: every release adds some.
struct CSVTable {
    /// Rows at most: a load balancer with more servers is none that we know how to look at.
    static let mostRows = 200_000

    let columns: [String: Int]
    let rows: [[Substring]]

    /// - Throws: `HAProxyError` `.malformed`, with the line.
    init(_ text: String) throws {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        while lines.first?.isEmpty == true { lines = lines.dropFirst() }
        guard let header = lines.popFirst(), header.hasPrefix("# ") else {
            throw HAProxyError(.malformed, "the answer to `show stat` begins with \"\(text.prefix(60))\", and not with its header.")
        }
        columns = Dictionary(header.dropFirst(2).split(separator: ",").enumerated().map { (String($1), $0) }, uniquingKeysWith: { first, _ in first })
        guard let proxy = columns["pxname"], let server = columns["svname"] else {
            throw HAProxyError(.malformed, "the answer to `show stat` has no columns pxname and svname.")
        }
        var rows: [[Substring]] = []
        for (index, line) in lines.enumerated() where !line.isEmpty {
            guard rows.count < Self.mostRows else { throw HAProxyError(.malformed, "`show stat` answers with more than \(Self.mostRows) rows.") }
            let fields = try Self.fields(of: line, at: index + 2)
            guard fields.count > max(proxy, server) else {
                throw HAProxyError(.malformed, "line \(index + 2) of `show stat` has \(fields.count) fields: it was cut off.")
            }
            rows.append(fields)
        }
        self.rows = rows
    }

    private static func fields(of line: Substring, at number: Int) throws -> [Substring] {
        guard line.utf8.contains(UInt8(ascii: "\"")) else { return line.split(separator: ",", omittingEmptySubsequences: false) }
        var fields: [Substring] = []
        var rest = line
        while true {
            guard rest.first == "\"" else {
                let end = rest.firstIndex(of: ",") ?? rest.endIndex
                fields.append(rest[..<end])
                guard end < rest.endIndex else { return fields }
                rest = rest[rest.index(after: end)...]
                continue
            }
            var field = ""
            rest = rest.dropFirst()
            while true {
                guard let quote = rest.firstIndex(of: "\"") else {
                    throw HAProxyError(.malformed, "line \(number) of `show stat` has a quote that never ends: it was cut off.")
                }
                field += rest[..<quote]
                rest = rest[rest.index(after: quote)...]
                guard rest.first == "\"" else { break }
                field += "\""
                rest = rest.dropFirst()
            }
            fields.append(Substring(field))
            guard rest.first == "," else { return fields }
            rest = rest.dropFirst()
        }
    }
}
