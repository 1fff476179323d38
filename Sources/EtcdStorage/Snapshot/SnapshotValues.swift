internal import Foundation
package import SystemPackage

/// What some keys of a snapshot hold at its revision.
package struct SnapshotValues: Sendable {
    /// Proves the snapshot in the same reading.
    package let report: SnapshotReport
    /// By key; bytes of keys that are no UTF-8 are replaced.
    package let values: [String: [UInt8]]

    /// Whether a file has a meta page of bbolt.
    package static func isSnapshot(_ path: FilePath) -> Bool {
        var findings = Findings()
        guard let file = try? RandomAccessFile(path: path) else { return false }
        return (try? BoltImage(file: file, findings: &findings)) != nil
    }

    /// - Parameters:
    ///   - prefixes: of the keys that are kept, with their values, in memory.
    ///   - limit: of all their bytes.
    /// - Throws: `StorageError`: `.notASnapshot`, `.system`, or `.invalid` beyond the limit; damage is in the report.
    package init(reading path: FilePath, under prefixes: [String], limit: Int = 2 << 30, progress: @escaping @Sendable (Int) -> Void = { _ in })
        async throws
    {
        let reading = SnapshotReading(file: try RandomAccessFile(path: path), skipHashCheck: false)
        let result = try await reading.run(
            progress: progress, copy: nil,
            visitor: { audit, _ in Keeper(audit: audit, prefixes: prefixes.map { Array($0.utf8) }, limit: limit) }, audit: { $0.audit })
        report = result.report
        values = result.walk?.visitor.values ?? [:]
    }

    private struct Keeper: BoltVisitor {
        var audit: SchemaAudit
        let prefixes: [[UInt8]]
        let limit: Int
        var values: [String: [UInt8]] = [:]
        private var bytes = 0
        private var isKeyBucket = false

        init(audit: SchemaAudit, prefixes: [[UInt8]], limit: Int) { (self.audit, self.prefixes, self.limit) = (audit, prefixes, limit) }

        mutating func found(_ finding: Finding) { audit.found(finding) }

        mutating func enterBucket(_ name: [UInt8], value: [UInt8]) {
            audit.enterBucket(name, value: value)
            isKeyBucket = name == Array("key".utf8)
        }

        mutating func leaveBucket() { audit.leaveBucket() }

        mutating func visit(key: RawSpan, value: RawSpan, at place: Place) throws {
            audit.visit(key: key, value: value, at: place)
            guard isKeyBucket, let revision = Revision(key), let entry = try? KeyValue(value, range: 0..<value.byteCount) else { return }
            let name = value.extracting(entry.key)
            guard prefixes.contains(where: { name.byteCount >= $0.count && name.extracting(0..<$0.count).compare($0.span.bytes) == 0 }) else {
                return
            }
            let text = String(decoding: name.array(), as: UTF8.self)
            bytes -= values[text]?.count ?? 0
            values[text] = revision.isTombstone ? nil : value.extracting(entry.value).array()
            bytes += values[text]?.count ?? 0
            guard bytes <= limit else { throw StorageError(.invalid, "the snapshot holds more than \(limit) bytes of such objects.") }
        }
    }
}
