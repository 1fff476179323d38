/// Why a patch cannot be applied.
package struct PatchError: Error, CustomStringConvertible, Sendable, Equatable {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension JSON {
    /// The value with a JSON patch applied (RFC 6902). All operations apply, or none.
    package func applying(jsonPatch operations: JSON) throws(PatchError) -> JSON {
        guard case .array(let operations) = operations else { throw PatchError("a JSON patch is an array of operations") }
        guard operations.count <= 10_000 else { throw PatchError("a JSON patch of more than 10000 operations") }
        var result = self
        for operation in operations {
            guard let path = operation["path"].string else { throw PatchError("an operation without path") }
            let pointer = try Self.pointer(path)
            let value = operation.object?.value("value")
            switch operation["op"].string {
            case "add":
                guard let value else { throw PatchError("add of \(path) without value") }
                try result.change(pointer[...], path) { .add(value, $0) }
            case "replace":
                guard let value else { throw PatchError("replace of \(path) without value") }
                _ = try result.at(pointer, path)
                try result.change(pointer[...], path) { .replace(value, $0) }
            case "remove":
                _ = try result.at(pointer, path)
                try result.change(pointer[...], path) { .remove($0) }
            case "test":
                guard try result.at(pointer, path) == value ?? .null else { throw PatchError("testing value \(path) failed") }
            case "copy", "move":
                guard let from = operation["from"].string else { throw PatchError("an operation without from") }
                let source = try Self.pointer(from)
                let moved = try result.at(source, from)
                if operation["op"].string == "move" { try result.change(source[...], from) { .remove($0) } }
                try result.change(pointer[...], path) { .add(moved, $0) }
            default: throw PatchError("there is no operation \(operation["op"].string ?? "")")
            }
        }
        return result
    }

    private static func pointer(_ path: String) throws(PatchError) -> [String] {
        if path.isEmpty { return [] }
        guard path.hasPrefix("/") else { throw PatchError("the path \(path) does not begin with /") }
        return path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            String($0.replacing("~1", with: "/").replacing("~0", with: "~"))
        }
    }

    private func at(_ pointer: [String], _ path: String) throws(PatchError) -> JSON {
        var value = self
        for name in pointer {
            switch value {
            case .object(let object):
                guard let next = object.value(name) else { throw PatchError("there is nothing at \(path)") }
                value = next
            case .array(let array):
                guard let index = Int(name), array.indices.contains(index) else { throw PatchError("there is nothing at \(path)") }
                value = array[index]
            default: throw PatchError("there is nothing at \(path)")
            }
        }
        return value
    }

    private enum Change {
        case add(JSON, String)
        case replace(JSON, String)
        case remove(String)
    }

    private mutating func change(_ pointer: ArraySlice<String>, _ path: String, _ make: (String) -> Change) throws(PatchError) {
        guard let name = pointer.first else {
            switch make("") {
            case .add(let value, _), .replace(let value, _): self = value
            case .remove: self = .null
            }
            return
        }
        switch self {
        case .object(var object):
            if pointer.count > 1 {
                guard var inner = object.value(name) else { throw PatchError("there is nothing at \(path)") }
                try inner.change(pointer.dropFirst(), path, make)
                object.set(name, inner)
            } else {
                switch make(name) {
                case .add(let value, _), .replace(let value, _): object.set(name, value)
                case .remove: object.remove(name)
                }
            }
            self = .object(object)
        case .array(var array):
            if pointer.count > 1 {
                guard let index = Int(name), array.indices.contains(index) else { throw PatchError("there is nothing at \(path)") }
                try array[index].change(pointer.dropFirst(), path, make)
            } else {
                switch make(name) {
                case .add(let value, _):
                    guard let index = name == "-" ? array.count : Int(name), (0...array.count).contains(index) else {
                        throw PatchError("there is no place \(path)")
                    }
                    array.insert(value, at: index)
                case .replace(let value, _):
                    guard let index = Int(name), array.indices.contains(index) else { throw PatchError("there is nothing at \(path)") }
                    array[index] = value
                case .remove:
                    guard let index = Int(name), array.indices.contains(index) else { throw PatchError("there is nothing at \(path)") }
                    array.remove(at: index)
                }
            }
            self = .array(array)
        default: throw PatchError("there is nothing at \(path)")
        }
    }
}
