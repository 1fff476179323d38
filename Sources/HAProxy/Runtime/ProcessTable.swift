/// What the master says of itself and its workers (`show proc`; HAProxy management guide, section 9.4).
package struct ProcessTable: Sendable, Equatable {
    package struct Worker: Sendable, Equatable {
        package var processID: Int
        /// How many reloads it has outlived.
        package var reloads: Int
        package var version: String
    }

    package var master: Int
    /// Reloads since the master started, and how many of them failed.
    package var reloads: Int
    package var failedReloads: Int
    package var version: String
    /// Who takes connections: one, unless a reload is under way.
    package var workers: [Worker] = []
    /// Who only finishes what it has begun.
    package var oldWorkers: [Worker] = []

    /// Parses the answer to `show proc`.
    /// - Throws: `HAProxyError` `.malformed`.
    package init(parsing text: String) throws {
        var found: (master: Int, reloads: Int, failed: Int, version: String)?
        var section = ""
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") {
                if !line.hasPrefix("#<PID>") { section = line.dropFirst().trimmingSpaces }
                continue
            }
            // `PID  type  reloads [failed: N]  uptime  version`: columns are padded, and one holds a space.
            let words = line.split(separator: " ")
            guard words.count >= 4, let processID = Int(words[0]), let reloads = Int(words[2]) else {
                throw HAProxyError(.malformed, "`show proc` says \"\(line.prefix(80))\", which is no process.")
            }
            let version = String(words[words.count - 1])
            switch (words[1], section) {
            case ("master", _):
                var failed = 0
                if let index = words.firstIndex(of: "[failed:"), index + 1 < words.count {
                    failed = Int(words[index + 1].prefix { $0.isNumber }) ?? 0
                }
                found = (processID, reloads, failed, version)
            case ("worker", "old workers"): oldWorkers.append(Worker(processID: processID, reloads: reloads, version: version))
            case ("worker", _): workers.append(Worker(processID: processID, reloads: reloads, version: version))
            default: break
            }
        }
        guard let found else { throw HAProxyError(.malformed, "`show proc` names no master: this is no master socket.") }
        (master, self.reloads, failedReloads, version) = found
    }
}

extension Substring {
    var trimmingSpaces: String {
        var rest = self
        while rest.first?.isWhitespace == true { rest = rest.dropFirst() }
        while rest.last?.isWhitespace == true { rest = rest.dropLast() }
        return String(rest)
    }
}
