import Foundation
import ObjectStore
import Proving
import Maintenance
import Testing

struct ArchiveTests {
    private static let bounds = TarReader.Bounds(entries: 100, bytes: 10 << 20)

    /// Every entry with its bytes, given in pieces of that length.
    private func read(_ archive: [UInt8], pieces: Int, _ bounds: TarReader.Bounds = Self.bounds) throws -> [(TarEntry, [UInt8])] {
        var reader = TarReader(bounds)
        var found: [(TarEntry, [UInt8])] = []
        var rest = archive[...]
        while !rest.isEmpty {
            for event in try reader.take(rest.prefix(pieces)) {
                switch event {
                case .entry(let entry): found.append((entry, []))
                case .data(let bytes): found[found.count - 1].1 += bytes
                case .end: break
                }
            }
            rest = rest.dropFirst(pieces)
        }
        try reader.finish()
        return found
    }

    private func archive(_ entries: [(TarEntry, [UInt8])]) throws -> [UInt8] {
        try entries.flatMap { entry, bytes in try TarWriter.header(entry) + bytes + TarWriter.padding(after: UInt64(bytes.count)) } + TarWriter.end
    }

    private func file(_ path: String, _ bytes: [UInt8]) -> (TarEntry, [UInt8]) {
        (TarEntry(path: path, kind: .file(size: UInt64(bytes.count)), mode: 0o640, modified: 1_700_000_000), bytes)
    }

    @Test func `What is written, tar unpacks, with long names, links and modes`() async throws {
        let long = (0..<30).map { "folder-\($0)" }.joined(separator: "/")
        let entries = [
            file("a", Array("hello".utf8)), file("\(long)/b", [UInt8](repeating: 7, count: 1024)), file("empty", []),
            (TarEntry(path: "folder", kind: .folder, mode: 0o700, modified: 0), []),
            (TarEntry(path: "folder/link", kind: .link(target: "../a"), mode: 0o777, modified: 0), []),
        ]
        let bytes = try archive(entries)
        try await BuiltProgram.withFolder { folder in
            let path = folder.appendingPathComponent("a.tar")
            try Data(bytes).write(to: path)
            let tar = try await CommandRun.run("tar", ["-xpf", path.path, "-C", folder.path])
            #expect(tar.status == 0 && tar.errors.isEmpty, "\(tar.errors)")
            #expect(try Data(contentsOf: folder.appendingPathComponent("\(long)/b")) == Data(repeating: 7, count: 1024))
            #expect(try Data(contentsOf: folder.appendingPathComponent("folder/link")) == Data("hello".utf8))
            let mode = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent("a").path)[.posixPermissions] as? Int
            #expect(mode == 0o640)
        }
        for pieces in [1, 511, 512, 100_000] {
            let found = try read(bytes, pieces: pieces)
            #expect(found.map(\.0) == entries.map(\.0) && found.map(\.1) == entries.map(\.1), "in pieces of \(pieces)")
        }
    }

    @Test(arguments: ["gnu", "ustar", "pax"]) func `What tar writes is read`(_ format: String) async throws {
        try await BuiltProgram.withFolder { folder in
            let long = (0..<(format == "ustar" ? 10 : 30)).map { "folder-\($0)" }.joined(separator: "/")
            try FileManager.default.createDirectory(at: folder.appendingPathComponent("in/\(long)"), withIntermediateDirectories: true)
            try Data("x".utf8).write(to: folder.appendingPathComponent("in/\(long)/file"))
            try FileManager.default.createSymbolicLink(
                atPath: folder.appendingPathComponent("in/link").path, withDestinationPath: "\(long)/file")
            let path = folder.appendingPathComponent("a.tar").path
            let tar = try await CommandRun.run("tar", ["--format=\(format)", "-cf", path, "-C", folder.appendingPathComponent("in").path, "."])
            #expect(tar.status == 0, "\(tar.errors)")
            let found = try read(Array(try Data(contentsOf: URL(fileURLWithPath: path))), pieces: 1000)
            #expect(found.contains { $0.0.path == "\(long)/file" && $0.1 == Array("x".utf8) })
            #expect(found.contains { $0.0.path == "link" && $0.0.kind == .link(target: "\(long)/file") })
        }
    }

    @Test func `What would be written elsewhere, is no file, or is too much, is refused`() throws {
        for path in ["/etc/passwd", "../x", "a/../../x", "a\u{1}b"] {
            #expect(throws: TarError.self, "\(path)") { try read(try archive([file(path, [1])]), pieces: 512) }
        }
        let many = try archive((0..<5).map { file("f\($0)", [UInt8](repeating: 1, count: 1000)) })
        #expect(throws: TarError.self) { try read(many, pieces: 512, .init(entries: 4, bytes: 1 << 20)) }
        #expect(throws: TarError.self) { try read(many, pieces: 512, .init(entries: 10, bytes: 4999)) }
        #expect(throws: TarError.self, "it ends too early") { try read(Array(many.dropLast(1024)), pieces: 512) }
        // A hard link and a device, with sums that are right.
        for type in ["1", "3", "4", "6"] {
            var header = try TarWriter.header(file("a", []).0)
            header[156] = UInt8(ascii: Unicode.Scalar(type) ?? "0")
            let sum = header.indices.reduce(0) { $0 + ((148..<156).contains($1) ? 32 : Int(header[$1])) }
            let digits = String(sum, radix: 8)
            header.replaceSubrange(148..<154, with: Array((String(repeating: "0", count: 6 - digits.count) + digits).utf8))
            #expect(throws: TarError.self, "type \(type)") { try read(header + TarWriter.end, pieces: 512) }
        }
    }

    @Test func `Random damage never crashes the reader`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SplitMix(seed: seed)
        print("seed \(seed)")
        let whole = try archive([file("a/b", [UInt8](repeating: 3, count: 700)), file(String(repeating: "n", count: 200), [1])])
        for _ in 0..<3000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? read(bytes, pieces: Int.random(in: 1...1000, using: &generator))
        }
    }

    @Test(arguments: [0, 1, 100_000, 3_000_000]) func `gzip reads what is compressed, and the other way round`(_ count: Int) async throws {
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7 ^ $0 >> 12) }
        try await BuiltProgram.withFolder { folder in
            for level in [0, 1, 9] {
                let packed = try GzipCompressor(level: level).output(of: plain, pieces: 70_000)
                #expect(try GzipDecompressor().output(of: packed, pieces: 10_001) == plain)
                let file = folder.appendingPathComponent("a\(level).gz")
                try Data(packed).write(to: file)
                #expect(try await CommandRun.run("gzip", ["-d", file.path]).status == 0)
                #expect(try Data(contentsOf: folder.appendingPathComponent("a\(level)")) == Data(plain))
                for cut in [1, packed.count / 2] {
                    #expect(throws: CompressionError.self) { try GzipDecompressor().output(of: Array(packed.dropLast(cut)), pieces: 1000) }
                }
                #expect(throws: CompressionError.self) { try GzipDecompressor().output(of: packed + [0], pieces: 1000) }
            }
            let file = folder.appendingPathComponent("b")
            try Data(plain).write(to: file)
            #expect(try await CommandRun.run("gzip", [file.path]).status == 0)
            let packed = Array(try Data(contentsOf: folder.appendingPathComponent("b.gz")))
            #expect(try GzipDecompressor().output(of: packed, pieces: 4096) == plain)
        }
    }
}
