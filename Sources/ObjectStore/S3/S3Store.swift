internal import Foundation
internal import Synchronization

/// A bucket of S3, or of what speaks S3.
package struct S3Store: ObjectStore {
    private let place: S3Location
    private let client: S3Client

    /// Connects for as long as `body` runs.
    package static func connected<Result>(
        _ location: S3Location, environment: [String: String], body: (S3Store) async throws -> Result
    ) async throws -> Result {
        let store = S3Store(place: location, client: S3Client(location, environment: environment))
        do {
            let result = try await body(store)
            await store.client.shutdown()
            return result
        } catch {
            await store.client.shutdown()
            throw error
        }
    }

    package var location: String { place.description }

    private func path(_ key: String) throws(StoreError) -> String {
        try ObjectKey.check(key)
        return "/\(place.path(key))"
    }

    /// Makes the bucket. One that is there and ours is fine.
    /// - Parameter locks: whether its objects can be kept from deletion, which cannot be had later.
    package func makeBucket(withObjectLock locks: Bool) async throws(StoreError) {
        let headers = locks ? ["x-amz-bucket-object-lock-enabled": "true"] : [:]
        _ = try await client.send(S3Request(method: "PUT", path: "/", headers: headers)) { $0.code == "BucketAlreadyOwnedByYou" }
    }

    // MARK: Writing

    /// The headers with which an object is to be kept.
    private func headers(_ options: PutOptions) -> [String: String] {
        var headers: [String: String] = [:]
        headers["x-amz-server-side-encryption"] = place.serverSideEncryption
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = place.kmsKey
        if let until = options.retainUntil {
            headers["x-amz-object-lock-mode"] = "COMPLIANCE"
            headers["x-amz-object-lock-retain-until-date"] = until.formatted(.iso8601)
        }
        return headers
    }

    package func begin(_ key: String, _ options: PutOptions) async throws(StoreError) -> any ObjectWriter {
        let path = try path(key)
        // The condition is sent as well; not every server keeps it.
        if options.ifAbsent, try await head(key) != nil { throw StoreError(.exists, "\(location) has \(key) already.") }
        return S3Writer(client: client, key: key, path: path, headers: headers(options), ifAbsent: options.ifAbsent)
    }

    package func copy(_ key: String, from other: any ObjectStore, _ options: PutOptions) async throws(StoreError) -> Bool {
        // Within one service, and up to the 5 GiB that it copies at once.
        guard let other = other as? S3Store, other.place.endpoint == place.endpoint, other.place.region == place.region,
            let info = try await other.head(key), info.size <= 5 << 30
        else { return false }
        if options.ifAbsent, try await head(key) != nil { throw StoreError(.exists, "\(location) has \(key) already.") }
        var headers = headers(options)
        headers["x-amz-copy-source"] = S3Signer.encode("/\(other.place.bucket)\(try other.path(key))", keepingSlashes: true)
        let answer = try await client.send(S3Request(method: "PUT", path: try path(key), headers: headers)) { [400, 403, 501].contains($0.status) }
        // A copy may begin well and end with an error in its answer.
        guard (200..<300).contains(answer.status), XMLElement(parsing: answer.body)?.name == "CopyObjectResult" else { return false }
        return true
    }

    package func delete(_ key: String) async throws(StoreError) {
        guard let info = try await head(key) else { return }
        if let until = info.retainUntil, until > Date() {
            throw StoreError(.locked, "\(location) keeps \(key) until \(until.formatted(.iso8601)).")
        }
        _ = try await client.send(S3Request(method: "DELETE", path: try path(key))) { $0.status == 404 }
    }

    package func unfinished(_ prefix: String) async throws(StoreError) -> [UnfinishedObject] {
        var found: [UnfinishedObject] = []
        var query: [(name: String, value: String)] = [("uploads", ""), ("prefix", place.path(prefix))]
        while true {
            let answer = try await client.send(S3Request(method: "GET", path: "/", query: query))
            guard let page = XMLElement(parsing: answer.body) else { throw malformed("its list of uploads") }
            for upload in page.all("Upload") {
                guard let key = upload.value("Key").flatMap(relative), let id = upload.value("UploadId") else { continue }
                found.append(UnfinishedObject(key: key, begun: Self.date(upload.value("Initiated")), handle: id))
            }
            guard page.value("IsTruncated") == "true", let key = page.value("NextKeyMarker"), let id = page.value("NextUploadIdMarker") else {
                return found
            }
            query = [("uploads", ""), ("prefix", place.path(prefix)), ("key-marker", key), ("upload-id-marker", id)]
        }
    }

    package func discard(_ unfinished: UnfinishedObject) async throws(StoreError) {
        let request = S3Request(method: "DELETE", path: try path(unfinished.key), query: [("uploadId", unfinished.handle)])
        _ = try await client.send(request) { $0.status == 404 }
    }

    // MARK: Reading

    package func head(_ key: String) async throws(StoreError) -> ObjectInfo? {
        let answer = try await client.send(S3Request(method: "HEAD", path: try path(key))) { $0.status == 404 }
        guard answer.status != 404 else { return nil }
        let until = answer.headers["x-amz-object-lock-retain-until-date"].map { Self.date($0) }
        return ObjectInfo(
            key: key, size: answer.headers["content-length"].flatMap { UInt64($0) } ?? 0,
            modified: S3Client.date(answer.headers["last-modified"]) ?? .distantPast, retainUntil: until)
    }

    package func read(_ key: String, _ range: Range<UInt64>?, _ receive: (ArraySlice<UInt8>) async throws -> Void) async throws {
        guard let info = try await head(key) else { throw StoreError(.missing, "\(location) has no \(key).") }
        let start = min(range?.lowerBound ?? 0, info.size)
        try await client.stream(
            S3Request(method: "GET", path: try path(key)), from: start, to: min(range?.upperBound ?? info.size, info.size), receive)
    }

    package func list(_ prefix: String, _ receive: ([ObjectInfo]) async throws -> Void) async throws {
        var token: String?
        repeat {
            var query: [(name: String, value: String)] = [("list-type", "2"), ("prefix", place.path(prefix))]
            if let token { query.append(("continuation-token", token)) }
            let answer = try await client.send(S3Request(method: "GET", path: "/", query: query))
            guard let page = XMLElement(parsing: answer.body), page.name == "ListBucketResult" else { throw malformed("its listing") }
            try await receive(
                page.all("Contents").compactMap { item in
                    guard let key = item.value("Key").flatMap(relative), let size = item.value("Size").flatMap({ UInt64($0) }) else { return nil }
                    return ObjectInfo(key: key, size: size, modified: Self.date(item.value("LastModified")))
                })
            token = page.value("IsTruncated") == "true" ? page.value("NextContinuationToken") : nil
        } while token != nil
    }

    /// A key without the location's prefix; nil for what is not below it.
    private func relative(_ key: String) -> String? {
        guard !place.prefix.isEmpty else { return key }
        guard key.hasPrefix("\(place.prefix)/") else { return nil }
        return String(key.dropFirst(place.prefix.count + 1))
    }

    private static func date(_ text: String?) -> Date {
        guard let text else { return .distantPast }
        return (try? Date(text, strategy: .iso8601)) ?? (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
            ?? .distantPast
    }

    private func malformed(_ what: String) -> StoreError { StoreError(.unavailable, "\(location) answers with something that is not \(what).") }
}

/// Sends an object in parts, several at once, and never holds more of it than those.
private actor S3Writer: ObjectWriter {
    private let client: S3Client
    private let key: String
    private let path: String
    private let headers: [String: String]
    private let ifAbsent: Bool

    private var buffer: [UInt8] = []
    private var size: UInt64 = 0
    private var upload: String?
    private var parts: [Int: String] = [:]
    private var count = 0
    private var sending: [Int: Task<String, any Error>] = [:]

    /// Bytes. 10,000 parts are the most, so objects may have 80 GB; etcd's database has 8 or so.
    private static let partSize = 8 << 20
    private static let parallel = 3

    init(client: S3Client, key: String, path: String, headers: [String: String], ifAbsent: Bool) {
        self.client = client
        self.key = key
        self.path = path
        self.headers = headers
        self.ifAbsent = ifAbsent
    }

    func write(_ bytes: [UInt8]) async throws(StoreError) {
        size += UInt64(bytes.count)
        var rest = bytes[...]
        while !rest.isEmpty {
            if buffer.isEmpty { buffer.reserveCapacity(Self.partSize) }
            let piece = rest.prefix(Self.partSize - buffer.count)
            buffer.append(contentsOf: piece)
            rest = rest.dropFirst(piece.count)
            if buffer.count == Self.partSize { try await sendPart() }
        }
    }

    private func sendPart() async throws(StoreError) {
        let id = try await uploadID()
        while sending.count >= Self.parallel { try await collectOne() }
        count += 1
        let number = count
        let request = S3Request(method: "PUT", path: path, query: [("partNumber", "\(number)"), ("uploadId", id)], body: buffer)
        buffer = []
        let client = client
        // Several parts are on their way while the next one is filled; `finish` and `abandon` wait for all.
        sending[number] = Task {
            let answer = try await client.send(request)
            guard let tag = answer.headers["etag"] else { throw StoreError(.unavailable, "\(client.location) gives no ETag for a part.") }
            return tag
        }
    }

    private func collectOne() async throws(StoreError) {
        guard let (number, task) = sending.min(by: { $0.key < $1.key }) else { return }
        let result = await task.result
        sending[number] = nil
        do { parts[number] = try result.get() } catch let error as StoreError { throw error } catch { throw StoreError(.unavailable, "\(error)") }
    }

    private func uploadID() async throws(StoreError) -> String {
        if let upload { return upload }
        let answer = try await client.send(S3Request(method: "POST", path: path, query: [("uploads", "")], headers: headers))
        guard let id = XMLElement(parsing: answer.body)?.value("UploadId"), !id.isEmpty else {
            throw StoreError(.unavailable, "\(client.location) begins no upload of parts.")
        }
        upload = id
        return id
    }

    func finish() async throws(StoreError) -> ObjectInfo {
        let condition = ifAbsent ? ["if-none-match": "*"] : [:]
        guard upload != nil else {
            // Small enough to go at once.
            _ = try await client.send(S3Request(method: "PUT", path: path, headers: headers.merging(condition) { $1 }, body: buffer))
            buffer = []
            return ObjectInfo(key: key, size: size, modified: Date())
        }
        if !buffer.isEmpty { try await sendPart() }
        while !sending.isEmpty { try await collectOne() }
        let list = parts.sorted { $0.key < $1.key }.map { "<Part><PartNumber>\($0.key)</PartNumber><ETag>\($0.value)</ETag></Part>" }.joined()
        let body = Array("<CompleteMultipartUpload>\(list)</CompleteMultipartUpload>".utf8)
        let request = S3Request(method: "POST", path: path, query: [("uploadId", upload ?? "")], headers: condition, body: body)
        // Sent twice, the second time finds no upload: then the first has been carried out, if the object is there.
        let answer = try await client.send(request) { $0.status == 404 }
        let isComplete = (200..<300).contains(answer.status) && XMLElement(parsing: answer.body)?.name == "CompleteMultipartUploadResult"
        if !isComplete {
            let head = try await client.send(S3Request(method: "HEAD", path: path)) { $0.status == 404 }
            guard head.status != 404, head.headers["content-length"].flatMap({ UInt64($0) }) == size else {
                throw StoreError(.unavailable, "\(client.location) did not complete \(key): \(answer.status) \(answer.code ?? "")")
            }
        }
        upload = nil
        return ObjectInfo(key: key, size: size, modified: Date())
    }

    func abandon() async {
        for task in sending.values { task.cancel() }
        for task in sending.values { _ = await task.result }
        sending = [:]
        buffer = []
        if let upload { _ = try? await client.send(S3Request(method: "DELETE", path: path, query: [("uploadId", upload)])) { $0.status == 404 } }
        upload = nil
    }
}
