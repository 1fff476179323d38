internal import Foundation

/// A cluster member as the `members` bucket and `.snap` files keep it.
package struct Member: Sendable, Equatable {
    package var id: UInt64
    package var name: String
    package var peerURLs: [String]
    package var clientURLs: [String]
    package var isLearner: Bool

    package init(id: UInt64, name: String, peerURLs: [String], clientURLs: [String] = [], isLearner: Bool = false) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }

    /// The id as etcd writes it everywhere: hexadecimal, lower case, without leading zeros.
    package var hexID: String { String(id, radix: 16) }
}

extension Member: Codable {
    private enum CodingKeys: String, CodingKey {
        case id = "id"
        case name, peerURLs, clientURLs, isLearner
    }

    /// etcd's JSON; `isLearner`, `name` and `clientURLs` are absent when empty.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(UInt64.self, forKey: .id)
        name = try container.decodeIfPresent(String.self, forKey: .name) ?? ""
        peerURLs = try container.decodeIfPresent([String].self, forKey: .peerURLs) ?? []
        clientURLs = try container.decodeIfPresent([String].self, forKey: .clientURLs) ?? []
        isLearner = try container.decodeIfPresent(Bool.self, forKey: .isLearner) ?? false
    }

    /// For reports: the id in hexadecimal, since most JSON readers lose digits of a 64-bit number.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(hexID, forKey: .id)
        try container.encode(name, forKey: .name)
        try container.encode(peerURLs, forKey: .peerURLs)
        try container.encode(clientURLs, forKey: .clientURLs)
        try container.encode(isLearner, forKey: .isLearner)
    }

    /// Reads etcd's JSON; nil when it is none.
    static func stored(_ json: [UInt8]) -> Member? { try? JSONDecoder().decode(Member.self, from: Data(json)) }

    /// The JSON that etcd stores, byte for byte: Go's field order, Go's escapes.
    var storedJSON: String {
        var fields = ["\"id\":\(id)", "\"peerURLs\":\(GoJSON.array(peerURLs))"]
        if isLearner { fields.append("\"isLearner\":true") }
        if !name.isEmpty { fields.append("\"name\":\(GoJSON.string(name))") }
        if !clientURLs.isEmpty { fields.append("\"clientURLs\":\(GoJSON.array(clientURLs))") }
        return "{" + fields.joined(separator: ",") + "}"
    }
}

/// JSON as Go's encoding/json writes it, where etcd's files must come out byte for byte.
enum GoJSON {
    static func array(_ values: [String]) -> String { "[" + values.map(string).joined(separator: ",") + "]" }

    static func string(_ value: String) -> String {
        var result = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "<", ">", "&", "\u{2028}", "\u{2029}", "\0"..<" ":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
