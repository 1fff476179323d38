internal import Foundation
internal import Proving

/// A page of figures whose sections are written by different commands, each between marks of its own.
struct ReportFile {
    let path: String

    func replace(section: String, with text: String) throws {
        let (begin, end) = ("<!-- begin \(section) -->", "<!-- end \(section) -->")
        let block = "\(begin)\n\(text.trimmingCharacters(in: .whitespacesAndNewlines))\n\(end)"
        var page = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        if let first = page.range(of: begin), let last = page.range(of: end), first.lowerBound < last.lowerBound {
            page.replaceSubrange(first.lowerBound..<last.upperBound, with: block)
        } else {
            page = page.trimmingCharacters(in: .whitespacesAndNewlines) + (page.isEmpty ? "" : "\n\n") + block + "\n"
        }
        try Data(page.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// The machine, in a line: processor, cores, memory, kernel.
    static func machine() async throws -> String {
        let machine = try await CommandRun.run(
            "sh", ["-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2; nproc; free -g | awk '/Mem/ {print $2}'; uname -r"])
        let facts = machine.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        return "\(facts.joined(separator: ", ")) (processor, cores, GiB of memory, kernel)"
    }
}
