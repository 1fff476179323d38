/// One thing that is wrong with, or worth knowing about, a file that was checked.
package struct Finding: Sendable, Equatable, Codable {
    /// How bad it is: only an `error` makes a file damaged.
    package enum Severity: String, Sendable, Codable {
        case error, warning
    }

    /// What is wrong, as a stable word for programs.
    package enum Code: String, Sendable, Codable, CaseIterable {
        // The file as a whole.
        case sha256Mismatch = "sha256-mismatch"
        case sha256Absent = "sha256-absent"
        case truncated
        case trailingBytes = "trailing-bytes"
        // bbolt's structure.
        case metaInvalid = "meta-invalid"
        case pageOutOfBounds = "page-out-of-bounds"
        case pageReusedTwice = "page-referenced-twice"
        case pageHeader = "page-header"
        case elementOutOfBounds = "element-out-of-bounds"
        case keyOrder = "key-order"
        case bucketInvalid = "bucket-invalid"
        case freelistInvalid = "freelist-invalid"
        case pageLeaked = "page-leaked"
        // etcd's schema.
        case bucketMissing = "bucket-missing"
        case revisionInvalid = "revision-invalid"
        case valueInvalid = "value-invalid"
        case recordInvalid = "record-invalid"
        case memberInvalid = "member-invalid"
        case metadataInvalid = "metadata-invalid"
        case alarmStored = "alarm-stored"
        // WAL segments.
        case walFrame = "wal-frame"
        case walChecksum = "wal-checksum"
        case walRecord = "wal-record"
        case walSequence = "wal-sequence"
        case walTail = "wal-tail"
    }

    package let code: Code
    package let severity: Severity
    /// Byte offset in the file, where there is one place to point at.
    package let offset: UInt64?
    /// bbolt page number, where the finding is about one.
    package let page: UInt64?
    package let message: String

    package init(
        _ code: Code, severity: Severity = .error, offset: UInt64? = nil, page: UInt64? = nil, _ message: String
    ) {
        self.code = code
        self.severity = severity
        self.offset = offset
        self.page = page
        self.message = message
    }

    package func encode(to encoder: any Encoder) throws {
        // Stable keys: programs read null, never a missing key.
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code, forKey: .code)
        try container.encode(severity, forKey: .severity)
        try container.encode(offset, forKey: .offset)
        try container.encode(page, forKey: .page)
        try container.encode(message, forKey: .message)
    }
}

/// Findings in the order they were met, bounded: a file of nothing but damage must not fill the memory.
package struct Findings: Sendable {
    /// The most findings that are kept; the rest are counted.
    package static let limit = 200

    package private(set) var kept: [Finding] = []
    package private(set) var total = 0
    /// How many findings, kept or only counted, were errors.
    package private(set) var errors = 0

    package var hasErrors: Bool { errors > 0 }

    package init() {}

    package mutating func add(_ finding: Finding) {
        total += 1
        if finding.severity == .error { errors += 1 }
        if kept.count < Self.limit {
            kept.append(finding)
        } else if finding.severity == .error, let warning = kept.lastIndex(where: { $0.severity == .warning }) {
            // Warnings never hide an error.
            kept[warning] = finding
        }
    }
}
