import Foundation
import ObjectStore
import Proving
import Testing

struct ZstdTests {
    private func run(_ transform: some StreamTransform, _ bytes: [UInt8], pieces: Int) throws -> [UInt8] {
        try transform.output(of: bytes, pieces: pieces)
    }

    @Test(arguments: [0, 1, 1000, 3_000_000])
    func `What is compressed comes back, and zstd's own program reads it`(_ count: Int) async throws {
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7 ^ $0 >> 12) }
        let packed = try run(try ZstdCompressor(), plain, pieces: 70_000)
        #expect(try run(try ZstdDecompressor(), packed, pieces: 10_001) == plain)
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("a.zst")
            try Data(packed).write(to: file)
            let opened = try await CommandRun.run("zstd", ["-q", "-d", file.path, "-o", folder.appendingPathComponent("a").path])
            #expect(opened.status == 0, "\(opened.errors)")
            #expect(try Data(contentsOf: folder.appendingPathComponent("a")) == Data(plain))
        }
        guard count > 0 else { return }
        #expect(throws: CompressionError.self) { try run(try ZstdDecompressor(), Array(packed.dropLast()), pieces: 1000) }
        var changed = packed
        changed[changed.count - 1] ^= 1
        #expect(throws: CompressionError.self, "the checksum of the content") { try run(try ZstdDecompressor(), changed, pieces: 1000) }
        #expect(throws: CompressionError.self) { try run(try ZstdDecompressor(), [], pieces: 1) }
    }
}
