import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Synchronization
import Testing

struct RetryTests {
    private func status(_ code: Int, retryAfter: Int? = nil, causes: [APIStatus.Cause] = []) -> APIStatus {
        APIStatus(code: code, reason: "", message: "", causes: causes, retryAfterSeconds: retryAfter)
    }

    @Test func `Throttling and server errors are tried again, a disruption budget's 429 and refusals are not`() {
        let policy = RetryPolicy()
        func pause(_ error: any Error, _ attempt: Int = 1, mayRepeat: Bool = true, jitter: Double = 1) -> Double? {
            policy.pause(after: error, attempt: attempt, mayRepeat: mayRepeat, jitter: jitter)
        }
        #expect(pause(status(429)) == 0.2 && pause(status(503)) == 0.2 && pause(status(504)) == 0.2)
        #expect(pause(status(500, retryAfter: 1)) == 1 && pause(status(500)) == nil, "a bare 500 is how evictions say that they never can")
        #expect(pause(status(429, retryAfter: 7)) == 7, "as long as the server asks")
        #expect(pause(status(429, retryAfter: 3600)) == policy.longestPause, "but not for ever")
        #expect(pause(status(429, causes: [.init(reason: "DisruptionBudget", message: "")])) == nil)
        for code in [400, 401, 403, 404, 409, 422] { #expect(pause(status(code)) == nil) }
        #expect(pause(status(504), mayRepeat: false) == nil, "it may have been carried out")
        #expect(pause(status(429), mayRepeat: false) != nil && pause(status(503), mayRepeat: false) != nil, "nothing was done")
        #expect(pause(KubernetesError(.unavailable, "")) != nil && pause(KubernetesError(.tls, "")) == nil)
        #expect(pause(KubernetesError(.unavailable, ""), mayRepeat: false) == nil)
        #expect(pause(status(503), 4) == 1.6 && pause(status(503), 4, jitter: 0) == 0.8 && pause(status(503), 5) == nil)
    }

    /// Answers with what it is told to, one after the other, and counts.
    private final class Scripted: KubernetesTransport {
        private let answers: Mutex<[APIResponse]>
        private let count = Mutex(0)
        var sent: Int { count.withLock { $0 } }

        init(_ answers: [APIResponse]) { self.answers = Mutex(answers) }

        func send(_ request: APIRequest) async throws -> APIResponse {
            count.withLock { $0 += 1 }
            return answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }

        func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws { count.withLock { $0 += 1 } }

        func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws {}
    }

    /// Time that passes only by sleeping.
    private final class Clock: Sendable {
        private let passed = Mutex(0.0)
        var seconds: Double { passed.withLock { $0 } }
        var time: RunTime {
            RunTime(
                now: { Date(timeIntervalSince1970: 1_800_000_000 + self.seconds) },
                sleep: { duration in
                    self.passed.withLock { $0 += Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18 }
                })
        }
    }

    @Test func `A client waits as long as it is asked, gives up after five sendings, and paces itself`() async throws {
        let clock = Clock()
        let busy = APIResponse(status: 429, headers: ["retry-after": "3"], body: ["kind": "Status", "reason": "TooManyRequests"])
        let fine = APIResponse(status: 200, body: ["kind": "Node"])
        let transport = Scripted([busy, busy, fine])
        let client = KubernetesClient(transport: transport, rate: nil, time: clock.time)
        #expect(try await client.get(.nodes, ObjectName("", "a"))["kind"].string == "Node")
        #expect(transport.sent == 3 && clock.seconds >= 6)
        let never = Scripted([APIResponse(status: 503, body: .string("no"))])
        await #expect(throws: APIStatus.self) {
            try await KubernetesClient(transport: never, rate: nil, time: clock.time).get(.nodes, ObjectName("", "a"))
        }
        #expect(never.sent == 5)

        let paced = Clock()
        let slow = KubernetesClient(transport: Scripted([fine]), rate: 10, burst: 5, time: paced.time)
        for _ in 0..<25 { _ = try await slow.get(.nodes, ObjectName("", "a")) }
        #expect(abs(paced.seconds - 2) < 0.01, "5 at once, and 20 at ten a second: \(paced.seconds)")
    }
}
