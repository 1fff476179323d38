internal import CZlib

/// The library's stream, which must stay where it is.
private final class ZlibStream {
    let pointer: UnsafeMutablePointer<z_stream>
    private let end: (UnsafeMutablePointer<z_stream>) -> Int32

    init(
        begin: (UnsafeMutablePointer<z_stream>) -> Int32, end: @escaping (UnsafeMutablePointer<z_stream>) -> Int32
    ) throws(CompressionError) {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: z_stream())
        self.end = end
        guard begin(pointer) == Z_OK else { throw CompressionError(description: "there is no memory for gzip.") }
    }

    deinit {
        _ = end(pointer)
        pointer.deallocate()
    }

    /// Runs `step` until it has taken all of `bytes`, and has nothing more to give.
    /// - Returns: what it gave, and how many bytes it took; fewer than all when the stream ended before them.
    func run(
        _ bytes: ArraySlice<UInt8>, _ step: (UnsafeMutablePointer<z_stream>) -> Int32, isEnd: inout Bool
    ) throws(CompressionError) -> (output: [UInt8], taken: Int) {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        // zlib's field is not const, and its contents are not written.
        var input = Array(bytes)
        let (code, left) = input.withUnsafeMutableBytes { source -> (Int32, Int) in
            pointer.pointee.next_in = source.baseAddress?.assumingMemoryBound(to: UInt8.self)
            pointer.pointee.avail_in = UInt32(clamping: source.count)
            var code = Z_OK
            repeat {
                let produced = buffer.withUnsafeMutableBytes { target -> Int in
                    pointer.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    pointer.pointee.avail_out = UInt32(target.count)
                    code = step(pointer)
                    return target.count - Int(pointer.pointee.avail_out)
                }
                output += buffer[..<produced]
            } while code == Z_OK && (pointer.pointee.avail_out == 0 || pointer.pointee.avail_in > 0)
            return (code, Int(pointer.pointee.avail_in))
        }
        isEnd = code == Z_STREAM_END
        // Z_BUF_ERROR only says that there was nothing to do.
        guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(code) else { throw CompressionError(description: "this is no sound gzip (zlib \(code)).") }
        return (output, input.count - left)
    }
}

/// 15 bits of window, and gzip's header and trailer (zlib.h, deflateInit2).
private let gzipWindow: Int32 = 15 + 16

/// Compresses a stream to one member of gzip (RFC 1952).
package struct GzipCompressor: StreamTransform {
    private let stream: ZlibStream

    /// - Parameter level: 0, stored, to 9.
    package init(level: Int = 1) throws(CompressionError) {
        stream = try ZlibStream(
            begin: {
                deflateInit2_(
                    $0, Int32(level), Z_DEFLATED, gzipWindow, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            }, end: deflateEnd)
    }

    package mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
        var isEnd = false
        return try stream.run(bytes, { deflate($0, Z_NO_FLUSH) }, isEnd: &isEnd).output
    }

    package mutating func finish() throws -> [UInt8] {
        var isEnd = false
        return try stream.run([], { deflate($0, Z_FINISH) }, isEnd: &isEnd).output
    }
}

/// Decompresses one member of gzip; what follows it is an error.
package struct GzipDecompressor: StreamTransform {
    private let stream: ZlibStream
    private var isEnd = false

    package init() throws(CompressionError) {
        stream = try ZlibStream(begin: { inflateInit2_($0, gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) }, end: inflateEnd)
    }

    package mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        guard !isEnd else { throw CompressionError(description: "something follows the end of the gzip.") }
        let (output, taken) = try stream.run(bytes, { inflate($0, Z_NO_FLUSH) }, isEnd: &isEnd)
        guard taken == bytes.count else { throw CompressionError(description: "something follows the end of the gzip.") }
        return output
    }

    package mutating func finish() throws -> [UInt8] {
        guard isEnd else { throw CompressionError(description: "the gzip ends too early.") }
        return []
    }
}
