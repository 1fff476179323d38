package import Etcd
internal import Maintenance

/// Keys and values like those of Kubernetes, drawn from a seed.
package struct SampleData: Sendable {
    /// Kinds, how common they are and how big, as in a cluster of some size.
    private static let kinds: [(prefix: String, weight: Int, size: ClosedRange<Int>)] = [
        ("pods", 30, 800...3000), ("events", 25, 300...900), ("replicasets", 12, 600...1800), ("configmaps", 8, 100...4000),
        ("secrets", 8, 200...3000), ("leases/kube-node-lease", 5, 150...300), ("services/specs", 4, 300...900),
        ("services/endpoints", 4, 200...1500), ("apps.example.com/widgets", 4, 400...1200),
    ]

    private var generator: SplitMix
    private var index = 0

    package init(seed: UInt64) { generator = SplitMix(seed: seed) }

    /// The next `count` pairs; keys never repeat.
    package mutating func next(_ count: Int) -> [(key: String, value: [UInt8])] {
        (0..<count).map { _ in
            var draw = Int.random(in: 0..<100, using: &generator)
            let kind =
                Self.kinds.first { kind in
                    draw -= kind.weight
                    return draw < 0
                } ?? Self.kinds[0]
            index += 1
            let key = "/registry/\(kind.prefix)/ns-\(index % 97)/object-\(index)"
            let size = Int.random(in: kind.size, using: &generator)
            return (key, Array("k8s\0".utf8) + generator.bytes(size))
        }
    }
}

extension EtcdClient {
    /// Writes `pairs` in transactions as large as the server takes.
    package func putAll(_ pairs: [(key: String, value: [UInt8])], lease: Int64 = 0) async throws {
        var rest = pairs[...]
        while !rest.isEmpty {
            // A request is limited to 1.5 MiB as well as to 128 operations.
            var count = 0
            var size = 0
            for pair in rest.prefix(Self.mostOperations) {
                size += pair.value.count + pair.key.utf8.count + 32
                if size > 1 << 20, count > 0 { break }
                count += 1
            }
            _ = try await put(Array(rest.prefix(count)), lease: lease)
            rest = rest.dropFirst(count)
        }
    }
}
