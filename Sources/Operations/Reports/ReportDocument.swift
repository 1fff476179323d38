internal import Foundation

/// A report for people who look rather than read: written as one HTML page that needs nothing else, or as Markdown.
package struct ReportDocument: Sendable {
    package enum Tone: String, Sendable {
        case plain, good, warn, bad, code
    }

    package struct Cell: Sendable, ExpressibleByStringInterpolation {
        package var text: String
        package var tone: Tone

        package init(_ text: String, _ tone: Tone = .plain) {
            (self.text, self.tone) = (text, tone)
        }

        package init(stringLiteral text: String) { self.init(text) }
    }

    package enum Block: Sendable {
        case heading(String)
        case paragraph(String)
        case facts([(name: String, value: Cell)])
        case table(header: [String], rows: [[Cell]])
        /// A drawing, and what it says in words.
        case figure(svg: String, caption: String)
        /// What is only opened by who wants to know.
        case details(summary: String, [Block])
        case verbatim(String)
    }

    package var title: String
    package var subtitle: String
    package var blocks: [Block] = []

    package init(title: String, subtitle: String) {
        self.title = title
        self.subtitle = subtitle
    }

    // MARK: HTML

    package var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(Self.escaped(title))</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <header><h1>\(Self.escaped(title))</h1><p>\(Self.escaped(subtitle))</p></header>
        <main>
        \(blocks.map(Self.html).joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    private static let style = """
        :root { --ink: #1c2530; --soft: #5b6876; --line: #d9dfe6; --page: #ffffff; --panel: #f5f7f9; --good: #1a7f4b; --warn: #9a6400; --bad: #b3261e; --blue: #2563a8; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --soft: #9aa7b5; --line: #333e4a; --page: #151b22; --panel: #1d252e; --good: #4cc38a; --warn: #e0a93b; --bad: #f0746b; --blue: #6ea8e8; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 1160px; padding: 32px 24px 64px; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        header { border-bottom: 2px solid var(--ink); margin-bottom: 24px; }
        h1 { font-size: 26px; margin: 0; } header p { color: var(--soft); margin: 4px 0 12px; }
        h2 { font-size: 18px; margin: 36px 0 10px; }
        table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
        th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--ink); padding: 5px 10px 5px 0; white-space: nowrap; }
        td { border-bottom: 1px solid var(--line); padding: 5px 10px 5px 0; vertical-align: top; overflow-wrap: anywhere; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; background: var(--panel); border-radius: 8px; padding: 14px 18px; margin: 0; }
        dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
        .good { color: var(--good); font-weight: 600; } .warn { color: var(--warn); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
        td > .good, td > .warn, td > .bad { overflow-wrap: normal; }
        .code, pre { font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, monospace; }
        pre { background: var(--panel); border-radius: 8px; padding: 12px; overflow-x: auto; white-space: pre-wrap; }
        figure { margin: 8px 0 0; } figcaption { color: var(--soft); font-size: 13px; margin-top: 4px; }
        svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
        details { border-top: 1px solid var(--line); padding: 10px 0; } summary { cursor: pointer; font-weight: 600; }
        @media print { body { max-width: none; padding: 0; } details { break-inside: avoid; } }
        """

    private static func html(_ block: Block) -> String {
        switch block {
        case .heading(let text): return "<h2>\(escaped(text))</h2>"
        case .paragraph(let text): return "<p>\(escaped(text))</p>"
        case .facts(let facts): return "<dl>\(facts.map { "<dt>\(escaped($0.name))</dt><dd>\(html($0.value))</dd>" }.joined())</dl>"
        case .table(let header, let rows):
            let head = header.map { "<th>\(escaped($0))</th>" }.joined()
            let body = rows.map { row in "<tr>\(row.map { "<td>\(html($0))</td>" }.joined())</tr>" }.joined(separator: "\n")
            return "<table><thead><tr>\(head)</tr></thead><tbody>\n\(body)\n</tbody></table>"
        case .figure(let svg, let caption): return "<figure>\(svg)<figcaption>\(escaped(caption))</figcaption></figure>"
        case .details(let summary, let blocks):
            return "<details><summary>\(escaped(summary))</summary>\n\(blocks.map(html).joined(separator: "\n"))\n</details>"
        case .verbatim(let text): return "<pre>\(escaped(text))</pre>"
        }
    }

    private static func html(_ cell: Cell) -> String {
        cell.tone == .plain ? escaped(cell.text) : "<span class=\"\(cell.tone.rawValue)\">\(escaped(cell.text))</span>"
    }

    static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(of: ">", with: "&gt;")
            .replacingOccurrences(of: "\"", with: "&quot;")
    }

    // MARK: Markdown

    package var markdown: String { "# \(title)\n\n\(subtitle)\n\n" + blocks.map(Self.markdown).joined(separator: "\n\n") + "\n" }

    private static func markdown(_ block: Block) -> String {
        switch block {
        case .heading(let text): return "## \(text)"
        case .paragraph(let text), .figure(_, let text): return text
        case .facts(let facts): return facts.map { "- \($0.name): \($0.value.text)" }.joined(separator: "\n")
        case .table(let header, let rows):
            func line(_ cells: [String]) -> String {
                "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|").replacingOccurrences(of: "\n", with: " ") }.joined(separator: " | ")
                    + " |"
            }
            return ([line(header), line(header.map { _ in "---" })] + rows.map { line($0.map(\.text)) }).joined(separator: "\n")
        case .details(let summary, let blocks): return "### \(summary)\n\n" + blocks.map(markdown).joined(separator: "\n\n")
        case .verbatim(let text): return "```\n\(text)\n```"
        }
    }
}

/// What can be written as a document.
package protocol Report: Encodable {
    var document: ReportDocument { get }
}

/// Reports in files, of the kind that their name says.
package enum ReportFile {
    /// - Throws: `OperationError` `.invalid` for another ending, `.stopped` when it cannot be written.
    package static func write(_ report: some Report, to path: String) throws {
        let text: String
        switch (path as NSString).pathExtension {
        case "html", "htm": text = report.document.html
        case "md": text = report.document.markdown
        case "json":
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            text = String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
        default: throw OperationError(.invalid, "\(path) ends in neither .html nor .md nor .json.")
        }
        // What stands in it is for those who may see the cluster.
        let part = "\(path).\(UUID().uuidString.prefix(8)).part"
        guard FileManager.default.createFile(atPath: part, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]),
            rename(part, path) == 0
        else {
            try? FileManager.default.removeItem(atPath: part)
            throw OperationError(.stopped, "cannot write \(path). Check that the folder is there, and may be written to.")
        }
    }
}
