internal import Foundation
internal import KubernetesAPI

/// One JSON object a line on standard error, for what runs in a cluster.
enum JSONLog {
    static func write(_ level: String, _ message: String, _ fields: [String: String]) {
        var line: [String: String] = fields
        line["time"] = Timestamp.microTime(Date())
        line["level"] = level
        line["message"] = message
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(line) else { return }
        _ = Terminal.write(String(decoding: data, as: UTF8.self) + "\n", to: STDERR_FILENO)
    }
}
