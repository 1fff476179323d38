internal import EtcdStorage
internal import Foundation
package import KubernetesAPI

/// An object as an API server keeps it in etcd.
///
/// Values are protobuf behind the bytes `k8s\0` (a `runtime.Unknown`: 1 the type, of 1 apiVersion and 2 kind; 2 the object), or JSON, as custom resources
/// are. The numbers of the fields are those of `TypeTable`. What is not in the value and what is empty are the same there, but for numbers and
/// booleans: those are kept, also when they are zero.
package enum StoredObject {
    private static let protobufPrefix: [UInt8] = [0x6b, 0x38, 0x73, 0x00]
    private static let cborPrefix: [UInt8] = [0xd9, 0xd9, 0xf7]

    /// - Parameter key: where the value stands in etcd, for errors.
    /// - Throws: `OperationError` for what is encrypted, of an unknown type, in CBOR or damaged.
    package static func decode(_ value: [UInt8], key: String) throws -> JSON {
        func refused(_ why: String) -> OperationError { OperationError(.invalid, "\(key): \(why)") }
        if value.starts(with: protobufPrefix) {
            do { return try protobuf(value) } catch let error as Problem { throw refused(error.text) } catch is ProtobufReader.Malformed {
                throw refused("the value is damaged: it is not the protobuf message that an API server writes")
            }
        }
        if value.starts(with: Array("k8s:enc:".utf8)) {
            throw refused("the value is encrypted (EncryptionConfiguration), and only an API server with its keys reads it: use `live`")
        }
        if value.starts(with: cborPrefix) { throw refused("the value is CBOR, which is not read here: use `live`") }
        guard value.first == UInt8(ascii: "{"), let object = try? JSON(parsing: value) else {
            throw refused("the value is neither protobuf nor JSON, as API servers write them")
        }
        return object
    }

    private struct Problem: Error { var text: String }

    private static func protobuf(_ value: [UInt8]) throws -> JSON {
        let bytes = value.span.bytes
        var (apiVersion, kind) = ("", "")
        var raw: Range<Int>?
        var reader = ProtobufReader(protobufPrefix.count..<value.count)
        while !reader.isAtEnd {
            switch try reader.next(bytes) {
            case (1, .bytes(let range)):
                var type = ProtobufReader(range)
                while !type.isAtEnd {
                    switch try type.next(bytes) {
                    case (1, .bytes(let range)): apiVersion = string(bytes, range)
                    case (2, .bytes(let range)): kind = string(bytes, range)
                    default: break
                    }
                }
            case (2, .bytes(let range)): raw = range
            default: break
            }
        }
        // What was written into extensions before 1.16 and not touched since stands so; its fields have the numbers of apps.
        let group = apiVersion.contains("/") ? String(apiVersion.prefix { $0 != "/" }) : ""
        guard let raw, let type = TypeTable.name(group: group == "extensions" ? "apps" : group, kind: kind) else {
            throw Problem(text: "\(apiVersion) \(kind) is of no type that is known here")
        }
        var members = try self.members(bytes, raw, TypeTable.builtIn.wire(type), depth: 0)
        members["apiVersion"] = .string(apiVersion)
        members["kind"] = .string(kind)
        return .object(object(members))
    }

    private static func string(_ bytes: RawSpan, _ range: Range<Int>) -> String { String(decoding: bytes.extracting(range).array(), as: UTF8.self) }

    private static func members(_ bytes: RawSpan, _ range: Range<Int>, _ fields: TypeTable.WireFields, depth: Int) throws -> [String: JSON] {
        guard depth < JSON.depthLimit else { throw Problem(text: "the value is nested more than \(JSON.depthLimit) deep") }
        try Task.checkCancellation()
        var members: [String: JSON] = [:]
        var lists: [String: [JSON]] = [:]
        var maps: [String: [String: JSON]] = [:]
        var reader = ProtobufReader(range)
        while !reader.isAtEnd {
            let (number, value) = try reader.next(bytes)
            switch fields[number] {
            // Newer than the table.
            case nil: break
            case .inlined(let inner):
                guard case .bytes(let range) = value else { throw ProtobufReader.Malformed.malformed }
                members.merge(try self.members(bytes, range, inner, depth: depth + 1)) { $1 }
            case .field(let field) where field.isMap:
                guard case .bytes(let range) = value else { throw ProtobufReader.Malformed.malformed }
                var (name, element): (String, JSON?) = ("", nil)
                var entry = ProtobufReader(range)
                while !entry.isAtEnd {
                    switch try entry.next(bytes) {
                    case (1, .bytes(let range)): name = string(bytes, range)
                    case (2, let value): element = try json(bytes, value, field.type, depth: depth)
                    default: break
                    }
                }
                // An entry counts by its name: `nodeSelector: {disk: ""}`.
                maps[field.name, default: [:]][name] = element ?? (field.type == "s" || field.type == "y" ? .string("") : .null)
            case .field(let field) where field.isList:
                lists[field.name, default: []].append(try json(bytes, value, field.type, depth: depth) ?? .null)
            case .field(let field):
                if let element = try json(bytes, value, field.type, depth: depth), element != .string("") { members[field.name] = element }
            }
        }
        for (name, elements) in lists { members[name] = .array(elements) }
        for (name, entries) in maps { members[name] = .object(object(entries)) }
        return members
    }

    private static func object(_ members: [String: JSON]) -> JSONObject {
        JSONObject(members.map { JSONObject.Member(name: $0.key, value: $0.value) })
    }

    /// nil for a time that is not.
    private static func json(_ bytes: RawSpan, _ value: ProtobufReader.Value, _ type: String, depth: Int) throws -> JSON? {
        switch (type, value) {
        case ("s", .bytes(let range)): return .string(string(bytes, range))
        case ("y", .bytes(let range)): return .string(Data(bytes.extracting(range).array()).base64EncodedString())
        case ("b", .varint(let number)): return .bool(number != 0)
        case ("i", .varint(let number)), ("l", .varint(let number)): return .integer(Int64(bitPattern: number))
        case ("d", .fixed(let bits)): return .number(Double(bitPattern: bits))
        case ("t", .bytes(let range)): return try time(bytes, range)
        case ("q", .bytes(let range)): return try members(bytes, range, [1: .field("string", "s")], depth: depth + 1)["string"]
        case ("x", .bytes(let range)):
            let parts = try members(bytes, range, [1: .field("type", "l"), 2: .field("number", "i"), 3: .field("text", "s")], depth: depth + 1)
            return parts["type"] == .integer(1) ? parts["text"] ?? .string("") : parts["number"] ?? .integer(0)
        case ("o", .bytes(let range)):
            var reader = ProtobufReader(range)
            guard !reader.isAtEnd, case (1, .bytes(let range)) = try reader.next(bytes) else { return .object(JSONObject()) }
            guard let parsed = try? JSON(parsing: bytes.extracting(range).array()) else { throw ProtobufReader.Malformed.malformed }
            return parsed
        case (_, .bytes(let range)) where type.count > 1:
            let members = try members(bytes, range, TypeTable.builtIn.wire(type), depth: depth + 1)
            return .object(object(members))
        default: throw ProtobufReader.Malformed.malformed
        }
    }

    /// 1 seconds since 1970, 2 nanoseconds; an empty message is no time. Fractions are what MicroTimes have.
    private static func time(_ bytes: RawSpan, _ range: Range<Int>) throws -> JSON? {
        let parts = try members(bytes, range, [1: .field("seconds", "l"), 2: .field("nanos", "l")], depth: 0)
        guard let seconds = parts["seconds"]?.integer else { return nil }
        let nanos = parts["nanos"]?.integer ?? 0
        let date = Date(timeIntervalSince1970: Double(seconds) + Double(nanos) / 1e9)
        return .string(nanos == 0 ? Timestamp.time(date) : Timestamp.microTime(date))
    }
}
