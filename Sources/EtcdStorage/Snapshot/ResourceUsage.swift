/// How many bytes of a database belong to one kind of key.
package struct ResourceUsage: Sendable, Equatable, Codable {
    /// `/registry/pods`, `/registry/apps.example.com/widgets`, or the first part of another key.
    package let resource: String
    /// Bytes of every stored revision: bbolt key and value.
    package var bytes: UInt64
    /// How many revisions there are, tombstones among them.
    package var revisions: Int64
}

/// Adds up bytes by resource. Kubernetes names its keys `/registry/<resource>/…`, `/registry/<group>/<resource>/…` where the
/// group has a dot, and `/registry/services/{specs,endpoints}/…`.
struct ResourceUsageTable {
    /// Keys that are not Kubernetes' may have any first part; beyond this many kinds they are counted as `other`.
    private static let limit = 4096
    static let other = "(other keys)"

    private var indexes: [Int: Int] = [:]
    private var usages: [ResourceUsage] = []
    private var otherUsage = ResourceUsage(resource: ResourceUsageTable.other, bytes: 0, revisions: 0)

    mutating func add(key: RawSpan, bytes: Int) {
        let length = Self.prefixLength(of: key)
        guard length > 0 else { return count(&otherUsage, bytes) }
        var hasher = Hasher()
        key.extracting(0..<length).withUnsafeBytes { hasher.combine(bytes: $0) }
        let hash = hasher.finalize()
        if let index = indexes[hash] { return count(&usages[index], bytes) }
        guard usages.count < Self.limit else { return count(&otherUsage, bytes) }
        indexes[hash] = usages.count
        let name = String(decoding: key.extracting(0..<length).array(), as: UTF8.self)
        usages.append(ResourceUsage(resource: name, bytes: UInt64(bytes), revisions: 1))
    }

    private func count(_ usage: inout ResourceUsage, _ bytes: Int) {
        usage.bytes += UInt64(bytes)
        usage.revisions += 1
    }

    /// The biggest kinds, biggest first.
    func top(_ count: Int) -> [ResourceUsage] {
        let all = usages + (otherUsage.revisions > 0 ? [otherUsage] : [])
        return Array(all.sorted { ($0.bytes, $1.resource) > ($1.bytes, $0.resource) }.prefix(count))
    }

    /// How many bytes of the key name its kind; 0 when nothing does.
    static func prefixLength(of key: RawSpan) -> Int {
        let slash = UInt8(ascii: "/")
        func next(from start: Int) -> (end: Int, hasDot: Bool) {
            var hasDot = false
            for index in start..<min(key.byteCount, start + 256) {
                let byte = key.byte(at: index)
                if byte == slash { return (index, hasDot) }
                if byte == UInt8(ascii: ".") { hasDot = true }
            }
            return (0, hasDot)
        }
        let registry = 10  // "/registry/"
        guard key.byteCount > 1, key.byte(at: 0) == slash else { return next(from: 0).end }
        guard key.byteCount > registry, key.extracting(0..<registry).equals("/registry/") else { return next(from: 1).end }
        let first = next(from: registry)
        guard first.end > 0 else { return 0 }
        if first.hasDot || key.extracting(registry..<first.end).equals("services") {
            let second = next(from: first.end + 1)
            if second.end > 0 { return second.end }
        }
        return first.end
    }
}
