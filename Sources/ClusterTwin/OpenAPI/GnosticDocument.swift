internal import KubernetesAPI
internal import ProtobufWire

/// An OpenAPI 2 document as a protobuf message (openapi.v2.Document of google/gnostic), with the field numbers of its OpenAPIv2.proto.
enum GnosticDocument {
    static func encode(_ document: JSON) -> [UInt8] {
        var out = ProtobufWriter()
        out.string(1, document["swagger"].string)
        out.message(2) { info in
            info.string(1, document["info"]["title"].string)
            info.string(2, document["info"]["version"].string)
        }
        out.message(8) { _ in }
        out.message(9) { definitions in
            for member in document["definitions"].object?.members ?? [] { definitions.named(1, member) { schema(&$0, member.value) } }
        }
        return out.bytes
    }

    private static func schema(_ out: inout ProtobufWriter, _ json: JSON, depth: Int = 0) {
        guard depth < JSON.depthLimit else { return }
        out.string(1, json["$ref"].string)
        out.string(2, json["format"].string)
        out.string(4, json["description"].string)
        for name in json["required"].elements { out.string(19, name.string) }
        if json["additionalProperties"].object != nil {
            out.message(21) { item in item.message(1) { schema(&$0, json["additionalProperties"], depth: depth + 1) } }
        }
        if let type = json["type"].string { out.message(22) { $0.string(1, type) } }
        if json["items"].object != nil { out.message(23) { item in item.message(1) { schema(&$0, json["items"], depth: depth + 1) } } }
        if let properties = json["properties"].object {
            out.message(25) { list in
                for member in properties.members { list.named(1, member) { schema(&$0, member.value, depth: depth + 1) } }
            }
        }
        for member in json.object?.members ?? [] where member.name.hasPrefix("x-") {
            out.named(31, member) { $0.string(2, member.value.description + "\n") }
        }
    }
}

extension ProtobufWriter {
    fileprivate mutating func string(_ field: Int, _ text: String?) {
        if let text, !text.isEmpty { bytes(field, Array(text.utf8)) }
    }

    fileprivate mutating func message(_ field: Int, _ fill: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        fill(&inner)
        bytes(field, inner.bytes)
    }

    /// An entry of a map: name and value.
    fileprivate mutating func named(_ field: Int, _ member: JSONObject.Member, _ fill: (inout ProtobufWriter) -> Void) {
        message(field) { entry in
            entry.string(1, member.name)
            entry.message(2, fill)
        }
    }
}
