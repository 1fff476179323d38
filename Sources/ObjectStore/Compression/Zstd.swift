internal import CZstd

/// Compresses a stream to one zstd frame (RFC 8878) with a checksum of its content, as `zstd` writes it.
package struct ZstdCompressor: StreamTransform {
    /// Owns the library's context.
    private final class Context {
        let pointer: OpaquePointer

        init() throws(CompressionError) {
            guard let pointer = ZSTD_createCCtx() else { throw CompressionError(description: "there is no memory for zstd.") }
            self.pointer = pointer
        }

        deinit { ZSTD_freeCCtx(pointer) }
    }

    private let context: Context
    private var buffer: [UInt8]

    /// - Parameter level: 1, the fastest, to 19.
    package init(level: Int = 3) throws(CompressionError) {
        context = try Context()
        buffer = [UInt8](repeating: 0, count: ZSTD_CStreamOutSize())
        try check(ZSTD_CCtx_setParameter(context.pointer, ZSTD_c_compressionLevel, Int32(min(19, max(1, level)))))
        try check(ZSTD_CCtx_setParameter(context.pointer, ZSTD_c_checksumFlag, 1))
    }

    package mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] { try run(bytes, ZSTD_e_continue) }

    package mutating func finish() throws -> [UInt8] { try run([], ZSTD_e_end) }

    private mutating func run(_ bytes: ArraySlice<UInt8>, _ directive: ZSTD_EndDirective) throws -> [UInt8] {
        var result: [UInt8] = []
        try bytes.withUnsafeBytes { source in
            var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
            while true {
                let (left, produced) = buffer.withUnsafeMutableBytes { target in
                    var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                    return (ZSTD_compressStream2(context.pointer, &output, &input, directive), output.pos)
                }
                try check(left)
                result.append(contentsOf: buffer[..<produced])
                if directive == ZSTD_e_end ? left == 0 : input.pos == input.size { return }
            }
        }
        return result
    }
}

/// Decompresses a stream of zstd frames.
package struct ZstdDecompressor: StreamTransform {
    private final class Context {
        let pointer: OpaquePointer

        init() throws(CompressionError) {
            guard let pointer = ZSTD_createDCtx() else { throw CompressionError(description: "there is no memory for zstd.") }
            self.pointer = pointer
        }

        deinit { ZSTD_freeDCtx(pointer) }
    }

    private let context: Context
    private var buffer: [UInt8]
    /// What is missing to the end of a frame; 0 between frames.
    private var missing = 0
    private var isEmpty = true

    /// A frame from elsewhere may ask for a window of 2 GiB; more than this much is not given, bytes as a power of two.
    private static let largestWindow: Int32 = 27

    package init() throws(CompressionError) {
        context = try Context()
        buffer = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
        try check(ZSTD_DCtx_setParameter(context.pointer, ZSTD_d_windowLogMax, Self.largestWindow))
    }

    package mutating func update(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        isEmpty = false
        var result: [UInt8] = []
        try bytes.withUnsafeBytes { source in
            var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
            while true {
                let (left, produced) = buffer.withUnsafeMutableBytes { target in
                    var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                    return (ZSTD_decompressStream(context.pointer, &output, &input), output.pos)
                }
                try check(left)
                missing = left
                result.append(contentsOf: buffer[..<produced])
                // A full buffer may have more behind it.
                if input.pos == input.size, produced < buffer.count { return }
            }
        }
        return result
    }

    package mutating func finish() throws -> [UInt8] {
        guard !isEmpty, missing == 0 else { throw CompressionError(description: "the compressed stream ends in the middle of a frame.") }
        return []
    }
}

private func check(_ code: Int) throws(CompressionError) {
    guard ZSTD_isError(code) != 0 else { return }
    throw CompressionError(description: "zstd: \(String(cString: ZSTD_getErrorName(code))).")
}
