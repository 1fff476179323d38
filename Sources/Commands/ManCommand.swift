internal import ArgumentParser
internal import Foundation

struct ManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man",
        abstract: "Write the man pages.",
        discussion: "One page a command, in section 1: drydock man --output-dir /usr/local/share/man/man1"
    )

    @Option(help: "The folder for the pages.") var outputDir: String

    func run() throws {
        let tool = try JSONDecoder().decode(ManPage.Tool.self, from: Data(Drydock._dumpHelp().utf8))
        try FileManager.default.createDirectory(atPath: outputDir, withIntermediateDirectories: true)
        for page in ManPage.pages(of: tool.command, parents: []) {
            try Data(page.text.utf8).write(to: URL(fileURLWithPath: outputDir).appendingPathComponent("\(page.name).1"))
        }
    }
}

/// A command's help as a page of the manual (man-pages(7)).
struct ManPage {
    struct Tool: Decodable { var command: Command }

    struct Command: Decodable {
        var commandName: String
        var abstract: String?
        var discussion: String?
        var subcommands: [Command]?
        var arguments: [Argument]?
    }

    struct Argument: Decodable {
        struct Name: Decodable {
            var kind: String
            var name: String
        }

        var kind: String
        var shouldDisplay: Bool
        var isOptional: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?
    }

    let name: String
    let text: String

    /// The page of `command` and of every command below it.
    static func pages(of command: Command, parents: [String]) -> [ManPage] {
        guard command.commandName != "help" else { return [] }
        let words = parents + [command.commandName]
        let subcommands = (command.subcommands ?? []).filter { $0.commandName != "help" }
        let name = words.joined(separator: "-")
        var lines = [
            ".TH \(quote(name.uppercased())) 1 \"\" \(quote("drydock \(Version.current)"))", ".SH NAME",
            "\(escape(name)) \\- \(escape(command.abstract ?? ""))",
        ]
        let arguments = (command.arguments ?? []).filter(\.shouldDisplay)
        lines += [".SH SYNOPSIS", ".B \(escape(words.joined(separator: " ")))"]
        lines += subcommands.isEmpty ? arguments.map(synopsis) : [".I command"]
        if let discussion = command.discussion, !discussion.isEmpty { lines += [".SH DESCRIPTION", escape(discussion)] }
        if !arguments.isEmpty {
            lines.append(".SH OPTIONS")
            for argument in arguments {
                lines += [".TP", ".B \(escape(signature(argument)))", escape(argument.abstract ?? "")]
                if let value = argument.defaultValue { lines.append("Default: \(escape(value)).") }
            }
        }
        if !subcommands.isEmpty {
            lines.append(".SH COMMANDS")
            for subcommand in subcommands {
                lines += [".TP", ".BR \(escape("\(name)-\(subcommand.commandName)")) (1)", escape(subcommand.abstract ?? "")]
            }
        }
        lines += [
            ".SH EXIT STATUS", "0 done, 1 failed, 2 wrong usage or input, 3 done but with findings, 4 refused by a safety rule, 75 try again later.",
        ]
        return [ManPage(name: name, text: lines.joined(separator: "\n") + "\n")] + subcommands.flatMap { pages(of: $0, parents: words) }
    }

    private static func signature(_ argument: Argument) -> String {
        let names = (argument.names ?? []).map { ($0.kind == "long" ? "--" : "-") + $0.name }.joined(separator: ", ")
        let value = argument.kind == "flag" ? "" : (argument.valueName ?? "value")
        return argument.kind == "positional" ? value.uppercased() : names + (value.isEmpty ? "" : " \(value)")
    }

    private static func synopsis(_ argument: Argument) -> String {
        let text = escape(signature(argument))
        return argument.isOptional ? "[\\fB\(text)\\fR]" : "\\fI\(text)\\fR"
    }

    private static func quote(_ text: String) -> String { "\"\(escape(text))\"" }

    /// Nothing of the text may be taken for a request or an escape.
    private static func escape(_ text: String) -> String {
        let escaped = text.replacingOccurrences(of: "\\", with: "\\e").replacingOccurrences(of: "-", with: "\\-")
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }
}
