internal import Foundation
package import Maintenance

extension RunOwner {
    /// This process.
    package static var current: RunOwner {
        RunOwner(
            host: ProcessInfo.processInfo.hostName, processID: getpid(), processStart: startTime(of: getpid()) ?? 0, bootID: currentBoot,
            user: ProcessInfo.processInfo.userName)
    }

    /// Whether that process is still there; nil when this host cannot tell, because it is on another one.
    package var isAlive: Bool? {
        guard host == ProcessInfo.processInfo.hostName else { return nil }
        guard bootID == Self.currentBoot else { return false }
        guard let start = Self.startTime(of: processID) else { return kill(processID, 0) == 0 || errno == EPERM }
        return start == processStart
    }

    /// For people: `process 4711 of root on node-1`.
    package var text: String { "process \(processID) of \(user) on \(host)" }

    private static var currentBoot: String {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        return (text ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Field 22 of /proc/PID/stat (proc(5)); nil when there is no such process, or it is a zombie, which does nothing any more.
    private static func startTime(of process: Int32) -> UInt64? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8), let end = text.lastIndex(of: ")") else { return nil }
        // The second field, in parentheses, may hold anything; the third follows it.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }
}
