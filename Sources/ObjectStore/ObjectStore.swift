package import Foundation

/// Where backups live: named objects of bytes. A folder and S3 are two of a kind.
///
/// Keys are relative to the store's location and look like `production/2026-11-25T02:00:00Z-1042/manifest.json`: no empty part, no `.` and `..`.
package protocol ObjectStore: Sendable {
    /// As a person writes it: `file:///var/backups`, `s3://bucket/prefix`. Without secrets.
    var location: String { get }

    /// Begins to write an object, which is there, whole, when `finish` returns, and otherwise is not.
    func begin(_ key: String, _ options: PutOptions) async throws(StoreError) -> any ObjectWriter

    /// What is known of an object without reading it; nil where there is none.
    func head(_ key: String) async throws(StoreError) -> ObjectInfo?

    /// Reads an object, or a part of it, in order.
    /// - Throws: `.missing` where there is none; what `receive` throws.
    func read(_ key: String, _ range: Range<UInt64>?, _ receive: (ArraySlice<UInt8>) async throws -> Void) async throws

    /// Every object whose key begins with `prefix`, in order of their keys, page by page.
    func list(_ prefix: String, _ receive: ([ObjectInfo]) async throws -> Void) async throws

    /// Deletes an object. One that is not there is deleted already.
    /// - Throws: `.locked` when it is under a retention that has not ended.
    func delete(_ key: String) async throws(StoreError)

    /// Copies an object from another store without its bytes passing through here, where the two can do that.
    /// - Returns: whether it was done.
    func copy(_ key: String, from other: any ObjectStore, _ options: PutOptions) async throws(StoreError) -> Bool

    /// What was begun and never finished, and costs room: uploads and temporary files.
    func unfinished(_ prefix: String) async throws(StoreError) -> [UnfinishedObject]

    func discard(_ unfinished: UnfinishedObject) async throws(StoreError)
}

extension ObjectStore {
    /// Writes a small object whole.
    package func write(_ bytes: [UInt8], to key: String, _ options: PutOptions) async throws(StoreError) {
        let writer = try await begin(key, options)
        do throws(StoreError) {
            try await writer.write(bytes)
            _ = try await writer.finish()
        } catch {
            await writer.abandon()
            throw error
        }
    }

    /// Reads a small object whole, or its first MiB.
    package func bytes(_ key: String) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        try await read(key, 0..<(1 << 20)) { bytes += $0 }
        return bytes
    }
}

/// Takes the bytes of one object. Call `finish` or `abandon`.
package protocol ObjectWriter: Sendable {
    func write(_ bytes: [UInt8]) async throws(StoreError)

    /// Returns when the object is there for good.
    func finish() async throws(StoreError) -> ObjectInfo

    /// Nothing stays of what was written.
    func abandon() async
}

package struct PutOptions: Sendable, Equatable {
    /// Fails with `.exists` where there is such an object.
    package var ifAbsent: Bool
    /// Until when nobody may delete or change it, where the store can promise that.
    package var retainUntil: Date?
    /// Goes on with an upload of the same object that was broken off, where the store keeps such: what is there is not sent again.
    package var resumes: Bool

    package init(ifAbsent: Bool = true, retainUntil: Date? = nil, resumes: Bool = false) {
        self.resumes = resumes
        self.ifAbsent = ifAbsent
        self.retainUntil = retainUntil
    }
}

package struct ObjectInfo: Sendable, Equatable {
    package var key: String
    /// Bytes.
    package var size: UInt64
    package var modified: Date
    /// Until when it is under retention, where the store tells; a listing does not.
    package var retainUntil: Date?

    package init(key: String, size: UInt64, modified: Date, retainUntil: Date? = nil) {
        self.key = key
        self.size = size
        self.modified = modified
        self.retainUntil = retainUntil
    }
}

package struct UnfinishedObject: Sendable, Equatable {
    package var key: String
    package var begun: Date
    /// How the store finds it again.
    package var handle: String
}

/// Why a store did not do what it was asked.
package struct StoreError: Error, CustomStringConvertible, Sendable, Equatable {
    package enum Code: String, Sendable {
        /// The location, the credentials or the options cannot be used.
        case configuration
        /// Nobody answers, or only with errors that may pass.
        case unavailable
        /// The credentials do not allow it.
        case forbidden
        case missing
        case exists
        /// Under retention.
        case locked
        /// The bytes are not those that were meant.
        case damaged
        /// The disk or the file system says no.
        case system
    }

    package let code: Code
    /// What failed, on what, and what to do next. No secrets.
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// The rules of keys, for every store.
enum ObjectKey {
    private static let longest = 900

    static func check(_ key: String) throws(StoreError) {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        let isClean = parts.allSatisfy { part in
            !part.isEmpty && part != "." && part != ".." && part.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 && $0 != "\\" }
        }
        guard isClean, key.utf8.count <= longest else { throw StoreError(.configuration, "\"\(key.prefix(200))\" is no name for an object.") }
    }
}
