import Foundation
import ObjectStore
import Proving
import Testing

struct ZstdTests {
    @Test(arguments: [0, 1, 1000, 3_000_000])
    func `What is compressed comes back, and zstd's own program reads it`(_ count: Int) async throws {
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7 ^ $0 >> 12) }
        let packed = try ZstdCompressor().output(of: plain, pieces: 70_000)
        #expect(try ZstdDecompressor().output(of: packed, pieces: 10_001) == plain)
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("a.zst")
            try Data(packed).write(to: file)
            let opened = try await CommandRun.run("zstd", ["-q", "-d", file.path, "-o", folder.appendingPathComponent("a").path])
            #expect(opened.status == 0, "\(opened.errors)")
            #expect(try Data(contentsOf: folder.appendingPathComponent("a")) == Data(plain))
        }
        guard count > 0 else { return }
        #expect(throws: CompressionError.self) { try ZstdDecompressor().output(of: Array(packed.dropLast()), pieces: 1000) }
        var changed = packed
        changed[changed.count - 1] ^= 1
        #expect(throws: CompressionError.self, "the checksum of the content") { try ZstdDecompressor().output(of: changed, pieces: 1000) }
        #expect(throws: CompressionError.self) { try ZstdDecompressor().output(of: [], pieces: 1) }
    }
}
