internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// Sends requests to one bucket: signs them, tries again what may pass, and says what a refusal means.
struct S3Client: Sendable {
    struct Answer: Sendable {
        var status: Int
        /// Names in small letters.
        var headers: [String: String]
        var body: [UInt8]

        /// `NoSuchKey`, `SlowDown`, …; nil where the server does not say.
        var code: String? { XMLElement(parsing: body)?.value("Code") }
        var message: String? { XMLElement(parsing: body)?.value("Message") }
    }

    let location: S3Location
    private let http: HTTPClient
    private let credentials: S3Credentials
    private let signer: S3Signer
    private let skew = Skew()
    private let sleep: @Sendable (Double) async throws -> Void

    /// How far the server's clock is from ours, seconds, once it has complained.
    private final class Skew: Sendable {
        private let seconds = Mutex(0.0)
        var now: Date { Date(timeIntervalSinceNow: seconds.withLock { $0 }) }
        /// More than the five minutes that the strictest servers allow.
        func isFarFrom(_ server: Date) -> Bool { abs(server.timeIntervalSince(now)) > 300 }
        func set(_ server: Date) { seconds.withLock { $0 = server.timeIntervalSinceNow } }
    }

    /// Sendings altogether.
    private static let attempts = 8
    private static let longestPause = 20.0
    /// The largest answer that is read whole: a page of a listing has some 400 KiB.
    private static let longestAnswer = 16 << 20

    init(
        _ location: S3Location, environment: [String: String],
        sleep: @escaping @Sendable (Double) async throws -> Void = { try await Task.sleep(for: .seconds($0)) }
    ) {
        self.location = location
        self.sleep = sleep
        signer = S3Signer(region: location.region)
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(location.timeout), write: .seconds(location.timeout))
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.http = http
        credentials = S3Credentials(location, environment: environment) { question async throws(StoreError) in
            var message = HTTPClientRequest(url: question.url)
            message.method = .RAW(value: question.method)
            for (name, value) in question.headers { message.headers.add(name: name, value: value) }
            if !question.body.isEmpty { message.body = .bytes(ByteBuffer(bytes: question.body)) }
            do {
                let response = try await http.execute(message, timeout: .seconds(5))
                return .init(status: Int(response.status.code), body: Array(try await response.body.collect(upTo: 1 << 20).readableBytesView))
            } catch { throw StoreError(.unavailable, "\(URL(string: question.url)?.host ?? "") does not answer: \(error)") }
        }
    }

    func shutdown() async { try? await http.shutdown() }

    // MARK: Whole answers

    /// Sends until it is answered with something that trying again does not mend.
    /// - Parameter isFine: which statuses beside 2xx the caller wants to see.
    func send(_ request: S3Request, isFine: (Answer) -> Bool = { _ in false }) async throws(StoreError) -> Answer {
        try await retrying(request) { response async throws in
            let body = Array(try await response.body.collect(upTo: Self.longestAnswer).readableBytesView)
            return Answer(
                status: Int(response.status.code),
                headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first }), body: body)
        } judge: { answer in
            (200..<300).contains(answer.status) || isFine(answer) ? nil : answer
        }
    }

    /// Sends a request whose answer is an object's bytes. Begins again, from where it was, when the connection breaks.
    func stream(_ request: S3Request, from start: UInt64, to end: UInt64, _ receive: (ArraySlice<UInt8>) async throws -> Void) async throws {
        var offset = start
        var failures = 0
        while offset < end {
            try Task.checkCancellation()
            var request = request
            request.headers["range"] = "bytes=\(offset)-\(end - 1)"
            let before = offset
            let response = try await retrying(request) {
                $0
            } judge: { response async throws in
                if [200, 206].contains(response.status.code) { return nil }
                return Answer(
                    status: Int(response.status.code), headers: [:],
                    body: Array(try await response.body.collect(upTo: Self.longestAnswer).readableBytesView))
            }
            guard response.status == .partialContent || offset == 0 else {
                throw StoreError(.unavailable, "\(location) does not serve parts of objects.")
            }
            // What the reader throws is his, and ends it; what the connection throws is tried again.
            var readerError: (any Error)?
            do {
                for try await buffer in response.body {
                    let bytes = Array(buffer.readableBytesView.prefix(Int(min(UInt64(buffer.readableBytes), end - offset))))
                    do { try await receive(bytes[...]) } catch {
                        readerError = error
                        throw error
                    }
                    offset += UInt64(bytes.count)
                }
            } catch {
                if let readerError { throw readerError }
                try Task.checkCancellation()
            }
            guard offset < end else { return }
            failures = offset > before ? 0 : failures + 1
            guard failures < Self.attempts else {
                throw StoreError(.unavailable, "\(location) breaks off before the end of \(request.path), again and again.")
            }
            try await sleep(Self.pause(failures + 1))
        }
    }

    // MARK: Trying again

    private func retrying<Result>(
        _ request: S3Request, _ read: (HTTPClientResponse) async throws -> Result, judge: (Result) async throws -> Answer?
    ) async throws(StoreError) -> Result {
        var renewed = false
        var corrected = false
        var last = ""
        for attempt in 1...Self.attempts {
            if attempt > 1 {
                do { try await sleep(Self.pause(attempt - 1)) } catch { throw StoreError(.unavailable, "interrupted after: \(last)") }
            }
            do {
                let result = try await read(try await once(request))
                guard let refusal = try await judge(result) else { return result }
                // An answer to HEAD has no body to say it in.
                let isLate = refusal.status == 403 && refusal.code == nil && Self.date(refusal.headers["date"]).map { skew.isFarFrom($0) } ?? false
                let code = isLate ? "RequestTimeTooSkewed" : refusal.code ?? ""
                last = "\(refusal.status) \(code)\(refusal.message.map { ": \($0)" } ?? "")"
                switch code {
                case "RequestTimeTooSkewed" where !corrected:
                    corrected = true
                    if let date = Self.date(refusal.headers["date"]) { skew.set(date) }
                    continue
                case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
                    guard !renewed else {
                        throw StoreError(.forbidden, "\(location): the credentials have ended, and no new ones are to be had (\(last)).")
                    }
                    renewed = true
                    await credentials.invalidate()
                    continue
                case "SlowDown", "RequestTimeout", "InternalError", "BadDigest", "XAmzContentSHA256Mismatch", "OperationAborted": continue
                default: break
                }
                guard [408, 429, 500, 502, 503, 504].contains(refusal.status) else { throw explain(refusal, request) }
            } catch let error as StoreError { throw error } catch {
                if Task.isCancelled || error is CancellationError { throw StoreError(.unavailable, "interrupted.") }
                last = "\(error)"
            }
        }
        throw StoreError(.unavailable, "\(location) does not do \(request.method) \(request.path) after \(Self.attempts) tries: \(last)")
    }

    private static func pause(_ failures: Int) -> Double {
        var pause = 0.1
        for _ in 1..<max(1, failures) { pause = min(longestPause, pause * 2) }
        return pause * Double.random(in: 0.5...1)
    }

    private func once(_ request: S3Request) async throws -> HTTPClientResponse {
        var signed = request
        if location.usesPathStyle { signed.path = "/\(location.bucket)\(request.path == "/" ? "" : request.path)" }
        let headers = signer.headers(signed, host: location.host, try await credentials.credential(), at: skew.now)
        let query = S3Signer.query(signed.query)
        let url =
            "\(location.endpoint.scheme ?? "https")://\(location.host)\(S3Signer.encode(signed.path, keepingSlashes: true))\(query.isEmpty ? "" : "?\(query)")"
        var message = HTTPClientRequest(url: url)
        message.method = .RAW(value: request.method)
        for (name, value) in headers where name != "host" { message.headers.add(name: name, value: value) }
        if request.body.readableBytes > 0 || ["PUT", "POST"].contains(request.method) { message.body = .bytes(request.body) }
        return try await http.execute(message, deadline: .now() + .seconds(600))
    }

    /// `Wed, 25 Nov 2026 10:15:00 GMT`.
    static func date(_ text: String?) -> Date? {
        guard let text else { return nil }
        let style = Date.VerbatimFormatStyle(
            format:
                "\(weekday: .abbreviated), \(day: .twoDigits) \(month: .abbreviated) \(year: .defaultDigits) \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits)",
            locale: Locale(identifier: "en_US_POSIX"), timeZone: .gmt, calendar: Calendar(identifier: .gregorian))
        return try? Date(String(text.prefix(25)), strategy: style.parseStrategy)
    }

    private func explain(_ refusal: Answer, _ request: S3Request) -> StoreError {
        let code = refusal.code ?? ""
        let said = "\(refusal.status)\(code.isEmpty ? "" : " \(code)")\(refusal.message.map { ": \($0)" } ?? "")"
        switch (refusal.status, code) {
        case (_, "NoSuchBucket"):
            return StoreError(
                .configuration, "there is no bucket \(location.bucket) at \(location.endpoint.absoluteString). Make it, or correct the location.")
        case (404, _): return StoreError(.missing, "\(location) has no \(request.path) (\(said)).")
        case (412, _), (409, "ConditionalRequestConflict"): return StoreError(.exists, "\(location) has \(request.path) already.")
        case (_, "SignatureDoesNotMatch"), (_, "InvalidAccessKeyId"):
            return StoreError(.forbidden, "\(location) does not know the credentials (\(said)). Check the keys and the region \(location.region).")
        case (403, _)
        where request.method == "DELETE" && (said.contains("WORM") || said.lowercased().contains("lock") || said.lowercased().contains("retention")):
            return StoreError(.locked, "\(location) keeps \(request.path) under a lock (\(said)).")
        case (401, _), (403, _): return StoreError(.forbidden, "\(location) does not allow \(request.method) \(request.path) (\(said)).")
        default: return StoreError(.unavailable, "\(location) refuses \(request.method) \(request.path): \(said)")
        }
    }
}
