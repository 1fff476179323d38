package import Maintenance

/// Which fields an object must have: `spec.nodeName=worker-1,status.phase!=Succeeded` (apimachinery's fields.Selector).
package struct FieldSelector: Sendable, Hashable {
    package struct Requirement: Sendable, Hashable {
        /// The path, with dots.
        package var path: String
        package var value: String
        package var isEqual: Bool
    }

    package var requirements: [Requirement]

    package init(_ requirements: [Requirement] = []) { self.requirements = requirements }

    package static func equal(_ path: String, _ value: String) -> FieldSelector { .init([.init(path: path, value: value, isEqual: true)]) }

    package init(parsing text: String) throws(SelectorError) {
        requirements = []
        for term in text.split(separator: ",") {
            // The first that is there: != before = and ==.
            let separator = ["!=", "==", "="].first { term.contains($0) }
            guard let separator, let range = term.firstRange(of: separator), range.lowerBound > term.startIndex else {
                throw SelectorError(description: "\"\(text)\" is no field selector at \"\(term)\". Write it like spec.nodeName=worker-1.")
            }
            requirements.append(
                Requirement(path: String(term[..<range.lowerBound]), value: String(term[range.upperBound...]), isEqual: separator != "!="))
        }
    }

    package var text: String { requirements.map { "\($0.path)\($0.isEqual ? "=" : "!=")\($0.value)" }.joined(separator: ",") }

    /// Fields that are not there read as empty.
    package func matches(_ object: JSON) -> Bool {
        requirements.allSatisfy { requirement in
            var value = object
            for name in requirement.path.split(separator: ".") { value = value[String(name)] }
            let text =
                switch value {
                case .string(let text): text
                case .bool(let flag): flag ? "true" : "false"
                case .integer(let number): String(number)
                // A bool that is not written is false (spec.unschedulable).
                default: requirement.value == "false" ? "false" : ""
                }
            return (text == requirement.value) == requirement.isEqual
        }
    }
}
