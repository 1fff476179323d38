internal import Foundation
internal import Synchronization

/// A TCP proxy on the loopback interface that misbehaves on purpose, once the server has sent a given number of bytes.
package final class CuttingProxy: Sendable {
    package enum Fault: Sendable {
        /// Closes the connection.
        case cut
        /// Changes one bit and goes on.
        case flip
        /// Does what it is told, such as killing the server, and goes on.
        case call(@Sendable () -> Void)
    }

    package let port: Int
    private let listener: Int32

    /// Forwards connections to `target` on 127.0.0.1; `fault` strikes each one after `limit` bytes from the server.
    /// - Parameter host: the last number of the address to listen on, 127.0.0.x.
    package init(target: Int, after limit: Int, fault: Fault, host: UInt8 = 1) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0, host: host)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard listening else { throw LocalEtcdCluster.Failure(description: "the proxy found no port") }
        listener = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread {
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else { return }
                Thread.detachNewThread { Self.serve(client, target: target, after: limit, fault: fault) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private static func loopback(_ port: Int, host: UInt8 = 1) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = (UInt32(0x7f00_0000) + UInt32(host)).bigEndian
        return address
    }

    private static func serve(_ client: Int32, target: Int, after limit: Int, fault: Fault) {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(target)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
        }
        guard connected else {
            close(client)
            close(server)
            return
        }
        Thread.detachNewThread {
            pump(from: client, to: server) { _ in true }
            shutdown(server, Int32(SHUT_WR))
        }
        var sent = 0
        pump(from: server, to: client) { bytes in
            let before = sent
            sent += bytes.count
            guard before < limit, sent >= limit else { return true }
            switch fault {
            case .cut: return false
            case .flip: bytes[limit - before - 1] ^= 4
            case .call(let action): action()
            }
            return true
        }
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
        close(client)
        close(server)
    }

    private static func pump(from source: Int32, to target: Int32, _ inspect: (inout [UInt8]) -> Bool) {
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = read(source, &buffer, buffer.count)
            guard count > 0 else { return }
            var bytes = Array(buffer[..<count])
            guard inspect(&bytes) else { return }
            var written = 0
            while written < bytes.count {
                let result = bytes[written...].withUnsafeBytes { send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard result > 0 else { return }
                written += result
            }
        }
    }
}
