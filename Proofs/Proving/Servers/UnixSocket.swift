internal import Foundation

/// A Unix socket of a test's own.
package enum UnixSocket {
    /// Bound, so that its file is there; nobody can connect until somebody listens.
    /// - Returns: a descriptor, which the caller closes.
    package static func bound(at path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw LocalEtcdCluster.Failure(description: "\(path) is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
        guard isBound else {
            close(descriptor)
            throw LocalEtcdCluster.Failure(description: "cannot bind \(path)")
        }
        return descriptor
    }
}
