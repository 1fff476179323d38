import Foundation
import NodeAccess
import Testing

struct LoopbackTests {
    @Test func `A Unix socket is there when somebody listens, not when its file is there`() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("socket").path
        #expect(!Loopback.listens(at: path))

        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
        #expect(isBound && FileManager.default.fileExists(atPath: path) && !Loopback.listens(at: path))
        #expect(listen(descriptor, 1) == 0 && Loopback.listens(at: path))
        // Longer than an address can be (108 bytes, unix(7)).
        #expect(!Loopback.listens(at: path + String(repeating: "x", count: 108)))
    }
}
