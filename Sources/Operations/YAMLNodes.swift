internal import Yams

extension Node {
    /// A mapping in this order.
    static func map(_ pairs: [(String, Node)]) -> Node { .mapping(Mapping(pairs.map { (Node($0.0), $0.1) })) }

    static func list(_ items: [Node]) -> Node { .sequence(Sequence(items)) }

    /// A string that stays one, whatever it looks like.
    static func quoted(_ text: String) -> Node { .scalar(Scalar(text, Tag(.str), .doubleQuoted)) }

    static func text(of node: Node) throws -> String { try Yams.serialize(node: node, width: -1) }
}
