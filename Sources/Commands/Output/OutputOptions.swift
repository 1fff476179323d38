internal import ArgumentParser
internal import EtcdStorage
internal import Foundation
internal import Logging
internal import Yams

/// How a command that reports is read: by a person or by a program.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json, yaml

    /// etcdctl's `simple` and `fields` are for reading, too.
    init?(argument: String) { self.init(rawValue: ["simple", "fields"].contains(argument) ? "table" : argument) }
}

/// The options that every command has.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("output"), .customShort("w"), .customLong("write-out")],
        help: ArgumentHelp("How to print the result. (ETCDCTL_WRITE_OUT; default: table)", valueName: "table|json|yaml"))
    var requestedFormat: OutputFormat?

    /// The flag, or etcdctl's variable, or the table.
    var format: OutputFormat {
        requestedFormat ?? ProcessInfo.processInfo.environment["ETCDCTL_WRITE_OUT"].flatMap(OutputFormat.init(argument:)) ?? .table
    }

    @Flag(name: .shortAndLong, help: "Print the result only: no progress, no remarks.")
    var quiet = false

    @Option(help: ArgumentHelp("What to log on standard error.", valueName: "trace|debug|info|warning|error"))
    var logLevel: LogLevel = .warning

    enum LogLevel: String, ExpressibleByArgument, CaseIterable {
        case trace, debug, info, warning, error
    }

    func validate() throws {
        // Only the command that runs is validated, and only once; logging cannot be set up twice.
        let level = Logger.Level(rawValue: logLevel.rawValue) ?? .warning
        LoggingSystem.bootstrapOnce { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
    }

    /// Prints `report` as the user asked; `table` makes what people read.
    func emit(_ report: some Encodable, table: () -> String) throws {
        let text: String
        switch format {
        case .table: text = Terminal.printable(table()) + "\n"
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            text = String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
        case .yaml: text = try YAMLEncoder().encode(report)
        }
        guard Terminal.write(text, to: STDOUT_FILENO) else {
            throw StorageError(.system, "cannot write the result to standard output. Check where it goes.")
        }
    }

    /// Tells a person what happens; silent with --quiet. Goes to standard error, so that standard output is the result alone.
    func remark(_ text: String) {
        if !quiet { Terminal.complain(text) }
    }
}

extension LoggingSystem {
    private static let once = OnceFlag()

    fileprivate static func bootstrapOnce(_ factory: @escaping @Sendable (String) -> any LogHandler) {
        if once.claim() { bootstrap(factory) }
    }
}
