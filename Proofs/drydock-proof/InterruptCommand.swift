internal import ArgumentParser
internal import Commands
internal import Foundation
internal import Journal
internal import Synchronization

/// Runs drydock and sends itself a signal at one of the journal's boundaries: the moments between which a run can be killed.
struct InterruptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interrupt", abstract: "Run drydock, and stop or kill it at a boundary of its journal.",
        discussion: "drydock-proof interrupt --at 7 --signal 9 -- etcd defrag …")

    @Option(help: "The boundary, from 1; 0 for none.") var at = 0
    @Option(help: "Instead of a number: the boundary that reads so.") var named: String?
    @Option(help: "The signal: 9 kills, 19 stops.") var signal: Int32 = 9
    @Option(help: "A file that gets a line a boundary.") var list: String?
    @Argument(parsing: .postTerminator) var arguments: [String]

    func run() async throws {
        let count = Counter()
        let (at, named, signal, list) = (at, named, signal, list)
        if let list { _ = FileManager.default.createFile(atPath: list, contents: nil) }
        let observe: @Sendable (Journal.Boundary) -> Void = { boundary in
            let number = count.next()
            if let list, let file = FileHandle(forWritingAtPath: list) {
                _ = try? file.seekToEnd()
                try? file.write(contentsOf: Data("\(boundary)\n".utf8))
                try? file.close()
            }
            if number == at || boundary.description == named { kill(getpid(), signal) }
        }
        let arguments = arguments
        await Journal.$onBoundary.withValue(observe) { () async -> Void in await Program.run(arguments) }
    }

    private final class Counter: Sendable {
        private let value = Atomic(0)
        func next() -> Int { value.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }
    }
}
