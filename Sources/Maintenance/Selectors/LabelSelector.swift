/// Which labels an object must have (apimachinery's labels.Selector and metav1.LabelSelector).
package struct LabelSelector: Sendable, Hashable {
    package enum Operator: String, Sendable, Hashable {
        case isIn = "In"
        case isNotIn = "NotIn"
        case exists = "Exists"
        case doesNotExist = "DoesNotExist"
        // Only where nodes are selected.
        case greaterThan = "Gt"
        case lessThan = "Lt"
    }

    package struct Requirement: Sendable, Hashable {
        package var key: String
        package var operation: Operator
        package var values: [String]

        package init(_ key: String, _ operation: Operator, _ values: [String] = []) {
            self.key = key
            self.operation = operation
            self.values = values
        }

        package func matches(_ labels: [String: String]) -> Bool {
            let value = labels[key]
            switch operation {
            case .isIn: return value.map(values.contains) ?? false
            // Also what has no such label at all.
            case .isNotIn: return !(value.map(values.contains) ?? false)
            case .exists: return value != nil
            case .doesNotExist: return value == nil
            case .greaterThan, .lessThan:
                guard let number = value.flatMap({ Int64($0) }), values.count == 1, let bound = Int64(values[0]) else { return false }
                return operation == .greaterThan ? number > bound : number < bound
            }
        }
    }

    /// All of them must hold.
    package var requirements: [Requirement]

    package init(_ requirements: [Requirement] = []) { self.requirements = requirements }

    package static let everything = LabelSelector()

    package func matches(_ labels: [String: String]) -> Bool { requirements.allSatisfy { $0.matches(labels) } }

    /// As on command lines and in requests: `app=web,tier!=db,zone in (a,b),!legacy,gpu`.
    /// - Throws: `SelectorError` that names the place.
    package init(parsing text: String) throws(SelectorError) {
        requirements = []
        var rest = text.unicodeScalars[...]
        func fail(_ what: String) -> SelectorError {
            SelectorError(
                description:
                    "\"\(text)\" is no label selector: \(what) at \"\(String(String.UnicodeScalarView(rest)))\". Write it like app=web,tier!=db,zone in (a,b)."
            )
        }
        func isWord(_ scalar: Unicode.Scalar) -> Bool {
            scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "-_./".unicodeScalars.contains(scalar)
        }
        func skipSpace() { rest = rest.drop { $0 == " " } }
        func word() -> String {
            skipSpace()
            let found = rest.prefix(while: isWord)
            rest = rest.dropFirst(found.count)
            return String(String.UnicodeScalarView(found))
        }
        func skip(_ symbol: String) -> Bool {
            skipSpace()
            guard rest.starts(with: symbol.unicodeScalars) else { return false }
            rest = rest.dropFirst(symbol.unicodeScalars.count)
            return true
        }
        skipSpace()
        while !rest.isEmpty {
            let isNegated = skip("!")
            let key = word()
            guard !key.isEmpty else { throw fail("a label's name should be") }
            if isNegated {
                requirements.append(Requirement(key, .doesNotExist))
            } else if skip("!=") {
                requirements.append(Requirement(key, .isNotIn, [word()]))
            } else if skip("==") || skip("=") {
                requirements.append(Requirement(key, .isIn, [word()]))
            } else if skip(">") {
                requirements.append(Requirement(key, .greaterThan, [word()]))
            } else if skip("<") {
                requirements.append(Requirement(key, .lessThan, [word()]))
            } else {
                skipSpace()
                if rest.isEmpty || rest.first == "," {
                    requirements.append(Requirement(key, .exists))
                } else {
                    let name = word()
                    guard name == "in" || name == "notin", skip("(") else { throw fail("an operator should be") }
                    var values: [String] = []
                    repeat { values.append(word()) } while skip(",")
                    guard skip(")") else { throw fail("a closing parenthesis should be") }
                    requirements.append(Requirement(key, name == "in" ? .isIn : .isNotIn, values))
                }
            }
            skipSpace()
            if rest.isEmpty { break }
            guard skip(",") else { throw fail("a comma should be") }
        }
    }

    /// As in requests.
    package var text: String {
        requirements.map { requirement in
            switch requirement.operation {
            case .exists: requirement.key
            case .doesNotExist: "!\(requirement.key)"
            case .isIn where requirement.values.count == 1: "\(requirement.key)=\(requirement.values[0])"
            case .isNotIn where requirement.values.count == 1: "\(requirement.key)!=\(requirement.values[0])"
            case .isIn: "\(requirement.key) in (\(requirement.values.joined(separator: ",")))"
            case .isNotIn: "\(requirement.key) notin (\(requirement.values.joined(separator: ",")))"
            case .greaterThan: "\(requirement.key)>\(requirement.values.first ?? "")"
            case .lessThan: "\(requirement.key)<\(requirement.values.first ?? "")"
            }
        }.joined(separator: ",")
    }
}

/// Why a text is no selector.
package struct SelectorError: Error, CustomStringConvertible, Sendable, Equatable {
    package let description: String

    package init(description: String) { self.description = description }
}
