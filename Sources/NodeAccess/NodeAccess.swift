internal import Foundation
internal import Subprocess
internal import SystemPackage

/// A way to a node: this machine itself, or another over ssh as the user's own `ssh` knows it (its configuration, its known hosts, its agent).
///
/// Nothing of ours has to be on the node: a POSIX shell does. What is secret goes through standard input, never into a command.
package struct NodeAccess: Sendable, Codable, Equatable {
    package enum Way: Sendable, Codable, Equatable {
        case local
        /// - destination: as ssh takes it.
        /// - configuration: of ssh; nil for the user's.
        /// - jump: hosts on the way, as ssh's -J takes them; nil for what the configuration says.
        case ssh(destination: String, configuration: String?, jump: String? = nil)
        /// By a Job that is pinned to the node, for clusters whose nodes have no ssh; through `drydock node-exec`.
        case job(PinnedJob)
        /// The host whose file system is mounted here, as in a privileged pod; through `drydock chroot`, since a small image has no other.
        case chroot(root: String)
    }

    /// Where the Job of a node is, and how the cluster is reached.
    package struct PinnedJob: Sendable, Codable, Equatable {
        package var namespace: String
        /// With drydock in it.
        package var image: String
        /// Of the run whose Jobs these are: each has its own. Letters, digits and dashes, 63 at most.
        package var tag: String
        /// Empty for the account of the pod that this is.
        package var kubeconfigs: [String]
        package var context: String?

        package init(namespace: String, image: String, tag: String, kubeconfigs: [String] = [], context: String? = nil) {
            (self.namespace, self.image, self.tag, self.kubeconfigs, self.context) = (namespace, image, tag, kubeconfigs, context)
        }
    }

    /// The node's name, as the cluster has it.
    package let name: String
    package let way: Way
    /// Whether scripts run as root through `sudo -n`.
    package let usesSudo: Bool

    package init(name: String, way: Way, usesSudo: Bool = false) {
        self.name = name
        self.way = way
        self.usesSudo = usesSudo
    }

    /// Whether it is of no use while the cluster's API is away.
    package var needsCluster: Bool { if case .job = way { true } else { false } }

    /// The host that is mounted at `root`; this one where that is /.
    package static func host(named name: String, root: String) -> NodeAccess {
        NodeAccess(name: name, way: root == "/" ? .local : .chroot(root: root))
    }

    /// Takes what a script is to read from its standard input.
    package struct Input: Sendable {
        fileprivate let writer: StandardInputWriter

        package func write(_ bytes: [UInt8]) async throws { _ = try await writer.write(bytes) }
    }

    /// How much of a script's complaints is kept, bytes.
    private static let complaintLimit = 64 << 10

    /// Is told of every command that is run on a node, if somebody keeps them.
    @TaskLocal package static var recorder: (@Sendable (RemoteCommand) -> Void)?

    /// Runs a POSIX shell script on the node.
    /// - Parameters:
    ///   - script: stops at the first command that fails; without secrets.
    ///   - send: writes what the script reads.
    ///   - receive: takes what the script prints, as it comes.
    /// - Throws: `NodeError` when the node cannot be reached, or the script fails.
    package func run(
        _ script: String, send: @escaping @Sendable (Input) async throws -> Void = { _ in }, receive: ([UInt8]) async throws -> Void
    ) async throws {
        let began = Date()
        do { try await carryOut(script, send: send, receive: receive) } catch {
            record(script, began, error)
            throw error
        }
        record(script, began, nil)
    }

    private func record(_ script: String, _ began: Date, _ error: (any Error)?) {
        guard let recorder = Self.recorder, !(error is CancellationError) else { return }
        let failure = error as? NodeError
        recorder(
            RemoteCommand(
                node: name, script: script, startedAt: began, seconds: Date().timeIntervalSince(began),
                status: failure?.code == .unreachable ? .unreachable : .exited(error == nil ? 0 : failure?.exitCode ?? -1),
                output: error.map { "\($0)" } ?? ""))
    }

    private func carryOut(
        _ script: String, send: @escaping @Sendable (Input) async throws -> Void, receive: ([UInt8]) async throws -> Void
    ) async throws {
        let (executable, arguments) = command("set -eu\n\(script)")
        let outcome: ExecutionResult<Result<Void, any Error>, SequenceOutput, StringOutput<UTF8>>
        do {
            outcome = try await Subprocess.run(
                executable, arguments: Arguments(arguments), environment: environment, input: .inputWriter, output: .sequence,
                error: .string(limit: Self.complaintLimit)
            ) { execution -> Result<Void, any Error> in
                do {
                    let input = Input(writer: execution.standardInputWriter)
                    async let sent: Void = {
                        try await send(input)
                        try await input.writer.finish()
                    }()
                    for try await buffer in execution.standardOutput { try await receive(buffer.withUnsafeBytes { Array($0) }) }
                    try await sent
                    return .success(())
                } catch { return .failure(error) }
            }
        } catch let error as CancellationError { throw error } catch {
            throw NodeError(.unreachable, "\(name): \(executable) cannot be run: \(error)")
        }
        try Task.checkCancellation()
        // A script that ends early has broken the pipe: what it says matters more.
        try check(outcome.terminationStatus, outcome.standardError)
        try outcome.closureResult.get()
    }

    /// Runs a script, and returns what it prints.
    /// - Parameter limit: bytes; more is an error.
    package func text(_ script: String, input: [UInt8] = [], limit: Int = 1 << 20) async throws -> String {
        var bytes: [UInt8] = []
        try await run(script, send: { if !input.isEmpty { try await $0.write(input) } }) { piece in
            guard bytes.count + piece.count <= limit else { throw NodeError(.failed, "\(name) answers with more than \(limit) bytes.") }
            bytes += piece
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The same without a record: what only asks how another command goes.
    func answer(_ script: String, input: [UInt8] = []) async throws -> String {
        try await Self.$recorder.withValue(nil) { try await text(script, input: input) }
    }

    private func command(_ script: String) -> (Executable, [String]) {
        let shell = (usesSudo ? ["sudo", "-n"] : []) + ["sh", "-c", script]
        switch way {
        case .local: return (.name(shell[0]), Array(shell.dropFirst()))
        case .chroot(let root): return (.path("/proc/self/exe"), ["chroot", root] + shell)
        case .job(let job): return (.path("/proc/self/exe"), Self.nodeExec(job, name) + ["--"] + shell)
        case .ssh(let destination, let configuration, let jump):
            // One connection for all that is run on a node within some seconds. Hosts of the same name in two configurations are two hosts.
            let shared =
                Self.sockets.map {
                    ["-o", "ControlMaster=auto", "-o", "ControlPath=\($0)/\(Self.digest(configuration ?? ""))-%C", "-o", "ControlPersist=15"]
                } ?? []
            return (.name("ssh"), Self.options(configuration, jump) + shared + ["--", destination, shell.map(Self.quoted).joined(separator: " ")])
        }
    }

    /// Where shared connections are: a folder that is this user's alone, or nil where it cannot be had.
    private static let sockets: String? = {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-ssh-\(getuid())").path
        // A socket's path has 104 bytes at most, and ssh adds 17 while it makes one.
        guard path.utf8.count + 52 + 17 < 104 else { return nil }
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var found = stat()
        guard lstat(path, &found) == 0, found.st_uid == getuid(), found.st_mode & 0o170_077 == 0o040_000 else { return nil }
        return path
    }()

    /// A short name for a long one, in hexadecimal (FNV-1a).
    package static func digest(_ text: String) -> String {
        let hash = text.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return String(hash, radix: 16)
    }

    /// Nobody is there to be asked, a host that is not known is not spoken to, and one that is gone is told of soon.
    private static func options(_ configuration: String?, _ jump: String?) -> [String] {
        (configuration.map { ["-F", $0] } ?? []) + (jump.map { ["-J", $0] } ?? []) + [
            "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10", "-o",
            "ServerAliveCountMax=3",
        ]
    }

    private func check(_ status: TerminationStatus, _ complaint: String) throws {
        guard !status.isSuccess else { return }
        let said = complaint.split(whereSeparator: \.isNewline).suffix(5).joined(separator: "; ")
        switch (way, status) {
        case (.ssh(let destination, _, _), .exited(255)):
            throw NodeError(.unreachable, "\(name) cannot be reached by ssh as \(destination): \(said)")
        case (.job(let job), .exited(255)): throw NodeError(.unreachable, "\(name) cannot be reached by a Job in \(job.namespace): \(said)")
        case (.job(let job), .exited(254)):
            throw NodeError(.failed, "\(name) cannot be reached by a Job in \(job.namespace), and asking again does not help: \(said)")
        default: break
        }
        var error = NodeError(.failed, "\(name): \(said.isEmpty ? "\(status)" : said)")
        if case .exited(let code) = status { error.exitCode = Int(code) }
        throw error
    }

    // MARK: Ports

    private static let patience = Duration.seconds(20)
    private static let podPatience = Duration.seconds(110)

    /// Makes a port of the node reachable at a port of this machine's loopback interface, for as long as `body` works.
    /// - Parameter host: as the node calls it: 127.0.0.1, or an address of its own.
    package func reaching<Outcome: Sendable>(_ host: String, _ port: Int, body: (_ host: String, _ port: Int) async throws -> Outcome) async throws
        -> Outcome
    {
        switch way {
        case .local, .chroot: return try await body(host, port)
        case .ssh, .job: break
        }
        let near = try Loopback.freePorts(1)[0]
        let target = host.contains(":") ? "[\(host)]" : host
        return try await forwarding("\(near)", "\(target):\(port)", isThere: { Loopback.listens(near) }) { try await body("127.0.0.1", near) }
    }

    /// Makes a Unix socket of the node reachable at a path of this machine, for as long as `body` works. The user of the node must be let in there.
    /// - Parameter socket: absolute.
    package func reaching<Outcome: Sendable>(_ socket: String, body: (_ path: String) async throws -> Outcome) async throws -> Outcome {
        switch way {
        case .local: return try await body(socket)
        case .chroot(let root): return try await body(root + socket)
        case .ssh, .job:
            // Whoever may open the near end may command the far one.
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("drydock-\(UUID().uuidString.prefix(8))")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(at: folder) }
            let near = folder.appendingPathComponent("socket").path
            return try await forwarding(near, socket, isThere: { Loopback.listens(at: near) }) { try await body(near) }
        }
    }

    private var environment: Subprocess.Environment {
        guard case .job(let job) = way, !job.kubeconfigs.isEmpty else { return .inherit }
        return .inherit.updating(["KUBECONFIG": job.kubeconfigs.joined(separator: ":")])
    }

    private static func nodeExec(_ job: PinnedJob, _ name: String) -> [String] {
        ["node-exec", "--node", name, "--namespace", job.namespace, "--image", job.image, "--tag", job.tag]
            + (job.context.map { ["--context", $0] } ?? [])
    }

    /// - Parameters:
    ///   - near: a port of 127.0.0.1, or the path of a socket.
    ///   - far: `HOST:PORT`, or the path of a socket, of the node.
    private func forwarding<Outcome: Sendable>(
        _ near: String, _ far: String, isThere: () -> Bool, _ body: () async throws -> Outcome
    ) async throws -> Outcome {
        let (executable, arguments): (Executable, [String])
        switch way {
        case .local, .chroot: return try await body()
        case .job(let job):
            (executable, arguments) = (.path("/proc/self/exe"), Self.nodeExec(job, name) + ["--listen", near, "--to", far])
        case .ssh(let destination, let configuration, let jump):
            // A shared connection would keep the forwarding when this one has ended.
            (executable, arguments) = (
                .name("ssh"),
                Self.options(configuration, jump) + [
                    "-o", "ControlPath=none", "-N", "-o", "ExitOnForwardFailure=yes", "-L",
                    "\(near.hasPrefix("/") ? near : "127.0.0.1:\(near)"):\(far)", "--", destination,
                ]
            )
        }
        let outcome = try await Subprocess.run(
            executable, arguments: Arguments(arguments), environment: environment, input: .none, output: .discarded,
            error: .string(limit: Self.complaintLimit)
        ) { execution -> Result<Outcome, any Error> in
            let result: Result<Outcome, any Error>
            do {
                // A pod may have to be made first.
                let limit = ContinuousClock.now + (needsCluster ? Self.podPatience : Self.patience)
                while !isThere(), ContinuousClock.now < limit, kill(execution.processIdentifier.value, 0) == 0 {
                    try await Task.sleep(for: .milliseconds(20))
                }
                result = .success(try await body())
            } catch { result = .failure(error) }
            await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .seconds(3))])
            return result
        }
        // One that ended by itself says why; one that was ended here by a signal was of use.
        if case .exited(let code) = outcome.terminationStatus, code == 255 || code == 254 {
            try check(outcome.terminationStatus, outcome.standardError)
        }
        return try outcome.closureResult.get()
    }

    /// `word` as a shell reads it back.
    package static func quoted(_ word: String) -> String {
        let isPlain = !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_=./:,@%+[]".contains($0)) }
        return isPlain ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}

extension [NodeAccess] {
    /// The Job of the first that is reached by one: those of a run have all in common.
    package var pinnedJob: NodeAccess.PinnedJob? {
        for case .job(let job) in map(\.way) { return job }
        return nil
    }
}

/// Why a node did not do what it was asked.
package struct NodeError: Error, CustomStringConvertible, Sendable, Equatable {
    package enum Code: Sendable {
        /// Nobody answers there, or lets us in.
        case unreachable
        /// A command failed there.
        case failed
        /// A command was cut off by the end of its host.
        case interrupted
        /// A command goes on for longer than anybody waits.
        case stillRunning
    }

    package let code: Code
    /// Of a command that failed, where it ended by itself.
    package var exitCode: Int?
    /// Names the node. No secrets.
    package let description: String

    /// Whether asking again does not help: nobody lets us in, or there is no such host.
    var isFinal: Bool {
        ["Permission denied", "verification failed", "Could not resolve", "No such file or directory", "Bad configuration"].contains {
            description.contains($0)
        }
    }

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
