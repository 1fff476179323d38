/// Rows in aligned columns under a header, as kubectl prints them.
struct TextTable {
    let header: [String]
    private var rows: [[String]] = []
    /// Columns of numbers, aligned right.
    private let right: Set<Int>

    init(_ header: [String], alignedRight: Set<Int> = []) {
        self.header = header
        right = alignedRight
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return right.contains(column) ? padding + row[column] : row[column] + padding
            }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}
