internal import Crypto
package import Etcd
package import EtcdStorage
internal import Foundation
internal import Synchronization
package import SystemPackage

/// Saves an etcd snapshot: chooses the member, streams its database into a file, checks the digest on the way, and proves the
/// result before it gets its name.
package struct SnapshotSave: Sendable {
    package var target: FilePath
    /// Whether the saved file is verified whole before it is renamed.
    package var verifiesAfterwards: Bool
    /// How long the stream may take; nil for as long as it takes.
    package var timeout: Duration?

    package init(target: FilePath, verifiesAfterwards: Bool = true, timeout: Duration? = nil) {
        self.target = target
        self.verifiesAfterwards = verifiesAfterwards
        self.timeout = timeout
    }

    /// What happens, for those who watch.
    package enum Event: Sendable {
        /// The member was chosen.
        case chosen(MemberChoice)
        /// The stream goes on: `received` of `total` bytes are written.
        case received(Int, total: Int)
        /// The check began: it reads `total` bytes.
        case verifying(total: Int)
        /// The check has read this many bytes more.
        case verified(Int)
    }

    /// What was saved.
    package struct Outcome: Sendable {
        package var file: FilePath
        package var sizeBytes: UInt64
        /// The SHA-256 that both sides agree on, in hexadecimal.
        package var sha256: String
        package var member: MemberChoice
        /// nil when the file was not verified.
        package var report: SnapshotReport?
    }

    /// Saves from one of the client's endpoints.
    /// - Throws: `EtcdError` or `StorageError`; then nothing stands under the target's name that was not there before. A database
    ///   that arrived as it was sent but is damaged is kept beside it as `NAME.damaged`.
    package func run(client: EtcdClient, watch: @escaping @Sendable (Event) -> Void) async throws -> Outcome {
        let choice = try MemberChoice.choose(among: await client.statuses())
        watch(.chosen(choice))
        let file = try PartialFile(target: target)
        do {
            let receiver = SnapshotReceiver(file: file, watch: watch)
            try await withTimeout {
                try await client.snapshot(from: choice.status.endpoint) { blob, remaining in
                    try blob.withUnsafeBytes { try receiver.receive($0, remaining: remaining) }
                }
            }
            let (size, digest) = try receiver.finish(endpoint: choice.status.endpoint)
            var report: SnapshotReport?
            if verifiesAfterwards {
                watch(.verifying(total: Int(size)))
                report = try await SnapshotVerifier(path: file.partial).verify { watch(.verified($0)) }
                report?.file = target.string
                if report?.isSound == false { return try keepDamaged(file, report, size, digest, choice) }
            }
            try file.commit()
            return Outcome(file: target, sizeBytes: size, sha256: digest, member: choice, report: report)
        } catch {
            file.discard()
            throw error
        }
    }

    /// The member's own database is damaged. The copy is worth keeping, and must not pass for a backup.
    private func keepDamaged(
        _ file: PartialFile, _ report: SnapshotReport?, _ size: UInt64, _ digest: String, _ choice: MemberChoice
    ) throws -> Outcome {
        let kept = FilePath(target.string + ".damaged")
        try file.commit(as: kept)
        var report = report
        report?.file = kept.string
        return Outcome(file: kept, sizeBytes: size, sha256: digest, member: choice, report: report)
    }

    private func withTimeout(_ work: @escaping @Sendable () async throws -> Void) async throws {
        guard let timeout else { return try await work() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw EtcdError(.deadline, "the snapshot did not arrive within \(timeout). Raise --command-timeout, or leave it out.")
            }
            try await group.next()
            group.cancelAll()
        }
    }
}

/// Takes the pieces of a snapshot stream in order: the database into the file and the hash, then the digest.
private final class SnapshotReceiver: Sendable {
    /// Writeback starts every so many bytes.
    private static let writebackSize: UInt64 = 8 << 20

    private let file: PartialFile
    private let watch: @Sendable (SnapshotSave.Event) -> Void
    private let state = Mutex(SnapshotFraming())

    init(file: PartialFile, watch: @escaping @Sendable (SnapshotSave.Event) -> Void) {
        self.file = file
        self.watch = watch
    }

    func receive(_ blob: UnsafeRawBufferPointer, remaining: UInt64) throws {
        try state.withLock { framing in
            let before = framing.received
            try framing.take(blob, remaining: remaining)
            try file.write(blob)
            if before / Self.writebackSize != framing.received / Self.writebackSize {
                let start = before / Self.writebackSize * Self.writebackSize
                file.startWriteback(offset: start, count: Int(Self.writebackSize))
            }
            watch(.received(Int(framing.received), total: Int(framing.expected ?? 0)))
        }
    }

    /// - Returns: the size of the database and its digest.
    func finish(endpoint: Endpoint) throws -> (UInt64, String) { try state.withLock { try $0.finish(endpoint: endpoint) } }
}
