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
        let writer = S3Writer(client: client, key: key, path: path, headers: headers(options), options: options)
        // Locks and encryption belong to the upload, not to its parts: with those it begins anew.
        if options.resumes, headers(options).isEmpty { try await writer.resume(try await unfinished(key).filter { $0.key == key }) }
        return writer
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
