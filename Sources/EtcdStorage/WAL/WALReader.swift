package import SystemPackage

/// What a check of one WAL segment found out.
package struct WALReport: Sendable {
    package var nodeID: UInt64?
    package var clusterID: UInt64?
    package var records = 0
    package var entries = 0
    package var firstIndex: UInt64?
    package var lastIndex: UInt64?
    package var hardState: HardState?
    package var snapshots: [WALSnapshot] = []
    /// The chain's value at the end, with which the next segment begins.
    package var chain: UInt32 = 0
    /// Where the log ends in the file.
    package var endOffset: UInt64 = 0
    package var findings = Findings()
}

/// Reads a segment of the write-ahead log record by record and checks everything that its writer guarantees: the frames, the chain of
/// checksums, each message field by field, the order of indexes and terms, and that only zeros follow the end.
///
/// The checksums cover the data of the records and not their types, so a type is judged by whether the data fits it.
package struct WALReader {
    /// Records longer than this are not believed, bytes.
    private static let longestRecord: UInt64 = 64 << 20

    private let file: RandomAccessFile
    private let previous: UInt32?
    private let isLast: Bool
    private var report = WALReport()
    private var chain = CRC32C()
    private var lastTerm: UInt64 = 0
    private var buffer: [UInt8] = []

    /// - Parameters:
    ///   - previous: the chain's value at the end of the segment before; nil for the first that is there.
    ///   - isLast: whether the log goes on here; then the segment is as long as etcd makes it from the start.
    package init(path: FilePath, previous: UInt32? = nil, isLast: Bool = true) throws(StorageError) {
        file = try RandomAccessFile(path: path)
        self.previous = previous
        self.isLast = isLast
    }

    /// Checks the segment. Stops at the first record that breaks the chain: nothing after it can be trusted.
    package mutating func check() throws -> WALReport {
        var offset: UInt64 = 0
        while let next = try record(at: offset) { offset = next }
        report.endOffset = offset
        report.chain = chain.value
        if !report.findings.hasErrors {
            try checkTail(from: offset)
            checkWhole()
        }
        return report
    }

    private mutating func found(_ code: Finding.Code, at offset: UInt64, _ message: String) {
        report.findings.add(Finding(code, offset: offset, message))
    }

    // MARK: Frames

    /// Reads one record; returns where the next begins, or nil at the end.
    private mutating func record(at offset: UInt64) throws -> UInt64? {
        try Task.checkCancellation()
        guard offset + 8 <= file.size else { return nil }
        buffer = [UInt8](repeating: 0, count: 8)
        _ = try buffer.read(from: file, at: offset)
        let frame = buffer.span.bytes.u64(at: 0)
        if frame == 0 { return nil }
        let length = frame & 0x00ff_ffff_ffff_ffff
        let top = UInt8(frame >> 56)
        let padding = UInt64(top & 0x7f)
        let isPadded = top & 0x80 != 0
        guard length > 0, length <= Self.longestRecord, isPadded ? (1...7).contains(padding) : padding == 0,
            (length + padding) % 8 == 0, length + padding <= file.size - offset - 8
        else {
            found(.walFrame, at: offset, "no valid record starts here: the frame's length or padding is impossible")
            return nil
        }
        buffer = [UInt8](repeating: 0, count: Int(length + padding))
        guard try buffer.read(from: file, at: offset + 8) == buffer.count else {
            found(.walFrame, at: offset, "the file ends inside a record")
            return nil
        }
        let record = buffer
        if record[Int(length)...].contains(where: { $0 != 0 }) {
            found(.walFrame, at: offset, "the padding of a record is not zero")
            return nil
        }
        guard decode(record.span.bytes, length: Int(length), at: offset) else { return nil }
        report.records += 1
        return offset + 8 + length + padding
    }

    private mutating func decode(_ bytes: RawSpan, length: Int, at offset: UInt64) -> Bool {
        guard let fields = try? VarintFields(bytes, range: 0..<length, count: 3, bytesField: 3), fields.has(1, 2),
            let kind = WALRecord.Kind(rawValue: fields[1]), fields[2] <= UInt64(UInt32.max)
        else {
            found(.walRecord, at: offset, "a record does not parse: it was torn by a crash, or damaged")
            return false
        }
        let stored = UInt32(fields[2])
        if kind == .crc {
            guard fields.bytes == nil else {
                found(.walRecord, at: offset, "a checksum record bears data")
                return false
            }
            guard report.records == 0 else {
                found(.walSequence, at: offset, "a checksum record stands inside a segment")
                return false
            }
            if let previous, stored != previous {
                found(.walChecksum, at: offset, "the segment does not continue the one before")
                return false
            }
            if previous == nil, file.path.lastComponent?.string.hasPrefix("0000000000000000-") == true, stored != 0 {
                found(.walChecksum, at: offset, "the first segment does not start its chain at 0")
                return false
            }
            chain = CRC32C(stored)
            return true
        }
        guard report.records > 0 else {
            found(.walSequence, at: offset, "the segment does not begin with a checksum record")
            return false
        }
        guard let data = fields.bytes else {
            found(.walRecord, at: offset, "a record bears no data")
            return false
        }
        chain.update(bytes.extracting(data))
        guard chain.value == stored else {
            found(.walChecksum, at: offset, "the checksum of a record does not match: it was torn by a crash, or damaged")
            return false
        }
        if let defect = read(kind, bytes, data) {
            found(.walRecord, at: offset, defect)
            return false
        }
        return true
    }

    // MARK: Records

    /// Takes a record in; returns what is wrong with it.
    private mutating func read(_ kind: WALRecord.Kind, _ bytes: RawSpan, _ range: Range<Int>) -> String? {
        if report.records == 1, kind != .metadata { return "the segment's second record is not its metadata" }
        switch kind {
        case .crc: return nil
        case .metadata:
            guard let fields = try? VarintFields(bytes, range: range, count: 2), fields.has(1, 2), report.records == 1 else {
                return "a metadata record does not parse, or is not the segment's second record"
            }
            report.nodeID = fields[1]
            report.clusterID = fields[2]
        case .entry:
            guard let fields = try? VarintFields(bytes, range: range, count: 4, bytesField: 4), fields.has(1, 2, 3) else {
                return "an entry does not parse"
            }
            return entry(type: fields[1], term: fields[2], index: fields[3])
        case .state:
            guard let fields = try? VarintFields(bytes, range: range, count: 3), fields.has(1, 2, 3) else {
                return "a hard state does not parse"
            }
            let state = HardState(term: fields[1], vote: fields[2], commit: fields[3])
            guard state.term >= lastTerm, state.commit >= report.hardState?.commit ?? 0 else {
                return "a hard state goes back to term \(state.term), commit \(state.commit)"
            }
            lastTerm = state.term
            report.hardState = state
        case .snapshot: return snapshot(bytes, range)
        }
        return nil
    }

    /// Indexes follow each other; one that stands again replaces what followed it. Terms never fall.
    private mutating func entry(type: UInt64, term: UInt64, index: UInt64) -> String? {
        guard type <= 2 else { return "an entry has the unknown type \(type)" }
        let next = (report.lastIndex ?? report.snapshots.last?.index).map { $0 &+ 1 } ?? index
        guard index > 0, index <= next else { return "entry \(index) does not follow entry \(next &- 1)" }
        guard term > 0, term >= (report.lastIndex == nil || index == next ? lastEntryTerm : 0) else {
            return "entry \(index) goes back to term \(term)"
        }
        lastEntryTerm = term
        report.firstIndex = min(report.firstIndex ?? index, index)
        report.lastIndex = index
        report.entries += 1
        return nil
    }

    private var lastEntryTerm: UInt64 = 0

    private mutating func snapshot(_ bytes: RawSpan, _ range: Range<Int>) -> String? {
        guard let fields = try? VarintFields(bytes, range: range, count: 3, bytesField: 3), fields.has(1, 2) else {
            return "a snapshot record does not parse"
        }
        var snapshot = WALSnapshot(index: fields[1], term: fields[2])
        if let confState = fields.bytes {
            guard let state = try? ConfState(bytes, range: confState) else { return "the raft configuration of a snapshot record does not parse" }
            snapshot.confState = state
        }
        guard snapshot.index >= report.snapshots.last?.index ?? 0 else { return "a snapshot record goes back to index \(snapshot.index)" }
        report.snapshots.append(snapshot)
        return nil
    }

    // MARK: The whole segment

    /// Nothing but zeros after the end, and as many as etcd put there: a segment that was cut short at the end of a record looks whole
    /// otherwise.
    private mutating func checkTail(from start: UInt64) throws {
        if let at = try file.firstNonZero(from: start) {
            found(.walTail, at: at, "bytes stand after the end of the log")
            return
        }
        if isLast, file.size < UInt64(WALRecord.segmentSize) {
            found(.walTail, at: file.size, "the segment is shorter than the \(WALRecord.segmentSize) bytes that etcd makes it: it was cut short")
        }
    }

    private mutating func checkWhole() {
        if report.nodeID == nil { found(.walSequence, at: 0, "the segment has no metadata") }
        if let state = report.hardState, lastEntryTerm > state.term {
            found(.walSequence, at: report.endOffset, "the last entry is of term \(lastEntryTerm), the hard state of term \(state.term)")
        }
        if isLast, report.entries > 0, report.hardState == nil {
            found(.walSequence, at: report.endOffset, "there are entries and no hard state")
        }
        if isLast, report.snapshots.isEmpty, previous == nil {
            found(.walSequence, at: report.endOffset, "there is no snapshot record, which every log has")
        }
    }
}
