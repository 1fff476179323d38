/// A JSON value, which is how every Kubernetes object travels and is kept here.
///
/// Typed objects are views of such a value, so that an object which was read, changed and written back keeps the fields that nobody here knows.
/// Values share what they have in common: a thousand pods of one template hold its containers once.
package enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

/// The members of a JSON object, in the order of their names, each name once.
package struct JSONObject: Sendable, Hashable {
    package struct Member: Sendable, Hashable {
        package let name: String
        package var value: JSON

        package init(name: String, value: JSON) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var members: [Member]

    package init() { members = [] }

    /// Takes members in any order; of those with one name the last counts, as in Go's decoder.
    package init(_ members: [Member]) {
        var isSorted = true
        for index in members.indices.dropFirst() where !(members[index - 1].name < members[index].name) {
            isSorted = false
            break
        }
        self.members = isSorted ? members : Self.sorted(members)
    }

    private static func sorted(_ members: [Member]) -> [Member] {
        let order = members.indices.sorted { (members[$0].name, $0) < (members[$1].name, $1) }
        var result: [Member] = []
        result.reserveCapacity(members.count)
        for index in order {
            if result.last?.name == members[index].name { result.removeLast() }
            result.append(members[index])
        }
        return result
    }

    package var isEmpty: Bool { members.isEmpty }
    package var count: Int { members.count }
    package var names: [String] { members.map(\.name) }

    /// Where `name` is, or would be.
    private func position(of name: String) -> (index: Int, isThere: Bool) {
        if members.count <= 8 {
            for (index, member) in members.enumerated() {
                if member.name == name { return (index, true) }
                if member.name > name { return (index, false) }
            }
            return (members.count, false)
        }
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return (low, low < members.count && members[low].name == name)
    }

    /// The value of a member, which may be null; nil where there is no such member.
    package func value(_ name: String) -> JSON? {
        let (index, isThere) = position(of: name)
        return isThere ? members[index].value : nil
    }

    /// Sets a member, also to null.
    package mutating func set(_ name: String, _ value: JSON) {
        let (index, isThere) = position(of: name)
        if isThere { members[index].value = value } else { members.insert(Member(name: name, value: value), at: index) }
    }

    package mutating func remove(_ name: String) {
        let (index, isThere) = position(of: name)
        if isThere { members.remove(at: index) }
    }

    package mutating func removeAll(where predicate: (Member) -> Bool) { members.removeAll(where: predicate) }

    /// A member's value; null stands for one that is not there, both ways.
    package subscript(name: String) -> JSON {
        get { value(name) ?? .null }
        _modify {
            let (index, isThere) = position(of: name)
            if isThere {
                yield &members[index].value
                if members[index].value == .null { members.remove(at: index) }
            } else {
                var value = JSON.null
                yield &value
                if value != .null { members.insert(Member(name: name, value: value), at: index) }
            }
        }
    }
}

extension JSON {
    /// A member of an object. What is not there, or not an object, reads as null; setting null removes.
    package subscript(name: String) -> JSON {
        get {
            guard case .object(let object) = self else { return .null }
            return object[name]
        }
        _modify {
            var object: JSONObject
            if case .object(let own) = self { object = own } else { object = JSONObject() }
            let wasObject = if case .object = self { true } else { false }
            // Let go of our own reference, so that the members are changed in place.
            let before = wasObject ? JSON.null : self
            self = .null
            yield &object[name]
            self = wasObject || !object.isEmpty ? .object(object) : before
        }
    }

    /// An element of an array; null where there is none.
    package subscript(index: Int) -> JSON {
        guard case .array(let array) = self, array.indices.contains(index) else { return .null }
        return array[index]
    }

    package var isNull: Bool { self == .null }

    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// A whole number, also where it was written as 1.0.
    package var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }

    /// A number of things, as int32 fields of the API have it; what is outside of that range is taken for the nearest within, so that counting with
    /// it cannot overflow.
    package var count: Int? { integer.map { Int(Int32(clamping: $0)) } }

    package var array: [JSON]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    package var object: JSONObject? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// The elements of an array, none for anything else.
    package var elements: [JSON] { array ?? [] }

    /// An object of strings, as labels and annotations are; other members are left out.
    package var strings: [String: String] {
        guard case .object(let object) = self else { return [:] }
        var result: [String: String] = [:]
        for member in object.members {
            if case .string(let value) = member.value { result[member.name] = value }
        }
        return result
    }

    package init(_ strings: [String: String]) {
        self = .object(JSONObject(strings.map { JSONObject.Member(name: $0.key, value: .string($0.value)) }))
    }

    package init(_ integer: Int) { self = .integer(Int64(integer)) }

    package init(_ string: String?) { self = string.map { .string($0) } ?? .null }

    /// Null for an empty text: some API servers (1.20 among them) take an empty string in a custom resource for null, and refuse it.
    package init(nonEmpty string: String) { self = string.isEmpty ? .null : .string(string) }

    /// Without members that say nothing, one level deep.
    package var withoutNulls: JSON {
        guard case .object(let object) = self else { return self }
        return .object(JSONObject(object.members.filter { !$0.value.isNull && $0.value != "" }))
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// Keeps nulls, which patches need.
    package init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(JSONObject(elements.map { JSONObject.Member(name: $0.0, value: $0.1) }))
    }
}

extension JSON: CustomStringConvertible {
    package var description: String { String(decoding: bytes(), as: UTF8.self) }
}

extension JSON: Codable {
    package init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: Name.self) {
            self = .object(JSONObject(try container.allKeys.map { .init(name: $0.stringValue, value: try container.decode(JSON.self, forKey: $0)) }))
            return
        }
        if var container = try? decoder.unkeyedContainer() {
            var elements: [JSON] = []
            while !container.isAtEnd { elements.append(try container.decode(JSON.self)) }
            self = .array(elements)
            return
        }
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else {
            self = .string(try container.decode(String.self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .object(let object):
            var container = encoder.container(keyedBy: Name.self)
            for member in object.members { try container.encode(member.value, forKey: Name(stringValue: member.name)) }
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(element) }
        default:
            var container = encoder.singleValueContainer()
            switch self {
            case .bool(let value): try container.encode(value)
            case .integer(let value): try container.encode(value)
            case .number(let value): try container.encode(value)
            case .string(let value): try container.encode(value)
            default: try container.encodeNil()
            }
        }
    }

    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
