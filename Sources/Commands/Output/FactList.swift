/// Names and values in two aligned columns.
struct FactList {
    private var rows: [(name: String, value: String)] = []

    mutating func add(_ name: String, _ value: String?) {
        if let value { rows.append((name, value)) }
    }

    var text: String {
        let width = rows.map(\.name.count).max() ?? 0
        return rows.map { row in
            let lines = row.value.split(separator: "\n", omittingEmptySubsequences: false)
            let indent = String(repeating: " ", count: width + 2)
            let name = row.name + String(repeating: " ", count: width - row.name.count + 2)
            return name + lines.joined(separator: "\n\(indent)")
        }.joined(separator: "\n")
    }
}
