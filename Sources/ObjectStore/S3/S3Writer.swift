internal import Crypto
internal import Foundation
internal import NIOCore

/// Sends an object in parts, several at once, and never holds more of it than those.
actor S3Writer: ObjectWriter {
    private let client: S3Client
    private let key: String
    private let path: String
    private let headers: [String: String]
    private let options: PutOptions

    private var buffer = ByteBuffer()
    private var size: UInt64 = 0
    private var upload: String?
    private var parts: [Int: String] = [:]
    private var count = 0
    private var sending: [Int: Task<String, any Error>] = [:]
    /// What an earlier attempt left: the parts that the server has.
    private var earlier: [Int: EarlierPart] = [:]

    private struct EarlierPart {
        var tag: String
        var size: Int
    }

    /// Bytes. 10,000 parts are the most, so objects may have 80 GB; etcd's database has 8 or so.
    private static let partSize = 8 << 20
    private static let parallel = 3

    init(client: S3Client, key: String, path: String, headers: [String: String], options: PutOptions) {
        self.client = client
        self.key = key
        self.path = path
        self.headers = headers
        self.options = options
    }

    func write(_ bytes: [UInt8]) async throws(StoreError) {
        size += UInt64(bytes.count)
        var rest = bytes[...]
        while !rest.isEmpty {
            if buffer.capacity == 0 { buffer.reserveCapacity(Self.partSize) }
            let piece = rest.prefix(Self.partSize - buffer.readableBytes)
            buffer.writeBytes(piece)
            rest = rest.dropFirst(piece.count)
            if buffer.readableBytes == Self.partSize { try await sendPart() }
        }
    }

    private func sendPart() async throws(StoreError) {
        let id = try await uploadID()
        while sending.count >= Self.parallel { try await collectOne() }
        count += 1
        let number = count
        let body = buffer
        buffer = ByteBuffer()
        if let part = earlier[number], part.size == body.readableBytes, part.tag == Self.tag(of: body) {
            parts[number] = part.tag
            return
        }
        let request = S3Request(method: "PUT", path: path, query: [("partNumber", "\(number)"), ("uploadId", id)], body: body)
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

    // MARK: Going on with an upload

    /// The ETag of a part is its MD5, unless a key of KMS encrypts it: then nothing is as it was, and all is sent again.
    private static func tag(of body: ByteBuffer) -> String {
        var hash = Insecure.MD5()
        body.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        return "\"\(S3Signer.hex(hash.finalize()))\""
    }

    /// Goes on with the newest of these uploads: parts of it that are as they would be sent again are not.
    func resume(_ unfinished: [UnfinishedObject]) async throws(StoreError) {
        guard let newest = unfinished.max(by: { $0.begun < $1.begun }) else { return }
        var marker: String?
        repeat {
            var query: [(name: String, value: String)] = [("uploadId", newest.handle)]
            if let marker { query.append(("part-number-marker", marker)) }
            let answer = try await client.send(S3Request(method: "GET", path: path, query: query)) { $0.status == 404 }
            guard answer.status != 404, let page = XMLElement(parsing: answer.body) else { return }
            for part in page.all("Part") {
                guard let number = part.value("PartNumber").flatMap({ Int($0) }), let tag = part.value("ETag"),
                    let size = part.value("Size").flatMap({ Int($0) })
                else { continue }
                earlier[number] = EarlierPart(tag: tag.hasPrefix("\"") ? tag : "\"\(tag)\"", size: size)
            }
            marker = page.value("IsTruncated") == "true" ? page.value("NextPartNumberMarker") : nil
        } while marker != nil
        upload = newest.handle
    }

    // MARK: The end

    func finish() async throws(StoreError) -> ObjectInfo {
        guard upload != nil else {
            try await putWhole()
            return ObjectInfo(key: key, size: size, modified: Date())
        }
        if buffer.readableBytes > 0 || count == 0 { try await sendPart() }
        while !sending.isEmpty { try await collectOne() }
        let list = parts.sorted { $0.key < $1.key }.map { "<Part><PartNumber>\($0.key)</PartNumber><ETag>\($0.value)</ETag></Part>" }.joined()
        let body = ByteBuffer(string: "<CompleteMultipartUpload>\(list)</CompleteMultipartUpload>")
        let condition = options.ifAbsent ? ["if-none-match": "*"] : [:]
        let request = S3Request(method: "POST", path: path, query: [("uploadId", upload ?? "")], headers: condition, body: body)
        // Sent twice, the second time finds no upload, or the object: then the first has been carried out, if the object is what was sent.
        let answer = try await client.send(request) { [404, 412].contains($0.status) || $0.status == 409 }
        let isComplete = (200..<300).contains(answer.status) && XMLElement(parsing: answer.body)?.name == "CompleteMultipartUploadResult"
        if !isComplete {
            let head = try await client.send(S3Request(method: "HEAD", path: path)) { $0.status == 404 }
            guard head.status != 404, head.headers["content-length"].flatMap({ UInt64($0) }) == size, isOurs(head.headers["etag"]) else {
                throw answer.status == 404
                    ? StoreError(.unavailable, "\(client.location) did not complete \(key): \(answer.status) \(answer.code ?? "")")
                    : StoreError(.exists, "\(client.location) has \(key) already.")
            }
        }
        upload = nil
        return ObjectInfo(key: key, size: size, modified: Date())
    }

    /// The ETag of an object of parts is the MD5 of their MD5s, and how many there are; where a server makes others, the size has to do.
    private func isOurs(_ tag: String?) -> Bool {
        guard let tag, tag.split(separator: "-").count == 2 else { return true }
        var hash = Insecure.MD5()
        for (_, part) in parts.sorted(by: { $0.key < $1.key }) {
            let digits = Array(part.utf8).filter { $0 != UInt8(ascii: "\"") }
            for index in stride(from: 0, to: digits.count - 1, by: 2) {
                guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else { return true }
                hash.update(data: [byte])
            }
        }
        return tag.filter { $0 != "\"" } == "\(S3Signer.hex(hash.finalize()))-\(parts.count)"
    }

    /// Small enough to go at once.
    private func putWhole() async throws(StoreError) {
        let body = buffer
        buffer = ByteBuffer()
        let condition = options.ifAbsent ? ["if-none-match": "*"] : [:]
        do { _ = try await client.send(S3Request(method: "PUT", path: path, headers: headers.merging(condition) { $1 }, body: body)) } catch {
            // Where the answer to the first sending was lost, the second finds what the first has written.
            guard error.code == .exists, let there = try? await client.send(S3Request(method: "GET", path: path)),
                there.body == Array(body.readableBytesView)
            else { throw error }
        }
    }

    func abandon() async {
        for task in sending.values { task.cancel() }
        for task in sending.values { _ = await task.result }
        sending = [:]
        buffer = ByteBuffer()
        // An upload that can be gone on with stays; what nobody comes back for is an orphan.
        if let upload, !options.resumes {
            _ = try? await client.send(S3Request(method: "DELETE", path: path, query: [("uploadId", upload)])) { $0.status == 404 }
        }
        upload = nil
    }
}
