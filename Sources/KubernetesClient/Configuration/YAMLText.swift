package import KubernetesAPI
internal import Yams

/// YAML from outside, as JSON: kubeconfigs and manifests.
package enum YAMLText {
    /// Where it is no YAML. Without the line itself, which may have a secret in it.
    package struct Malformed: Error, CustomStringConvertible, Sendable {
        package let description: String
    }

    /// Aliases of aliases grow without bound as they are read; nobody needs many.
    private static let mostAliases = 20

    /// The documents of a text; empty ones are left out.
    package static func documents(_ text: String) throws(Malformed) -> [JSON] {
        let aliases = text.split(whereSeparator: \.isNewline).reduce(0) { count, line in
            count + line.split(whereSeparator: { " \t[{,".contains($0) }).count { $0.hasPrefix("*") && $0.count > 1 }
        }
        guard aliases <= mostAliases else { throw Malformed(description: "it has \(aliases) aliases, and more than \(mostAliases) are not read") }
        do {
            var nodes = try compose_all(yaml: text)
            var documents: [JSON] = []
            while let node = nodes.next() { documents.append(try YAMLDecoder().decode(JSON.self, from: node)) }
            // The sequence ends at what it cannot read, and says so only when it is asked.
            if let error = nodes.error { throw error }
            return documents.filter { !$0.isNull }
        } catch let error as YamlError { throw Malformed(description: explain(error)) } catch {
            throw Malformed(description: "it is no YAML that can be read")
        }
    }

    private static func explain(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): \(problem)"
        case .reader(let problem, _, _, _): problem
        default: "it is no YAML that can be read"
        }
    }
}
