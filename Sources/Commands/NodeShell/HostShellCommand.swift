internal import ArgumentParser
internal import Foundation
internal import KubernetesAPI
internal import NodeAccess
internal import Subprocess
internal import SystemPackage

/// What the pod of a node shell runs: it waits, and with `--once` does one order that it reads.
///
/// Standard input is framed. The first piece is the order: `{"words": […]}` to run in the host's root, which reads the pieces that follow, or
/// `{"connect": "HOST:PORT"}`, `{"connect": "/socket"}`, to which they are sent.
struct HostShellCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host-shell", abstract: "Wait for commands on the host.", shouldDisplay: false)

    @Flag(help: "Do what standard input says.") var once = false
    @Option(help: "Where the host's file system is.") var root = "/host"

    func run() async throws {
        guard once else {
            while true { pause() }
        }
        signal(SIGPIPE, SIG_IGN)
        guard let first = FramedInput.next(from: 0), let order = try? JSON(parsing: first) else { throw ValidationError("There is no order.") }
        if let target = order["connect"].string { return try HostRelay(target, root: root).run() }
        let words = order["words"].elements.compactMap(\.string)
        guard !words.isEmpty else { throw ValidationError("The order has neither words nor connect.") }
        var options = PlatformOptions()
        // With all that it begins.
        options.processGroupID = 0
        let outcome = try await Subprocess.run(
            .path("/proc/self/exe"), arguments: Arguments(["chroot", root] + words), platformOptions: options, input: .inputWriter,
            output: .fileDescriptor(.standardOutput, closeAfterSpawningProcess: false),
            error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false)
        ) { execution in
            while let piece = FramedInput.next(from: 0) {
                if piece.isEmpty { return try await execution.standardInputWriter.finish() }
                // One that reads no further has ended, or will.
                _ = try? await execution.standardInputWriter.write(piece)
            }
            // Cut off: what has read only half must not take it for the whole.
            try? execution.send(signal: .kill, toProcessGroup: true)
        }
        // The command's own, past what exit codes mean here.
        switch outcome.terminationStatus {
        case .exited(let code): Foundation.exit(Int32(code))
        case .signaled(let signal): Foundation.exit(128 + Int32(signal))
        }
    }
}

/// Bytes between standard input and output and a port or socket of the host.
private struct HostRelay {
    private let file: Int32

    init(_ target: String, root: String) throws {
        file = target.hasPrefix("/") ? try Self.unix(root + target) : try Self.tcp(target)
    }

    private static func unix(_ path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw ValidationError("\(path) is too long for a socket.") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let file = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard status == 0 else { throw ValidationError("Nobody answers at \(path): \(String(cString: strerror(errno))).") }
        return file
    }

    private static func tcp(_ target: String) throws -> Int32 {
        guard let colon = target.lastIndex(of: ":") else { throw ValidationError("\(target) is no HOST:PORT.") }
        let host = target[..<colon].trimmingCharacters(in: ["[", "]"])
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(target[target.index(after: colon)...]), &hints, &found) == 0 else {
            throw ValidationError("\(host) has no address.")
        }
        defer { freeaddrinfo(found) }
        var next = found
        while let entry = next?.pointee {
            let file = socket(entry.ai_family, entry.ai_socktype, 0)
            if connect(file, entry.ai_addr, entry.ai_addrlen) == 0 { return file }
            close(file)
            next = entry.ai_next
        }
        throw ValidationError("Nobody answers at \(target): \(String(cString: strerror(errno))).")
    }

    /// Works until the far side has ended, or the near one is gone.
    func run() throws {
        let file = file
        Thread.detachNewThread {
            while true {
                // The near side is gone: nobody waits for an answer.
                guard let piece = FramedInput.next(from: 0) else { Foundation.exit(1) }
                guard !piece.isEmpty, Self.write(piece, to: file) else { break }
            }
            shutdown(file, Int32(SHUT_WR))
        }
        var buffer = [UInt8](repeating: 0, count: 32 << 10)
        while true {
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw ValidationError("The connection broke: \(String(cString: strerror(errno))).") }
            guard count > 0, Self.write(Array(buffer[..<count]), to: 1) else { return }
        }
    }

    private static func write(_ bytes: [UInt8], to file: Int32) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress! + written, bytes.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }
}
