/// Kubernetes' own types: their fields, by the names of JSON and the numbers of protobuf.
package struct TypeTable: Sendable {
    package struct Field: Sendable {
        package var name: String
        /// Where protobuf has it: its number, after those of messages around it that JSON does not show.
        package var path: [Int]
        /// A letter of the table, or the name of a type.
        package var type: String
        package var isList: Bool
        package var isMap: Bool
    }

    /// The fields of a message by number.
    package typealias WireFields = [Int: WireField]

    package indirect enum WireField: Sendable {
        case field(Field)
        /// A message whose fields JSON has among those around it.
        case inlined(WireFields)

        /// One that stands in no table.
        package static func field(_ name: String, _ type: String) -> WireField {
            .field(Field(name: name, path: [], type: type, isList: false, isMap: false))
        }
    }

    package let types: [String: [Field]]
    private let wires: [String: WireFields]

    package static let builtIn = TypeTable(BuiltInTypes.table)

    package init(_ text: String) {
        var types: [String: [Field]] = [:]
        var name = ""
        for line in text.split(separator: "\n") {
            var words = line.split(separator: " ")[...]
            if !line.hasPrefix(" "), let first = words.popFirst() {
                name = String(first)
                types[name] = []
            }
            for word in words {
                guard let colon = word.firstIndex(of: ":"), let equals = word[..<colon].firstIndex(of: "=") else { continue }
                var type = word[word.index(after: colon)...]
                let isList = type.hasPrefix("[]")
                let isMap = type.hasPrefix("{}")
                if isList || isMap { type = type.dropFirst(2) }
                let path = word[word.index(after: equals)..<colon].split(separator: ".").compactMap { Int($0) }
                types[name]?.append(Field(name: String(word[..<equals]), path: path, type: String(type), isList: isList, isMap: isMap))
            }
        }
        self.types = types
        wires = types.mapValues { Self.wire($0.map { ($0.path[...], $0) }) }
    }

    private static func wire(_ fields: [(path: ArraySlice<Int>, field: Field)]) -> WireFields {
        Dictionary(grouping: fields) { $0.path.first ?? 0 }.mapValues { same in
            if same.count == 1, same[0].path.count <= 1 { return .field(same[0].field) }
            return .inlined(wire(same.map { ($0.path.dropFirst(), $0.field) }))
        }
    }

    /// The fields of a type by number; none for a type that is not in the table.
    package func wire(_ type: String) -> WireFields { wires[type] ?? [:] }

    /// The name of a kind's type in the table, of whatever version: fields keep their numbers, of policy/v1beta1 as of policy/v1.
    package static func name(group: String, kind: String) -> String? {
        let name = "\(group.isEmpty ? "core" : group.split(separator: ".")[0]).v1.\(kind)"
        return builtIn.types[name] == nil ? nil : name
    }
}
