internal import NIOCore

/// Answers the server's HTTP/2 PING frames before the HTTP/2 handler sees them.
///
/// gRPC's Go servers, etcd among them, send a PING with nearly every message that they receive, to estimate the bandwidth; swift-nio-http2 takes
/// more than 200 control frames in 30 seconds for an attack and closes the connection, and grpc-swift-nio-transport 2.9.2 offers no way to
/// raise that limit. So the 201st call of a busy connection would be lost. (Frames: RFC 9113, sections 4.1 and 6.7.)
final class PingAnswering: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let headerSize = 9
    private static let pingSize = 8
    private static let pingType: UInt8 = 6
    private static let acknowledgement: UInt8 = 1

    /// Bytes of the current frame's payload that are still to come.
    private var remaining = 0
    /// The beginning of a frame that is not yet whole enough to be judged.
    private var held = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if held.readableBytes > 0 {
            held.writeBuffer(&buffer)
            buffer = held
            held = ByteBuffer()
        }
        while buffer.readableBytes > 0 {
            let (passing, answer) = next(in: buffer)
            if passing > 0, let slice = buffer.readSlice(length: passing) { context.fireChannelRead(wrapInboundOut(slice)) }
            if let answer {
                buffer.moveReaderIndex(forwardBy: Self.headerSize + Self.pingSize)
                context.write(wrapOutboundOut(answer), promise: nil)
            } else if buffer.readableBytes > 0 {
                held = buffer
                return
            }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
        context.fireChannelReadComplete()
    }

    /// How many bytes may pass, and the answer to the PING that follows them. Without an answer, what follows them is the beginning of a frame.
    private func next(in buffer: ByteBuffer) -> (passing: Int, answer: ByteBuffer?) {
        var index = buffer.readerIndex
        while index < buffer.writerIndex {
            let available = buffer.writerIndex - index
            if remaining > 0 {
                let step = min(remaining, available)
                remaining -= step
                index += step
                continue
            }
            guard available >= Self.headerSize, let word = buffer.getInteger(at: index, as: UInt32.self),
                let flags = buffer.getInteger(at: index + 4, as: UInt8.self)
            else { break }
            let (length, type) = (Int(word >> 8), UInt8(truncatingIfNeeded: word))
            guard type == Self.pingType, flags & Self.acknowledgement == 0, length == Self.pingSize else {
                remaining = length
                index += Self.headerSize
                continue
            }
            guard available >= Self.headerSize + Self.pingSize, let payload = buffer.getSlice(at: index + Self.headerSize, length: Self.pingSize)
            else {
                break
            }
            var answer = ByteBuffer(bytes: [0, 0, UInt8(Self.pingSize), Self.pingType, Self.acknowledgement, 0, 0, 0, 0])
            answer.writeImmutableBuffer(payload)
            return (index - buffer.readerIndex, answer)
        }
        return (index - buffer.readerIndex, nil)
    }
}
