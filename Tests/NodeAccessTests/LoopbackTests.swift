import Foundation
import NodeAccess
import Proving
import Testing

struct LoopbackTests {
    @Test func `A Unix socket is there when somebody listens, not when its file is there`() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("socket").path
        #expect(!Loopback.listens(at: path))

        let descriptor = try UnixSocket.bound(at: path)
        defer { close(descriptor) }
        #expect(FileManager.default.fileExists(atPath: path) && !Loopback.listens(at: path))
        #expect(listen(descriptor, 1) == 0 && Loopback.listens(at: path))
        // Longer than an address can be (108 bytes, unix(7)).
        #expect(!Loopback.listens(at: path + String(repeating: "x", count: 108)))
    }
}
