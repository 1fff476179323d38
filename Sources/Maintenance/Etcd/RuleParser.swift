/// Reads a rule by recursive descent, weakest operator first. Nesting and length are limited, so that no text can exhaust the stack.
struct RuleParser {
    private struct Token {
        var text: String
        /// From 1.
        var column: Int
    }

    private static let mostCharacters = 1000
    private static let deepest = 50
    private static let levels: [[String]] = [["||"], ["&&"], ["<", "<=", ">", ">=", "==", "!="], ["+", "-"], ["*", "/", "%"]]
    private static let comparisons = 2
    private static let units: [(String, Double)] = [("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("", 1)]

    private let text: String
    private var tokens: [Token] = []
    private var next = 0

    init(_ text: String) { self.text = text }

    mutating func parse() throws(MaintenanceError) -> Expression {
        guard text.count <= Self.mostCharacters else { throw error("it is longer than \(Self.mostCharacters) characters", column: 1) }
        try split()
        let expression = try parseLevel(0, depth: 0)
        if let rest = current { throw error("\"\(rest.text)\" does not belong there", column: rest.column) }
        guard expression.isCondition else { throw error("it is a number, not a condition: compare it with something", column: 1) }
        return expression
    }

    private var current: Token? { next < tokens.count ? tokens[next] : nil }

    private func error(_ what: String, column: Int) -> MaintenanceError {
        MaintenanceError(
            "the rule \"\(text.prefix(200))\" cannot be understood at column \(column): \(what). Write it like \"dbSizeFree > 200MiB && fragmentation > 0.5\"."
        )
    }

    private mutating func split() throws(MaintenanceError) {
        let characters = Array(text)
        var index = 0
        while index < characters.count {
            let start = index
            let character = characters[index]
            if character.isWhitespace {
                index += 1
                continue
            }
            if character.isASCII, character.isLetter || character.isNumber || character == "." {
                while index < characters.count, characters[index].isASCII,
                    characters[index].isLetter || characters[index].isNumber || characters[index] == "."
                {
                    index += 1
                }
            } else if index + 1 < characters.count, ["||", "&&", "<=", ">=", "==", "!="].contains(String(characters[index...index + 1])) {
                index += 2
            } else if "()<>!+-*/%".contains(character) {
                index += 1
            } else {
                throw error("\"\(character)\" has no meaning here", column: start + 1)
            }
            tokens.append(Token(text: String(characters[start..<index]), column: start + 1))
        }
        guard !tokens.isEmpty else { throw error("it is empty", column: 1) }
    }

    private mutating func parseLevel(_ level: Int, depth: Int) throws(MaintenanceError) -> Expression {
        guard level < Self.levels.count else { return try parseUnary(depth: depth) }
        var left = try parseLevel(level + 1, depth: depth)
        var count = 0
        while let token = current, Self.levels[level].contains(token.text) {
            next += 1
            count += 1
            guard level != Self.comparisons || count == 1 else { throw error("comparisons cannot be chained; use &&", column: token.column) }
            let right = try parseLevel(level + 1, depth: depth)
            let wantsConditions = level < Self.comparisons
            guard left.isCondition == wantsConditions, right.isCondition == wantsConditions else {
                throw error("\(token.text) stands between \(wantsConditions ? "conditions" : "numbers")", column: token.column)
            }
            left = .binary(token.text, left, right)
        }
        return left
    }

    private mutating func parseUnary(depth: Int) throws(MaintenanceError) -> Expression {
        guard let token = current else { throw error("something is missing at the end", column: text.count + 1) }
        guard depth < Self.deepest else { throw error("it is nested too deeply", column: token.column) }
        next += 1
        switch token.text {
        case "(":
            let inner = try parseLevel(0, depth: depth + 1)
            guard current?.text == ")" else { throw error("the parenthesis is not closed", column: token.column) }
            next += 1
            return inner
        case "!", "-":
            let inner = try parseUnary(depth: depth + 1)
            guard inner.isCondition == (token.text == "!") else {
                throw error("\(token.text) stands before a \(token.text == "!" ? "condition" : "number")", column: token.column)
            }
            return token.text == "!" ? .not(inner) : .negative(inner)
        default:
            if let name = Expression.Name(rawValue: token.text) { return .name(name) }
            for (unit, factor) in Self.units where token.text.hasSuffix(unit) {
                guard token.text.first?.isNumber == true, let number = Double(token.text.dropLast(unit.count)), number.isFinite else { continue }
                return .number(number * factor)
            }
            let names = Expression.Name.allCases.map(\.rawValue).joined(separator: ", ")
            throw error("\"\(token.text)\" is no number and none of \(names)", column: token.column)
        }
    }
}
