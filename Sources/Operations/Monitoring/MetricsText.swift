/// Metrics in Prometheus' text format 0.0.4.
package struct MetricsText: Sendable {
    package struct Family: Sendable {
        package var name: String
        package var type: String
        package var help: String

        package init(_ name: String, _ type: String, _ help: String) {
            self.name = name
            self.type = type
            self.help = help
        }
    }

    /// In the order in which they are told.
    private var families: [Family]
    private var samples: [String: [(labels: [(String, String)], value: Double)]] = [:]

    package init(_ families: [Family] = []) { self.families = families }

    /// Tells of one more.
    package mutating func begin(_ family: Family) { families.append(family) }

    package mutating func add(_ name: String, _ labels: [(String, String)], _ value: Double) { samples[name, default: []].append((labels, value)) }

    package var text: String {
        var lines: [String] = []
        for family in families {
            guard let found = samples[family.name] else { continue }
            lines += ["# HELP \(family.name) \(family.help)", "# TYPE \(family.name) \(family.type)"]
            for (labels, value) in found {
                let pairs = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
                lines.append("\(family.name)\(pairs.isEmpty ? "" : "{\(pairs)}") \(Self.number(value))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func number(_ value: Double) -> String { value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)" }
}
