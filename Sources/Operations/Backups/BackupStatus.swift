package import Foundation

/// How much of a cluster would be lost now.
package struct BackupStatus: Sendable, Codable, Equatable {
    package var cluster: String
    package var backups: Int
    package var storedBytes: UInt64
    package var newest: Date
    package var newestVerified: Date?
    /// Whether the newest, or the newest that was read back, is older than it may be.
    package var isLate: Bool

    /// How far clocks may be apart, seconds: what is further in the future has a wrong date, and is no reason to be calm.
    private static let largestSkew = 3600.0

    /// The clusters of these backups, by name.
    /// - Parameter maxAge: seconds; nil for any.
    package static func of(_ backups: [StoredBackup], maxAge: Double?, at now: Date) -> [BackupStatus] {
        let counted = backups.filter { $0.faults.isEmpty && $0.manifest.createdAt <= now.addingTimeInterval(largestSkew) }
        return Dictionary(grouping: counted, by: \.manifest.cluster).sorted { $0.key < $1.key }.map { cluster, own in
            let newest = own.map(\.manifest.createdAt).max() ?? .distantPast
            let verified = own.filter { $0.verifiedAt != nil }.map(\.manifest.createdAt).max()
            let isLate = maxAge.map { now.timeIntervalSince(min(newest, verified ?? .distantPast)) > $0 } ?? false
            return BackupStatus(
                cluster: cluster, backups: own.count, storedBytes: own.map(\.manifest.storedBytes).reduce(0, +), newest: newest,
                newestVerified: verified, isLate: isLate)
        }
    }
}
