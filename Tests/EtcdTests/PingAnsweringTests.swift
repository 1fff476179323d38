import NIOCore
import NIOEmbedded
import Testing

@testable import Etcd

@Suite struct PingAnsweringTests {
    private static func frame(_ type: UInt8, flags: UInt8 = 0, _ payload: [UInt8]) -> [UInt8] {
        [UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 0xff), UInt8(payload.count & 0xff), type, flags, 0, 0, 0, 0] + payload
    }

    private static let ping: [UInt8] = [2, 4, 16, 16, 9, 14, 7, 7]
    private static let pieces: [[UInt8]] = [
        frame(4, []), frame(6, ping), frame(0, [UInt8](repeating: 6, count: 300)), frame(6, flags: 1, ping), frame(6, ping), frame(6, ping),
        frame(6, [1, 2, 3]), frame(1, flags: 4, [9, 9]), frame(6, ping),
    ]

    /// Whatever the size of the reads: PINGs are answered, all other bytes pass unchanged, acknowledgements and malformed PINGs too.
    @Test(arguments: [1, 2, 3, 7, 8, 9, 10, 16, 17, 18, 100, 10_000])
    func `Pings are answered and everything else passes, however the bytes are cut`(size: Int) throws {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(PingAnswering())
        let bytes = Self.pieces.flatMap { $0 }
        for start in stride(from: 0, to: bytes.count, by: size) {
            try channel.writeInbound(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
        }
        var passed: [UInt8] = []
        while let buffer = try channel.readInbound(as: ByteBuffer.self) { passed += buffer.readableBytesView }
        var answers: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { answers += buffer.readableBytesView }
        #expect(passed == Self.pieces.filter { $0 != Self.frame(6, Self.ping) }.flatMap { $0 })
        #expect(answers == Array(repeating: Self.frame(6, flags: 1, Self.ping), count: 4).flatMap { $0 })
        _ = try channel.finish()
    }
}
