internal import Foundation

/// Places at which programs of this machine reach each other: ports of 127.0.0.1, and Unix sockets.
package enum Loopback {
    private static func with<Result>(_ port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws -> Result) rethrows -> Result {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    /// Whether somebody accepts connections there.
    static func listens(_ port: Int) -> Bool { with(port) { connect($0, $1, $2) == 0 } }

    /// Whether somebody accepts connections at a Unix socket. Its file does not say so: it is there from bind(2) on, and refuses until listen(2).
    package static func listens(at path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { room -> Bool in
            guard path.utf8.count < room.count else { return false }
            room.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { return false }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
    }

    /// Ports on which nobody listens; all different.
    package static func freePorts(_ count: Int) throws -> [Int] {
        guard count > 0 else { return [] }
        return try with(0) { descriptor, address, length in
            var found = sockaddr_in()
            var size = length
            let isKnown = withUnsafeMutablePointer(to: &found) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, address, length) == 0 && getsockname(descriptor, $0, &size) == 0
                }
            }
            guard isKnown else { throw NodeError(.failed, "there is no free port on 127.0.0.1.") }
            // This one stays taken until the others are found.
            return [Int(UInt16(bigEndian: found.sin_port))] + (try freePorts(count - 1))
        }
    }
}
