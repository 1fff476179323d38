package import Maintenance

extension LabelSelector {
    /// As in objects: `{matchLabels: …, matchExpressions: […]}`. Nil where there is none (null), or an operator is unknown: then nothing matches.
    package init?(_ json: JSON) {
        guard json.object != nil else { return nil }
        self.init(json["matchLabels"].strings.sorted { $0.key < $1.key }.map { Requirement($0.key, .isIn, [$0.value]) })
        guard let more = Self.expressions(json["matchExpressions"]) else { return nil }
        requirements += more
    }

    /// A node selector's term: `{matchExpressions: […]}`; an empty one matches nothing.
    package init?(term json: JSON) {
        guard let more = Self.expressions(json["matchExpressions"]), !more.isEmpty else { return nil }
        self.init(more)
    }

    private static func expressions(_ json: JSON) -> [Requirement]? {
        var requirements: [Requirement] = []
        for expression in json.elements {
            guard let key = expression["key"].string, let operation = expression["operator"].string.flatMap(Operator.init(rawValue:)) else {
                return nil
            }
            requirements.append(Requirement(key, operation, expression["values"].elements.compactMap(\.string)))
        }
        return requirements
    }
}
