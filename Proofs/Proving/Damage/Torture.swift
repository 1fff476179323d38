internal import Crypto
internal import EtcdStorage
package import Foundation
internal import SystemPackage
internal import Maintenance

/// Damages a sound file again and again, and counts how often the check reports it.
package struct Torture: Sendable {
    /// What kind of file it is, and so which check must notice.
    package enum Kind: String, Sendable, CaseIterable {
        case snapshot
        /// Damaged pages, and then a SHA-256 that fits them: only the structure can tell.
        case rehashedSnapshot = "snapshot with its SHA-256 recomputed"
        case wal = "WAL segment"
        case snap = ".snap file"
    }

    package struct Tally: Sendable {
        package var cases = 0
        package var reported = 0
        /// Damage that leaves a legal file behind, such as a log that ends earlier.
        package var legal = 0
        package var missed: [String] = []
        package var slowest: Duration = .zero
        package var byDamage: [Damage: (cases: Int, reported: Int)] = [:]
        /// With a second judge: cases it complained of, and those among them that our check let pass.
        package var judgeReported = 0
        package var missedButJudged: [String] = []
    }

    private let kind: Kind
    private let pristine: [UInt8]
    /// Zeros that belong behind the bytes: a WAL segment is allocated whole.
    private let zeroTail: Int
    private let folder: URL

    /// - Parameters:
    ///   - file: a sound file. It is read whole, so a small one serves best.
    ///   - folder: where the damaged copies are written.
    package init(kind: Kind, file: URL, folder: URL) throws {
        self.kind = kind
        self.folder = folder
        let bytes = [UInt8](try Data(contentsOf: file))
        if kind == .wal {
            let end = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
            // Keep some of the zeros within reach of the damage.
            let kept = min(bytes.count, (end + 7) / 8 * 8 + 8192)
            pristine = Array(bytes[..<kept])
            zeroTail = bytes.count - kept
        } else {
            pristine = bytes
            zeroTail = 0
        }
    }

    /// Runs `cases` cases, drawn from `seed`.
    /// - Parameter judge: a second opinion on the damaged file: whether it complains.
    package func run(
        cases: Int, seed: UInt64, judge: ((URL) async throws -> Bool)? = nil, progress: (Int) -> Void = { _ in }
    ) async throws -> Tally {
        var tally = Tally()
        var generator = SplitMix(seed: seed)
        // A WAL segment and a .snap file are known by their names.
        let name = kind == .wal ? "0000000000000000-0000000000000000.wal" : "damaged"
        let scratch = folder.appendingPathComponent("torture-\(kind.rawValue.prefix(4))-\(seed)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let file = scratch.appendingPathComponent(name)
        let damages = kind == .rehashedSnapshot ? [Damage.bitFlip, .zeroedPage, .swappedPages] : Damage.allCases
        for index in 0..<cases {
            let damage = damages[index % damages.count]
            var bytes = pristine
            var applied: Damage.Applied
            if kind == .rehashedSnapshot {
                bytes.removeLast(32)
                applied = damage.apply(to: &bytes, using: &generator)
                bytes += Array(SHA256.hash(data: bytes))
            } else {
                applied = damage.apply(to: &bytes, using: &generator)
            }
            try write(bytes, to: file, cutShort: damage == .truncation || damage == .randomBytes)
            let started = ContinuousClock.now
            let isReported = try await check(file)
            tally.slowest = max(tally.slowest, ContinuousClock.now - started)
            tally.cases += 1
            tally.byDamage[damage, default: (0, 0)].cases += 1
            let description = "case \(index) of seed \(seed), \(applied.description)"
            if isReported {
                tally.reported += 1
                tally.byDamage[damage, default: (0, 0)].reported += 1
            } else if isLegal(bytes) {
                tally.legal += 1
            } else {
                tally.missed.append(description)
            }
            if let judge, try await judge(file) {
                tally.judgeReported += 1
                if !isReported { tally.missedButJudged.append(description) }
            }
            progress(index + 1)
        }
        return tally
    }

    private func write(_ bytes: [UInt8], to file: URL, cutShort: Bool) throws {
        try Data(bytes).write(to: file)
        if zeroTail > 0, !cutShort {
            let handle = try FileHandle(forWritingTo: file)
            defer { try? handle.close() }
            try handle.truncate(atOffset: UInt64(bytes.count + zeroTail))
        }
    }

    private func check(_ file: URL) async throws -> Bool {
        let path = FilePath(file.path)
        do {
            switch kind {
            case .snapshot, .rehashedSnapshot: return try await !SnapshotVerifier(path: path).verify().isSound
            case .wal:
                var reader = try WALReader(path: path)
                return try reader.check().findings.hasErrors
            case .snap:
                _ = try SnapFile(path: path)
                return false
            }
        } catch let error as StorageError where error.code == .notASnapshot || error.code == .damaged { return true }
    }

    /// A log whose last records were never written is what a crash leaves, and is legal.
    private func isLegal(_ bytes: [UInt8]) -> Bool {
        guard kind == .wal, bytes.count == pristine.count else { return false }
        guard let first = zip(bytes, pristine).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset else { return true }
        return first % 8 == 0 && bytes[first...].allSatisfy { $0 == 0 }
    }
}
